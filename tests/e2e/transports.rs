//! What every transport has in common, over real TLS and TCP against the local service. (Successes
//! by every proof are `matrix.rs`'s.)
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Builder, Error, ErrorKind, IdScope, Policy, RegistrationId, Stage, Status, SymmetricKey,
    Transport,
};
use dps_emulator::{Emulator, EmulatorConfig, IndividualEnrollmentConfig, ProvisioningStatus};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, Fleet, KeyKind, Proof};
use std::thread;
use std::time::Duration;

/// Runs `check` for all transports at the same time: most of each is waiting.
fn for_each(check: impl Fn(Transport) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for transport in Transport::ALL {
            let run = move || check(transport);
            thread::Builder::new().name(transport.to_string()).spawn_scoped(scope, run).unwrap();
        }
    });
}

fn refusal(builder: Builder) -> Error {
    builder.build().unwrap().register().expect_err("it must be refused")
}

fn keyed(fleet: &Fleet, transport: Transport, id: &str, key: &SymmetricKey) -> Builder {
    fleet.client(transport, SymmetricKeyHsm::new(RegistrationId::new(id).unwrap(), key.clone()))
}

#[test]
fn a_large_payload_goes_along_pipelined_and_step_by_step() {
    let fleet = Fleet::start();
    let large = format!("{{\"model\":\"{}\"}}", "x".repeat(90_000));
    for_each(|transport| {
        for conservative in [false, true] {
            let mut statuses = Vec::new();
            let mut client = fleet
                .device(transport, Proof::KeyGroup, "Device:1.a_b-c")
                .payload_json(large.as_str())
                .conservative(conservative)
                .build()
                .unwrap();
            let assignment = client.register_with(|status| statuses.push(status)).unwrap();
            assert_eq!(assignment.device_id, "Device:1.a_b-c", "{transport}");
            assert_eq!(statuses, [Status::Connected, Status::Assigning], "{transport}");
        }
    });
}

#[test]
fn a_slow_assignment_is_polled_on_the_same_connection() {
    let slow = Duration::from_millis(2500);
    let fleet = Fleet::start_with(|config| config.assignment_delay = slow);
    for_each(|transport| {
        // A second connection would be one too many.
        let policy = Policy { max_connections: Some(1), ..Policy::default() };
        let client = fleet.device(transport, Proof::KeyGroup, "slow").policy(policy);
        let mut statuses = Vec::new();
        client.build().unwrap().register_with(|status| statuses.push(status)).unwrap();
        assert_eq!(statuses[0], Status::Connected, "{transport}");
        assert!(statuses[1..].iter().all(|status| *status == Status::Assigning), "{transport}");
        assert!((3..=4).contains(&statuses.len()), "{transport}: {statuses:?}");
    });
}

#[test]
fn the_async_client_registers() {
    let fleet = Fleet::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for transport in Transport::ALL {
            let client = fleet.device(transport, Proof::X509Group, "async-device");
            let assignment = client.build().unwrap().register_async().await.unwrap();
            assert_eq!(assignment.device_id, "async-device", "{transport}");
        }
    });
}

