//! What registrations leave in the hubs where devices connect: their identities and twins
//! (`wire-protocol.md` section 7.6).

use super::provision::DEVICE_DATA_MIGRATED;
use crate::events::Events;
use crate::hub::{self, HubIdentity};
use crate::model::{
    EnrollmentRef, HubDevice, HubDevices, Hubs, Model, Records, RegistrationRecord,
};
use core::time::Duration;
use dps_core::RegistrationId;
use dps_core::wire::RegistrationStatus;
use serde_json::Value;
use std::sync::Arc;

/// The linked hubs, without devices.
pub(super) fn hubs(linked: &Hubs, clock_skew: Duration, events: Arc<Events>) -> hub::Hubs {
    let hubs = hub::Hubs::new(clock_skew, events);
    linked.names().iter().for_each(|name| hubs.add(name));
    hubs
}

/// The hub of a registered device, and its id there.
pub(super) fn place(record: &RegistrationRecord) -> Option<(String, String)> {
    record.assigned_hub.clone().zip(record.device_id.clone())
}

/// A device that was at `before` has registered: makes its identity in the hub, or moves it
/// there.
pub(super) fn move_in(
    hubs: &hub::Hubs,
    devices: &HubDevices,
    before: Option<(String, String)>,
    record: &RegistrationRecord,
    identity: HubIdentity,
) {
    // One that was refused now stays as it is.
    if record.status != RegistrationStatus::Assigned {
        return;
    }
    let Some((to, device)) = place(record) else { return };
    let twin = devices.get(&to, &device).and_then(twin);
    let twin = twin.as_ref();
    match before {
        Some((from, earlier)) if !from.eq_ignore_ascii_case(&to) || earlier != device => {
            if earlier == device && record.substatus.as_deref() == Some(DEVICE_DATA_MIGRATED) {
                hubs.migrate(&from, &to, &device, identity, twin);
            } else {
                hubs.remove(&from, &earlier);
                hubs.reset(&from, &to, &device, identity, twin);
            }
        }
        _ => hubs.assign(&to, &device, identity, twin),
    }
}

/// Makes the identities that an earlier service has left, as far as their enrollments are still
/// there, which know the proof.
pub(super) fn move_back(hubs: &hub::Hubs, model: &Model, records: &Records, devices: &HubDevices) {
    for device in devices.all() {
        let Ok(id) = RegistrationId::new(device.registration_id.as_str()) else { continue };
        let record = records.get(&id);
        let hub_key = record.and_then(|record| record.hub_key.as_ref());
        let own = |id: &RegistrationId| {
            HubIdentity::of_device(&model.enrollment(id)?.attestation, hub_key)
        };
        let identity = match record.map(|record| &record.enrollment) {
            Some(EnrollmentRef::Individual(id)) => own(id),
            Some(EnrollmentRef::Group(name)) => {
                let mut groups = model.groups();
                let found = groups.find(|group| group.enrollment_group_id == *name);
                found.and_then(|group| HubIdentity::of_group(&group.attestation, &id))
            }
            // Its record was deleted, which is no reason to shut it out.
            None => own(&id),
        };
        match identity {
            Some(identity) => {
                hubs.assign(&device.hub, &device.device_id, identity, twin(device).as_ref());
            }
            None => tracing::warn!(
                hub = device.hub,
                device_id = device.device_id,
                "the device must register again before it can connect: its enrollment is gone"
            ),
        }
    }
}

fn twin(device: &HubDevice) -> Option<Value> {
    serde_json::to_value(&device.twin).ok()
}
