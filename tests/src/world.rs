//! The client's session against the service's doors, both without sockets and in virtual time.

use crate::{Door, Peer, ProxyPeer, SoftwareTpm, TlsPeer, WebSocketPeer, tls_server};
use dps_client::{
    Assignment, Error, Hsm, IdScope, Identity, Now, Output, Policy, RegistrationId, Session,
    Status, SymmetricKey, Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_emulator::{
    AmqpConnection, AttestationConfig, EmulatorConfig, IndividualEnrollmentConfig, MqttConnection,
    Random, Service, serve_https,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::{
    Endpoint, Link, LinkSettings, Proxy, TlsSettings, TrustAnchors, Tunnel, WebSocket,
    WebSocketProtocol,
};
use dps_transport_amqp::AmqpTransport;
use dps_transport_http::HttpTransport;
use dps_transport_mqtt::MqttTransport;
use rustls::ServerConfig;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Runtime;

/// The engine on one side, and its door on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// MQTT 3.1.1.
    Mqtt,
    /// HTTP/1.1.
    Http,
    /// AMQP 1.0.
    Amqp,
}

/// What stands between the engine and the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// Nothing.
    None,
    /// TLS.
    Tls,
    /// A tunnel through a proxy.
    Proxy,
    /// A WebSocket.
    WebSocket,
}

/// Where a connection breaks: after so many bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    Never,
    /// On the way to the service.
    ToService(usize),
    /// On the way to the client.
    ToClient(usize),
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// The registration's end.
    pub result: Result<Assignment, Error>,
    /// What it told on the way.
    pub statuses: Vec<Status>,
    /// How many connections were opened.
    pub connections: usize,
    /// Flights of the first connection, there and back, until its first "assigning".
    pub flights: usize,
    /// Bytes of the first connection to the service.
    pub to_service: usize,
    /// Bytes of the first connection to the client.
    pub to_client: usize,
    /// The virtual time it took.
    pub elapsed: Duration,
}

/// A client and a service, and how they speak with each other.
#[derive(Debug)]
pub struct World {
    /// The protocol.
    pub engine: Engine,
    /// What is below it.
    pub layers: Layers,
    /// Whether the engine waits for each acknowledgement.
    pub conservative: bool,
    /// Bytes handed over at a time.
    pub chunk: usize,
    /// The client's time-outs and retries.
    pub policy: Policy,
    /// The device's key; with none, it comes with a certificate that it never presented.
    pub key: Option<SymmetricKey>,
    /// The device's TPM, in place of a key.
    pub tpm: Option<SoftwareTpm>,
    /// Changes what the client sends in one go, as a service would that loses some of it.
    pub loses: Option<fn(&mut Vec<u8>)>,
    service: Arc<Service>,
    runtime: Rc<Runtime>,
    /// The client's wall clock at the start of each run. The HTTPS door reads the clock of this
    /// machine, so it is near that; and always the same, since the length of a token depends on
    /// it.
    start: u64,
}

/// The server's TLS settings, and the client's.
static TLS: LazyLock<(Arc<ServerConfig>, TlsSettings)> = LazyLock::new(|| {
    let (server, ca_pem) = tls_server();
    (server, TlsSettings::new(&TrustAnchors::pem(ca_pem), None).unwrap())
});

/// One connection as the network sees it.
struct Pipe {
    peer: Box<dyn Peer>,
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

impl World {
    /// A device of the built-in group, which asks for 3 s between two polls and assigns after 1 s.
    pub fn new(engine: Engine, layers: Layers) -> Self {
        Self::of(engine, layers, EmulatorConfig::default())
    }

    /// The same of a device with a TPM, which has an enrollment of its own.
    pub fn with_tpm(engine: Engine, layers: Layers, tpm: &SoftwareTpm) -> Self {
        let mut config = EmulatorConfig::default();
        let mut own = IndividualEnrollmentConfig::new(RegistrationId::new("device").unwrap());
        own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
        config.enrollments.push(own);
        Self { key: None, tpm: Some(tpm.clone()), ..Self::of(engine, layers, config) }
    }

