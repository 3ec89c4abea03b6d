//! A service that fails in every way we could think of that the local service's own faults
//! (`disturbed.rs`) do not have: each registration has one outcome, and succeeds where trying again
//! can help.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Endpoint, Error, ErrorKind, IdScope, Policy, ProvisioningClient, RegistrationId, Stage, Status,
    SymmetricKey, Transport, TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_tests::{Fault, FaultyService};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

fn client(service: &FaultyService, policy: Policy) -> ProvisioningClient {
    let id = RegistrationId::new("device").unwrap();
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&service.address().to_string()).unwrap())
        .id_scope(IdScope::new("0ne00111111").unwrap())
        .hsm(SymmetricKeyHsm::new(id, key))
        .trust_anchors(TrustAnchors::pem(service.ca_pem()))
        .policy(policy)
        .build()
        .unwrap()
}

fn quick() -> Policy {
    Policy { backoff_base: Duration::from_millis(20), ..Policy::default() }
}

/// Registers against a service whose first connection has `fault`.
fn survives(fault: Fault) {
    let service = FaultyService::start(move |n| if n == 0 { fault } else { Fault::None });
    let mut statuses = Vec::new();
    let assignment = client(&service, quick())
        .register_with(|status| statuses.push(status))
        .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    assert_eq!(assignment.hub, "hub.localhost", "{fault:?}");
    let connected = statuses.iter().filter(|s| **s == Status::Connected).count();
    assert_eq!(connected, 1, "{fault:?}: {statuses:?}");
}

#[test]
fn survives_a_drop_at_accept() {
    survives(Fault::DropAtAccept);
}

#[test]
fn survives_a_drop_on_connect() {
    survives(Fault::DropOnConnect);
}

#[test]
fn survives_a_drop_on_subscribe() {
    survives(Fault::DropOnSubscribe);
}

#[test]
fn survives_a_drop_on_register() {
    survives(Fault::DropOnRegister);
}

#[test]
fn survives_a_drop_on_the_first_poll() {
    survives(Fault::DropOnPoll);
}

/// Registers against a service that has `fault` on every connection, with a deadline of 2 s.
fn ends_at_the_deadline(fault: Fault, silence: Duration) -> Error {
    let service = FaultyService::start(move |_| fault);
    let deadline = Duration::from_secs(2);
    let policy = Policy { deadline: Some(deadline), silence, ..quick() };
    let started = Instant::now();
    let error = client(&service, policy).register().expect_err("it cannot succeed");
    let took = started.elapsed();
    assert!(took >= deadline, "{fault:?} ended early, after {took:?}: {error}");
    assert!(took < deadline * 3, "{fault:?} ended after {took:?}");
    assert_eq!(error.stage(), Stage::Deadline, "{error}");
    error
}

