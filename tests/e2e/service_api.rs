//! dps-service against the local service: what an operator does, and what devices then find.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_client::{ErrorKind, RegistrationId, SymmetricKey, Transport};
use dps_emulator::{AllocationPolicy, EmulatorConfig, HubConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_service::{
    AttestationMechanism, BulkMode, ConnectionString, CustomAllocationDefinition, EnrollmentGroup,
    Error, IndividualEnrollment, ServiceClient,
};
use dps_tests::{Authority, Fleet, KeyKind, SoftwareTpm};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

fn operator(fleet: &Fleet) -> ServiceClient {
    let connection: ConnectionString = fleet.emulator.connection_string().parse().unwrap();
    ServiceClient::builder(connection)
        .trusted_certificates(fleet.emulator.ca_pem())
        .build()
        .unwrap()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, status: u16, code: u32) {
    let error = result.unwrap_err();
    let service = error.service().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((service.status, service.code), (status, Some(code)), "{error}");
    assert_eq!(service.tracking_id.as_ref().unwrap().len(), 36);
    assert!(service.message.is_some() && !error.hint().is_empty());
}

fn keyed(name: &str) -> IndividualEnrollment {
    IndividualEnrollment::new(name, AttestationMechanism::symmetric_key())
}

#[test]
fn an_enrollment_lets_a_device_in_from_its_creation_to_its_end() {
    let fleet = Fleet::start();
    let client = operator(&fleet);
    let enrollments = client.enrollments();
    let mut wanted = keyed("Dev:1.a");
    wanted.device_id = Some("line-1".into());
    wanted.initial_twin = Some(json!({"tags": {"a": 1}}));
    let created = enrollments.create(&wanted).unwrap();
    assert_refused(enrollments.create(&wanted), 409, 409_000);
    let keys = enrollments.attestation_mechanism("dev:1.A").unwrap().symmetric_key.unwrap();
    assert!(!format!("{keys:?}").contains(keys.primary_key.as_ref().unwrap().to_base64().as_str()));

    let key = keys.secondary_key.unwrap();
    let id = || RegistrationId::new("Dev:1.a").unwrap();
    let register = || {
        let hsm = SymmetricKeyHsm::new(id(), key.clone());
        fleet.client(Transport::Http, hsm).build().unwrap().register()
    };
    assert_eq!(register().unwrap().device_id, "line-1");
    let state = client.registrations().get("dev:1.a").unwrap();
    assert_eq!(state.device_id.as_deref(), Some("line-1"));
    let mut read = enrollments.get("dev:1.a").unwrap();
    assert_eq!(read.registration_state.as_ref(), Some(&state));
    assert_eq!(read.etag, created.etag, "a registration does not change the enrollment");

    read.provisioning_status = Some("disabled".into());
    let updated = enrollments.update(&read).unwrap();
    assert_ne!(updated.etag, created.etag);
    assert_eq!(updated.initial_twin, wanted.initial_twin);
    assert_refused(enrollments.update(&read), 412, 412_000);
    assert_eq!(*register().unwrap_err().kind(), ErrorKind::Disabled);

    assert_refused(enrollments.delete("dev:1.a", created.etag.as_deref()), 412, 412_000);
    enrollments.delete("dev:1.a", updated.etag.as_deref()).unwrap();
    assert_refused(enrollments.get("dev:1.a"), 404, 404_201);
    assert!(register().is_err());
    assert!(client.registrations().get("dev:1.a").is_ok(), "the record stays");
    client.registrations().delete("dev:1.a", None).unwrap();
    assert_refused(client.registrations().get("dev:1.a"), 404, 404_201);
}

#[test]
fn certificates_that_are_enrolled_over_the_api_let_devices_in() {
    let fleet = Fleet::start();
    let client = operator(&fleet);
    let authority = Authority::root("Operator root");
    let line = authority.intermediate("line 7");
    let chain = line.device("sn-9", KeyKind::P256) + &line.pem();
    let register = || {
        let key = KeyKind::P256.pem();
        let hsm = dps_hsm_x509::X509Hsm::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        fleet.client(Transport::Mqtt, hsm).build().unwrap().register()
    };
    assert!(register().is_err());
    let mechanism = AttestationMechanism::signing_certificates(&line.pem(), None);
    let mut group = EnrollmentGroup::new("line-7", mechanism);
    group = client.enrollment_groups().create(&group).unwrap();
    assert_eq!(register().unwrap().device_id, "sn-9");
    let found: Vec<_> = client.registrations().of_group("LINE-7", Some(1)).collect();
    assert_eq!(found.len(), 1);
    // An update with what was read keeps the certificate.
    group.iot_hubs = Some(vec!["contoso-hub.localhost".into()]);
    client.enrollment_groups().update(&group).unwrap();
    assert_eq!(register().unwrap().device_id, "sn-9");
    let wrong = AttestationMechanism::signing_certificates("no certificate", None);
    assert_refused(
        client.enrollment_groups().create(&EnrollmentGroup::new("x", wrong)),
        400,
        400_004,
    );
}

#[test]
fn lists_come_in_pages_and_bulk_operations_in_tens() {
    let fleet = Fleet::start();
    let client = operator(&fleet);
    let enrollments = client.enrollments();
    let many: Vec<_> = (0..10).map(|number| keyed(&format!("bulk-{number}"))).collect();
    assert!(enrollments.bulk(BulkMode::Create, &many).unwrap().is_successful);
    let listed: Vec<String> = enrollments
        .list(Some(3))
        .map(|item| item.unwrap().registration_id)
        .filter(|name| name.starts_with("bulk"))
        .collect();
    assert_eq!(listed, (0..10).map(|number| format!("bulk-{number}")).collect::<Vec<_>>());
    let again = enrollments.bulk(BulkMode::Create, &many[..2]).unwrap();
    assert!(!again.is_successful);
    assert_eq!(again.errors[1].registration_id, "bulk-1");
    assert_eq!(again.errors[1].error_code, Some(409_000));
    assert!(enrollments.bulk(BulkMode::Delete, &many).unwrap().is_successful);
    assert_refused(enrollments.bulk(BulkMode::Delete, &[]), 400, 400_004);
}

#[test]
fn a_list_whose_pages_are_too_large_comes_in_smaller_ones() {
    let fleet = Fleet::start();
    let connection: ConnectionString = fleet.emulator.connection_string().parse().unwrap();
    let client = ServiceClient::builder(connection)
        .trusted_certificates(fleet.emulator.ca_pem())
        .largest_answer(20_000)
        .build()
        .unwrap();
    let enrollments = client.enrollments();
    let large = |number: usize, bytes: usize| {
        let mut item = keyed(&format!("large-{number:02}"));
        item.optional_device_information = Some(json!({"text": "x".repeat(bytes)}));
        item
    };
    for number in 0..40 {
        enrollments.create(&large(number, 2000)).unwrap();
    }
    for page_size in [None, Some(1000), Some(39)] {
        let names: Vec<String> =
            enrollments.list(page_size).map(|item| item.unwrap().registration_id).collect();
        let names: Vec<_> = names.iter().filter(|name| name.starts_with("large")).collect();
        assert_eq!(names.len(), 40, "{page_size:?}");
        assert!(names.is_sorted(), "{names:?}");
    }
    assert!(matches!(enrollments.create(&large(40, 30_000)), Err(Error::TooLarge { .. })));
    let last = enrollments.list(None).last().unwrap();
    assert!(matches!(last, Err(Error::TooLarge { most_bytes: 20_000 })), "{last:?}");
}

#[test]
fn whoever_lacks_the_key_or_trust_is_told_so() {
    let fleet = Fleet::start();
    let good = fleet.emulator.connection_string();
    let (start, _) = good.rsplit_once("SharedAccessKey=").unwrap();
    let other = format!("{start}SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let client = ServiceClient::builder(other.parse().unwrap())
        .trusted_certificates(fleet.emulator.ca_pem())
        .build()
        .unwrap();
    assert_refused(client.enrollments().get("key-device"), 401, 401_002);
    let stranger = Authority::root("somebody else").pem();
    let client = ServiceClient::builder(good.parse().unwrap())
        .trusted_certificates(stranger)
        .build()
        .unwrap();
    let error = client.enrollments().get("key-device").unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

/// Answers each POST with the next of the given replies, and gives what was asked.
fn webhook(replies: Vec<(u16, Value)>) -> (SocketAddr, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, questions) = channel();
    thread::spawn(move || {
        for (status, reply) in replies {
            let (socket, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(socket);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_ascii_lowercase()),
                }
            }
            let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            asked.send((lines.join("\n"), serde_json::from_slice(&body).unwrap())).unwrap();
            let reply = reply.to_string();
            write!(
                reader.into_inner(),
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
                reply.len()
            )
            .unwrap();
        }
    });
    (address, questions)
}

