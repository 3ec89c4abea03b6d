//! What a registration leaves in the hub: the device's identity (`wire-protocol.md` section 7.6).

use super::DeviceIdentity;
use super::authentication::{Enrollment, Match};
use crate::hub::{HubIdentity, Hubs};
use crate::model::{Attestation, Model, RegistrationRecord, SymmetricKeys};
use core::time::Duration;
use std::sync::Arc;

/// The hubs that the service knows, without devices.
pub(super) fn hubs(model: &Model, clock_skew: Duration) -> Arc<Hubs> {
    let hubs = Hubs::new(clock_skew);
    for name in model.hubs() {
        hubs.add(name);
    }
    Arc::new(hubs)
}

/// Makes the device of `record` known to its hub, if it has one.
pub(super) fn assign(
    hubs: &Hubs,
    identity: &DeviceIdentity,
    found: &Match<'_>,
    record: &RegistrationRecord,
) {
    if let (Some(hub), Some(device)) = (&record.assigned_hub, &record.device_id) {
        hubs.assign(hub, device, hub_identity(identity, found), None);
    }
}

/// Individual keys are the hub's, too; of a group's, those derived with the registration id as the
/// device states it, since it is these that let the device in.
fn hub_identity(identity: &DeviceIdentity, found: &Match<'_>) -> HubIdentity {
    let certificates = |given: &crate::model::X509Certificates| given.all().cloned().collect();
    match &found.enrollment {
        Enrollment::Individual(enrollment) => match &enrollment.attestation {
            Attestation::SymmetricKey(keys) => HubIdentity::Keys(keys.clone()),
            Attestation::X509(given) => HubIdentity::Certificates(certificates(given)),
        },
        Enrollment::Group(group) => match &group.attestation {
            Attestation::SymmetricKey(keys) => HubIdentity::Keys(SymmetricKeys {
                primary: keys.primary.derive(&identity.registration_id),
                secondary: keys.secondary.derive(&identity.registration_id),
            }),
            Attestation::X509(given) => HubIdentity::Authorities(certificates(given)),
        },
    }
}
