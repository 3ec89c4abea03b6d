//! From a configuration to a model: everything is checked, and absent keys are generated.

use super::{
    Attestation, EnrollmentGroup, Entity as _, Hubs, IndividualEnrollment, Model, Placement,
    SymmetricKeys, Version, X509Certificates,
};
use crate::config::{
    AllocationPolicy, AttestationConfig, AttestationType, CertificateConfig, ConfigError,
    EmulatorConfig, EnrollmentGroupConfig, HubConfig, IndividualEnrollmentConfig,
};
use crate::random::Random;
use crate::tpm::PublicKey;
use crate::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use dps_core::RegistrationId;
use std::collections::HashSet;
use std::sync::Arc;

impl Model {
    /// Checks the enrollments of `config` against each other and against the hubs.
    pub(crate) fn new(
        config: &EmulatorConfig,
        hubs: &Hubs,
        random: &mut Random,
        now: Duration,
    ) -> Result<Self, ConfigError> {
        let mut model = Self::default();
        for item in &config.enrollments {
            let mut item = enrollment(item, Some(hubs), random)?;
            item.version = Version::first(random, now);
            if let Some(same) = model.enrollments.insert(item.key(), Arc::new(item)) {
                let registration_id = same.registration_id.to_string();
                return Err(ConfigError::DuplicateEnrollment { registration_id });
            }
        }
        for item in &config.enrollment_groups {
            let mut item = group(item, Some(hubs), random)?;
            item.version = Version::first(random, now);
            if let Some(same) = model.groups.insert(item.key(), Arc::new(item)) {
                let enrollment_group_id = same.enrollment_group_id.clone();
                return Err(ConfigError::DuplicateGroup { enrollment_group_id });
            }
        }
        Ok(model)
    }
}

impl Hubs {
    /// Checks the hubs of `config`, and what is said about the way to them.
    pub(crate) fn new(config: &EmulatorConfig) -> Result<Self, ConfigError> {
        check_hubs(&config.hubs)?;
        let is_known = |name: &str| {
            config.hubs.iter().any(|hub| {
                hub.host_name.eq_ignore_ascii_case(name)
                    || hub.region.as_deref().is_some_and(|region| region.eq_ignore_ascii_case(name))
            })
        };
        let mut named = config.device_networks.iter().flat_map(|item| item.latency_ms.keys());
        match named.find(|name| !is_known(name)) {
            Some(name) => Err(ConfigError::UnknownRegion { name: name.clone() }),
            None => Ok(Self::linked(config)),
        }
    }
}