fn during(error: &Error) -> Stage {
    match error.kind() {
        ErrorKind::DeadlineExceeded { during, .. } => *during,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_says_nothing_ends_at_the_deadline() {
    let error = ends_at_the_deadline(Fault::SilentTcp, Duration::from_secs(30));
    assert_eq!(during(&error), Stage::Tls);
    assert!(error.to_string().contains("TLS handshake"), "{error}");
}

#[test]
fn a_server_that_stops_after_connack_ends_at_the_deadline() {
    let error = ends_at_the_deadline(Fault::SilentAfterConnAck, Duration::from_secs(30));
    assert_eq!(during(&error), Stage::Register);
    assert!(error.to_string().contains("register"), "{error}");
}

#[test]
fn a_server_that_answers_assigning_for_ever_ends_at_the_deadline() {
    let error = ends_at_the_deadline(Fault::AlwaysAssigning, Duration::from_secs(30));
    assert_eq!(during(&error), Stage::Poll);
    assert!(error.to_string().contains("\"assigning\""), "{error}");
}

#[test]
fn silence_is_answered_by_a_new_connection() {
    let service = FaultyService::start(|n| if n == 0 { Fault::SilentTcp } else { Fault::None });
    let policy = Policy { silence: Duration::from_millis(500), ..quick() };
    client(&service, policy).register().unwrap();
    assert_eq!(service.connections(), 2);
}

#[test]
fn an_https_gateway_that_closes_idle_connections_is_no_failing_one() {
    let (config, ca) = dps_tests::tls_server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        for (goodbye, reply) in [
            (true, r#"{"operationId":"1.2","status":"assigning"}"#),
            (false, r#"{"operationId":"1.2","status":"assigning"}"#),
            (
                true,
                r#"{"operationId":"1.2","status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"device"}}"#,
            ),
        ] {
            let (socket, _) = listener.accept().unwrap();
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            // Requests come whole: in one record with head and body.
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            asked.push(String::from_utf8_lossy(&buffer[..3.min(count)]).into_owned());
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nRetry-After: 1\r\nContent-Length: {}\r\n\r\n{reply}",
                reply.len()
            )
            .unwrap();
            if goodbye {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
        }
        asked
    });
    let policy = Policy { max_connections: Some(1), ..quick() };
    let id = RegistrationId::new("device").unwrap();
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    let assignment = ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&address.to_string()).unwrap())
        .id_scope(IdScope::new("0ne00111111").unwrap())
        .hsm(SymmetricKeyHsm::new(id, key))
        .transport(Transport::Http)
        .trust_anchors(TrustAnchors::pem(ca))
        .policy(policy)
        .build()
        .unwrap()
        .register()
        .unwrap();
    assert_eq!(assignment.hub, "h.x");
    assert_eq!(server.join().unwrap(), ["PUT", "GET", "GET"]);
}

#[test]
fn a_broker_that_wants_one_thing_after_the_other_costs_one_connection() {
    let service = FaultyService::start(|_| Fault::DropOnHaste);
    let policy = Policy { deadline: None, ..quick() };
    client(&service, policy).register().unwrap();
    assert_eq!(service.connections(), 2);
}

#[test]
fn a_refused_subscription_is_final() {
    let service = FaultyService::start(|_| Fault::RefuseSubscribe);
    let error = client(&service, quick()).register().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SubscribeRejected);
    assert_eq!(service.connections(), 1);
}

#[test]
fn refused_credentials_are_final() {
    for code in [1, 2, 4, 5] {
        let service = FaultyService::start(move |_| Fault::ConnAck(code));
        let error = client(&service, quick()).register().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ConnectRejected { code });
        assert_eq!(error.stage(), Stage::Authenticate);
        assert_eq!(service.connections(), 1, "{error}");
    }
}

#[test]
fn poll_never_blocks_and_needs_no_wait() {
    let service =
        FaultyService::start(|n| if n == 0 { Fault::DropOnRegister } else { Fault::None });
    let mut client = client(&service, quick());
    client.start().unwrap();
    assert!(client.start().is_err(), "one at a time");
    let mut slowest = Duration::ZERO;
    let result = loop {
        let started = Instant::now();
        let progress = client.poll();
        slowest = slowest.max(started.elapsed());
        match progress {
            dps_client::Progress::Finished(result) => break result,
            dps_client::Progress::Pending => std::thread::sleep(Duration::from_millis(2)),
            _ => {}
        }
    };
    assert_eq!(result.unwrap().device_id, "device");
    // Far above any handshake and far below any network wait.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(matches!(client.poll(), dps_client::Progress::Idle));
}

#[test]
fn payloads_go_and_come_byte_for_byte() {
    let service = FaultyService::start(|_| Fault::EchoPayload);
    let mut client = client(&service, quick());
    assert_eq!(client.register().unwrap().payload, None);
    for json in [r#"{"n": 12345678901234567890, "x":1.10, "s":"a/b\u0000ü"}"#, "null", "[1, 2]"] {
        client.set_payload_json(Some(json.to_owned())).unwrap();
        assert_eq!(client.register().unwrap().payload.as_deref(), Some(json));
    }
    assert!(client.set_payload_json(Some("{".to_owned())).is_err());
    assert!(client.set_payload_json(Some("x".repeat(100_000))).is_err());
    client.set_payload_json(None).unwrap();
    assert_eq!(client.register().unwrap().payload, None);
}