fn two_hubs(config: &mut EmulatorConfig) {
    config.hubs = vec![HubConfig::new("one.localhost"), HubConfig::new("two.localhost")];
}

#[test]
fn a_webhook_chooses_the_hub_and_may_speak_to_the_device() {
    let fleet = Fleet::start_with(two_hubs);
    let client = operator(&fleet);
    let (address, questions) = webhook(vec![
        (200, json!({"iotHubHostName": "two.localhost", "payload": {"welcome": [1]}})),
        (500, json!({})),
    ]);
    let mut enrollment = keyed("asking");
    enrollment.allocation_policy = Some("custom".into());
    enrollment.custom_allocation_definition = Some(CustomAllocationDefinition {
        webhook_url: format!("http://{address}/allocate?code=1"),
        api_version: "2019-03-31".into(),
    });
    client.enrollments().create(&enrollment).unwrap();
    let keys = client.enrollments().attestation_mechanism("asking").unwrap().symmetric_key;
    let key: SymmetricKey = keys.unwrap().primary_key.unwrap();
    let register = || {
        let hsm = SymmetricKeyHsm::new(RegistrationId::new("asking").unwrap(), key.clone());
        let client = fleet.client(Transport::Mqtt, hsm).payload_json(r#"{"kind":"pump"}"#);
        client.build().unwrap().register()
    };
    let assigned = register().unwrap();
    assert_eq!(assigned.hub, "two.localhost");
    assert_eq!(assigned.payload.as_deref().unwrap(), r#"{"welcome":[1]}"#);
    let (head, question) = questions.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(head.starts_with("post /allocate?code=1 http/1.1"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(question["deviceRuntimeContext"]["payload"], json!({"kind": "pump"}));
    assert_eq!(question["linkedHubs"], json!(["one.localhost", "two.localhost"]));
    let error = register().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::RegistrationFailed, "{error}");
    assert_eq!(error.service().unwrap().error_code, Some(400_207));
    let (_, question) = questions.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(question["deviceRuntimeContext"]["currentIotHubHostName"], "two.localhost");
}

#[test]
fn a_webhook_that_is_silent_or_not_there_fails_the_registration_in_time() {
    let fleet = Fleet::start_with(|config| {
        two_hubs(config);
        config.webhook_timeout = Duration::from_millis(300);
    });
    let client = operator(&fleet);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, words) in [(silent.local_addr().unwrap(), "in time"), (nobody, "reached")] {
        let mut group = EnrollmentGroup::new("asking", AttestationMechanism::symmetric_key());
        group.allocation_policy = Some("custom".into());
        group.custom_allocation_definition = Some(CustomAllocationDefinition {
            webhook_url: format!("http://{address}/"),
            api_version: "2019-03-31".into(),
        });
        client.enrollment_groups().create(&group).unwrap();
        let mechanism = client.enrollment_groups().attestation_mechanism("asking").unwrap();
        let id = RegistrationId::new("sn-1").unwrap();
        let key = mechanism.symmetric_key.unwrap().primary_key.unwrap();
        let hsm = SymmetricKeyHsm::derived(id, &key);
        let error = fleet.client(Transport::Amqp, hsm).build().unwrap().register().unwrap_err();
        assert_eq!(error.service().unwrap().error_code, Some(400_207), "{error}");
        assert!(error.service().unwrap().message.as_ref().unwrap().contains(words), "{error}");
        client.enrollment_groups().delete("asking", None).unwrap();
    }
}

#[test]
fn a_service_that_has_ended_keeps_its_state_file_for_no_webhook() {
    let folder = dps_tests::Folder::new("webhook-at-the-end");
    let file = folder.path().join("state.db");
    let fleet = Fleet::start_with(|config| {
        two_hubs(config);
        config.state_file = Some(file.clone());
        config.webhook_timeout = Duration::from_secs(60);
    });
    let client = operator(&fleet);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut group = EnrollmentGroup::new("asking", AttestationMechanism::symmetric_key());
    group.allocation_policy = Some("custom".into());
    group.custom_allocation_definition = Some(CustomAllocationDefinition {
        webhook_url: format!("http://{}/", silent.local_addr().unwrap()),
        api_version: "2019-03-31".into(),
    });
    client.enrollment_groups().create(&group).unwrap();
    let mechanism = client.enrollment_groups().attestation_mechanism("asking").unwrap();
    let key = mechanism.symmetric_key.unwrap().primary_key.unwrap();
    let hsm = SymmetricKeyHsm::derived(RegistrationId::new("sn-1").unwrap(), &key);
    let mut device = fleet.client(Transport::Mqtt, hsm).build().unwrap();
    // How it ends does not matter here.
    std::thread::spawn(move || device.register());
    let (call, _) = silent.accept().unwrap();

    fleet.emulator.stop();
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.state_file = Some(file);
    dps_emulator::Emulator::start(config).unwrap();
    // Only now the webhook is let go.
    drop(call);
}

#[test]
fn by_every_transport_a_device_gets_the_hub_that_is_near_its_address() {
    let yaml = "
hubs: [{hostName: far.localhost, region: mars}, {hostName: near.localhost, region: here}]
deviceNetworks: [{network: 127.0.0.0/8, latencyMs: {mars: 900, here: 1}}]
";
    let near = EmulatorConfig::from_yaml(yaml).unwrap();
    let fleet = Fleet::start_with(|config| {
        config.hubs = near.hubs;
        config.device_networks = near.device_networks;
        config.allocation_policy = AllocationPolicy::GeoLatency;
    });
    for transport in Transport::ALL {
        // By chance all would have gone there once in 1024 times.
        for number in 0..2 {
            let name = format!("{transport}-{number}");
            let client = fleet.device(transport, dps_tests::Proof::KeyGroup, &name);
            let assigned = client.build().unwrap().register().unwrap();
            assert_eq!(assigned.hub, "near.localhost", "{name}");
        }
    }
}

#[test]
fn a_tpm_that_is_enrolled_over_the_api_gets_in_and_the_one_before_it_no_more() {
    let fleet = Fleet::start();
    let client = operator(&fleet);
    let (first, second) = (SoftwareTpm::new(1).named("tpm-1"), SoftwareTpm::new(2).named("tpm-1"));
    let mechanism =
        |tpm: &SoftwareTpm| AttestationMechanism::tpm(STANDARD.encode(tpm.keys().endorsement_key));
    let register =
        |tpm: &SoftwareTpm| fleet.client(Transport::Http, tpm.clone()).build().unwrap().register();
    let enrollments = client.enrollments();
    let wanted = IndividualEnrollment::new("tpm-1", mechanism(&first));
    let mut created = enrollments.create(&wanted).unwrap();
    assert_eq!(created.attestation.tpm, mechanism(&first).tpm);
    assert_eq!(register(&first).unwrap().device_id, "tpm-1");
    assert!(register(&second).is_err());
    created.attestation = mechanism(&second);
    enrollments.update(&created).unwrap();
    assert!(register(&first).is_err());
    assert_eq!(register(&second).unwrap().device_id, "tpm-1");
}
