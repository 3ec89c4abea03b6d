//! What a registration leaves behind: an identity in a hub, and the device's record
//! (`wire-protocol.md` sections 6.2 and 7.6).

use super::authentication::Match;
use super::refusal::Refusal;
use super::{DeviceIdentity, State, operations::Verdict, reply};
use crate::config::InitialTwin;
use crate::model::{
    EnrollmentRef, HubDevice, HubDevices, Placement, RecordRow, RegistrationRecord, device_key,
};
use crate::store::{Change, Table};
use core::time::Duration;
use dps_core::wire::RegistrationStatus;

const INITIAL_ASSIGNMENT: &str = "initialAssignment";
pub(super) const DEVICE_DATA_MIGRATED: &str = "deviceDataMigrated";
const DEVICE_DATA_RESET: &str = "deviceDataReset";
const REPROVISIONED_TO_INITIAL_ASSIGNMENT: &str = "reprovisionedToInitialAssignment";

/// The record of a device as a verdict makes it, and all that changed with it. `decided` is when
/// the device may know.
pub(super) fn conclude(
    state: &mut State,
    identity: &DeviceIdentity,
    found: &Match,
    verdict: Verdict,
    decided: Duration,
    now: Duration,
) -> (RegistrationRecord, Vec<Change>) {
    let before = state.records.get(&identity.registration_id);
    let registration_id = match (found.reference(), before) {
        (EnrollmentRef::Individual(id), _) => id,
        (EnrollmentRef::Group(_), Some(record)) => record.registration_id.clone(),
        (EnrollmentRef::Group(_), None) => identity.registration_id.clone(),
    };
    let mut record = RegistrationRecord {
        registration_id,
        enrollment: found.reference(),
        status: RegistrationStatus::Assigned,
        // A device that is refused now stays in the hub it is in.
        assigned_hub: before.and_then(|record| record.assigned_hub.clone()),
        device_id: before.and_then(|record| record.device_id.clone()),
        substatus: None,
        error_code: None,
        error_message: None,
        created: before.map_or(now, |record| record.created),
        last_updated: decided,
        etag: reply::etag(&mut state.random),
        x509: found.x509(),
        payload: None,
        hub_key: before.and_then(|record| record.hub_key.clone()),
    };
    let mut changes = Vec::new();
    match verdict {
        Verdict::Assign { hub, twin, payload } => {
            let place = Place {
                device_id: found.device_id().unwrap_or(record.registration_id.as_str()).to_owned(),
                hub,
            };
            let earlier = record.assigned_hub.take().zip(record.device_id.take());
            let earlier = earlier.map(|(hub, device_id)| Place { hub, device_id });
            let move_in = MoveIn {
                registration_id: record.registration_id.as_str(),
                placement: found.placement(),
                twin,
                now,
            };
            let substatus = move_in.settle(&mut state.devices, earlier, &place, &mut changes);
            record.substatus = Some(substatus.to_owned());
            record.assigned_hub = Some(place.hub);
            record.device_id = Some(place.device_id);
            record.payload = payload;
            record.hub_key = match found.is_tpm() {
                true => record.hub_key.or_else(|| Some(state.random.tpm_key())),
                false => None,
            };
        }
        Verdict::Fail { error_code, message } => {
            record.status = RegistrationStatus::Failed;
            record.error_code = Some(error_code);
            record.error_message = Some(message);
        }
        Verdict::Disabled { as_failure: true } => {
            record.status = RegistrationStatus::Failed;
            record.error_code = Some(Refusal::Disabled.error_code());
            record.error_message = Some("The enrollment is disabled.".to_owned());
        }
        Verdict::Disabled { as_failure: false } => record.status = RegistrationStatus::Disabled,
    }
    let key = device_key(&record.registration_id);
    changes.push(Change::put(Table::Registrations, key, &RecordRow::from(&record)));
    state.records.put(record.clone());
    (record, changes)
}

/// Where a device is.
#[derive(Debug)]
struct Place {
    hub: String,
    device_id: String,
}

impl Place {
    fn key(&self) -> String {
        HubDevices::key(&self.hub, &self.device_id)
    }
}

/// A device that comes to a hub, for the first time or again.
struct MoveIn<'a> {
    registration_id: &'a str,
    placement: &'a Placement,
    /// What a webhook wants its twin to be.
    twin: Option<InitialTwin>,
    now: Duration,
}

impl MoveIn<'_> {
    /// Makes, keeps or moves the identity; gives the substatus.
    fn settle(
        self,
        devices: &mut HubDevices,
        earlier: Option<Place>,
        place: &Place,
        changes: &mut Vec<Change>,
    ) -> &'static str {
        let (substatus, identity) = match earlier {
            None => (INITIAL_ASSIGNMENT, self.fresh(place)),
            Some(earlier) if earlier.key() == place.key() => {
                if devices.get(&place.hub, &place.device_id).is_some() {
                    return INITIAL_ASSIGNMENT;
                }
                // Somebody has removed it from the hub.
                (REPROVISIONED_TO_INITIAL_ASSIGNMENT, self.fresh(place))
            }
            Some(earlier) => {
                let moved = devices.remove(&earlier.hub, &earlier.device_id);
                changes.push(Change::removed(Table::HubDevices, earlier.key()));
                let policy = self.placement.reprovision_policy.unwrap_or_default();
                match moved {
                    Some(moved) if policy.migrate_device_data && self.twin.is_none() => {
                        let fresh = self.fresh(place);
                        let HubDevice { twin, capabilities, .. } = moved;
                        (DEVICE_DATA_MIGRATED, HubDevice { twin, capabilities, ..fresh })
                    }
                    _ => (DEVICE_DATA_RESET, self.fresh(place)),
                }
            }
        };
        changes.push(Change::put(Table::HubDevices, place.key(), &identity));
        devices.put(identity);
        substatus
    }

    /// An identity with an initial twin: the webhook's, or the enrollment's.
    fn fresh(&self, place: &Place) -> HubDevice {
        let twin = self.twin.as_ref().or(self.placement.initial_twin.as_ref());
        HubDevice {
            hub: place.hub.clone(),
            device_id: place.device_id.clone(),
            registration_id: self.registration_id.to_owned(),
            twin: twin.cloned().unwrap_or_default(),
            capabilities: self.placement.capabilities,
            created: self.now,
        }
    }
}