    fn of(engine: Engine, layers: Layers, mut config: EmulatorConfig) -> Self {
        config.retry_after_seconds = 3;
        if engine == Engine::Http {
            // That door reads the machine's clock, which does not run with the virtual one.
            config.assignment_delay = Duration::ZERO;
        }
        let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
        let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
        let key = Some(group.derive(&RegistrationId::new("device").unwrap()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            engine,
            layers,
            conservative: false,
            chunk: usize::MAX,
            policy: Policy::default(),
            key,
            tpm: None,
            loses: None,
            service: Arc::new(service),
            runtime: Rc::new(runtime),
            start: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        }
    }

    /// The service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// With some of it changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Registers; `cut` says where each connection, counted from 0, breaks.
    ///
    /// # Panics
    ///
    /// When there is more than one outcome, or none.
    pub fn run(&self, cut: impl Fn(usize) -> Cut) -> Outcome {
        let id = RegistrationId::new("device").unwrap();
        let id_scope = IdScope::new(self.service.id_scope()).unwrap();
        let config = RegistrationConfig {
            identity: Identity { id_scope, registration_id: id.clone() },
            attestation: match (&self.key, &self.tpm) {
                (_, Some(_)) => Attestation::Tpm,
                (Some(_), None) => Attestation::SymmetricKey,
                (None, None) => Attestation::X509,
            },
            payload: None,
            policy: self.policy.clone(),
        };
        let mut hsm: Option<Box<dyn Hsm>> = match (&self.key, &self.tpm) {
            (_, Some(tpm)) => Some(Box::new(tpm.clone())),
            (Some(key), None) => Some(Box::new(SymmetricKeyHsm::new(id, key.clone()))),
            (None, None) => None,
        };
        let mut elapsed = Duration::ZERO;
        let mut numbers = 0u64;
        let random = move || {
            numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            numbers >> 20
        };
        let mut session =
            Session::new(config, self.engine(), Box::new(random), self.reading(elapsed));
        let mut pipe: Option<Pipe> = None;
        let mut statuses = Vec::new();
        let (mut connections, mut flights, mut first) = (0, 0, (0, 0));
        let mut result = None;
        for _ in 0..100_000 {
            let now = self.reading(elapsed);
            let wall = Duration::from_secs(now.unix_seconds);
            while let Some(output) = session.poll_output() {
                assert!(result.is_none(), "{output:?} after the end");
                match output {
                    Output::Sign(text) => {
                        session.signed(now, hsm.as_mut().unwrap().sign(text.as_bytes()));
                    }
                    Output::ReadTpmKeys => {
                        session.tpm_keys(now, hsm.as_mut().unwrap().tpm_keys());
                    }
                    Output::Activate(blob) => {
                        session.activated(now, hsm.as_mut().unwrap().activate(blob.as_bytes()));
                    }
                    Output::Connect => {
                        let peer = self.peer(wall);
                        let cut = cut(connections);
                        pipe = Some(Pipe { peer, cut, to_service: 0, to_client: 0 });
                        connections += 1;
                        session.opened(now, self.link(now));
                    }
                    Output::Disconnect { farewell } => {
                        if let Some(mut gone) = pipe.take() {
                            // What was cut off stays so.
                            if !gone.is_broken() {
                                gone.peer.receive(wall, &farewell);
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
                return Outcome {
                    result,
                    statuses,
                    connections,
                    flights,
                    to_service,
                    to_client,
                    elapsed,
                };
            }
            if pipe.as_mut().is_some_and(|open| self.carry(&mut session, open, now)) {
                let waits = !statuses.contains(&Status::Assigning);
                flights += usize::from(connections == 1 && waits);
                continue;
            }
            let due = session.next_timeout().expect("a session at rest has a timer");
            assert!(due.since_origin() >= elapsed, "time runs forward");
            elapsed = due.since_origin();
            session.handle_timeout(self.reading(elapsed));
        }
        panic!("no outcome after 100000 steps");
    }

    /// Moves what both sides have to send now; whether anything moved.
    fn carry(&self, session: &mut Session, open: &mut Pipe, now: Now) -> bool {
        let wall = Duration::from_secs(now.unix_seconds);
        let mut wire = Vec::new();
        session.transmit(now, &mut wire);
        if let Some(lose) = self.loses {
            lose(&mut wire);
        }
        let mut moved = false;
        for chunk in wire.chunks(self.chunk) {
            moved = true;
            let left = match open.cut {
                Cut::ToService(at) => at - open.to_service.min(at),
                _ => usize::MAX,
            };
            let taken = chunk.len().min(left);
            open.peer.receive(wall, &chunk[..taken]);
            open.to_service += taken;
        }
        let back = open.peer.transmit();
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
        if open.is_broken() || open.peer.is_closed() {
            // Both sides learn that the connection is gone.
            session.closed(now, None);
            return true;
        }
        moved
    }

    fn reading(&self, elapsed: Duration) -> Now {
        Now::new(Timestamp::new(elapsed), self.start + elapsed.as_secs())
    }

    fn engine(&self) -> Box<dyn dps_core::Transport> {
        match self.engine {
            Engine::Mqtt => Box::new(MqttTransport::new().conservative(self.conservative)),
            Engine::Http => Box::new(HttpTransport::new("localhost", 443)),
            Engine::Amqp => {
                Box::new(AmqpTransport::new("localhost").conservative(self.conservative))
            }
        }
    }

    fn link(&self, now: Now) -> Link {
        let endpoint = Endpoint::parse("localhost").unwrap();
        match self.layers {
            Layers::None => Link::plain(),
            Layers::Tls => LinkSettings::new(TLS.1.clone()).link(now, &endpoint, 8883).unwrap(),
            Layers::Proxy => {
                let proxy = Proxy::parse("http://user:password@proxy.example").unwrap();
                Link::plain().with(Tunnel::new(&proxy, &endpoint, 8883))
            }
            Layers::WebSocket => {
                let protocol = match self.engine {
                    Engine::Amqp => WebSocketProtocol::Amqp,
                    _ => WebSocketProtocol::Mqtt,
                };
                Link::plain().with(WebSocket::new(protocol, &endpoint, 443))
            }
        }
    }

    fn peer(&self, wall: Duration) -> Box<dyn Peer> {
        let service = self.service.clone();
        let door: Box<dyn Peer> = match self.engine {
            Engine::Mqtt => Box::new(Door(MqttConnection::new(service, wall))),
            Engine::Amqp => Box::new(Door(AmqpConnection::new(service, wall))),
            Engine::Http => Box::new(HttpsDoor::new(self.runtime.clone(), service)),
        };
        match self.layers {
            Layers::None => door,
            Layers::Tls => Box::new(TlsPeer::new(TLS.0.clone(), door)),
            Layers::Proxy => Box::new(ProxyPeer::new(door)),
            Layers::WebSocket => Box::new(WebSocketPeer::new(door)),
        }
    }
}

/// The HTTPS door, which is a task and not a state machine.
struct HttpsDoor {
    runtime: Rc<Runtime>,
    stream: DuplexStream,
    out: Vec<u8>,
    closed: bool,
}

impl HttpsDoor {
    fn new(runtime: Rc<Runtime>, service: Arc<Service>) -> Self {
        let (stream, other) = duplex(1 << 20);
        runtime.spawn(serve_https(other, service, Vec::new()));
        Self { runtime, stream, out: Vec::new(), closed: false }
    }
}

impl Peer for HttpsDoor {
    fn receive(&mut self, _: Duration, bytes: &[u8]) {
        self.runtime.clone().block_on(async {
            if self.stream.write_all(bytes).await.is_err() {
                self.closed = true;
                return;
            }
            // Lets the door's task do all it can: nothing in it waits for anything else.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let mut room = vec![0; 64 * 1024];
            let mut buffer = ReadBuf::new(&mut room);
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.closed = true,
                Poll::Ready(Ok(())) => self.out.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => {}
            }
        });
    }

    fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}
