//! Registration records: one per device that ever got in (`wire-protocol.md` section 7.6).

use super::{EnrollmentRef, device_key};
use core::time::Duration;
use dps_core::wire::{RegistrationStatus, X509Result};
use dps_core::{RegistrationId, SymmetricKey};
use std::collections::HashMap;

/// What the service remembers of a device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistrationRecord {
    /// The registration id in the case it was first stored in.
    pub registration_id: RegistrationId,
    /// The enrollment that last let the device in.
    pub enrollment: EnrollmentRef,
    /// How the last registration stands or ended.
    pub status: RegistrationStatus,
    /// The hub's host name, when the status is assigned.
    pub assigned_hub: Option<String>,
    /// The device's name in that hub, when the status is assigned.
    pub device_id: Option<String>,
    /// Set when the status is assigned.
    pub substatus: Option<String>,
    /// Set when the status is failed.
    pub error_code: Option<u32>,
    /// Set when the status is failed.
    pub error_message: Option<String>,
    /// When the device first registered, since 1970-01-01T00:00:00Z.
    pub created: Duration,
    /// When the record last changed.
    pub last_updated: Duration,
    /// Version of the record.
    pub etag: String,
    /// The certificates that let the device in; none when it came with a key.
    pub x509: Option<X509Result>,
    /// The device's primary key in its hub, which the service sends to its TPM; none when the
    /// device has another proof.
    pub hub_key: Option<SymmetricKey>,
}

impl RegistrationRecord {
    /// The record as it stands at `now`: a decision that is still to come is not shown.
    pub(crate) fn at(&self, now: Duration) -> Self {
        if self.last_updated <= now {
            return self.clone();
        }
        Self {
            status: RegistrationStatus::Assigning,
            assigned_hub: None,
            device_id: None,
            substatus: None,
            error_code: None,
            error_message: None,
            last_updated: now,
            ..self.clone()
        }
    }
}

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Records(HashMap<String, RegistrationRecord>);

impl Records {
    /// The record of a device.
    pub(crate) fn get(&self, id: &RegistrationId) -> Option<&RegistrationRecord> {
        self.0.get(&device_key(id))
    }

    /// Stores a record, in place of an older one of the same device.
    pub(crate) fn put(&mut self, record: RegistrationRecord) {
        self.0.insert(device_key(&record.registration_id), record);
    }

    /// All records as they stand at `now`, sorted by registration id.
    pub(crate) fn snapshot(&self, now: Duration) -> Vec<RegistrationRecord> {
        let mut records: Vec<_> = self.0.values().map(|record| record.at(now)).collect();
        records.sort_by_cached_key(|record| device_key(&record.registration_id));
        records
    }
}
