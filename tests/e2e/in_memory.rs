//! The client's session against the service's doors, both without I/O, in virtual time: for each
//! engine and each layer of a link, the conversation is cut at every byte in both directions.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Error, ErrorKind, Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId,
    Session, Stage, Status, SymmetricKey, Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_emulator::{EmulatorConfig, MqttConnection, Random, Service};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_tests::{Door, Peer, ProxyPeer, TlsPeer, WebSocketPeer, tls_server};
use dps_transport::{
    Endpoint, Link, LinkSettings, Proxy, TlsSettings, TrustAnchors, Tunnel, WebSocket,
    WebSocketProtocol,
};
use dps_transport_mqtt::MqttTransport;
use rustls::ServerConfig;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const START: u64 = 1_900_000_000;

/// What stands between the engine and the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layers {
    None,
    Tls,
    Proxy,
    WebSocket,
}

const LAYERS: [Layers; 4] = [Layers::None, Layers::Tls, Layers::Proxy, Layers::WebSocket];

/// The server's TLS settings, and the authority to trust.
static TLS: LazyLock<(Arc<ServerConfig>, TlsSettings)> = LazyLock::new(|| {
    let (server, ca_pem) = tls_server();
    (server, TlsSettings::new(&TrustAnchors::pem(ca_pem), None).unwrap())
});

impl Layers {
    fn link(self, now: Now) -> Link {
        let endpoint = Endpoint::parse("localhost").unwrap();
        match self {
            Layers::None => Link::plain(),
            Layers::Tls => LinkSettings::new(TLS.1.clone()).link(now, &endpoint, 8883).unwrap(),
            Layers::Proxy => {
                let proxy = Proxy::parse("http://user:password@proxy.example").unwrap();
                Link::plain().with(Tunnel::new(&proxy, &endpoint, 8883))
            }
            Layers::WebSocket => {
                Link::plain().with(WebSocket::new(WebSocketProtocol::Mqtt, &endpoint, 443))
            }
        }
    }

    fn peer(self, door: impl Peer + 'static) -> Box<dyn Peer> {
        match self {
            Layers::None => Box::new(door),
            Layers::Tls => Box::new(TlsPeer::new(TLS.0.clone(), door)),
            Layers::Proxy => Box::new(ProxyPeer::new(door)),
            Layers::WebSocket => Box::new(WebSocketPeer::new(door)),
        }
    }
}

/// Where a connection breaks: after so many bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    ToService(usize),
    ToClient(usize),
}

/// One connection as the network sees it.
struct Pipe {
    door: Box<dyn Peer>,
    cut: Cut,
    to_service: usize,
    to_client: usize,
}

impl Pipe {
    fn is_broken(&self) -> bool {
        match self.cut {
            Cut::Never => false,
            Cut::ToService(at) => self.to_service >= at,
            Cut::ToClient(at) => self.to_client >= at,
        }
    }
}

/// What a run gave.
struct Outcome {
    result: Result<Assignment, Error>,
    statuses: Vec<Status>,
    connections: usize,
    /// Bytes on the first connection, in each direction.
    to_service: usize,
    to_client: usize,
    /// Virtual time it took.
    elapsed: Duration,
}

struct World {
    layers: Layers,
    conservative: bool,
    /// Bytes handed over at a time.
    chunk: usize,
    policy: Policy,
    key: SymmetricKey,
    service: Arc<Service>,
}

impl World {
    fn new() -> Self {
        let mut config = EmulatorConfig::default();
        config.retry_after_seconds = 3;
        let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
        let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
        let key = group.derive(&RegistrationId::new("device").unwrap());
        Self {
            layers: Layers::None,
            conservative: false,
            chunk: usize::MAX,
            policy: Policy::default(),
            key,
            service: Arc::new(service),
        }
    }

    /// Registers; `cut` says where each connection, counted from 0, breaks.
    fn run(&self, cut: impl Fn(usize) -> Cut) -> Outcome {
        let id = RegistrationId::new("device").unwrap();
        let mut hsm = SymmetricKeyHsm::new(id.clone(), self.key.clone());
        let config = RegistrationConfig {
            identity: Identity {
                id_scope: IdScope::new(self.service.id_scope()).unwrap(),
                registration_id: id,
            },
            attestation: Attestation::SymmetricKey,
            payload: None,
            policy: self.policy.clone(),
        };
        let mut elapsed = Duration::ZERO;
        let reading =
            |elapsed: Duration| Now::new(Timestamp::new(elapsed), START + elapsed.as_secs());
        let engine = Box::new(MqttTransport::new().conservative(self.conservative));
        let mut numbers = 0u64;
        let random = move || {
            numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            numbers >> 20
        };
        let mut session = Session::new(config, engine, Box::new(random), reading(elapsed));

        let mut pipe: Option<Pipe> = None;
        let mut statuses = Vec::new();
        let mut connections = 0;
        let mut first = (0, 0);
        let mut result = None;
        for _ in 0..100_000 {
            let now = reading(elapsed);
            while let Some(output) = session.poll_output() {
                assert!(result.is_none(), "{output:?} after the end");
                match output {
                    Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                    Output::Connect => {
                        let wall = Duration::from_secs(now.unix_seconds);
                        let door = Door(MqttConnection::new(self.service.clone(), wall));
                        pipe = Some(Pipe {
                            door: self.layers.peer(door),
                            cut: cut(connections),
                            to_service: 0,
                            to_client: 0,
                        });
                        connections += 1;
                        session.opened(now, self.layers.link(now));
                    }
                    Output::Disconnect { farewell } => {
                        if let Some(mut gone) = pipe.take() {
                            // What was cut off stays so.
                            if !gone.is_broken() {
                                let wall = Duration::from_secs(now.unix_seconds);
                                gone.door.receive(wall, &farewell);
                                gone.to_service += farewell.len();
                            }
                            if connections == 1 {
                                first = (gone.to_service, gone.to_client);
                            }
                        }
                    }
                    Output::Status(status) => statuses.push(status),
                    Output::Finished(outcome) => result = Some(*outcome),
                    other => panic!("unknown {other:?}"),
                }
            }
            if let Some(result) = result {
                assert!(session.poll_output().is_none() && session.next_timeout().is_none());
                let (to_service, to_client) = first;
                return Outcome { result, statuses, connections, to_service, to_client, elapsed };
            }
            let moved = match &mut pipe {
                Some(open) => self.carry(&mut session, open, now),
                None => false,
            };
            if !moved {
                let due = session.next_timeout().expect("a session at rest has a timer");
                assert!(due.since_origin() >= elapsed, "time runs forward");
                elapsed = due.since_origin();
                session.handle_timeout(reading(elapsed));
            }
        }
        panic!("no outcome after 100000 steps");
    }

