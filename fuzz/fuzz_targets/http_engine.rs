//! A device's session over HTTPS against a service that sends anything at all, in pieces of any
//! size: it must not panic, must not grow without bounds, and must end exactly once, by its
//! deadline at the latest.
#![no_main]

use dps_client::{
    Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId, Session, SymmetricKey,
    Timestamp,
};
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{
    Attestation, Credentials, Opening, RegistrationConfig, Request, Transport as _, TransportEvent,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::Link;
use dps_transport_http::HttpTransport;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// Good replies, so that the fuzzer gets past the first request: sized, in chunks, and the last
/// of its connection.
const ASSIGNING: [&[u8]; 3] = [
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 42\r\nRetry-After: 1\r\n\r\n{\"operationId\":\"1.2\",\"status\":\"assigning\"}",
    b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2a\r\n{\"operationId\":\"1.2\",\"status\":\"assigning\"}\r\n0\r\n\r\n",
    b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 42\r\n\r\n{\"operationId\":\"1.2\",\"status\":\"assigning\"}",
];

/// What the bytes begin with, so that the fuzzer gets past the status line or the headers.
const BEGINNINGS: [&str; 8] = [
    "",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
    "HTTP/1.1 429 Slow\r\nContent-Length: ",
    "HTTP/1.1 503 Away\r\nContent-Length: 0\r\nRetry-After: ",
    "HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 302 Found\r\nLocation: ",
    "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 20\r\n\r\n{\"status\":",
];

fn reading(elapsed: Duration) -> Now {
    Now::new(Timestamp::new(elapsed), 1_800_000_000)
}

fn identity() -> Identity {
    Identity {
        id_scope: IdScope::new("scope").unwrap(),
        registration_id: RegistrationId::new("device").unwrap(),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, bytes)) = input.split_first() else { return };
    let beginning = BEGINNINGS[usize::from(flags >> 2) % BEGINNINGS.len()];
    let bytes = [beginning.as_bytes(), bytes].concat();
    splits_do_not_matter(&bytes);
    one_outcome(&bytes, flags);
});

/// What the engine makes of one connection's bytes: its events, and its failure if there was one.
fn events(bytes: &[u8], size: usize) -> (Vec<TransportEvent>, Option<String>) {
    let mut engine = HttpTransport::new("dps.test", 443);
    let credentials = Credentials::ClientCertificate;
    let request = Request::Poll { operation_id: "1.2".into() };
    engine
        .open(reading(Duration::ZERO), Opening { identity: identity(), credentials, request })
        .unwrap();
    let mut events = Vec::new();
    let mut failure = None;
    for part in bytes.chunks(size) {
        if let Err(error) = engine.receive(reading(Duration::ZERO), part) {
            failure = Some(error.to_string());
        }
        while let Some(event) = engine.poll_event() {
            if let TransportEvent::Reply(reply) = &event {
                assert!(reply.body.len() <= MAX_MESSAGE_BYTES && reply.status >= 200);
            }
            events.push(event);
        }
        if failure.is_some() {
            break;
        }
    }
    (events, failure)
}

/// The same replies and the same verdict, whatever the pieces.
fn splits_do_not_matter(bytes: &[u8]) {
    let whole = events(bytes, bytes.len().max(1));
    for size in [1, 7] {
        let parts = events(bytes, size);
        assert_eq!(whole.0, parts.0, "{:?} {:?}", whole.1, parts.1);
        assert_eq!(whole.1.is_some(), parts.1.is_some(), "{:?} {:?}", whole.1, parts.1);
    }
}

fn one_outcome(mut bytes: &[u8], flags: u8) {
    let mut hsm = SymmetricKeyHsm::new(
        identity().registration_id,
        SymmetricKey::from_bytes(&[1; 32]).unwrap(),
    );
    let config = RegistrationConfig {
        identity: identity(),
        attestation: Attestation::SymmetricKey,
        payload: None,
        policy: Policy::default(),
    };
    let engine = Box::new(HttpTransport::new("dps.test", 8443));
    let mut elapsed = Duration::ZERO;
    let mut session = Session::new(config, engine, Box::new(|| 7), reading(elapsed));
    let mut good = ASSIGNING.get(usize::from(flags & 3)).copied();
    let mut wire = Vec::new();
    let mut connected = false;
    let mut ends = 0;
    for _ in 0..10_000 {
        let now = reading(elapsed);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                Output::Connect => {
                    session.opened(now, Link::plain());
                    connected = true;
                    if let Some(reply) = good.take() {
                        session.receive(now, reply);
                    }
                }
                Output::Disconnect { .. } => connected = false,
                Output::Finished(_) => ends += 1,
                _ => {}
            }
        }
        wire.clear();
        session.transmit(now, &mut wire);
        assert!(wire.len() < 1 << 20);
        if ends > 0 {
            break;
        }
        if connected && !bytes.is_empty() {
            let (now_bytes, later) =
                bytes.split_at(bytes.len().min(1 + usize::from(bytes[0]) % 97));
            bytes = later;
            session.receive(now, now_bytes);
        } else if let Some(due) = session.next_timeout() {
            elapsed = elapsed.max(due.since_origin());
            session.handle_timeout(reading(elapsed));
        }
    }
    assert_eq!(ends, 1, "one outcome");
    assert!(elapsed <= Duration::from_secs(120));
}
