//! Registrations over AMQP 1.0 against the local service: over real TLS and TCP, and without I/O
//! in virtual time, where the conversation is cut at every byte and its round trips are counted.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Builder, Endpoint, Error, ErrorKind, Hsm, IdScope, Identity, Now, Output, Policy,
    ProvisioningClient, RegistrationId, Session, Stage, Status, SymmetricKey, Timestamp, Transport,
    TrustAnchors,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_emulator::{
    AmqpConnection, AttestationConfig, Connection as _, Emulator, EmulatorConfig,
    EnrollmentGroupConfig, IndividualEnrollmentConfig, Random, Service,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, KeyKind, self_signed};
use dps_transport::Link;
use dps_transport_amqp::AmqpTransport;
use std::sync::Arc;
use std::time::Duration;

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

fn config() -> EmulatorConfig {
    EmulatorConfig::from_yaml(CONFIG).unwrap()
}

fn builder(emulator: &Emulator, hsm: impl Hsm + 'static) -> Builder {
    ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&emulator.amqp_address().to_string()).unwrap())
        .transport(Transport::Amqp)
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .hsm(hsm)
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .policy(Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() })
}

fn with_key(emulator: &Emulator, id: &str, key: &SymmetricKey) -> Builder {
    builder(emulator, SymmetricKeyHsm::new(RegistrationId::new(id).unwrap(), key.clone()))
}

fn key_of(emulator: &Emulator, id: &str) -> SymmetricKey {
    let enrollments = emulator.enrollments();
    let found = enrollments.iter().find(|enrollment| enrollment.registration_id.as_str() == id);
    found.unwrap().symmetric_keys().unwrap().primary.clone()
}

fn group_key(emulator: &Emulator) -> SymmetricKey {
    emulator.groups()[0].symmetric_keys().unwrap().primary.clone()
}

fn register(builder: Builder) -> Result<Assignment, Error> {
    builder.build().unwrap().register()
}

#[test]
fn symmetric_keys_register_pipelined_and_step_by_step() {
    let emulator = Emulator::start(config()).unwrap();
    for conservative in [false, true] {
        let mut statuses = Vec::new();
        let mut client = with_key(&emulator, "single", &key_of(&emulator, "single"))
            .conservative(conservative)
            .build()
            .unwrap();
        let assignment = client.register_with(|status| statuses.push(status)).unwrap();
        assert_eq!(assignment.hub, "west.localhost");
        assert_eq!(assignment.device_id, "single-in-west");
        assert_eq!(statuses, [Status::Connected, Status::Assigning]);

        let id = RegistrationId::new("Device:1.a_b-c").unwrap();
        let hsm = SymmetricKeyHsm::derived(id, &group_key(&emulator));
        let large = format!("{{\"model\":\"{}\"}}", "x".repeat(90_000));
        let assignment =
            register(builder(&emulator, hsm).conservative(conservative).payload_json(large))
                .unwrap();
        assert_eq!(assignment.device_id, "Device:1.a_b-c");
        assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
    }
}

#[tokio::test]
async fn the_async_client_registers() {
    let emulator = Emulator::start(config()).unwrap();
    let key = group_key(&emulator).derive(&RegistrationId::new("async-device").unwrap());
    let mut client = with_key(&emulator, "async-device", &key).build().unwrap();
    assert_eq!(client.register_async().await.unwrap().device_id, "async-device");
}

#[test]
fn certificates_register_pipelined_and_step_by_step() {
    let own = self_signed("own-device", KeyKind::P256);
    let root = Authority::root("root");
    let line = root.intermediate("line");
    let chain = line.device("line-device", KeyKind::P384) + &line.pem();
    let stranger = Authority::root("other").device("line-device", KeyKind::P384);
    let mut config = config();
    let mut enrollment =
        IndividualEnrollmentConfig::new(RegistrationId::new("own-device").unwrap());
    enrollment.attestation = AttestationConfig::with_client_certificate(own.as_str());
    config.enrollments.push(enrollment);
    let mut group = EnrollmentGroupConfig::new("factory");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem());
    config.enrollment_groups.push(group);
    let emulator = Emulator::start(config).unwrap();
    let hsm = |chain: &str, key: KeyKind| {
        X509Hsm::from_pem(chain.as_bytes(), key.pem().as_bytes()).unwrap()
    };
    for conservative in [false, true] {
        let client =
            |chain: &str, key| builder(&emulator, hsm(chain, key)).conservative(conservative);
        let assignment = register(client(&own, KeyKind::P256)).unwrap();
        assert_eq!(assignment.device_id, "own-device");
        let assignment = register(client(&chain, KeyKind::P384)).unwrap();
        assert_eq!(assignment.enrollment_group_id.as_deref(), Some("factory"));
        let error = register(client(&stranger, KeyKind::P384)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Service { status: 401 }, "{error}");
        assert_eq!(error.service().unwrap().error_code, Some(401_002));
        assert_eq!(error.service().unwrap().message.as_deref(), Some("Invalid certificate."));
        // The server's certificate carries the name, the device's another.
        let other = RegistrationId::new("someone-else").unwrap();
        let error = register(client(&chain, KeyKind::P384).registration_id(other)).unwrap_err();
        assert_eq!(error.service().unwrap().error_code, Some(401_002), "{error}");
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let mut config = config();
    config.enrollment_groups.clear();
    let emulator = Emulator::start(config).unwrap();
    let single = key_of(&emulator, "single");
    let stranger = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    for (id, key, status, code) in
        [("single", &stranger, 401, 401_000), ("unknown", &single, 404, 404_201)]
    {
        let error = register(with_key(&emulator, id, key)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Service { status }, "{error}");
        assert_eq!(error.stage(), Stage::Register);
        let service = error.service().unwrap();
        assert_eq!(service.error_code, Some(code));
        assert!(service.tracking_id.is_some() && service.timestamp.is_some());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(key.to_base64().as_str()) && !shown.contains("sig="));
    }
    let disabled = with_key(&emulator, "shut-out", &key_of(&emulator, "shut-out"));
    assert_eq!(*register(disabled).unwrap_err().kind(), ErrorKind::Disabled);
    let elsewhere = with_key(&emulator, "single", &single).id_scope(IdScope::new("0neX").unwrap());
    let error = register(elsewhere).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SaslRejected { code: 1 }, "{error}");
    assert_eq!(error.stage(), Stage::Authenticate);
}

