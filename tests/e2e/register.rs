//! Registrations over real TLS and TCP against the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Builder, Endpoint, Error, ErrorKind, IdScope, Policy, ProvisioningClient, RegistrationId,
    Stage, Status, SymmetricKey, TrustAnchors,
};
use dps_emulator::{Emulator, EmulatorConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use std::time::{Duration, Instant};

const CONFIG: &str = "
mqttPort: 0
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

fn builder(emulator: &Emulator, id: &str, key: &SymmetricKey) -> Builder {
    let id = RegistrationId::new(id).unwrap();
    ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&emulator.mqtt_address().to_string()).unwrap())
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .hsm(SymmetricKeyHsm::new(id, key.clone()))
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .policy(Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() })
}

fn key_of(emulator: &Emulator, id: &str) -> SymmetricKey {
    let enrollment = emulator
        .enrollments()
        .into_iter()
        .find(|enrollment| enrollment.registration_id.as_str() == id)
        .unwrap();
    enrollment.symmetric_keys().unwrap().primary.clone()
}

fn group_key(emulator: &Emulator) -> SymmetricKey {
    emulator.groups()[0].symmetric_keys().unwrap().primary.clone()
}

fn refusal(builder: Builder) -> Error {
    builder.build().unwrap().register().expect_err("it must be refused")
}

#[test]
fn an_individual_enrollment_gets_its_hub_and_device_id() {
    let emulator = emulator();
    let key = key_of(&emulator, "single");
    let mut statuses = Vec::new();
    let mut client = builder(&emulator, "single", &key).build().unwrap();
    let assignment = client.register_with(|status| statuses.push(status)).unwrap();
    assert_eq!(assignment.hub, "west.localhost");
    assert_eq!(assignment.device_id, "single-in-west");
    assert_eq!(assignment.substatus.as_deref(), Some("initialAssignment"));
    assert_eq!(assignment.enrollment_group_id, None);
    assert_eq!(statuses, [Status::Connected, Status::Assigning]);
    let text = assignment.connection_string(&key);
    let expected = format!(
        "HostName=west.localhost;DeviceId=single-in-west;SharedAccessKey={}",
        key.to_base64().as_str()
    );
    assert_eq!(*text, expected);
    // The same client again: the same assignment.
    let again = client.register().unwrap();
    assert_eq!((again.hub, again.device_id), (assignment.hub, assignment.device_id));
    assert_eq!(again.created, assignment.created);
}

