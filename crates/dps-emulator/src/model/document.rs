//! Enrollments as JSON: what the service API takes and gives (`wire-protocol.md` section 7.3), a
//! webhook is told (section 7.5), and a state file keeps. Members that are not known are passed
//! over, at every depth: see [`members`](super::members).

use super::members::lenient;
use super::{Attestation, Placement, Version, X509Certificates};
use crate::config::{
    AllocationPolicy, AttestationConfig, AttestationType, Capabilities, CertificateConfig,
    CertificatesConfig, ConfigError, CustomAllocationDefinition, EnrollmentGroupConfig,
    IndividualEnrollmentConfig, InitialTwin, ProvisioningStatus, ReprovisionPolicy, some_parsed,
};
use crate::summary::shown;
use crate::timestamp::iso8601;
use crate::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use dps_core::wire::{DeviceRegistrationResult, X509CertificateInfo};
use dps_core::{IdError, RegistrationId, SymmetricKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whether a document shows keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// Keys, and whole certificates.
    Shown,
    /// No keys; of certificates what they say.
    Hidden,
    /// Nothing but the kind of attestation.
    Reduced,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Id(#[from] IdError),
    #[error("{member} is missing")]
    Missing { member: &'static str },
    #[error("attestation.x509.caReferences is not supported: give signingCertificates")]
    CaReferences,
}

/// An enrollment of either kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EnrollmentDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enrollment_group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) registration_state: Option<DeviceRegistrationResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) optional_device_information: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attestation: Option<AttestationDocument>,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iot_hub_host_name: Option<String>,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) initial_twin: Option<InitialTwin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provisioning_status: Option<ProvisioningStatus>,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) reprovision_policy: Option<ReprovisionPolicy>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) created_date_time_utc: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated_date_time_utc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocation_policy: Option<AllocationPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iot_hubs: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) custom_allocation_definition: Option<CustomAllocationDefinition>,
}

/// How devices prove who they are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AttestationDocument {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<AttestationType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symmetric_key: Option<SymmetricKeyDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509: Option<X509Document>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm: Option<TpmDocument>,
}

/// The storage root key is the device's to show when it registers: an enrolled one is passed over.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct TpmDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsement_key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct SymmetricKeyDocument {
    #[serde(
        deserialize_with = "some_parsed",
        serialize_with = "shown",
        skip_serializing_if = "Option::is_none"
    )]
    primary_key: Option<SymmetricKey>,
    #[serde(
        deserialize_with = "some_parsed",
        serialize_with = "shown",
        skip_serializing_if = "Option::is_none"
    )]
    secondary_key: Option<SymmetricKey>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct X509Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificates: Option<CertificatesDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_certificates: Option<CertificatesDocument>,
    #[serde(skip_serializing)]
    ca_references: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct CertificatesDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<CertificateDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secondary: Option<CertificateDocument>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct CertificateDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    info: Option<X509CertificateInfo>,
}

impl EnrollmentDocument {
    /// What both kinds of enrollment have.
    pub(super) fn new(
        attestation: &Attestation,
        provisioning_status: ProvisioningStatus,
        placement: &Placement,
        version: &Version,
        secrets: Secrets,
    ) -> Self {
        Self {
            attestation: Some(AttestationDocument::new(attestation, secrets)),
            capabilities: Some(placement.capabilities),
            iot_hub_host_name: placement.iot_hub_host_name.clone(),
            initial_twin: placement.initial_twin.clone(),
            etag: Some(version.etag.clone()),
            provisioning_status: Some(provisioning_status),
            reprovision_policy: placement.reprovision_policy,
            created_date_time_utc: Some(iso8601(version.created)),
            last_updated_date_time_utc: Some(iso8601(version.last_updated)),
            allocation_policy: placement.allocation_policy,
            iot_hubs: Some(placement.iot_hubs.clone()).filter(|hubs| !hubs.is_empty()),
            custom_allocation_definition: placement.custom_allocation_definition.clone(),
            ..Self::default()
        }
    }

    /// Takes from an earlier state of the enrollment what the service does not show to those who
    /// read and then update it: keys and certificates.
    pub(crate) fn keep_secrets_of(&mut self, earlier: &Attestation) {
        let Some(own) = &mut self.attestation else { return };
        let earlier = AttestationDocument::new(earlier, Secrets::Shown);
        if own.kind != earlier.kind {
            return;
        }
        if let Some(before) = earlier.symmetric_key {
            let keys = own.symmetric_key.get_or_insert_default();
            // An update that names one key makes no new other one.
            keys.primary_key = keys.primary_key.take().or(before.primary_key);
            keys.secondary_key = keys.secondary_key.take().or(before.secondary_key);
        }
        if let Some(before) = earlier.x509 {
            let own = own.x509.get_or_insert_default();
            keep_certificates(&mut own.client_certificates, before.client_certificates);
            keep_certificates(&mut own.signing_certificates, before.signing_certificates);
        }
    }