#[test]
fn what_has_arrived_counts_however_late_it_is_looked_at() {
    let service = FaultyService::start(|_| Fault::None);
    // The caller comes by less often than the policy allows the server to be silent.
    let policy = Policy { silence: Duration::from_millis(300), ..quick() };
    let mut client = client(&service, policy);
    client.start().unwrap();
    for _ in 0..40 {
        if let dps_client::Progress::Finished(result) = client.poll() {
            result.unwrap();
            assert_eq!(service.connections(), 1);
            return;
        }
        std::thread::sleep(Duration::from_millis(400));
    }
    panic!("no outcome; {} connections", service.connections());
}

#[test]
fn wait_does_not_sleep_over_news() {
    let service = FaultyService::start(|_| Fault::Reply(401, r#"{"errorCode":401000}"#));
    let mut client = client(&service, quick());
    client.start().unwrap();
    let started = Instant::now();
    let error = loop {
        match client.poll() {
            dps_client::Progress::Finished(result) => break result.unwrap_err(),
            // Also after a status, when the outcome is there already.
            _ => client.wait(Duration::from_secs(20)),
        }
    };
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_flood_neither_fills_the_memory_nor_keeps_the_deadline_from_ending_it() {
    let before = peak_memory();
    let error = ends_at_the_deadline(Fault::Flood, Duration::from_secs(30));
    assert_eq!(during(&error), Stage::Register);
    let grown = peak_memory() - before;
    assert!(grown < 64 * 1024, "{grown} KiB more");
}

#[tokio::test]
async fn a_peer_that_never_pauses_cannot_keep_the_async_driver_from_its_deadline() {
    let service = FaultyService::start(|_| Fault::Chatter);
    let policy = Policy { deadline: Some(Duration::from_secs(2)), ..quick() };
    let started = Instant::now();
    let error = client(&service, policy).register_async().await.unwrap_err();
    assert_eq!(during(&error), Stage::Register);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_peer_that_never_pauses_cannot_keep_the_runtime_from_others() {
    let service = FaultyService::start(|_| Fault::Chatter);
    let mut client = client(&service, quick());
    let started = Instant::now();
    let around = tokio::time::timeout(Duration::from_secs(2), client.register_async());
    assert!(around.await.is_err(), "the time-out around it has its turn");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

/// The highest resident size of this process so far, in KiB. (The service's threads count too,
/// and other tests at the same time; none of them needs tens of megabytes.)
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_async_registration_can_be_spawned_and_runs_alone() {
    let service = FaultyService::start(|_| Fault::None);
    let mut spawned = client(&service, quick());
    let task = tokio::spawn(async move { spawned.register_async().await });
    assert_eq!(task.await.unwrap().unwrap().device_id, "device");
    let mut busy = client(&service, quick());
    busy.start().unwrap();
    let error = busy.register_async().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn the_tokio_driver_survives_the_same_faults() {
    for fault in [
        Fault::DropAtAccept,
        Fault::DropOnConnect,
        Fault::DropOnRegister,
        Fault::DropOnPoll,
        Fault::ConnAck(3),
        Fault::Status(429),
    ] {
        let service = FaultyService::start(move |n| if n == 0 { fault } else { Fault::None });
        let assignment = client(&service, quick())
            .register_async()
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(assignment.hub, "hub.localhost", "{fault:?}");
    }
    let service = FaultyService::start(|_| Fault::SilentAfterConnAck);
    let policy = Policy { deadline: Some(Duration::from_secs(1)), ..quick() };
    let error = client(&service, policy).register_async().await.unwrap_err();
    assert_eq!(during(&error), Stage::Register);
}
