//! The client's session against the service's doors, both without sockets, in virtual time: for
//! each engine and each layer of a link, the conversation is cut at every byte in both directions.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{ErrorKind, Policy, Stage, Status, SymmetricKey};
use dps_tests::{Cut, Engine, Layers, Outcome, World};
use std::time::Duration;

/// Every engine, and every layer under one; AMQP in a WebSocket besides, as users have it.
const STACKS: [(Engine, Layers); 7] = [
    (Engine::Mqtt, Layers::None),
    (Engine::Mqtt, Layers::Tls),
    (Engine::Mqtt, Layers::Proxy),
    (Engine::Mqtt, Layers::WebSocket),
    (Engine::Http, Layers::None),
    (Engine::Amqp, Layers::None),
    (Engine::Amqp, Layers::WebSocket),
];

/// Everything pipelined and everything step by step. HTTP knows no difference.
fn worlds() -> impl Iterator<Item = World> {
    STACKS.into_iter().flat_map(|(engine, layers)| {
        let careful = if engine == Engine::Http { &[false][..] } else { &[false, true] };
        careful.iter().map(move |&conservative| {
            World::new(engine, layers).with(|world| world.conservative = conservative)
        })
    })
}

fn name(world: &World) -> String {
    format!("{:?} over {:?}, conservative {}", world.engine, world.layers, world.conservative)
}

fn offsets(clean: &Outcome) -> impl Iterator<Item = Cut> {
    let to_service = (0..=clean.to_service).map(Cut::ToService);
    to_service.chain((0..=clean.to_client).map(Cut::ToClient))
}

#[test]
fn a_whole_conversation() {
    for chunk in [usize::MAX, 7, 1] {
        for world in worlds() {
            let world = world.with(|world| world.chunk = chunk);
            let outcome = world.run(|_| Cut::Never);
            let assignment = outcome.result.unwrap();
            assert_eq!(assignment.hub, "contoso-hub.localhost");
            assert_eq!(assignment.device_id, "device");
            assert_eq!(outcome.statuses, [Status::Connected, Status::Assigning]);
            assert_eq!(outcome.connections, 1);
            assert_eq!(outcome.elapsed, Duration::from_secs(3), "the retry-after, to the second");
        }
    }
}

#[test]
fn a_first_connection_cut_anywhere_still_ends_in_success() {
    for world in worlds() {
        let clean = world.run(|_| Cut::Never);
        assert!(clean.to_service > 300 && clean.to_client > 300);
        let mut cuts = 0;
        for cut in offsets(&clean) {
            let outcome = world.run(|n| if n == 0 { cut } else { Cut::Never });
            let case = format!("{}, {cut:?}", name(&world));
            let assignment = outcome.result.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(assignment.hub, "contoso-hub.localhost", "{case}");
            let told = outcome.statuses.iter().filter(|s| **s == Status::Connected).count();
            assert_eq!(told, 1, "{case}: {:?}", outcome.statuses);
            assert!(outcome.connections <= 2, "{case}: {} connections", outcome.connections);
            cuts += 1;
        }
        assert_eq!(cuts, clean.to_service + clean.to_client + 2);
    }
}

#[test]
fn every_connection_cut_at_the_same_place_has_one_outcome() {
    // Without TLS, whose handshakes would take too long in such numbers.
    for (engine, layers) in STACKS.into_iter().filter(|(_, layers)| *layers != Layers::Tls) {
        let world = World::new(engine, layers);
        let clean = world.run(|_| Cut::Never);
        let (mut succeeded, mut failed) = (0, 0);
        for cut in offsets(&clean) {
            let outcome = world.run(|_| cut);
            match outcome.result {
                Ok(_) => succeeded += 1,
                Err(error) => {
                    failed += 1;
                    let case = format!("{}, {cut:?}: {error}", name(&world));
                    assert_eq!(error.stage(), Stage::Deadline, "{case}");
                    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded { .. }), "{case}");
                    assert!(case.contains("connection was lost"), "{case}");
                    assert_eq!(outcome.elapsed, Duration::from_secs(120), "{case}");
                }
            }
        }
        // Cuts before the reply to the register request can never succeed; cuts after it can,
        // because the next connection carries on with the poll.
        assert!(succeeded > 100 && failed > 100, "{succeeded} succeeded, {failed} failed");
    }
}

#[test]
fn a_budget_of_connections_ends_it_before_the_deadline() {
    for (engine, layers) in STACKS {
        let policy = Policy { max_connections: Some(3), deadline: None, ..Policy::default() };
        let world = World::new(engine, layers).with(|world| world.policy = policy);
        for cut in [Cut::ToService(0), Cut::ToService(40), Cut::ToClient(2)] {
            let outcome = world.run(|_| cut);
            let case = format!("{}, {cut:?}", name(&world));
            assert_eq!(*outcome.result.unwrap_err().kind(), ErrorKind::ConnectionLost, "{case}");
            assert_eq!(outcome.connections, 3, "{case}");
        }
    }
}

#[test]
fn a_wrong_key_is_refused_once_and_for_all() {
    for world in worlds() {
        let key = Some(SymmetricKey::from_bytes(&[1; 32]).unwrap());
        let outcome = world.with(|world| world.key = key).run(|_| Cut::Never);
        let error = outcome.result.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
        assert_eq!(error.stage(), Stage::Register);
        assert_eq!(error.service().unwrap().error_code, Some(401_000));
        assert_eq!(outcome.statuses, [Status::Connected]);
        assert_eq!(outcome.connections, 1);
    }
}

#[test]
fn amqp_takes_two_round_trips_after_tls_or_seven_when_conservative() {
    for (conservative, flights) in [(false, 2), (true, 7)] {
        let world =
            World::new(Engine::Amqp, Layers::None).with(|world| world.conservative = conservative);
        let outcome = world.run(|_| Cut::Never);
        assert!(outcome.result.is_ok());
        assert_eq!(outcome.flights, flights, "conservative {conservative}");
    }
}

#[test]
fn a_device_that_presented_no_certificate_is_told_so_once() {
    let world = World::new(Engine::Amqp, Layers::None).with(|world| world.key = None);
    let outcome = world.run(|_| Cut::Never);
    let error = outcome.result.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(error.stage(), Stage::Authenticate);
    let service = error.service().unwrap();
    assert_eq!(service.error_code, Some(401_002));
    assert_eq!(service.message.as_deref(), Some("IotHubUnauthorizedAccess"));
    assert_eq!(outcome.connections, 1);
}

/// Loses what comes together with sasl-init.
fn forget_what_follows_sasl_init(wire: &mut Vec<u8>) {
    if wire.starts_with(b"AMQP\x03") && wire.len() > 8 {
        let init = u32::from_be_bytes(wire[8..12].try_into().unwrap()) as usize;
        assert!(wire.len() > 8 + init, "the opening was sent ahead");
        wire.truncate(8 + init);
    }
}

#[test]
fn a_service_that_loses_what_is_sent_ahead_is_reached_step_by_step() {
    let world = World::new(Engine::Amqp, Layers::None)
        .with(|world| world.loses = Some(forget_what_follows_sasl_init));
    let outcome = world.run(|_| Cut::Never);
    assert_eq!(outcome.result.unwrap().device_id, "device");
    assert_eq!(outcome.connections, 2);
    // The policy's patience with a silent service is 30 s, and the service asks for 3 s.
    assert!(outcome.elapsed < Duration::from_secs(40), "{:?}", outcome.elapsed);
}
