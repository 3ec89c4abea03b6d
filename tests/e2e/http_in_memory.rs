//! The client's session against the service's HTTPS door, both without sockets: the conversation
//! is cut at every byte in both directions, in the client's virtual time.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Error, ErrorKind, Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId,
    Session, Stage, Status, SymmetricKey, Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_emulator::{EmulatorConfig, Random, Service, serve_https};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::Link;
use dps_transport_http::HttpTransport;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Runtime;

/// Where the first connection breaks: after so many bytes in one direction.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    ToService(usize),
    ToClient(usize),
}

/// What a run gave.
struct Outcome {
    result: Result<Assignment, Error>,
    statuses: Vec<Status>,
    connections: usize,
    /// Bytes on the first connection, in each direction.
    to_service: usize,
    to_client: usize,
}

struct World {
    runtime: Runtime,
    service: Arc<Service>,
    key: SymmetricKey,
    /// The client's wall clock at the start of each run. The door reads the clock of this machine,
    /// so it is near that; and always the same, since the length of a token depends on it.
    start: u64,
}

/// The client's end of a connection to the door.
struct Pipe {
    stream: DuplexStream,
    to_service: usize,
    to_client: usize,
}

impl World {
    fn new() -> Self {
        let mut config = EmulatorConfig::default();
        config.assignment_delay = Duration::ZERO;
        let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
        let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
        let key = group.derive(&RegistrationId::new("device").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { runtime, service: Arc::new(service), key, start }
    }

    fn connect(&self) -> Pipe {
        let (stream, other) = duplex(1 << 20);
        self.runtime.spawn(serve_https(other, self.service.clone(), Vec::new()));
        Pipe { stream, to_service: 0, to_client: 0 }
    }

    /// Hands the door `bytes`, and takes what it has to say.
    fn exchange(&self, pipe: &mut Pipe, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            pipe.stream.write_all(bytes).await.unwrap();
            // Lets the door's task do all it can: nothing in it waits for anything else.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let mut room = vec![0; 64 * 1024];
            let mut buffer = ReadBuf::new(&mut room);
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut pipe.stream).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) => buffer.filled().to_vec(),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => Vec::new(),
            }
        })
    }

    fn run(&self, cut: Cut, chunk: usize) -> Outcome {
        let id = RegistrationId::new("device").unwrap();
        let mut hsm = SymmetricKeyHsm::new(id.clone(), self.key.clone());
        let config = RegistrationConfig {
            identity: Identity {
                id_scope: IdScope::new(self.service.id_scope()).unwrap(),
                registration_id: id,
            },
            attestation: Attestation::SymmetricKey,
            payload: None,
            policy: Policy::default(),
        };
        let start = self.start;
        let mut elapsed = Duration::ZERO;
        let reading = |at: Duration| Now::new(Timestamp::new(at), start + at.as_secs());
        let engine = Box::new(HttpTransport::new("dps.test", 443));
        let mut session = Session::new(config, engine, Box::new(|| 7), reading(elapsed));

        let mut pipe: Option<Pipe> = None;
        let (mut connections, mut first, mut statuses) = (0, (0, 0), Vec::new());
        for _ in 0..10_000 {
            let now = reading(elapsed);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                    Output::Connect => {
                        pipe = Some(self.connect());
                        connections += 1;
                        session.opened(now, Link::plain());
                    }
                    Output::Disconnect { farewell } => {
                        assert!(farewell.is_empty());
                        pipe = None;
                    }
                    Output::Status(status) => statuses.push(status),
                    Output::Finished(result) => {
                        assert!(session.poll_output().is_none());
                        let (to_service, to_client) = first;
                        let result = *result;
                        return Outcome { result, statuses, connections, to_service, to_client };
                    }
                    other => panic!("unknown {other:?}"),
                }
            }
            let mut wire = Vec::new();
            session.transmit(now, &mut wire);
            let Some(open) = pipe.as_mut().filter(|_| !wire.is_empty()) else {
                elapsed = session.next_timeout().expect("a timer").since_origin();
                session.handle_timeout(reading(elapsed));
                continue;
            };
            let (most_out, most_in) = match cut {
                Cut::ToService(at) if connections == 1 => (at, usize::MAX),
                Cut::ToClient(at) if connections == 1 => (usize::MAX, at),
                _ => (usize::MAX, usize::MAX),
            };
            let out = wire.len().min(most_out - open.to_service);
            let mut back = self.exchange(open, &wire[..out]);
            open.to_service += out;
            let short = out < wire.len() || back.len() > most_in - open.to_client;
            back.truncate(most_in - open.to_client);
            open.to_client += back.len();
            if connections == 1 {
                first = (open.to_service, open.to_client);
            }
            for part in back.chunks(chunk) {
                session.receive(now, part);
            }
            if short {
                pipe = None;
                session.closed(now, None);
            }
        }
        panic!("no outcome");
    }
}

#[test]
fn one_connection_is_enough_whatever_the_pieces() {
    let world = World::new();
    for chunk in [1, 2, 7, usize::MAX] {
        let outcome = world.run(Cut::Never, chunk);
        assert_eq!(outcome.result.unwrap().device_id, "device");
        assert_eq!(outcome.statuses, [Status::Connected, Status::Assigning]);
        assert_eq!(outcome.connections, 1);
    }
}

