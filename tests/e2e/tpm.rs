//! Devices with a TPM, over every transport that has a way for it: in memory, cut at every byte, and
//! over real TLS and TCP. The TPM is one in software.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{Error, ErrorKind, Policy, Stage, Status, Transport};
use dps_emulator::{AttestationConfig, IndividualEnrollmentConfig, ProvisioningStatus};
use dps_tests::{Cut, Engine, Fleet, Layers, Outcome, SoftwareTpm, World};
use std::thread;
use std::time::Duration;

const TRANSPORTS: [Transport; 3] = [Transport::Http, Transport::Amqp, Transport::AmqpWs];

/// Of the offsets at which to cut, each world takes every so many, and the worlds not the same ones:
/// the exchanges take long, and `in_memory.rs` cuts the same engines at every byte. With
/// `DPS_TEST_EVERY_CUT` in the environment it is all of them, which takes minutes.
const STEPS: [usize; 4] = [5, 5, 29, 29];

fn step(of_world: usize) -> usize {
    if std::env::var_os("DPS_TEST_EVERY_CUT").is_some() { 1 } else { STEPS[of_world] }
}

fn worlds(tpm: &SoftwareTpm) -> Vec<World> {
    let amqp = |layers, conservative| {
        World::with_tpm(Engine::Amqp, layers, tpm).with(|world| world.conservative = conservative)
    };
    vec![
        World::with_tpm(Engine::Http, Layers::None, tpm),
        amqp(Layers::None, false),
        amqp(Layers::None, true),
        amqp(Layers::WebSocket, false),
    ]
}

fn name(world: &World) -> String {
    format!("{:?} over {:?}, conservative {}", world.engine, world.layers, world.conservative)
}

fn offsets(clean: &Outcome) -> impl Iterator<Item = Cut> {
    let to_service = (0..=clean.to_service).map(Cut::ToService);
    to_service.chain((0..=clean.to_client).map(Cut::ToClient))
}

/// That the TPM has the key under which the hub knows the device.
fn assert_has_hub_key(world: &World, tpm: &SoftwareTpm, case: &str) {
    let record = world.service().registrations(Duration::MAX).remove(0);
    let hub_key = record.hub_key.expect("a key for the hub").to_base64();
    assert_eq!(tpm.identity_key().unwrap().to_base64(), hub_key, "{case}");
}

#[test]
fn a_whole_conversation() {
    for chunk in [usize::MAX, 7, 1] {
        let tpm = SoftwareTpm::new(1);
        for world in worlds(&tpm) {
            let world = world.with(|world| world.chunk = chunk);
            let before = tpm.activations();
            let outcome = world.run(|_| Cut::Never);
            let assignment = outcome.result.unwrap();
            assert_eq!(assignment.hub, "contoso-hub.localhost");
            assert_eq!(assignment.device_id, "device");
            assert_eq!(outcome.statuses, [Status::Connected, Status::Assigning]);
            assert_eq!(outcome.connections, 1);
            assert_eq!(tpm.activations() - before, 2, "the nonce and the hub's key");
            assert_has_hub_key(&world, &tpm, &name(&world));
        }
    }
}

#[test]
fn a_first_connection_cut_anywhere_still_ends_in_success() {
    thread::scope(|scope| {
        for index in 0..STEPS.len() {
            scope.spawn(move || {
                let tpm = SoftwareTpm::new(1);
                let world = worlds(&tpm).remove(index);
                let clean = world.run(|_| Cut::Never);
                assert!(clean.to_service > 1000 && clean.to_client > 2000, "{clean:?}");
                for cut in offsets(&clean).skip(index % step(index)).step_by(step(index)) {
                    let outcome = world.run(|n| if n == 0 { cut } else { Cut::Never });
                    let case = format!("{}, {cut:?}", name(&world));
                    let assignment =
                        outcome.result.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert_eq!(assignment.hub, "contoso-hub.localhost", "{case}");
                    let told = outcome.statuses.iter().filter(|s| **s == Status::Connected).count();
                    assert_eq!(told, 1, "{case}: {:?}", outcome.statuses);
                    assert!(outcome.connections <= 2, "{case}: {}", outcome.connections);
                    assert_has_hub_key(&world, &tpm, &case);
                }
            });
        }
    });
}

