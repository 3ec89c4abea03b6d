//! Several enrollments at once (`wire-protocol.md` section 7.2).

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

/// What is to be done with all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum BulkMode {
    /// Create them; none may be there.
    Create,
    /// Update them, whatever they are.
    Update,
    /// Update those that still have the etag that they come with.
    #[serde(rename = "updateIfMatchETag")]
    UpdateIfMatchETag,
    /// Delete them.
    Delete,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkResult {
    /// Whether all was done.
    pub is_successful: bool,
    /// What was not.
    #[serde(default)]
    pub errors: Vec<BulkError>,
}

/// Why something was not done with one of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkError {
    /// Which one: a registration id or a group's name.
    #[serde(alias = "enrollmentGroupId")]
    pub registration_id: String,
    /// The service's code.
    #[serde(default)]
    pub error_code: Option<u32>,
    /// The service's words.
    #[serde(default)]
    pub error_status: Option<String>,
}

pub(crate) struct BulkRequest<'a, T> {
    pub(crate) mode: BulkMode,
    pub(crate) list: &'static str,
    pub(crate) items: &'a [T],
}

impl<T: Serialize> Serialize for BulkRequest<'_, T> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(Some(2))?;
        map.serialize_entry("mode", &self.mode)?;
        map.serialize_entry(self.list, self.items)?;
        map.end()
    }
}
