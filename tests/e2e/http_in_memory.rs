//! The client's session against the service's HTTPS door, both without sockets: the conversation
//! is cut at every byte in both directions, in the client's virtual time.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Error, Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId, Session,
    Status, SymmetricKey, Timestamp,
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
        Self { runtime, service: Arc::new(service), key }
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
        // The door reads the clock of this machine, so the client's starts there.
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
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