#[test]
fn every_connection_cut_at_the_same_place_has_one_outcome() {
    let tpm = SoftwareTpm::new(1);
    for world in worlds(&tpm) {
        // Without a limit, so that those for challenges and time show what they do.
        let policy = Policy { max_connections: None, ..Policy::default() };
        let world = world.with(|world| world.policy = policy);
        let clean = world.run(|_| Cut::Never);
        let (mut succeeded, mut failed) = (0, 0);
        for cut in offsets(&clean).step_by(61) {
            let outcome = world.run(|_| cut);
            match outcome.result {
                Ok(_) => succeeded += 1,
                Err(error) => {
                    failed += 1;
                    let case = format!("{}, {cut:?}: {error}", name(&world));
                    let ended = match error.kind() {
                        ErrorKind::DeadlineExceeded { .. } => error.stage() == Stage::Deadline,
                        // The service has taken each token for a request that had no reply.
                        ErrorKind::Service { status: 401 } => case.contains("another proof"),
                        _ => false,
                    };
                    assert!(ended, "{case}");
                }
            }
        }
        assert!(failed > 30, "{succeeded} succeeded, {failed} failed");
        if world.engine == Engine::Http {
            assert!(succeeded > 3, "the next connection goes on with the token, and the poll");
        }
    }
}

#[test]
fn a_failing_tpm_ends_it_with_its_own_reason() {
    for (activation, kind) in [(0, ErrorKind::Hsm), (1, ErrorKind::HubKey)] {
        let tpm = SoftwareTpm::new(1).failing_at(activation);
        for world in worlds(&tpm) {
            let tpm = SoftwareTpm::new(1).failing_at(activation);
            let world = world.with(|world| world.tpm = Some(tpm.clone()));
            let outcome = world.run(|_| Cut::Never);
            let error = outcome.result.unwrap_err();
            assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &kind), "{}", name(&world));
            assert!(error.to_string().contains("it was told to"), "{error}");
            assert_eq!((outcome.connections, tpm.activations()), (1, activation));
        }
    }
}

#[test]
fn another_tpm_is_refused_once_and_for_all() {
    for world in worlds(&SoftwareTpm::new(1)) {
        let other = SoftwareTpm::new(2);
        let outcome = world.with(|world| world.tpm = Some(other.clone())).run(|_| Cut::Never);
        let error = outcome.result.unwrap_err();
        let refused = matches!(
            error.kind(),
            ErrorKind::Service { status: 401 } | ErrorKind::SaslRejected { code: 1 }
        );
        assert!(refused, "{error}");
        assert!(error.hint().contains("endorsement key"), "{}", error.hint());
        assert_eq!((outcome.connections, other.activations()), (1, 0));
    }
}

#[test]
fn a_cleared_tpm_is_the_same_device() {
    for (index, world) in worlds(&SoftwareTpm::new(1)).into_iter().enumerate() {
        assert!(world.run(|_| Cut::Never).result.is_ok());
        let cleared = SoftwareTpm::with_storage_root(1, 1 + index as u64);
        let world = world.with(|world| world.tpm = Some(cleared.clone()));
        assert!(world.run(|_| Cut::Never).result.is_ok());
        assert_has_hub_key(&world, &cleared, &name(&world));
    }
}

fn fleet(tpm: &SoftwareTpm, change: impl FnOnce(&mut IndividualEnrollmentConfig)) -> Fleet {
    let mut own = IndividualEnrollmentConfig::new(tpm.id());
    own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
    own.device_id = Some("tpm-device".to_owned());
    change(&mut own);
    Fleet::start_with(|config| config.enrollments.push(own))
}

fn refusal(fleet: &Fleet, transport: Transport, tpm: &SoftwareTpm) -> Error {
    let mut client = fleet.client(transport, tpm.clone()).build().unwrap();
    client.register().expect_err("it must be refused")
}

#[test]
fn devices_register_over_real_tls_again_and_again() {
    let tpm = SoftwareTpm::new(3);
    let fleet = fleet(&tpm, |_| {});
    for transport in TRANSPORTS {
        for conservative in [false, true] {
            let mut client =
                fleet.client(transport, tpm.clone()).conservative(conservative).build().unwrap();
            assert_eq!(client.identity().registration_id, tpm.id());
            for _ in 0..2 {
                let mut statuses = Vec::new();
                let assignment = client.register_with(|status| statuses.push(status)).unwrap();
                assert_eq!(assignment.device_id, "tpm-device", "{transport}");
                assert_eq!(statuses, [Status::Connected, Status::Assigning], "{transport}");
            }
        }
    }
    assert_eq!(tpm.activations(), 3 * 2 * 2 * 2);
}