#[test]
fn bad_tokens_are_refused_by_sasl_when_the_service_is_told_to() {
    let mut config = config();
    config.reject_at_connect = true;
    let emulator = Emulator::start(config).unwrap();
    let stranger = SymmetricKey::from_bytes(&[1; 32]).unwrap();
    for conservative in [false, true] {
        let client = with_key(&emulator, "single", &stranger).conservative(conservative);
        let error = register(client).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SaslRejected { code: 1 }, "{error}");
        assert!(error.hint().contains("key"));
    }
    let good = with_key(&emulator, "single", &key_of(&emulator, "single"));
    assert_eq!(register(good).unwrap().hub, "west.localhost");
}

/// Where a connection breaks: after so many bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    ToService(usize),
    ToClient(usize),
}

struct Pipe {
    door: AmqpConnection,
    cut: Cut,
    to_service: usize,
    to_client: usize,
}

#[derive(Debug)]
struct Outcome {
    result: Result<Assignment, Error>,
    connections: usize,
    /// Flights of the first connection, until its first status "assigning".
    flights: usize,
    to_service: usize,
    to_client: usize,
    elapsed: Duration,
}

/// The client and the service's door, without I/O.
struct World {
    conservative: bool,
    /// The service loses what comes together with sasl-init.
    forgetful: bool,
    /// Bytes handed over at a time.
    chunk: usize,
    /// None: with a certificate.
    key: Option<SymmetricKey>,
    certificates: Vec<Vec<u8>>,
    service: Arc<Service>,
}

const START: u64 = 1_900_000_000;

impl World {
    fn new() -> Self {
        let mut config = EmulatorConfig::default();
        config.retry_after_seconds = 3;
        let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
        let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
        let key = Some(group.derive(&RegistrationId::new("device").unwrap()));
        Self {
            conservative: false,
            forgetful: false,
            chunk: usize::MAX,
            key,
            certificates: Vec::new(),
            service: Arc::new(service),
        }
    }

