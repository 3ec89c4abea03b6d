//! Registration records: one per device that ever got in (`wire-protocol.md` section 7.6).

use super::{EnrollmentRef, device_key};
use crate::config::some_parsed;
use crate::store::Ticket;
use crate::summary::shown;
use core::ops::Bound;
use core::time::Duration;
use dps_core::wire::{RegistrationStatus, X509Result};
use dps_core::{IdError, RegistrationId, SymmetricKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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
    /// What the webhook of a custom allocation had to say to the device: JSON.
    pub payload: Option<Box<RawValue>>,
    /// The device's primary key in its hub, which the service sends to its TPM; none when the
    /// device has another proof.
    pub hub_key: Option<SymmetricKey>,
    /// When this is kept, the record is.
    pub(crate) ticket: Ticket,
}

impl RegistrationRecord {
    /// The record as it stands at `now`: a decision that is still to come is not shown.
    pub(crate) fn at(&self, now: Duration) -> Self {
        if self.last_updated <= now { self.clone() } else { self.undecided(now) }
    }

    /// The record without its decision.
    pub(crate) fn undecided(&self, now: Duration) -> Self {
        Self {
            status: RegistrationStatus::Assigning,
            assigned_hub: None,
            device_id: None,
            substatus: None,
            error_code: None,
            error_message: None,
            payload: None,
            last_updated: now,
            ..self.clone()
        }
    }
}

/// All records, by registration ids in lower case.
#[derive(Debug, Default)]
pub(crate) struct Records(BTreeMap<String, RegistrationRecord>);

impl Records {
    /// The record of a device.
    pub(crate) fn get(&self, id: &RegistrationId) -> Option<&RegistrationRecord> {
        self.0.get(&device_key(id))
    }

    /// Stores a record, in place of an older one of the same device.
    pub(crate) fn put(&mut self, record: RegistrationRecord) {
        self.0.insert(device_key(&record.registration_id), record);
    }

    /// Forgets the key that a device's TPM has for its hub. The record, if it had one.
    pub(crate) fn drop_hub_key(&mut self, device_key: &str) -> Option<&RegistrationRecord> {
        let record = self.0.get_mut(device_key)?;
        record.hub_key.take()?;
        Some(record)
    }

    /// Forgets a device.
    pub(crate) fn remove(&mut self, id: &RegistrationId) -> Option<RegistrationRecord> {
        self.0.remove(&device_key(id))
    }

    /// All records, sorted by registration id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &RegistrationRecord> {
        self.0.values()
    }

    /// The records of a group's devices behind a place in the order, with their places.
    pub(crate) fn of_group(
        &self,
        group: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&String, &RegistrationRecord)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range::<str, _>((from, Bound::Unbounded)).filter(move |(_, record)| {
            matches!(&record.enrollment, EnrollmentRef::Group(name)
                if name.eq_ignore_ascii_case(group))
        })
    }
}

/// A record in a state file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordRow {
    registration_id: String,
    /// The name of the group that let the device in; none when it has an enrollment of its own.
    group: Option<String>,
    status: RegistrationStatus,
    assigned_hub: Option<String>,
    device_id: Option<String>,
    substatus: Option<String>,
    error_code: Option<u32>,
    error_message: Option<String>,
    created: Duration,
    last_updated: Duration,
    etag: String,
    x509: Option<X509Result>,
    payload: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "some_parsed", serialize_with = "shown")]
    hub_key: Option<SymmetricKey>,
}

impl From<&RegistrationRecord> for RecordRow {
    fn from(record: &RegistrationRecord) -> Self {
        let record = record.clone();
        Self {
            registration_id: record.registration_id.to_string(),
            group: match record.enrollment {
                EnrollmentRef::Group(name) => Some(name),
                EnrollmentRef::Individual(_) => None,
            },
            status: record.status,
            assigned_hub: record.assigned_hub,
            device_id: record.device_id,
            substatus: record.substatus,
            error_code: record.error_code,
            error_message: record.error_message,
            created: record.created,
            last_updated: record.last_updated,
            etag: record.etag,
            x509: record.x509,
            payload: record.payload,
            hub_key: record.hub_key,
        }
    }
}

impl TryFrom<RecordRow> for RegistrationRecord {
    type Error = IdError;

    fn try_from(row: RecordRow) -> Result<Self, IdError> {
        let registration_id = RegistrationId::new(row.registration_id)?;
        Ok(Self {
            enrollment: match row.group {
                Some(name) => EnrollmentRef::Group(name),
                None => EnrollmentRef::Individual(registration_id.clone()),
            },
            registration_id,
            status: row.status,
            assigned_hub: row.assigned_hub,
            device_id: row.device_id,
            substatus: row.substatus,
            error_code: row.error_code,
            error_message: row.error_message,
            created: row.created,
            last_updated: row.last_updated,
            etag: row.etag,
            x509: row.x509,
            payload: row.payload,
            hub_key: row.hub_key,
            ticket: Ticket::default(),
        })
    }
}
