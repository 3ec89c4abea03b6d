//! Registration records (`wire-protocol.md` sections 6.2 and 7.2).

use crate::client::ServiceClient;
use crate::error::Error;
use crate::query::Query;
use dps_core::sas::{HexCase, percent_encode};
use dps_core::wire::RegistrationStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ureq::http::Method;

/// How a device's registration stands. Members that this version does not know are kept in
/// `other`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeviceRegistrationState {
    /// The device's registration id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<String>,
    /// The hub's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_hub: Option<String>,
    /// The device's name in that hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// How it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RegistrationStatus>,
    /// What happened to the device's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// Why it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_date_time_utc: Option<String>,
    /// Which state of the record this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// All registration records.
#[derive(Debug)]
pub struct Registrations<'a> {
    client: &'a ServiceClient,
}

impl<'a> Registrations<'a> {
    pub(crate) fn new(client: &'a ServiceClient) -> Self {
        Self { client }
    }

    /// Reads a device's record.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when the device has never registered; every other
    /// [`Error`] may come, too, here and below.
    pub fn get(&self, registration_id: &str) -> Result<DeviceRegistrationState, Error> {
        self.client.call(Method::GET, &path(registration_id), &[], None::<&()>)?.read()
    }

    /// Deletes a device's record, if it still has the given etag; without one, whatever it is.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 412 when it has been changed since, 404 when there is none.
    pub fn delete(&self, registration_id: &str, etag: Option<&str>) -> Result<(), Error> {
        let header = etag.map(|etag| ("If-Match", etag));
        let headers = header.as_slice();
        self.client.call(Method::DELETE, &path(registration_id), headers, None::<&()>).map(drop)
    }

    /// Reads the records of a group's devices, `page_size` at a time, as they are asked for.
    pub fn of_group(
        &self,
        group: &str,
        page_size: Option<u32>,
    ) -> Query<'a, DeviceRegistrationState> {
        Query::new(self.client, format!("{}/query", path(group)), None, page_size)
    }
}

fn path(id: &str) -> String {
    format!("/registrations/{}", percent_encode(id, HexCase::Upper))
}