    fn run(&self, cut: impl Fn(usize) -> Cut) -> Outcome {
        let id = RegistrationId::new("device").unwrap();
        let config = RegistrationConfig {
            identity: Identity {
                id_scope: IdScope::new(self.service.id_scope()).unwrap(),
                registration_id: id.clone(),
            },
            attestation: match self.key {
                Some(_) => Attestation::SymmetricKey,
                None => Attestation::X509,
            },
            payload: None,
            policy: Policy::default(),
        };
        let mut hsm = self.key.clone().map(|key| SymmetricKeyHsm::new(id, key));
        let mut elapsed = Duration::ZERO;
        let reading =
            |elapsed: Duration| Now::new(Timestamp::new(elapsed), START + elapsed.as_secs());
        let engine = AmqpTransport::new("localhost").conservative(self.conservative);
        let mut session = Session::new(config, Box::new(engine), Box::new(|| 7), reading(elapsed));
        let mut pipe: Option<Pipe> = None;
        let (mut connections, mut flights, mut assigning) = (0, 0, false);
        let mut first = (0, 0);
        let mut result = None;
        for _ in 0..100_000 {
            let now = reading(elapsed);
            let wall = Duration::from_secs(now.unix_seconds);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Sign(text) => {
                        session.signed(now, hsm.as_mut().unwrap().sign(text.as_bytes()));
                    }
                    Output::Connect => {
                        let door = AmqpConnection::new(self.service.clone(), wall)
                            .with_peer_certificates(self.certificates.clone());
                        let cut = cut(connections);
                        pipe = Some(Pipe { door, cut, to_service: 0, to_client: 0 });
                        connections += 1;
                        session.opened(now, Link::plain());
                    }
                    Output::Disconnect { farewell } => {
                        if let Some(mut gone) = pipe.take() {
                            gone.door.receive(wall, &farewell);
                            gone.to_service += farewell.len();
                            if connections == 1 {
                                first = (gone.to_service, gone.to_client);
                            }
                        }
                    }
                    Output::Status(Status::Assigning) => assigning = true,
                    Output::Finished(outcome) => result = Some(*outcome),
                    _ => {}
                }
            }
            if let Some(result) = result {
                let (to_service, to_client) = first;
                return Outcome { result, connections, flights, to_service, to_client, elapsed };
            }
            let moved = pipe.as_mut().is_some_and(|open| self.carry(&mut session, open, now));
            if moved {
                flights += usize::from(connections == 1 && !assigning);
                continue;
            }
            let due = session.next_timeout().expect("a session at rest has a timer");
            elapsed = elapsed.max(due.since_origin());
            session.handle_timeout(reading(elapsed));
        }
        panic!("no outcome after 100000 steps");
    }

    /// Moves what both sides have to send now; whether anything moved.
    fn carry(&self, session: &mut Session, open: &mut Pipe, now: Now) -> bool {
        let wall = Duration::from_secs(now.unix_seconds);
        let mut wire = Vec::new();
        session.transmit(now, &mut wire);
        if self.forgetful && wire.starts_with(b"AMQP\x03") && wire.len() > 8 {
            let init = u32::from_be_bytes(wire[8..12].try_into().unwrap()) as usize;
            assert!(wire.len() > 8 + init, "the opening was sent ahead");
            wire.truncate(8 + init);
        }
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
        let broken = match open.cut {
            Cut::Never => false,
            Cut::ToService(at) => open.to_service >= at,
            Cut::ToClient(at) => open.to_client >= at,
        };
        if broken || open.door.is_closed() {
            session.closed(now, None);
            return true;
        }
        moved
    }
}

#[test]
fn after_tls_the_first_reply_takes_two_round_trips_or_seven_when_conservative() {
    for (conservative, flights) in [(false, 2), (true, 7)] {
        let world = World { conservative, ..World::new() };
        let outcome = world.run(|_| Cut::Never);
        assert_eq!(outcome.result.as_ref().unwrap().hub, "contoso-hub.localhost");
        // Each step of the world takes one flight there and one back; the reply to the last
        // one is seen in the next step.
        assert_eq!(outcome.flights, flights, "conservative {conservative}");
        assert_eq!(outcome.connections, 1);
        assert_eq!(outcome.elapsed, Duration::from_secs(3), "the retry-after, to the second");
    }
}

#[test]
fn a_conversation_in_small_pieces() {
    for conservative in [false, true] {
        for chunk in [1, 7] {
            let world = World { conservative, chunk, ..World::new() };
            let outcome = world.run(|_| Cut::Never);
            assert_eq!(outcome.result.unwrap().device_id, "device");
            assert_eq!(outcome.connections, 1);
        }
    }
}

#[test]
fn a_first_connection_cut_anywhere_still_ends_in_success() {
    for conservative in [false, true] {
        let world = World { conservative, ..World::new() };
        let clean = world.run(|_| Cut::Never);
        assert!(clean.to_service > 900 && clean.to_client > 900, "{clean:?}");
        let cuts = (0..=clean.to_service)
            .map(Cut::ToService)
            .chain((0..=clean.to_client).map(Cut::ToClient));
        for cut in cuts {
            let outcome = world.run(|n| if n == 0 { cut } else { Cut::Never });
            let assignment = outcome
                .result
                .unwrap_or_else(|error| panic!("{cut:?}, conservative {conservative}: {error}"));
            assert_eq!(assignment.hub, "contoso-hub.localhost", "{cut:?}");
            assert!(outcome.connections <= 2, "{cut:?}: {} connections", outcome.connections);
        }
    }
}

#[test]
fn a_device_that_presented_no_certificate_is_told_so_once() {
    let world = World { key: None, ..World::new() };
    let outcome = world.run(|_| Cut::Never);
    let error = outcome.result.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(error.stage(), Stage::Authenticate);
    let service = error.service().unwrap();
    assert_eq!(service.error_code, Some(401_002));
    assert_eq!(service.message.as_deref(), Some("IotHubUnauthorizedAccess"));
    assert_eq!(outcome.connections, 1);
}

#[test]
fn a_service_that_loses_what_is_sent_ahead_is_reached_step_by_step() {
    let world = World { forgetful: true, ..World::new() };
    let outcome = world.run(|_| Cut::Never);
    assert_eq!(outcome.result.unwrap().device_id, "device");
    assert_eq!(outcome.connections, 2);
    // The policy's patience with a silent service is 30 s, and the service asks for 3 s.
    assert!(outcome.elapsed < Duration::from_secs(40), "{:?}", outcome.elapsed);
}