#[test]
fn a_connection_cut_anywhere_still_ends_in_an_assignment() {
    let world = World::new();
    let whole = world.run(Cut::Never, usize::MAX);
    assert!(whole.to_service > 500 && whole.to_client > 500, "both have something to say");
    let cuts = (0..whole.to_service).map(Cut::ToService);
    for cut in cuts.chain((0..whole.to_client).map(Cut::ToClient)) {
        let outcome = world.run(cut, usize::MAX);
        let assignment = outcome.result.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(assignment.device_id, "device");
        assert_eq!(outcome.connections, 2, "{cut:?}");
    }
}

const ASSIGNING: &str = r#"{"operationId":"1.2","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"1.2","status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"d"}}"#;

fn response(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Registers with a service that answers one request after the other with `script`, and is silent
/// from then on. Gives the outcome, what was asked on each connection, and the time it took.
fn scripted(
    policy: Policy,
    script: &[String],
) -> (Result<Assignment, Error>, Vec<Vec<String>>, Duration) {
    let id = RegistrationId::new("device").unwrap();
    let mut hsm = SymmetricKeyHsm::new(id.clone(), SymmetricKey::from_bytes(&[1; 32]).unwrap());
    let config = RegistrationConfig {
        identity: Identity { id_scope: IdScope::new("scope").unwrap(), registration_id: id },
        attestation: Attestation::SymmetricKey,
        payload: None,
        policy,
    };
    let mut elapsed = Duration::ZERO;
    let reading = |at: Duration| Now::new(Timestamp::new(at), 1_800_000_000 + at.as_secs());
    let engine = Box::new(HttpTransport::new("dps.test", 443));
    let mut session = Session::new(config, engine, Box::new(|| 0), reading(elapsed));
    let mut script = script.iter();
    let mut asked: Vec<Vec<String>> = Vec::new();
    for _ in 0..1000 {
        let now = reading(elapsed);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                Output::Connect => {
                    asked.push(Vec::new());
                    session.opened(now, Link::plain());
                }
                Output::Finished(result) => return (*result, asked, elapsed),
                _ => {}
            }
        }
        let mut wire = Vec::new();
        session.transmit(now, &mut wire);
        if wire.is_empty() {
            elapsed = session.next_timeout().expect("a timer").since_origin();
            session.handle_timeout(reading(elapsed));
            continue;
        }
        let request = String::from_utf8(wire).unwrap();
        asked.last_mut().unwrap().push(request.split(' ').next().unwrap().to_owned());
        if let Some(reply) = script.next() {
            session.receive(now, reply.as_bytes());
        }
    }
    panic!("no outcome");
}

#[test]
fn a_service_that_closes_after_each_reply_is_connected_to_again_for_each_poll() {
    let close = "Connection: close\r\nRetry-After: 3\r\n";
    let busy = response("503 Away", close, "");
    let assigning = response("202 Accepted", close, ASSIGNING);
    let script = [busy, assigning.clone(), assigning, response("200 OK", "", ASSIGNED)];
    // Not one of these connections has failed.
    let policy = Policy { max_connections: Some(1), ..Policy::default() };
    let (result, asked, elapsed) = scripted(policy, &script);
    assert_eq!(result.unwrap().hub, "h.x");
    assert_eq!(asked, [["PUT"], ["PUT"], ["GET"], ["GET"]]);
    assert_eq!(elapsed.as_secs(), 9, "each pause is kept");
}

#[test]
fn throttling_and_faults_are_waited_out_on_the_same_connection() {
    let script = [
        response("429 Too Many Requests", "Retry-After: 7\r\n", ""),
        response("500 Internal Server Error", "", r#"{"errorCode":500000}"#),
        response("202 Accepted", "Retry-After: 2\r\n", ASSIGNING),
        response("429 Too Many Requests", "Retry-After: Fri, 15 Jan 2027 08:00:30 GMT\r\n", ""),
        response("200 OK", "", ASSIGNED),
    ];
    let (result, asked, elapsed) = scripted(Policy::default(), &script);
    assert_eq!(result.unwrap().device_id, "d");
    assert_eq!(asked, [["PUT", "PUT", "PUT", "GET", "GET"]]);
    // 7 s, then 1 s, then 2 s; the date is 30 s after the start.
    assert_eq!(elapsed.as_secs(), 30);
}

#[test]
fn a_service_that_never_answers_owes_a_reply_to_the_register_request() {
    let policy = Policy { max_connections: Some(2), ..Policy::default() };
    let (result, asked, elapsed) = scripted(policy, &[]);
    let error = result.unwrap_err();
    assert_eq!((error.stage(), asked.len()), (Stage::Register, 2));
    assert!(matches!(error.kind(), ErrorKind::Silent { .. }), "{error}");
    assert!(error.to_string().contains("a reply to the register request"), "{error}");
    assert_eq!(elapsed.as_secs(), 60);
}

#[test]
fn replies_that_cannot_be_right_end_it() {
    for (script, kind) in [
        (
            response("302 Found", "Location: https://evil.example/\r\n", "x"),
            ErrorKind::Service { status: 302 },
        ),
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), ErrorKind::Protocol),
        (response("200 OK", "Transfer-Encoding: chunked\r\n", "{}"), ErrorKind::Protocol),
        (response("202 Accepted", "", "<html>"), ErrorKind::MalformedReply),
        (response("204 No Content", "", ""), ErrorKind::MalformedReply),
    ] {
        let (result, asked, _) = scripted(Policy::default(), &[script]);
        assert_eq!(*result.unwrap_err().kind(), kind);
        assert_eq!(asked, [["PUT"]], "nothing is tried again, and no redirect followed");
    }
}
