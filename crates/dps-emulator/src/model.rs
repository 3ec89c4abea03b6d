//! What the service knows: hubs, enrollments, and the registration records they led to
//! (`wire-protocol.md` sections 7.3, 7.4 and 7.6).

mod build;
mod record;

pub(crate) use record::Records;
pub use record::RegistrationRecord;

use crate::config::ProvisioningStatus;
use crate::tpm::PublicKey;
use crate::x509::Certificate;
use dps_core::{RegistrationId, SymmetricKey};
use std::collections::HashMap;

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
    /// The hub the device is assigned to; any by hash when absent.
    pub iot_hub_host_name: Option<String>,
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
    /// The hub the devices are assigned to; any by hash when absent.
    pub iot_hub_host_name: Option<String>,
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

/// Enrollments and hubs. Registration ids and group names compare without regard to case.
#[derive(Debug)]
pub(crate) struct Model {
    hubs: Vec<String>,
    /// In the order of configuration, for those who list them.
    enrollments: Vec<IndividualEnrollment>,
    /// Lower-case registration id to place in `enrollments`.
    enrollment_index: HashMap<String, usize>,
    groups: Vec<EnrollmentGroup>,
}

impl Model {
    /// The hubs' host names.
    pub(crate) fn hubs(&self) -> &[String] {
        &self.hubs
    }

    /// All individual enrollments.
    pub(crate) fn enrollments(&self) -> &[IndividualEnrollment] {
        &self.enrollments
    }

    /// All enrollment groups.
    pub(crate) fn groups(&self) -> &[EnrollmentGroup] {
        &self.groups
    }

    /// The individual enrollment of a device, enabled or not.
    pub(crate) fn enrollment(&self, id: &RegistrationId) -> Option<&IndividualEnrollment> {
        let index = self.enrollment_index.get(&device_key(id))?;
        self.enrollments.get(*index)
    }
}

/// What two spellings of one registration id have in common (`wire-protocol.md` section 1.1).
pub(crate) fn device_key(id: &RegistrationId) -> String {
    id.as_str().to_ascii_lowercase()
}