#[test]
fn each_refusal_has_its_reason() {
    let fleet = Fleet::start_with(|config| {
        let id = RegistrationId::new("shut-out").unwrap();
        let mut shut_out = IndividualEnrollmentConfig::new(id);
        shut_out.provisioning_status = ProvisioningStatus::Disabled;
        config.enrollments.push(shut_out);
    });
    let stranger = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    let key = {
        let mut all = fleet.emulator.enrollments().into_iter();
        let found = all.find(|one| one.registration_id.as_str() == "shut-out");
        found.unwrap().symmetric_keys().unwrap().primary.clone()
    };
    let impostor = Authority::root("Fleet root").device("sn-7", KeyKind::P256);
    for_each(|transport| {
        for id in ["key-device", "of-the-group"] {
            let error = refusal(keyed(&fleet, transport, id, &stranger));
            assert_eq!(*error.kind(), ErrorKind::Service { status: 401 }, "{transport}: {error}");
            assert_eq!(error.stage(), Stage::Register, "{transport}");
            let service = error.service().unwrap();
            assert_eq!(service.error_code, Some(401_000), "{transport}");
            assert!(service.tracking_id.is_some() && service.timestamp.is_some(), "{transport}");
            assert!(error.hint().contains("key"), "{transport}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(stranger.to_base64().as_str()) && !shown.contains("sig="));
        }
        let error = refusal(keyed(&fleet, transport, "shut-out", &key));
        assert_eq!(*error.kind(), ErrorKind::Disabled, "{transport}");

        let hsm = X509Hsm::from_pem(impostor.as_bytes(), KeyKind::P256.pem().as_bytes()).unwrap();
        let error = refusal(fleet.client(transport, hsm));
        assert_eq!(*error.kind(), ErrorKind::Service { status: 401 }, "{transport}: {error}");
        let service = error.service().unwrap();
        assert_eq!(service.error_code, Some(401_002), "{transport}");
        assert_eq!(service.message.as_deref(), Some("Invalid certificate."), "{transport}");

        // The certificate carries another name.
        let other = RegistrationId::new("someone-else").unwrap();
        let renamed = fleet.device(transport, Proof::X509Group, "sn-8").registration_id(other);
        let error = refusal(renamed);
        assert_eq!(error.service().unwrap().error_code, Some(401_002), "{transport}: {error}");

        let elsewhere = fleet.device(transport, Proof::KeyIndividual, "key-device");
        let error = refusal(elsewhere.id_scope(IdScope::new("0ne00000000").unwrap()));
        let kind = match transport {
            Transport::Http => ErrorKind::Service { status: 404 },
            Transport::Amqp | Transport::AmqpWs => ErrorKind::SaslRejected { code: 1 },
            _ => ErrorKind::ConnectRejected { code: 5 },
        };
        assert_eq!(*error.kind(), kind, "{transport}: {error}");
        assert!(error.hint().contains("ID scope"), "{transport}: {}", error.hint());
    });
}

#[test]
fn an_unknown_id_is_404_where_no_group_could_match() {
    let fleet = Fleet::start_with(|config| config.enrollment_groups.clear());
    let stranger = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    for_each(|transport| {
        let error = refusal(keyed(&fleet, transport, "nobody", &stranger));
        assert_eq!(*error.kind(), ErrorKind::Service { status: 404 }, "{transport}: {error}");
        assert_eq!(error.service().unwrap().error_code, Some(404_201), "{transport}");
    });
}

#[test]
fn bad_credentials_are_refused_when_connecting_if_the_service_is_told_to() {
    let fleet = Fleet::start_with(|config| config.reject_at_connect = true);
    let stranger = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    for_each(|transport| {
        for conservative in [false, true] {
            let client = keyed(&fleet, transport, "key-device", &stranger);
            let error = refusal(client.conservative(conservative));
            let kind = match transport {
                // HTTP has no connection of its own to refuse.
                Transport::Http => ErrorKind::Service { status: 401 },
                Transport::Amqp | Transport::AmqpWs => ErrorKind::SaslRejected { code: 1 },
                _ => ErrorKind::ConnectRejected { code: 5 },
            };
            assert_eq!(*error.kind(), kind, "{transport}: {error}");
            assert!(error.hint().contains("key"), "{transport}");
        }
        let good = fleet.device(transport, Proof::KeyIndividual, "key-device");
        assert!(good.build().unwrap().register().is_ok(), "{transport}");
    });
}

#[test]
fn the_wrong_door_is_named() {
    let fleet = Fleet::start();
    let policy = Policy { deadline: Some(Duration::from_secs(3)), ..Policy::default() };
    for (transport, door, words) in [
        // The MQTT door closes the connection without a word.
        (Transport::Http, Transport::Mqtt, "the connection was lost"),
        (Transport::Mqtt, Transport::Http, "does not speak MQTT"),
        (Transport::Amqp, Transport::Http, "does not speak AMQP"),
        (Transport::MqttWs, Transport::Amqp, "not HTTP"),
    ] {
        let client = fleet.device(transport, Proof::KeyIndividual, "key-device");
        let error = refusal(client.endpoint(fleet.endpoint(door)).policy(policy.clone()));
        assert!(error.to_string().contains(words), "{transport} at {door}: {error}");
    }
}

#[test]
fn doors_are_where_they_are_told_to_be() {
    let first = Fleet::start().emulator;
    let summary = first.summary();
    for (door, address, name) in [
        (summary.mqtt, first.mqtt_address(), "mqttPort"),
        (summary.amqp, first.amqp_address(), "amqpPort"),
        (summary.https, first.https_address(), "httpsPort"),
    ] {
        assert_eq!(door.port, address.port());
        let mut second = EmulatorConfig::default();
        let port = |of: &str| if of == name { address.port() } else { 0 };
        second.mqtt_port = port("mqttPort");
        second.amqp_port = Some(port("amqpPort"));
        second.https_port = Some(port("httpsPort"));
        let error = Emulator::start(second).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(&address.to_string()), "{error}");
    }
}