#[test]
fn a_group_device_gets_in_with_its_derived_key() {
    let emulator = emulator();
    let id = RegistrationId::new("Device:1.a_b-c").unwrap();
    let hsm = SymmetricKeyHsm::derived(id, &group_key(&emulator));
    for conservative in [false, true] {
        let assignment = builder(&emulator, "ignored", &group_key(&emulator))
            .hsm(hsm.clone())
            .conservative(conservative)
            .payload_json(r#"{"model":"x"}"#)
            .build()
            .unwrap()
            .register()
            .unwrap();
        assert_eq!(assignment.device_id, "Device:1.a_b-c");
        assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
    }
}

#[tokio::test]
async fn the_async_client_registers() {
    let emulator = emulator();
    let id = RegistrationId::new("async-device").unwrap();
    let key = group_key(&emulator).derive(&id);
    let mut client = builder(&emulator, "async-device", &key).build().unwrap();
    let mut statuses = Vec::new();
    let assignment = client.register_async_with(|status| statuses.push(status)).await.unwrap();
    assert_eq!(assignment.device_id, "async-device");
    assert_eq!(statuses, [Status::Connected, Status::Assigning]);
}

#[test]
fn each_refusal_has_its_reason() {
    let emulator = emulator();
    let single = key_of(&emulator, "single");
    let fleet = group_key(&emulator);
    let cases = [
        ("another key", refusal(builder(&emulator, "single", &fleet)), 401, 401_000),
        ("the group's own key", refusal(builder(&emulator, "in-fleet", &fleet)), 401, 401_000),
        ("another device's key", refusal(builder(&emulator, "in-fleet", &single)), 401, 401_000),
    ];
    for (name, error, status, code) in cases {
        assert_eq!(*error.kind(), ErrorKind::Service { status }, "{name}: {error}");
        assert_eq!(error.stage(), Stage::Register, "{name}");
        let service = error.service().unwrap();
        assert_eq!(service.error_code, Some(code), "{name}");
        assert!(service.tracking_id.is_some(), "{name}");
        assert!(error.hint().contains("key"), "{name}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(single.to_base64().as_str()) && !shown.contains("sig="));
    }
    let disabled = refusal(builder(&emulator, "shut-out", &key_of(&emulator, "shut-out")));
    assert_eq!(*disabled.kind(), ErrorKind::Disabled);
    assert!(disabled.hint().contains("enable"));
    let scope = refusal(
        builder(&emulator, "single", &single).id_scope(IdScope::new("0ne00000000").unwrap()),
    );
    assert_eq!(*scope.kind(), ErrorKind::ConnectRejected { code: 5 });
    assert_eq!(scope.stage(), Stage::Authenticate);
}

#[test]
fn an_unknown_id_is_404_where_no_group_could_match() {
    let yaml = CONFIG.split("enrollmentGroups").next().unwrap();
    let emulator = Emulator::start(EmulatorConfig::from_yaml(yaml).unwrap()).unwrap();
    let error = refusal(builder(&emulator, "nobody", &key_of(&emulator, "single")));
    assert_eq!(*error.kind(), ErrorKind::Service { status: 404 });
    assert_eq!(error.service().unwrap().error_code, Some(404_201));
    assert!(error.hint().contains("enrollment"));
}

#[test]
fn an_expired_token_is_refused() {
    let emulator = emulator();
    let key = key_of(&emulator, "single");
    let mut client = builder(&emulator, "single", &key).build().unwrap();
    // This machine's clock, set back by two hours: the token's hour is over. TLS is unaffected
    // because the service's certificate is older than that.
    let set_back = |client: &ProvisioningClient| {
        let now = client.now();
        dps_client::Now::new(now.at, now.unix_seconds - 7200)
    };
    client.start_at(set_back(&client)).unwrap();
    let error = loop {
        match client.poll() {
            dps_client::Progress::Finished(result) => break result.unwrap_err(),
            _ => client.wait(Duration::from_millis(10)),
        }
    };
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(error.service().unwrap().error_code, Some(401_002));
    assert!(error.hint().contains("clock"));
}

#[test]
fn a_service_that_is_not_trusted_is_refused_before_anything_is_sent() {
    let emulator = emulator();
    let stranger = self::emulator();
    let key = key_of(&emulator, "single");
    let anchors = TrustAnchors::pem(stranger.ca_pem());
    let error = refusal(builder(&emulator, "single", &key).trust_anchors(anchors));
    assert_eq!(error.stage(), Stage::Tls);
    assert!(matches!(error.kind(), ErrorKind::ServerCertificate(_)), "{error}");
    let error = refusal(builder(&emulator, "single", &key).trust_anchors(TrustAnchors::pem("x")));
    assert!(error.to_string().contains("no PEM certificate"), "{error}");
    assert!(emulator.registrations().is_empty());
}

#[test]
fn a_host_that_refuses_tcp_is_tried_again_until_the_deadline() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let emulator = emulator();
    let builder = builder(&emulator, "single", &key_of(&emulator, "single"))
        .endpoint(Endpoint::parse(&address.to_string()).unwrap())
        .policy(Policy {
            deadline: Some(Duration::from_secs(1)),
            backoff_base: Duration::from_millis(50),
            ..Policy::default()
        });
    let started = Instant::now();
    let error = refusal(builder);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(error.stage(), Stage::Deadline);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_name_is_resolved_and_its_addresses_are_tried_in_turn() {
    let emulator = emulator();
    let port = emulator.mqtt_address().port();
    // "localhost" may well resolve to ::1 first, where nobody listens.
    let assignment = builder(&emulator, "single", &key_of(&emulator, "single"))
        .endpoint(Endpoint::parse(&format!("localhost:{port}")).unwrap())
        .build()
        .unwrap()
        .register()
        .unwrap();
    assert_eq!(assignment.hub, "west.localhost");
    let error = refusal(
        builder(&emulator, "single", &key_of(&emulator, "single"))
            .endpoint(Endpoint::parse("no-such-host.invalid").unwrap())
            .policy(Policy { max_connections: Some(1), ..Policy::default() }),
    );
    assert_eq!(*error.kind(), ErrorKind::NameResolution);
    assert_eq!(error.stage(), Stage::Resolve);
}

#[test]
fn settings_that_cannot_work_are_refused_by_build() {
    let emulator = emulator();
    let key = key_of(&emulator, "single");
    let refused = |builder: Builder| builder.build().unwrap_err().to_string();
    assert!(refused(ProvisioningClient::builder()).contains("ID scope"));
    assert!(
        refused(ProvisioningClient::builder().id_scope(IdScope::new("s").unwrap()))
            .contains("security module")
    );
    let payload = builder(&emulator, "single", &key).payload_json("{not json");
    assert!(refused(payload).contains("payload"));
}

#[test]
fn two_hundred_devices_register_at_once() {
    let emulator = emulator();
    let group = group_key(&emulator);
    let mut clients: Vec<ProvisioningClient> = (0..200)
        .map(|number| {
            let id = RegistrationId::new(format!("device-{number}")).unwrap();
            let key = group.derive(&id);
            let mut client = builder(&emulator, id.as_str(), &key).build().unwrap();
            client.start().unwrap();
            client
        })
        .collect();
    let mut assigned = 0;
    let started = Instant::now();
    while assigned < 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "{assigned} so far");
        for client in &mut clients {
            if let dps_client::Progress::Finished(result) = client.poll() {
                result.unwrap();
                assigned += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(emulator.registrations().len(), 200);
}
