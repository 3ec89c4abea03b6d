//! Who may use the service API (`wire-protocol.md` section 7.1).

use super::enrollment::some_parsed;
use dps_core::SymmetricKey;
use serde::{Deserialize, Serialize};

/// A shared access policy: a name, two keys, and what whoever has one of them may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SharedAccessPolicyConfig {
    /// The policy's name, which tokens state as `skn`.
    pub key_name: String,
    /// The primary key; made up unless given.
    #[serde(default, deserialize_with = "some_parsed")]
    pub primary_key: Option<SymmetricKey>,
    /// The secondary key; made up unless given.
    #[serde(default, deserialize_with = "some_parsed")]
    pub secondary_key: Option<SymmetricKey>,
    /// What it allows. Default: everything.
    #[serde(default = "Permission::all")]
    pub rights: Vec<Permission>,
}

impl SharedAccessPolicyConfig {
    /// A policy that allows everything, with keys that are made up when the service starts.
    pub fn new(key_name: impl Into<String>) -> Self {
        Self {
            key_name: key_name.into(),
            primary_key: None,
            secondary_key: None,
            rights: Permission::all(),
        }
    }
}

/// What a policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Permission {
    /// Changing the service itself: the admin API, which is the local service's own.
    ServiceConfig,
    /// Reading enrollments.
    EnrollmentRead,
    /// Reading and writing enrollments.
    EnrollmentWrite,
    /// Reading registration records.
    RegistrationStatusRead,
    /// Reading and deleting registration records.
    RegistrationStatusWrite,
}

impl Permission {
    /// Everything.
    pub(crate) const ALL: [Self; 5] = [
        Self::ServiceConfig,
        Self::EnrollmentRead,
        Self::EnrollmentWrite,
        Self::RegistrationStatusRead,
        Self::RegistrationStatusWrite,
    ];

    pub(crate) fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// Whether having this one is enough where `needed` is asked for: who may write may read.
    pub(crate) fn covers(self, needed: Self) -> bool {
        self == needed
            || matches!(
                (self, needed),
                (Self::EnrollmentWrite, Self::EnrollmentRead)
                    | (Self::RegistrationStatusWrite, Self::RegistrationStatusRead)
            )
    }
}
