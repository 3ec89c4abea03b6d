//! Enrollments as a configuration file states them (`wire-protocol.md` section 7.3).

use super::placement::{
    AllocationPolicy, Capabilities, CustomAllocationDefinition, InitialTwin, ReprovisionPolicy,
};
use crate::faults::FaultConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::{RegistrationId, SymmetricKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The enrollment of one device.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct IndividualEnrollmentConfig {
    /// The device's registration id.
    #[serde(deserialize_with = "parsed")]
    pub registration_id: RegistrationId,
    /// The device's name in the hub; the registration id when absent.
    #[serde(default)]
    pub device_id: Option<String>,
    /// How the device proves who it is.
    #[serde(default)]
    pub attestation: AttestationConfig,
    /// Whether the device may register.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// The hub the device is assigned to; any by the policy when absent.
    #[serde(default)]
    pub iot_hub_host_name: Option<String>,
    /// The hubs to choose from; all that are linked when empty.
    #[serde(default)]
    pub iot_hubs: Vec<String>,
    /// How the hub is chosen; as the service's settings say when absent.
    #[serde(default)]
    pub allocation_policy: Option<AllocationPolicy>,
    /// The webhook, when the policy is `custom`.
    #[serde(default)]
    pub custom_allocation_definition: Option<CustomAllocationDefinition>,
    /// What happens when the device registers again. When absent, it keeps its hub for ever.
    #[serde(default = "usual_reprovisioning")]
    pub reprovision_policy: Option<ReprovisionPolicy>,
    /// What the device's twin holds at first.
    #[serde(default)]
    pub initial_twin: Option<InitialTwin>,
    /// Whether it is an IoT Edge device.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What the enrollment's owner wants to know of the device; the service only keeps it.
    #[serde(default)]
    pub optional_device_information: Option<Map<String, Value>>,
    /// How the service misbehaves towards the device on purpose; without a scope.
    #[serde(default)]
    pub faults: Vec<FaultConfig>,
}

impl IndividualEnrollmentConfig {
    /// An enabled enrollment with symmetric keys that are generated when the service starts.
    pub fn new(registration_id: RegistrationId) -> Self {
        Self {
            registration_id,
            device_id: None,
            attestation: AttestationConfig::default(),
            provisioning_status: ProvisioningStatus::Enabled,
            iot_hub_host_name: None,
            iot_hubs: Vec::new(),
            allocation_policy: None,
            custom_allocation_definition: None,
            reprovision_policy: usual_reprovisioning(),
            initial_twin: None,
            capabilities: Capabilities::default(),
            optional_device_information: None,
            faults: Vec::new(),
        }
    }

    /// The same enrollment with the given keys.
    #[must_use]
    pub fn with_keys(mut self, primary: SymmetricKey, secondary: SymmetricKey) -> Self {
        self.attestation = AttestationConfig::with_keys(primary, secondary);
        self
    }
}

/// The enrollment of a group of devices.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct EnrollmentGroupConfig {
    /// The group's name, under the rules of registration ids.
    pub enrollment_group_id: String,
    /// How the group's devices prove who they are.
    #[serde(default)]
    pub attestation: AttestationConfig,
    /// Whether the group's devices may register.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// The hub the devices are assigned to; any by the policy when absent.
    #[serde(default)]
    pub iot_hub_host_name: Option<String>,
    /// The hubs to choose from; all that are linked when empty.
    #[serde(default)]
    pub iot_hubs: Vec<String>,
    /// How the hub is chosen; as the service's settings say when absent.
    #[serde(default)]
    pub allocation_policy: Option<AllocationPolicy>,
    /// The webhook, when the policy is `custom`.
    #[serde(default)]
    pub custom_allocation_definition: Option<CustomAllocationDefinition>,
    /// What happens when a device registers again. When absent, it keeps its hub for ever.
    #[serde(default = "usual_reprovisioning")]
    pub reprovision_policy: Option<ReprovisionPolicy>,
    /// What a device's twin holds at first.
    #[serde(default)]
    pub initial_twin: Option<InitialTwin>,
    /// Whether they are IoT Edge devices.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// How the service misbehaves towards the devices on purpose; without a scope.
    #[serde(default)]
    pub faults: Vec<FaultConfig>,
}

impl EnrollmentGroupConfig {
    /// An enabled group with symmetric keys that are generated when the service starts.
    pub fn new(enrollment_group_id: impl Into<String>) -> Self {
        Self {
            enrollment_group_id: enrollment_group_id.into(),
            attestation: AttestationConfig::default(),
            provisioning_status: ProvisioningStatus::Enabled,
            iot_hub_host_name: None,
            iot_hubs: Vec::new(),
            allocation_policy: None,
            custom_allocation_definition: None,
            reprovision_policy: usual_reprovisioning(),
            initial_twin: None,
            capabilities: Capabilities::default(),
            faults: Vec::new(),
        }
    }

