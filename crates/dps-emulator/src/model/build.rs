//! From a configuration to a model: everything is checked, and absent keys are generated.

use super::{
    Attestation, EnrollmentGroup, IndividualEnrollment, Model, SymmetricKeys, X509Certificates,
    device_key,
};
use crate::config::{
    AttestationConfig, AttestationType, CertificateConfig, ConfigError, EmulatorConfig,
    EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use crate::random::Random;
use crate::tpm::PublicKey;
use crate::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::RegistrationId;
use std::collections::{HashMap, HashSet};

impl Model {
    /// Checks the parts of `config` against each other.
    pub(crate) fn new(config: &EmulatorConfig, random: &mut Random) -> Result<Self, ConfigError> {
        check_hubs(&config.hubs)?;
        let mut enrollments = Vec::with_capacity(config.enrollments.len());
        let mut enrollment_index = HashMap::new();
        for item in &config.enrollments {
            let item = enrollment(item, &config.hubs, random)?;
            let key = device_key(&item.registration_id);
            if enrollment_index.insert(key, enrollments.len()).is_some() {
                let registration_id = item.registration_id.to_string();
                return Err(ConfigError::DuplicateEnrollment { registration_id });
            }
            enrollments.push(item);
        }
        let mut groups = Vec::with_capacity(config.enrollment_groups.len());
        let mut group_names = HashSet::new();
        for item in &config.enrollment_groups {
            let item = group(item, &config.hubs, random)?;
            if !group_names.insert(item.enrollment_group_id.to_ascii_lowercase()) {
                let enrollment_group_id = item.enrollment_group_id;
                return Err(ConfigError::DuplicateGroup { enrollment_group_id });
            }
            groups.push(item);
        }
        Ok(Self { hubs: config.hubs.clone(), enrollments, enrollment_index, groups })
    }
}

fn check_hubs(hubs: &[String]) -> Result<(), ConfigError> {
    if hubs.is_empty() {
        return Err(ConfigError::NoHub);
    }
    let mut seen = HashSet::new();
    for name in hubs {
        if !is_hub_name(name) {
            return Err(ConfigError::BadHubName { name: name.clone() });
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(ConfigError::DuplicateHub { name: name.clone() });
        }
    }
    Ok(())
}

/// A host name of two or more labels; clients split it at the first dot and take no port
/// (`wire-protocol.md` section 9).
fn is_hub_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

fn enrollment(
    config: &IndividualEnrollmentConfig,
    hubs: &[String],
    random: &mut Random,
) -> Result<IndividualEnrollment, ConfigError> {
    let registration_id = &config.registration_id;
    if let Some(device_id) = config.device_id.as_ref().filter(|text| !is_device_id(text)) {
        let (registration_id, device_id) = (registration_id.to_string(), device_id.clone());
        return Err(ConfigError::BadDeviceId { registration_id, device_id });
    }
    let hub = known_hub(config.iot_hub_host_name.as_deref(), hubs, registration_id.as_str())?;
    Ok(IndividualEnrollment {
        registration_id: registration_id.clone(),
        device_id: config.device_id.clone(),
        attestation: attestation(&config.attestation, registration_id.as_str(), false, random)?,
        provisioning_status: config.provisioning_status,
        iot_hub_host_name: hub,
    })
}

/// The characters that a hub's device ids are made of.
fn is_device_id(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-.+%_#*?!(),:=@$'".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn group(
    config: &EnrollmentGroupConfig,
    hubs: &[String],
    random: &mut Random,
) -> Result<EnrollmentGroup, ConfigError> {
    let id = &config.enrollment_group_id;
    if let Err(problem) = RegistrationId::new(id.as_str()) {
        return Err(ConfigError::BadGroupId { enrollment_group_id: id.clone(), problem });
    }
    let hub = known_hub(config.iot_hub_host_name.as_deref(), hubs, id)?;
    Ok(EnrollmentGroup {
        enrollment_group_id: id.clone(),
        attestation: attestation(&config.attestation, id, true, random)?,
        provisioning_status: config.provisioning_status,
        iot_hub_host_name: hub,
    })
}

fn attestation(
    config: &AttestationConfig,
    enrollment: &str,
    of_group: bool,
    random: &mut Random,
) -> Result<Attestation, ConfigError> {
    Ok(match config.kind {
        AttestationType::SymmetricKey => {
            let keys = &config.symmetric_key;
            Attestation::SymmetricKey(SymmetricKeys {
                primary: keys.primary_key.clone().unwrap_or_else(|| random.symmetric_key()),
                secondary: keys.secondary_key.clone().unwrap_or_else(|| random.symmetric_key()),
            })
        }
        AttestationType::X509 => {
            Attestation::X509(Box::new(certificates(config, enrollment, of_group)?))
        }
        AttestationType::Tpm => {
            Attestation::Tpm(Box::new(endorsement_key(config, enrollment, of_group)?))
        }
    })
}

fn endorsement_key(
    config: &AttestationConfig,
    enrollment: &str,
    of_group: bool,
) -> Result<PublicKey, ConfigError> {
    let refuse = |problem: &dyn std::fmt::Display| ConfigError::BadEndorsementKey {
        enrollment: enrollment.to_owned(),
        problem: problem.to_string(),
    };
    if of_group {
        return Err(refuse(&"TPMs are enrolled one by one, and not in groups"));
    }
    let key = config.tpm.endorsement_key.as_deref();
    let key = key.ok_or_else(|| refuse(&"it is needed, in base64"))?;
    let bytes = STANDARD.decode(key.trim()).map_err(|_| refuse(&"it is not base64"))?;
    PublicKey::parse(&bytes).map_err(|problem| refuse(&problem))
}

fn certificates(
    config: &AttestationConfig,
    enrollment: &str,
    of_group: bool,
) -> Result<X509Certificates, ConfigError> {
    let (member, given, other) = if of_group {
        ("signingCertificates", &config.x509.signing_certificates, &config.x509.client_certificates)
    } else {
        ("clientCertificates", &config.x509.client_certificates, &config.x509.signing_certificates)
    };
    let refuse = |problem| ConfigError::BadCertificate {
        enrollment: enrollment.to_owned(),
        member,
        problem,
    };
    if other.is_some() {
        return Err(refuse("individual enrollments have these, and groups signingCertificates"));
    }
    let given = given.as_ref().ok_or_else(|| refuse("a primary certificate is needed"))?;
    let read = |item: &CertificateConfig| {
        let certificate = Certificate::from_text(&item.certificate).map_err(refuse)?;
        match certificate.is_no_authority().filter(|_| of_group) {
            Some(problem) => Err(refuse(problem)),
            None => Ok(certificate),
        }
    };
    Ok(X509Certificates {
        primary: read(&given.primary)?,
        secondary: given.secondary.as_ref().map(read).transpose()?,
    })
}

/// The hub as it is spelt in the list of hubs.
fn known_hub(
    hub: Option<&str>,
    hubs: &[String],
    enrollment: &str,
) -> Result<Option<String>, ConfigError> {
    let Some(hub) = hub else { return Ok(None) };
    match hubs.iter().find(|known| known.eq_ignore_ascii_case(hub)) {
        Some(known) => Ok(Some(known.clone())),
        None => Err(ConfigError::UnknownHub {
            enrollment: enrollment.to_owned(),
            hub: hub.to_owned(),
            known: hubs.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(yaml: &str) -> Result<Model, ConfigError> {
        Model::new(&EmulatorConfig::from_yaml(yaml).unwrap(), &mut Random::from_seed([1; 32]))
    }

    #[test]
    fn absent_keys_are_generated_and_differ() {
        let model = build("enrollments: [{registrationId: a}, {registrationId: b}]").unwrap();
        let mut keys: Vec<String> = model
            .enrollments()
            .iter()
            .flat_map(|item| item.symmetric_keys().unwrap().both())
            .map(|key| key.to_base64().to_string())
            .collect();
        assert!(keys.iter().all(|key| key.len() == 88), "64 bytes each");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4);
    }

    #[test]
    fn an_enrollment_is_found_whatever_the_case() {
        let model = build("enrollments: [{registrationId: Dev-A}]").unwrap();
        let found = model.enrollment(&RegistrationId::new("dEV-a").unwrap()).unwrap();
        assert_eq!(found.registration_id.as_str(), "Dev-A");
        assert!(model.enrollment(&RegistrationId::new("dev-b").unwrap()).is_none());
    }

    #[test]
    fn each_contradiction_has_its_own_message() {
        for (yaml, words) in [
            ("hubs: []", "at least one hub"),
            ("hubs: [localhost]", "needs a dot"),
            ("hubs: ['hub.test:8883']", "no port"),
            ("hubs: [a..b]", "not a hub's host name"),
            ("hubs: [a.b, A.B]", "listed twice"),
            ("enrollments: [{registrationId: A}, {registrationId: a}]", "\"a\" is enrolled twice"),
            (
                "enrollmentGroups: [{enrollmentGroupId: g}, {enrollmentGroupId: G}]",
                "\"G\" is listed twice",
            ),
            ("enrollmentGroups: [{enrollmentGroupId: g/}]", "'/' at position 2"),
            ("enrollments: [{registrationId: a, deviceId: 'a b'}]", "device id \"a b\" of \"a\""),
            ("enrollments: [{registrationId: a, deviceId: ''}]", "1 to 128"),
            (
                "enrollments: [{registrationId: a, attestation: {type: x509}}]",
                "a: clientCertificates: a primary certificate is needed",
            ),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, attestation: {type: x509, x509: {signingCertificates: {primary: {certificate: AAAA}}}}}]",
                "g: signingCertificates: it is not an X.509 certificate",
            ),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, attestation: {type: x509, x509: {clientCertificates: {primary: {certificate: AAAA}}}}}]",
                "g: signingCertificates: individual",
            ),
            (
                "enrollments: [{registrationId: a, attestation: {type: tpm}}]",
                "a: endorsementKey: it is needed",
            ),
            (
                "enrollments: [{registrationId: a, attestation: {type: tpm, tpm: {endorsementKey: '*'}}}]",
                "a: endorsementKey: it is not base64",
            ),
            (
                "enrollments: [{registrationId: a, attestation: {type: tpm, tpm: {endorsementKey: AAAA}}}]",
                "a: endorsementKey: it is not a TPM2B_PUBLIC",
            ),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, attestation: {type: tpm}}]",
                "g: endorsementKey: TPMs are enrolled one by one",
            ),
            (
                "enrollments: [{registrationId: a, iotHubHostName: x.y}]",
                "a: iotHubHostName \"x.y\" is not one of the hubs (contoso-hub.localhost)",
            ),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, iotHubHostName: x.y}]",
                "g: iotHubHostName",
            ),
        ] {
            let message = build(yaml).unwrap_err().to_string();
            assert!(message.contains(words), "{yaml}: {message}");
        }
    }

    #[test]
    fn a_hub_is_taken_in_its_listed_spelling() {
        let model = build(
            "{hubs: [Hub.Test], enrollments: [{registrationId: a, iotHubHostName: hub.test}]}",
        )
        .unwrap();
        assert_eq!(model.enrollments()[0].iot_hub_host_name.as_deref(), Some("Hub.Test"));
    }
}