    pub(super) fn individual(self) -> Result<IndividualEnrollmentConfig, DocumentError> {
        let id = self.registration_id.ok_or(DocumentError::Missing { member: "registrationId" })?;
        let attestation = self.attestation.unwrap_or_default().config()?;
        Ok(IndividualEnrollmentConfig {
            device_id: self.device_id,
            attestation,
            provisioning_status: self.provisioning_status.unwrap_or_default(),
            iot_hub_host_name: self.iot_hub_host_name,
            iot_hubs: self.iot_hubs.unwrap_or_default(),
            allocation_policy: self.allocation_policy,
            custom_allocation_definition: self.custom_allocation_definition,
            reprovision_policy: self.reprovision_policy,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities.unwrap_or_default(),
            optional_device_information: self.optional_device_information,
            ..IndividualEnrollmentConfig::new(RegistrationId::new(id)?)
        })
    }

    pub(super) fn group(self) -> Result<EnrollmentGroupConfig, DocumentError> {
        let id = self
            .enrollment_group_id
            .ok_or(DocumentError::Missing { member: "enrollmentGroupId" })?;
        let attestation = self.attestation.unwrap_or_default().config()?;
        Ok(EnrollmentGroupConfig {
            attestation,
            provisioning_status: self.provisioning_status.unwrap_or_default(),
            iot_hub_host_name: self.iot_hub_host_name,
            iot_hubs: self.iot_hubs.unwrap_or_default(),
            allocation_policy: self.allocation_policy,
            custom_allocation_definition: self.custom_allocation_definition,
            reprovision_policy: self.reprovision_policy,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities.unwrap_or_default(),
            ..EnrollmentGroupConfig::new(id)
        })
    }
}

/// Certificates that are there without their text, only with what they say, are the ones before;
/// and so are all of them when none is named.
fn keep_certificates(own: &mut Option<CertificatesDocument>, before: Option<CertificatesDocument>) {
    let Some(before) = before else { return };
    let own = match own {
        Some(own) if own.primary.is_some() || own.secondary.is_some() => own,
        none => {
            *none = Some(before);
            return;
        }
    };
    for (own, before) in
        [(&mut own.primary, before.primary), (&mut own.secondary, before.secondary)]
    {
        if let Some(CertificateDocument { certificate: missing @ None, .. }) = own {
            *missing = before.and_then(|before| before.certificate);
        }
    }
}

impl AttestationDocument {
    pub(crate) fn new(attestation: &Attestation, secrets: Secrets) -> Self {
        let mut document = Self::default();
        match attestation {
            Attestation::SymmetricKey(keys) => {
                document.kind = Some(AttestationType::SymmetricKey);
                if secrets == Secrets::Shown {
                    document.symmetric_key = Some(SymmetricKeyDocument {
                        primary_key: Some(keys.primary.clone()),
                        secondary_key: Some(keys.secondary.clone()),
                    });
                }
            }
            Attestation::Tpm(key) => {
                document.kind = Some(AttestationType::Tpm);
                if secrets != Secrets::Reduced {
                    let endorsement_key = Some(STANDARD.encode(key.as_bytes()));
                    document.tpm = Some(TpmDocument { endorsement_key });
                }
            }
            Attestation::X509(certificates) => {
                document.kind = Some(AttestationType::X509);
                if secrets != Secrets::Reduced {
                    document.x509 = Some(X509Document::new(certificates));
                }
            }
        }
        document
    }

    fn config(self) -> Result<AttestationConfig, DocumentError> {
        let mut config = AttestationConfig {
            kind: self.kind.ok_or(DocumentError::Missing { member: "attestation.type" })?,
            ..AttestationConfig::default()
        };
        if let Some(keys) = self.symmetric_key {
            config.symmetric_key.primary_key = keys.primary_key;
            config.symmetric_key.secondary_key = keys.secondary_key;
        }
        config.tpm.endorsement_key = self.tpm.and_then(|tpm| tpm.endorsement_key);
        if let Some(x509) = self.x509 {
            if x509.ca_references.is_some_and(|references| !references.is_null()) {
                return Err(DocumentError::CaReferences);
            }
            config.x509.client_certificates =
                x509.client_certificates.map(CertificatesDocument::config).transpose()?;
            config.x509.signing_certificates =
                x509.signing_certificates.map(CertificatesDocument::config).transpose()?;
        }
        Ok(config)
    }
}

impl X509Document {
    fn new(certificates: &X509Certificates) -> Self {
        let item = |certificate: &Certificate| CertificateDocument {
            certificate: Some(certificate.base64()),
            info: Some(certificate.info()),
        };
        let document = Some(CertificatesDocument {
            primary: Some(item(&certificates.primary)),
            secondary: certificates.secondary.as_ref().map(item),
        });
        match certificates.of_group {
            true => Self { signing_certificates: document, ..Self::default() },
            false => Self { client_certificates: document, ..Self::default() },
        }
    }
}

impl CertificatesDocument {
    fn config(self) -> Result<CertificatesConfig, DocumentError> {
        let item = |given: Option<CertificateDocument>| {
            given
                .and_then(|given| given.certificate)
                .map(|text| CertificateConfig { certificate: text })
        };
        let primary = item(self.primary);
        Ok(CertificatesConfig {
            primary: primary.ok_or(DocumentError::Missing { member: "primary.certificate" })?,
            secondary: item(self.secondary),
        })
    }
}

/// An enrollment in a state file.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) document: EnrollmentDocument,
    pub(crate) created: Duration,
    pub(crate) last_updated: Duration,
}
