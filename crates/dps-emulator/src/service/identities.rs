//! What registrations leave in the hubs where devices connect: their identities and twins
//! (`wire-protocol.md` section 7.6).

use super::provision::{DEVICE_DATA_MIGRATED, DEVICE_DATA_RESET};
use crate::events::Events;
use crate::hub::{self, HubIdentity, Twin};
use crate::model::{
    EnrollmentRef, HubDevice, HubDevices, Hubs, Model, Records, RegistrationRecord,
};
use core::time::Duration;
use dps_core::RegistrationId;
use dps_core::wire::RegistrationStatus;
use std::sync::Arc;

/// The linked hubs, without devices.
pub(super) fn hubs(linked: &Hubs, clock_skew: Duration, events: Arc<Events>) -> hub::Hubs {
    let hubs = hub::Hubs::new(clock_skew, events);
    linked.names().iter().for_each(|name| hubs.add(name));
    hubs
}

/// A device has registered: makes its identity in the hub, or moves it there from the hub that it
/// has left.
pub(super) fn move_in(
    hubs: &hub::Hubs,
    devices: &HubDevices,
    left: Option<(String, String)>,
    record: &RegistrationRecord,
    identity: HubIdentity,
) {
    // One that was refused now stays as it is.
    if record.status != RegistrationStatus::Assigned {
        return;
    }
    let (Some(to), Some(device)) = (&record.assigned_hub, &record.device_id) else { return };
    let twin = devices.get(to, device).map(twin).unwrap_or_default();
    let substatus = record.substatus.as_deref().unwrap_or_default();
    match left {
        Some((from, earlier)) if earlier == *device && substatus == DEVICE_DATA_MIGRATED => {
            hubs.migrate(&from, to, device, identity, twin);
        }
        Some((from, earlier)) => {
            hubs.reset(&from, to, device, identity, twin);
            hubs.remove(&from, &earlier);
        }
        None if substatus == DEVICE_DATA_RESET => {
            hubs.reset(to, to, device, identity, twin);
        }
        None => hubs.assign(to, device, identity, twin),
    }
}

/// Makes the identities that an earlier service has left. Where a proof was not kept, the
/// enrollment has to know it.
pub(super) fn move_back(hubs: &hub::Hubs, model: &Model, records: &Records, devices: &HubDevices) {
    for (device, proof) in devices.all() {
        match proof.clone().or_else(|| proof_of(device, model, records)) {
            Some(identity) => {
                hubs.assign(&device.hub, &device.device_id, identity, twin(device));
            }
            None => tracing::warn!(
                hub = device.hub,
                device_id = device.device_id,
                "the device must register again before it can connect: its enrollment is gone"
            ),
        }
    }
}

/// What the enrollment of a device says now, which names and registration ids in any case belong
/// to.
fn proof_of(device: &HubDevice, model: &Model, records: &Records) -> Option<HubIdentity> {
    let id = RegistrationId::new(device.registration_id.as_str()).ok()?;
    let record = records.get(&id);
    let hub_key = record.and_then(|record| record.hub_key.as_ref());
    match record.map(|record| &record.enrollment) {
        Some(EnrollmentRef::Group(name)) => {
            let mut groups = model.groups();
            let group = groups.find(|one| one.enrollment_group_id.eq_ignore_ascii_case(name))?;
            HubIdentity::of_group(&group.attestation, &id)
        }
        // Without a record it can only be its own.
        Some(EnrollmentRef::Individual(_)) | None => {
            HubIdentity::of_device(&model.enrollment(&id)?.attestation, hub_key)
        }
    }
}

fn twin(device: &HubDevice) -> Twin {
    let document = serde_json::to_value(&device.twin).ok();
    Twin { desired_version: device.desired_version, ..Twin::initial(document.as_ref()) }
}