#[test]
fn the_async_client_registers() {
    let tpm = SoftwareTpm::new(3).named("Device:1.a_b-c");
    let fleet = fleet(&tpm, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for transport in TRANSPORTS {
            let mut client = fleet.client(transport, tpm.clone()).build().unwrap();
            let assignment = client.register_async().await.unwrap();
            assert_eq!(assignment.device_id, "tpm-device", "{transport}");
        }
    });
}

#[test]
fn a_slow_assignment_is_polled_with_the_same_proof() {
    let tpm = SoftwareTpm::new(3);
    let mut own = IndividualEnrollmentConfig::new(tpm.id());
    own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
    let fleet = Fleet::start_with(|config| {
        config.enrollments.push(own);
        config.assignment_delay = Duration::from_millis(2500);
    });
    for (index, transport) in TRANSPORTS.into_iter().enumerate() {
        let mut polls = 0;
        // A second connection would be one too many.
        let policy = Policy { max_connections: Some(1), ..Policy::default() };
        let client = fleet.client(transport, tpm.clone()).policy(policy);
        let count = |status| polls += usize::from(status == Status::Assigning);
        client.build().unwrap().register_with(count).unwrap();
        assert!((2..=3).contains(&polls), "{transport}: {polls}");
        assert_eq!(tpm.activations(), 2 * (index + 1), "{transport}");
    }
}

#[test]
fn a_slow_tpm_does_not_make_the_service_seem_silent() {
    let takes = Duration::from_millis(2500);
    let policy = Policy {
        silence: Duration::from_secs(2),
        max_connections: Some(1),
        deadline: None,
        ..Policy::default()
    };
    thread::scope(|scope| {
        for (number, transport) in (5..).zip(TRANSPORTS) {
            let policy = policy.clone();
            scope.spawn(move || {
                let tpm = SoftwareTpm::new(number).slow(takes);
                let fleet = fleet(&tpm, |_| {});
                let client = fleet.client(transport, tpm.clone()).policy(policy);
                client.build().unwrap().register().unwrap();
                assert_eq!(tpm.activations(), 2, "{transport}");
            });
        }
    });
}

#[test]
fn each_refusal_has_its_reason() {
    let tpm = SoftwareTpm::new(3);
    let good = fleet(&tpm, |_| {});
    let disabled = fleet(&tpm, |own| own.provisioning_status = ProvisioningStatus::Disabled);
    for transport in TRANSPORTS {
        let is_http = transport == Transport::Http;

        let error = refusal(&good, transport, &SoftwareTpm::new(4).named(tpm.id().as_str()));
        let expected = match is_http {
            true => ErrorKind::Service { status: 401 },
            false => ErrorKind::SaslRejected { code: 1 },
        };
        assert_eq!(*error.kind(), expected, "{transport}: {error}");

        let error = refusal(&good, transport, &SoftwareTpm::new(4));
        let expected = match is_http {
            true => ErrorKind::Service { status: 404 },
            false => ErrorKind::SaslRejected { code: 1 },
        };
        assert_eq!(*error.kind(), expected, "{transport}: {error}");
        assert!(error.hint().contains("endorsement key"), "{}", error.hint());

        // An enrollment with keys is not one for TPMs.
        let error = refusal(&good, transport, &SoftwareTpm::new(4).named("key-device"));
        let is_refused = matches!(
            error.kind(),
            ErrorKind::Service { status: 401 } | ErrorKind::SaslRejected { code: 1 }
        );
        assert!(is_refused, "{transport}: {error}");

        let error = refusal(&disabled, transport, &tpm);
        assert_eq!(*error.kind(), ErrorKind::Disabled, "{transport}: {error}");
    }
}

#[test]
fn mqtt_says_at_once_that_it_cannot() {
    let tpm = SoftwareTpm::new(3);
    let fleet = fleet(&tpm, |_| {});
    for transport in [Transport::Mqtt, Transport::MqttWs] {
        let error = fleet.client(transport, tpm.clone()).build().unwrap_err();
        assert_eq!((error.stage(), error.kind()), (Stage::Config, &ErrorKind::InvalidConfig));
        let text = error.to_string();
        assert!(text.contains("http, amqp or amqp-ws"), "{text}");
    }
}