    /// The same group with the given keys.
    #[must_use]
    pub fn with_keys(mut self, primary: SymmetricKey, secondary: SymmetricKey) -> Self {
        self.attestation = AttestationConfig::with_keys(primary, secondary);
        self
    }
}

/// What enrollments have since 2018 unless they say otherwise (`wire-protocol.md` section 7.6).
fn usual_reprovisioning() -> Option<ReprovisionPolicy> {
    Some(ReprovisionPolicy::default())
}

/// How devices prove who they are. The default is symmetric keys, generated.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AttestationConfig {
    /// The kind of proof.
    #[serde(rename = "type")]
    pub kind: AttestationType,
    /// The keys, when the type is `symmetricKey`.
    #[serde(default)]
    pub symmetric_key: SymmetricKeyConfig,
    /// The certificates, when the type is `x509`.
    #[serde(default)]
    pub x509: X509Config,
    /// The TPM, when the type is `tpm`.
    #[serde(default)]
    pub tpm: TpmConfig,
}

impl AttestationConfig {
    /// Symmetric keys.
    pub fn with_keys(primary: SymmetricKey, secondary: SymmetricKey) -> Self {
        Self {
            kind: AttestationType::SymmetricKey,
            symmetric_key: SymmetricKeyConfig {
                primary_key: Some(primary),
                secondary_key: Some(secondary),
            },
            ..Self::default()
        }
    }

    /// The TPM with this endorsement key, a `TPM2B_PUBLIC` with its size.
    pub fn with_endorsement_key(key: &[u8]) -> Self {
        let tpm = TpmConfig { endorsement_key: Some(STANDARD.encode(key)) };
        Self { kind: AttestationType::Tpm, tpm, ..Self::default() }
    }

    /// The certificate of one device, in PEM.
    pub fn with_client_certificate(pem: impl Into<String>) -> Self {
        let x509 = X509Config {
            client_certificates: Some(CertificatesConfig::one(pem)),
            signing_certificates: None,
        };
        Self { kind: AttestationType::X509, x509, ..Self::default() }
    }

    /// The root or intermediate certificate, in PEM, that leads to the certificates of a group's
    /// devices.
    pub fn with_signing_certificate(pem: impl Into<String>) -> Self {
        let x509 = X509Config {
            client_certificates: None,
            signing_certificates: Some(CertificatesConfig::one(pem)),
        };
        Self { kind: AttestationType::X509, x509, ..Self::default() }
    }
}

/// The kinds of proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AttestationType {
    /// Two shared keys, either of which is accepted.
    #[default]
    SymmetricKey,
    /// A client certificate.
    X509,
    /// A TPM 2.0; for individual enrollments only.
    Tpm,
}

/// A TPM, in the member of the service API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TpmConfig {
    /// Its endorsement key: a `TPM2B_PUBLIC` in base64.
    #[serde(default)]
    pub endorsement_key: Option<String>,
}

/// Certificates, in the members of the service API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct X509Config {
    /// The device's own certificates, for an individual enrollment.
    #[serde(default)]
    pub client_certificates: Option<CertificatesConfig>,
    /// The authorities' certificates, for a group.
    #[serde(default)]
    pub signing_certificates: Option<CertificatesConfig>,
}

/// One or two certificates, either of which is accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CertificatesConfig {
    /// The first.
    pub primary: CertificateConfig,
    /// The other, for the time of a change.
    #[serde(default)]
    pub secondary: Option<CertificateConfig>,
}

impl CertificatesConfig {
    fn one(pem: impl Into<String>) -> Self {
        Self { primary: CertificateConfig { certificate: pem.into() }, secondary: None }
    }
}

/// A certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CertificateConfig {
    /// PEM, or base64 of PEM or DER as the service API has it.
    pub certificate: String,
}

/// Two shared keys; an absent one is generated when the service starts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SymmetricKeyConfig {
    /// The primary key.
    #[serde(default, deserialize_with = "some_parsed")]
    pub primary_key: Option<SymmetricKey>,
    /// The secondary key.
    #[serde(default, deserialize_with = "some_parsed")]
    pub secondary_key: Option<SymmetricKey>,
}

/// Whether an enrollment lets devices in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ProvisioningStatus {
    /// It does.
    #[default]
    Enabled,
    /// It shuts them out.
    Disabled,
}

/// Reads a text that has a form of its own. The text may be a key, so it is wiped, and the
/// errors of the types used here do not repeat it.
pub(super) fn parsed<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Zeroizing::new(String::deserialize(input)?).parse().map_err(D::Error::custom)
}

/// As [`parsed`]; an explicit `null` is an absent value.
pub(crate) fn some_parsed<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    match Option::<String>::deserialize(input)?.map(Zeroizing::new) {
        Some(text) => text.parse().map(Some).map_err(D::Error::custom),
        None => Ok(None),
    }
}