fn check_hubs(hubs: &[HubConfig]) -> Result<(), ConfigError> {
    if hubs.is_empty() {
        return Err(ConfigError::NoHub);
    }
    let mut seen = HashSet::new();
    for name in hubs.iter().map(|hub| &hub.host_name) {
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
/// (`wire-protocol.md` section 9). A hyphen at either end of a label is not one that TLS accepts.
pub(crate) fn is_hub_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

/// An individual enrollment without a version.
pub(super) fn enrollment(
    config: &IndividualEnrollmentConfig,
    hubs: Option<&Hubs>,
    random: &mut Random,
) -> Result<IndividualEnrollment, ConfigError> {
    let registration_id = &config.registration_id;
    if let Some(device_id) = config.device_id.as_ref().filter(|text| !is_device_id(text)) {
        let (registration_id, device_id) = (registration_id.to_string(), device_id.clone());
        return Err(ConfigError::BadDeviceId { registration_id, device_id });
    }
    let placement = Placement {
        iot_hub_host_name: config.iot_hub_host_name.clone(),
        iot_hubs: config.iot_hubs.clone(),
        allocation_policy: config.allocation_policy,
        custom_allocation_definition: config.custom_allocation_definition.clone(),
        reprovision_policy: config.reprovision_policy,
        initial_twin: config.initial_twin.clone(),
        capabilities: config.capabilities,
    };
    Ok(IndividualEnrollment {
        registration_id: registration_id.clone(),
        device_id: config.device_id.clone(),
        attestation: attestation(&config.attestation, registration_id.as_str(), false, random)?,
        provisioning_status: config.provisioning_status,
        placement: checked(placement, hubs, registration_id.as_str())?,
        optional_device_information: config.optional_device_information.clone(),
        version: Version::default(),
    })
}

/// The characters that a hub's device ids are made of.
fn is_device_id(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-.+%_#*?!(),:=@$'".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// A group without a version.
pub(super) fn group(
    config: &EnrollmentGroupConfig,
    hubs: Option<&Hubs>,
    random: &mut Random,
) -> Result<EnrollmentGroup, ConfigError> {
    let id = &config.enrollment_group_id;
    if let Err(problem) = RegistrationId::new(id.as_str()) {
        return Err(ConfigError::BadGroupId { enrollment_group_id: id.clone(), problem });
    }
    let placement = Placement {
        iot_hub_host_name: config.iot_hub_host_name.clone(),
        iot_hubs: config.iot_hubs.clone(),
        allocation_policy: config.allocation_policy,
        custom_allocation_definition: config.custom_allocation_definition.clone(),
        reprovision_policy: config.reprovision_policy,
        initial_twin: config.initial_twin.clone(),
        capabilities: config.capabilities,
    };
    Ok(EnrollmentGroup {
        enrollment_group_id: id.clone(),
        attestation: attestation(&config.attestation, id, true, random)?,
        provisioning_status: config.provisioning_status,
        placement: checked(placement, hubs, id)?,
        version: Version::default(),
    })
}

/// Hubs in their listed spelling, and a policy that has what it needs.
fn checked(
    mut placement: Placement,
    hubs: Option<&Hubs>,
    enrollment: &str,
) -> Result<Placement, ConfigError> {
    if let Some(hubs) = hubs {
        for hub in placement.iot_hub_host_name.iter_mut().chain(&mut placement.iot_hubs) {
            *hub = known_hub(hub, hubs, enrollment)?;
        }
    }
    let refuse =
        |problem| Err(ConfigError::BadAllocation { enrollment: enrollment.to_owned(), problem });
    let webhook = placement.custom_allocation_definition.as_ref();
    match placement.allocation_policy {
        Some(AllocationPolicy::Static)
            if placement.iot_hub_host_name.is_none() && placement.iot_hubs.is_empty() =>
        {
            refuse("the allocationPolicy static needs a hub in iotHubs")
        }
        Some(AllocationPolicy::Custom) if webhook.is_none() => {
            refuse("the allocationPolicy custom needs a customAllocationDefinition")
        }
        _ if webhook.is_some_and(|webhook| !is_webhook(&webhook.webhook_url)) => {
            refuse("the webhookUrl of customAllocationDefinition is not an http or https URL")
        }
        _ => Ok(placement),
    }
}

fn is_webhook(url: &str) -> bool {
    url.parse::<http::Uri>()
        .is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some())
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
        of_group,
    })
}

/// The hub as it is spelt in the list of hubs.
fn known_hub(hub: &str, hubs: &Hubs, enrollment: &str) -> Result<String, ConfigError> {
    match hubs.find(hub) {
        Some(known) => Ok(known.host_name.clone()),
        None => Err(ConfigError::UnknownHub {
            enrollment: enrollment.to_owned(),
            hub: hub.to_owned(),
            known: hubs.names().to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(yaml: &str) -> Result<Model, ConfigError> {
        let config = EmulatorConfig::from_yaml(yaml).unwrap();
        let hubs = Hubs::new(&config)?;
        Model::new(&config, &hubs, &mut Random::from_seed([1; 32]), Duration::ZERO)
    }

    #[test]
    fn absent_keys_are_generated_and_differ() {
        let model = build("enrollments: [{registrationId: a}, {registrationId: b}]").unwrap();
        let mut keys: Vec<String> = model
            .enrollments()
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
            ("enrollments: [{registrationId: A}, {registrationId: a}]", "\"A\" is enrolled twice"),
            (
                "enrollmentGroups: [{enrollmentGroupId: g}, {enrollmentGroupId: G}]",
                "\"g\" is listed twice",
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
                "a: iotHubHostName or iotHubs: \"x.y\" is not one of the hubs (contoso-hub.localhost)",
            ),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, iotHubHostName: x.y}]",
                "g: iotHubHostName",
            ),
            ("enrollmentGroups: [{enrollmentGroupId: g, iotHubs: [x.y]}]", "\"x.y\" is not one"),
            (
                "enrollmentGroups: [{enrollmentGroupId: g, allocationPolicy: static}]",
                "g: the allocationPolicy static needs a hub",
            ),
            (
                "enrollments: [{registrationId: a, allocationPolicy: custom}]",
                "a: the allocationPolicy custom needs a customAllocationDefinition",
            ),
            (
                "enrollments: [{registrationId: a, allocationPolicy: custom, customAllocationDefinition: {webhookUrl: 'ftp://x/', apiVersion: '1'}}]",
                "a: the webhookUrl",
            ),
            (
                "deviceNetworks: [{network: 10.0.0.0/8, latencyMs: {eastus: 5}}]",
                "deviceNetworks: \"eastus\" is neither",
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
        let placement = &model.enrollments().next().unwrap().placement;
        assert_eq!(placement.iot_hub_host_name.as_deref(), Some("Hub.Test"));
    }
}