    /// Moves at most one chunk each way; whether anything moved.
    fn carry(&self, session: &mut Session, open: &mut Pipe, now: Now) -> bool {
        let wall = Duration::from_secs(now.unix_seconds);
        let mut wire = Vec::new();
        session.transmit(now, &mut wire);
        let mut moved = false;
        for chunk in wire.chunks(self.chunk) {
            moved = true;
            let left = match open.cut {
                Cut::ToService(at) => at - open.to_service.min(at),
                _ => usize::MAX,
            };
            let taken = chunk.len().min(left);
            open.door.receive(wall, &chunk[..taken]);
            open.to_service += taken;
        }
        let back = open.door.transmit();
        for chunk in back.chunks(self.chunk) {
            moved = true;
            let left = match open.cut {
                Cut::ToClient(at) => at - open.to_client.min(at),
                _ => usize::MAX,
            };
            let taken = chunk.len().min(left);
            session.receive(now, &chunk[..taken]);
            open.to_client += taken;
        }
        if open.is_broken() || open.door.is_closed() {
            // Both sides learn that the connection is gone.
            session.closed(now, None);
            return true;
        }
        moved
    }
}

/// Everything pipelined and everything step by step.
fn both<T: Copy>(all: impl IntoIterator<Item = T>) -> impl Iterator<Item = (bool, T)> {
    all.into_iter().flat_map(|one| [(false, one), (true, one)])
}

fn offsets(to_service: usize, to_client: usize) -> impl Iterator<Item = Cut> {
    (0..=to_service).map(Cut::ToService).chain((0..=to_client).map(Cut::ToClient))
}

#[test]
fn a_whole_conversation() {
    for (conservative, layers) in both(LAYERS) {
        for chunk in [usize::MAX, 7, 1] {
            let world = World { layers, conservative, chunk, ..World::new() };
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
    for (conservative, layers) in both(LAYERS) {
        let world = World { layers, conservative, ..World::new() };
        let clean = world.run(|_| Cut::Never);
        assert!(clean.to_service > 300 && clean.to_client > 300);
        let mut cuts = 0;
        for cut in offsets(clean.to_service, clean.to_client) {
            let outcome = world.run(|n| if n == 0 { cut } else { Cut::Never });
            let assignment = outcome.result.unwrap_or_else(|error| {
                panic!("{layers:?}, {cut:?}, conservative {conservative}: {error}")
            });
            assert_eq!(assignment.hub, "contoso-hub.localhost", "{cut:?}");
            let told = outcome.statuses.iter().filter(|s| **s == Status::Connected).count();
            assert_eq!(told, 1, "{cut:?}: {:?}", outcome.statuses);
            assert!(outcome.connections <= 2, "{cut:?}: {} connections", outcome.connections);
            cuts += 1;
        }
        assert_eq!(cuts, clean.to_service + clean.to_client + 2);
    }
}

#[test]
fn every_connection_cut_at_the_same_place_has_one_outcome() {
    // Without TLS, whose handshakes would take too long in such numbers.
    for layers in [Layers::None, Layers::Proxy, Layers::WebSocket] {
        let world = World { layers, ..World::new() };
        let clean = world.run(|_| Cut::Never);
        let (mut succeeded, mut failed) = (0, 0);
        for cut in offsets(clean.to_service, clean.to_client) {
            let outcome = world.run(|_| cut);
            match outcome.result {
                Ok(_) => succeeded += 1,
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.stage(), Stage::Deadline, "{layers:?}, {cut:?}: {error}");
                    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded { .. }));
                    let text = error.to_string();
                    assert!(text.contains("connection was lost"), "{layers:?}, {cut:?}: {text}");
                    assert_eq!(outcome.elapsed, Duration::from_secs(120), "{cut:?}");
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
    let policy = Policy { max_connections: Some(3), deadline: None, ..Policy::default() };
    let world = World { policy, ..World::new() };
    for cut in [Cut::ToService(0), Cut::ToService(40), Cut::ToClient(2)] {
        let outcome = world.run(|_| cut);
        assert_eq!(*outcome.result.unwrap_err().kind(), ErrorKind::ConnectionLost, "{cut:?}");
        assert_eq!(outcome.connections, 3, "{cut:?}");
    }
}

#[test]
fn a_wrong_key_is_refused_once_and_for_all() {
    let key = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    let world = World { key, ..World::new() };
    let outcome = world.run(|_| Cut::Never);
    let error = outcome.result.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(error.stage(), Stage::Register);
    assert_eq!(error.service().unwrap().error_code, Some(401_000));
    assert_eq!(outcome.statuses, [Status::Connected]);
    assert_eq!(outcome.connections, 1);
}
