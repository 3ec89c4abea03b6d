//! What a registration leaves behind: an identity in a hub, and the device's record
//! (`wire-protocol.md` sections 6.2 and 7.6).

use super::authentication::Match;
use super::refusal::Refusal;
use super::{DeviceIdentity, State, operations::Verdict, reply};
use crate::config::InitialTwin;
use crate::hub::HubIdentity;
use crate::model::{
    EnrollmentRef, HubDevice, HubDevices, Placement, RecordRow, RegistrationRecord, device_key,
};
use crate::store::{Change, Table, Ticket};
use core::time::Duration;
use dps_core::wire::RegistrationStatus;

const INITIAL_ASSIGNMENT: &str = "initialAssignment";
pub(super) const DEVICE_DATA_MIGRATED: &str = "deviceDataMigrated";
pub(super) const DEVICE_DATA_RESET: &str = "deviceDataReset";
const REPROVISIONED_TO_INITIAL_ASSIGNMENT: &str = "reprovisionedToInitialAssignment";

/// What a verdict leads to.
pub(super) struct Concluded {
    pub(super) record: RegistrationRecord,
    /// All that is different now.
    pub(super) changes: Vec<Change>,
    /// What the device proves itself with to its hub, if it has one.
    pub(super) proof: Option<HubIdentity>,
    /// The hub that the device has left, and its id there.
    pub(super) left: Option<(String, String)>,
}

/// The record of a device as a verdict makes it, and all that changed with it. `decided` is when
/// the device may know. The record is not stored yet.
pub(super) fn conclude(
    state: &mut State,
    identity: &DeviceIdentity,
    found: &Match,
    verdict: Verdict,
    decided: Duration,
    now: Duration,
) -> Concluded {
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
        ticket: Ticket::default(),
    };
    let mut changes = Vec::new();
    let (mut proof, mut left) = (None, None);
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
            let settled = move_in.settle(&mut state.devices, earlier, &place, &mut changes);
            record.substatus = Some(settled.substatus.to_owned());
            record.payload = payload;
            record.hub_key = match found.is_tpm() {
                true => record.hub_key.take().or_else(|| Some(state.random.tpm_key())),
                false => None,
            };
            left = settled.left.map(|left| (left.hub, left.device_id));
            proof = found.hub_identity(&identity.registration_id, record.hub_key.as_ref());
            changes.push(state.devices.put(settled.device, proof.clone()));
            record.assigned_hub = Some(place.hub);
            record.device_id = Some(place.device_id);
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
    Concluded { record, changes, proof, left }
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

/// Where and how a device is in its hub.
struct Settled {
    substatus: &'static str,
    device: HubDevice,
    /// Where its identity was until now, if it was another place.
    left: Option<Place>,
}

impl MoveIn<'_> {
    /// Makes, keeps or moves the identity, which is still to be stored. An identity that another
    /// registration has taken over, by the same device id, is not this one's to move.
    fn settle(
        self,
        devices: &mut HubDevices,
        earlier: Option<Place>,
        place: &Place,
        changes: &mut Vec<Change>,
    ) -> Settled {
        let fresh = self.fresh(place);
        let was_here = earlier.as_ref().is_some_and(|earlier| earlier.key() == place.key());
        let Some(earlier) = earlier.filter(|_| !was_here) else {
            let (substatus, device) = match devices.get(&place.hub, &place.device_id) {
                // Also one whose registration was forgotten, or another's: the hub keeps its twin.
                Some(known) => {
                    let registration_id = fresh.registration_id;
                    (INITIAL_ASSIGNMENT, HubDevice { registration_id, ..known.clone() })
                }
                None if !was_here => (INITIAL_ASSIGNMENT, fresh),
                // Somebody has removed it from the hub.
                None => (REPROVISIONED_TO_INITIAL_ASSIGNMENT, fresh),
            };
            return Settled { substatus, device, left: None };
        };
        let is_own = devices.get(&earlier.hub, &earlier.device_id).is_some_and(|device| {
            device.registration_id.eq_ignore_ascii_case(self.registration_id)
        });
        let moved = if is_own { devices.remove(&earlier.hub, &earlier.device_id) } else { None };
        let Some((HubDevice { twin, desired_version, capabilities, .. }, change)) = moved else {
            return Settled { substatus: DEVICE_DATA_RESET, device: fresh, left: None };
        };
        changes.push(change);
        let policy = self.placement.reprovision_policy.unwrap_or_default();
        let left = Some(earlier);
        if policy.migrate_device_data && self.twin.is_none() {
            let device = HubDevice { twin, desired_version, capabilities, ..fresh };
            Settled { substatus: DEVICE_DATA_MIGRATED, device, left }
        } else {
            Settled { substatus: DEVICE_DATA_RESET, device: fresh, left }
        }
    }

    /// An identity with an initial twin: the webhook's, or the enrollment's.
    fn fresh(&self, place: &Place) -> HubDevice {
        let twin = self.twin.as_ref().or(self.placement.initial_twin.as_ref());
        HubDevice {
            hub: place.hub.clone(),
            device_id: place.device_id.clone(),
            registration_id: self.registration_id.to_owned(),
            twin: twin.cloned().unwrap_or_default(),
            desired_version: 1,
            capabilities: self.placement.capabilities,
            created: self.now,
        }
    }
}
