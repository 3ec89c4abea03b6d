//! What the service knows: hubs, enrollments, and the registration records they led to
//! (`wire-protocol.md` sections 7.3, 7.4 and 7.6).

mod build;
mod document;
mod entity;
mod hub;
pub(crate) mod members;
mod record;

pub(crate) use build::is_hub_name;
pub(crate) use document::{AttestationDocument, DocumentError, EnrollmentDocument, Row, Secrets};
pub(crate) use entity::Entity;
pub use hub::HubDevice;
pub(crate) use hub::{HubDevices, Hubs, LinkRow, MOST_HUBS};
pub use record::RegistrationRecord;
pub(crate) use record::{RecordRow, Records};

use crate::config::{
    AllocationPolicy, Capabilities, CustomAllocationDefinition, InitialTwin, ProvisioningStatus,
    ReprovisionPolicy,
};
use crate::random::Random;
use crate::tpm::PublicKey;
use crate::x509::Certificate;
use core::time::Duration;
use dps_core::{RegistrationId, SymmetricKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The enrollment of one device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IndividualEnrollment {
    /// The device's registration id.
    pub registration_id: RegistrationId,
    /// The device's name in the hub, when it differs from the registration id.
    pub device_id: Option<String>,
    /// How the device proves who it is.
    pub attestation: Attestation,
    /// Whether the device may register.
    pub provisioning_status: ProvisioningStatus,
    /// Which hub, and with what.
    pub placement: Placement,
    /// What the enrollment's owner wants to know of the device.
    pub optional_device_information: Option<Map<String, Value>>,
    /// Which state of the enrollment this is.
    pub version: Version,
}

impl IndividualEnrollment {
    /// The device's keys; `None` when it proves itself in another way.
    pub fn symmetric_keys(&self) -> Option<&SymmetricKeys> {
        self.attestation.symmetric_keys()
    }
}

/// The enrollment of a group of devices.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnrollmentGroup {
    /// The group's name.
    pub enrollment_group_id: String,
    /// How the group's devices prove who they are.
    pub attestation: Attestation,
    /// Whether the group's devices may register.
    pub provisioning_status: ProvisioningStatus,
    /// Which hub, and with what.
    pub placement: Placement,
    /// Which state of the enrollment this is.
    pub version: Version,
}

impl EnrollmentGroup {
    /// The group's keys, from which device keys are derived; `None` when its devices prove
    /// themselves in another way.
    pub fn symmetric_keys(&self) -> Option<&SymmetricKeys> {
        self.attestation.symmetric_keys()
    }
}

/// How a device proves who it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attestation {
    /// With one of two shared keys.
    SymmetricKey(SymmetricKeys),
    /// With a client certificate: of an individual enrollment, the very one that is enrolled; of
    /// a group, one that an enrolled authority leads to.
    X509(Box<X509Certificates>),
    /// With the TPM that has this endorsement key; of individual enrollments only.
    Tpm(Box<PublicKey>),
}

impl Attestation {
    fn symmetric_keys(&self) -> Option<&SymmetricKeys> {
        match self {
            Self::SymmetricKey(keys) => Some(keys),
            Self::X509(_) | Self::Tpm(_) => None,
        }
    }

    /// The certificates; `None` when the proof is another.
    pub fn x509_certificates(&self) -> Option<&X509Certificates> {
        match self {
            Self::X509(certificates) => Some(certificates),
            Self::SymmetricKey(_) | Self::Tpm(_) => None,
        }
    }

    /// The TPM's endorsement key; `None` when the proof is another.
    pub fn endorsement_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Tpm(key) => Some(key),
            Self::SymmetricKey(_) | Self::X509(_) => None,
        }
    }
}

/// One or two certificates, either of which is accepted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct X509Certificates {
    /// The primary certificate.
    pub primary: Certificate,
    /// The secondary certificate.
    pub secondary: Option<Certificate>,
    /// Whether they are authorities', not a device's own.
    pub(crate) of_group: bool,
}

impl X509Certificates {
    /// All there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Certificate> {
        [Some(&self.primary), self.secondary.as_ref()].into_iter().flatten()
    }
}

/// Two shared keys, either of which is accepted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SymmetricKeys {
    /// The primary key.
    pub primary: SymmetricKey,
    /// The secondary key.
    pub secondary: SymmetricKey,
}

impl SymmetricKeys {
    /// Both keys.
    pub(crate) fn both(&self) -> [&SymmetricKey; 2] {
        [&self.primary, &self.secondary]
    }
}

/// Names the enrollment that let a device in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnrollmentRef {
    /// The individual enrollment of this registration id.
    Individual(RegistrationId),
    /// The group of this name.
    Group(String),
}

/// Where an enrollment sends its devices, and with what.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// The hub, whatever the policy.
    pub iot_hub_host_name: Option<String>,
    /// The hubs to choose from; all that are linked when empty.
    pub iot_hubs: Vec<String>,
    /// How to choose; as the service's settings say when absent.
    pub allocation_policy: Option<AllocationPolicy>,
    /// The webhook of the policy `custom`.
    pub custom_allocation_definition: Option<CustomAllocationDefinition>,
    /// What happens when a device registers again; it keeps its hub when absent.
    pub reprovision_policy: Option<ReprovisionPolicy>,
    /// What a device's twin holds at first.
    pub initial_twin: Option<InitialTwin>,
    /// What devices can do.
    pub capabilities: Capabilities,
}

/// Which state of something that changes this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Another one after each change: a GUID in quotes.
    pub etag: String,
    /// Since 1970-01-01T00:00:00Z.
    pub created: Duration,
    /// Since 1970-01-01T00:00:00Z.
    pub last_updated: Duration,
}

impl Version {
    /// Of something new.
    pub(crate) fn first(random: &mut Random, now: Duration) -> Self {
        Self { etag: format!("\"{}\"", random.guid()), created: now, last_updated: now }
    }

    /// After a change.
    pub(crate) fn next(&self, random: &mut Random, now: Duration) -> Self {
        Self { created: self.created, ..Self::first(random, now) }
    }
}

/// Enrollments, by their names in lower case: registration ids and group names compare without
/// regard to case.
#[derive(Debug, Default)]
pub(crate) struct Model {
    enrollments: BTreeMap<String, Arc<IndividualEnrollment>>,
    groups: BTreeMap<String, Arc<EnrollmentGroup>>,
}

impl Model {
    /// All individual enrollments, sorted.
    pub(crate) fn enrollments(&self) -> impl Iterator<Item = &Arc<IndividualEnrollment>> {
        self.enrollments.values()
    }

    /// All enrollment groups, sorted.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<EnrollmentGroup>> {
        self.groups.values()
    }

    /// The individual enrollment of a device, enabled or not.
    pub(crate) fn enrollment(&self, id: &RegistrationId) -> Option<&Arc<IndividualEnrollment>> {
        self.enrollments.get(&device_key(id))
    }
}

/// What two spellings of one registration id have in common (`wire-protocol.md` section 1.1).
pub(crate) fn device_key(id: &RegistrationId) -> String {
    id.as_str().to_ascii_lowercase()
}
