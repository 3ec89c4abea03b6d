//! Registrations over HTTPS, real TLS and TCP, against the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Builder, Endpoint, Error, ErrorKind, Hsm, IdScope, Policy, ProvisioningClient, RegistrationId,
    Stage, Status, SymmetricKey, TlsVersion, TlsVersions, Transport, TrustAnchors,
};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, KeyKind, self_signed};
use std::time::Duration;

const CONFIG: &str = "
mqttPort: 0
httpsPort: 0
idScope: 0ne00ABCDEF
hubs: [east.localhost, west.localhost]
retryAfterSeconds: 1
assignmentDelaySeconds: 0
enrollments:
  - registrationId: single
    deviceId: single-in-west
    iotHubHostName: west.localhost
    attestation: {type: symmetricKey}
  - registrationId: shut-out
    provisioningStatus: disabled
    attestation: {type: symmetricKey}
enrollmentGroups:
  - enrollmentGroupId: fleet
    attestation: {type: symmetricKey}
";

fn emulator() -> Emulator {
    Emulator::start(EmulatorConfig::from_yaml(CONFIG).unwrap()).unwrap()
}

fn builder(emulator: &Emulator, hsm: impl Hsm + 'static) -> Builder {
    ProvisioningClient::builder()
        .transport(Transport::Http)
        .endpoint(Endpoint::parse(&emulator.https_address().to_string()).unwrap())
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .hsm(hsm)
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .policy(Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() })
}

fn keyed(emulator: &Emulator, id: &str, key: &SymmetricKey) -> Builder {
    builder(emulator, SymmetricKeyHsm::new(RegistrationId::new(id).unwrap(), key.clone()))
}

fn key_of(emulator: &Emulator, id: &str) -> SymmetricKey {
    let mut enrollments = emulator.enrollments().iter();
    let found = enrollments.find(|enrollment| enrollment.registration_id.as_str() == id);
    found.unwrap().symmetric_keys().unwrap().primary.clone()
}

fn group_key(emulator: &Emulator) -> SymmetricKey {
    emulator.groups()[0].symmetric_keys().unwrap().primary.clone()
}

fn refusal(builder: Builder) -> Error {
    builder.build().unwrap().register().expect_err("it must be refused")
}

#[test]
fn an_individual_enrollment_gets_its_hub_and_device_id_in_each_version_of_tls() {
    let emulator = emulator();
    let key = key_of(&emulator, "single");
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let mut statuses = Vec::new();
        let mut client = keyed(&emulator, "single", &key)
            .tls_versions(TlsVersions::only(version))
            .payload_json(r#"{"model":"x"}"#)
            .build()
            .unwrap();
        let assignment = client.register_with(|status| statuses.push(status)).unwrap();
        assert_eq!(assignment.hub, "west.localhost");
        assert_eq!(assignment.device_id, "single-in-west");
        assert_eq!(assignment.substatus.as_deref(), Some("initialAssignment"));
        assert_eq!(assignment.enrollment_group_id, None);
        assert_eq!(statuses, [Status::Connected, Status::Assigning]);
    }
}

#[test]
fn a_group_device_gets_in_with_its_derived_key() {
    let emulator = emulator();
    let id = RegistrationId::new("Device:1.a_b-c").unwrap();
    let hsm = SymmetricKeyHsm::derived(id, &group_key(&emulator));
    let assignment = builder(&emulator, hsm).build().unwrap().register().unwrap();
    assert_eq!(assignment.device_id, "Device:1.a_b-c");
    assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
}

#[test]
fn a_slow_assignment_is_polled_on_the_same_connection() {
    let mut config = EmulatorConfig::from_yaml(CONFIG).unwrap();
    config.assignment_delay = Duration::from_millis(2500);
    let emulator = Emulator::start(config).unwrap();
    let mut statuses = Vec::new();
    let mut client = keyed(&emulator, "single", &key_of(&emulator, "single"))
        // A second connection would be one too many.
        .policy(Policy { max_connections: Some(1), ..Policy::default() })
        .build()
        .unwrap();
    client.register_with(|status| statuses.push(status)).unwrap();
    assert_eq!(statuses[0], Status::Connected);
    assert!(statuses[1..].iter().all(|status| *status == Status::Assigning));
    assert!((3..=4).contains(&statuses.len()), "{statuses:?}");
}

#[tokio::test]
async fn the_async_client_registers() {
    let emulator = emulator();
    let id = RegistrationId::new("async-device").unwrap();
    let key = group_key(&emulator).derive(&id);
    let mut client = keyed(&emulator, "async-device", &key).build().unwrap();
    assert_eq!(client.register_async().await.unwrap().device_id, "async-device");
}

#[test]
fn each_refusal_has_its_reason() {
    let emulator = emulator();
    let (single, fleet) = (key_of(&emulator, "single"), group_key(&emulator));
    for (id, key) in [("single", &fleet), ("in-fleet", &fleet), ("in-fleet", &single)] {
        let error = refusal(keyed(&emulator, id, key));
        assert_eq!(*error.kind(), ErrorKind::Service { status: 401 }, "{error}");
        assert_eq!(error.stage(), Stage::Register);
        let service = error.service().unwrap();
        assert_eq!(service.error_code, Some(401_000));
        assert!(service.tracking_id.is_some() && error.hint().contains("key"));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(key.to_base64().as_str()) && !shown.contains("sig="));
    }
    let disabled = refusal(keyed(&emulator, "shut-out", &key_of(&emulator, "shut-out")));
    assert_eq!(*disabled.kind(), ErrorKind::Disabled);
    let scope = IdScope::new("0ne00000000").unwrap();
    let error = refusal(keyed(&emulator, "single", &single).id_scope(scope));
    assert_eq!(*error.kind(), ErrorKind::Service { status: 404 });
    assert!(error.hint().contains("ID scope"));
}

#[test]
fn an_unknown_id_is_404_where_no_group_could_match() {
    let yaml = CONFIG.split("enrollmentGroups").next().unwrap();
    let emulator = Emulator::start(EmulatorConfig::from_yaml(yaml).unwrap()).unwrap();
    let error = refusal(keyed(&emulator, "nobody", &key_of(&emulator, "single")));
    assert_eq!(*error.kind(), ErrorKind::Service { status: 404 });
    assert_eq!(error.service().unwrap().error_code, Some(404_201));
}

#[test]
fn certificates_let_devices_in_one_by_one_and_by_group() {
    let root = Authority::root("root");
    let factory = root.intermediate("factory");
    let own = self_signed("single", KeyKind::P256);
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.retry_after_seconds = 1;
    config.assignment_delay = Duration::ZERO;
    let mut individual = IndividualEnrollmentConfig::new(RegistrationId::new("single").unwrap());
    individual.attestation = AttestationConfig::with_client_certificate(own.as_str());
    let mut group = EnrollmentGroupConfig::new("fleet");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem().as_str());
    config.enrollments = vec![individual];
    config.enrollment_groups = vec![group];
    let emulator = Emulator::start(config).unwrap();

    let hsm = |chain: &str, key: KeyKind| {
        X509Hsm::from_pem(chain.as_bytes(), key.pem().as_bytes()).unwrap()
    };
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let versions = TlsVersions::only(version);
        let single = builder(&emulator, hsm(&own, KeyKind::P256)).tls_versions(versions);
        assert_eq!(single.build().unwrap().register().unwrap().device_id, "single");
        let chain = factory.device("sn-7", KeyKind::Rsa) + &factory.pem();
        let member = builder(&emulator, hsm(&chain, KeyKind::Rsa)).tls_versions(versions);
        let assignment = member.build().unwrap().register().unwrap();
        assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
    }
    let stranger = Authority::root("root").device("sn-7", KeyKind::P256);
    let error = refusal(builder(&emulator, hsm(&stranger, KeyKind::P256)));
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(error.service().unwrap().message.as_deref(), Some("Invalid certificate."));
}

#[test]
fn the_wrong_door_is_named() {
    let emulator = emulator();
    let key = key_of(&emulator, "single");
    let endpoint = Endpoint::parse(&emulator.mqtt_address().to_string()).unwrap();
    let policy = Policy { deadline: Some(Duration::from_secs(3)), ..Policy::default() };
    // The MQTT door closes the connection without a word.
    let error = refusal(keyed(&emulator, "single", &key).endpoint(endpoint).policy(policy));
    assert!(error.to_string().contains("the connection was lost"), "{error}");
    let endpoint = Endpoint::parse(&emulator.https_address().to_string()).unwrap();
    let mqtt = keyed(&emulator, "single", &key).transport(Transport::Mqtt).endpoint(endpoint);
    let error = refusal(mqtt);
    assert!(error.to_string().contains("does not speak MQTT"), "{error}");
}

#[test]
fn doors_are_where_they_are_told_to_be() {
    let first = emulator();
    assert_ne!(first.https_address().port(), 443);
    let summary = serde_json::to_value(first.summary()).unwrap();
    assert_eq!(summary["https"]["port"], first.https_address().port());
    let mut second = EmulatorConfig::default();
    second.mqtt_port = 0;
    second.https_port = Some(first.https_address().port());
    let error = Emulator::start(second).unwrap_err().to_string();
    assert!(error.contains("HTTPS") && error.contains("httpsPort"), "{error}");
}
