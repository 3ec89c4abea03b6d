//! A device's AMQP session against a service that sends anything at all: it must not panic, must
//! not grow without bounds, and must end exactly once, by its deadline at the latest.
#![no_main]

use dps_client::{
    Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId, Session, SymmetricKey,
    Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::Link;
use dps_transport_amqp::AmqpTransport;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const HEADERS: [&[u8; 8]; 2] = [b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"];
/// sasl-mechanisms with the symbol PLAIN, and sasl-outcome with code 0.
const SASL: [&[u8]; 2] = [
    &[0, 0x53, 0x40, 0xc0, 8, 1, 0xa3, 5, b'P', b'L', b'A', b'I', b'N'],
    &[0, 0x53, 0x44, 0xc0, 3, 1, 0x50, 0],
];
/// The bytes of the SASL layer in [`opening`], which connections with a certificate do without.
const SASL_LENGTH: usize = 8 + 8 + SASL[0].len() + 8 + SASL[1].len();
/// open; begin; flow with credit for the sender.
const OPEN: &[u8] = &[0, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, b'x'];
const BEGIN: &[u8] = &[0, 0x53, 0x11, 0xc0, 9, 4, 0x60, 0, 0, 0x43, 0x52, 200, 0x52, 200];
const FLOW: &[u8] =
    &[0, 0x53, 0x13, 0xc0, 12, 7, 0x43, 0x52, 200, 0x43, 0x52, 200, 0x52, 1, 0x43, 0x52, 100];

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = (8 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[2, kind, 0, 0]);
    bytes.extend_from_slice(body);
    bytes
}

fn attach(name: &str, handle: u8, is_receiver: u8) -> Vec<u8> {
    let mut fields = vec![0xa1, name.len() as u8];
    fields.extend_from_slice(name.as_bytes());
    fields.extend_from_slice(&[0x52, handle, is_receiver, 0x40, 0x40]);
    fields.extend_from_slice(&[0, 0x53, 0x28, 0x45, 0, 0x53, 0x29, 0x45]);
    let mut body = vec![0, 0x53, 0x12, 0xc0, fields.len() as u8 + 1, 7];
    body.extend(fields);
    frame(0, &body)
}

/// What an honest service says first, so that the fuzzer gets past the opening.
fn opening() -> Vec<u8> {
    let mut bytes = HEADERS[0].to_vec();
    SASL.iter().for_each(|body| bytes.extend(frame(1, body)));
    bytes.extend_from_slice(HEADERS[1]);
    [OPEN, BEGIN].iter().for_each(|body| bytes.extend(frame(0, body)));
    bytes.extend(attach("libdps-receiver", 0, 0x42));
    bytes.extend(attach("libdps-sender", 1, 0x41));
    bytes.extend(frame(0, FLOW));
    bytes
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut bytes)) = input.split_first() else { return };
    let id = RegistrationId::new("device").unwrap();
    let mut hsm = SymmetricKeyHsm::new(id.clone(), SymmetricKey::from_bytes(&[1; 32]).unwrap());
    let attestation = if flags & 4 != 0 { Attestation::X509 } else { Attestation::SymmetricKey };
    let config = RegistrationConfig {
        identity: Identity { id_scope: IdScope::new("scope").unwrap(), registration_id: id },
        attestation,
        payload: None,
        policy: Policy::default(),
    };
    let engine = Box::new(AmqpTransport::new("host").conservative(flags & 1 != 0));
    let mut elapsed = Duration::ZERO;
    let reading = |elapsed: Duration| Now::new(Timestamp::new(elapsed), 1_800_000_000);
    let mut session = Session::new(config, engine, Box::new(|| 7), reading(elapsed));
    let mut wire = Vec::new();
    let mut connected = false;
    let mut ends = 0;
    for _ in 0..10_000 {
        let now = reading(elapsed);
        wire.clear();
        while let Some(output) = session.poll_output() {
            match output {
                Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                Output::Connect => {
                    session.opened(now, Link::plain());
                    connected = true;
                    if flags & 2 != 0 {
                        let skipped = if flags & 4 != 0 { SASL_LENGTH } else { 0 };
                        session.receive(now, &opening()[skipped..]);
                        session.transmit(now, &mut wire);
                        let asked = wire.windows(7).any(|bytes| bytes == b"iotdps-");
                        assert!(asked, "the opening leads to a request");
                    }
                }
                Output::Disconnect { .. } => connected = false,
                Output::Finished(_) => ends += 1,
                _ => {}
            }
        }
        session.transmit(now, &mut wire);
        assert!(wire.len() < 1 << 20);
        if ends > 0 {
            break;
        }
        if connected && !bytes.is_empty() {
            let (now_bytes, later) =
                bytes.split_at(bytes.len().min(1 + usize::from(bytes[0]) % 97));
            bytes = later;
            // Pieces as they are, or each as the body of a frame.
            match flags & 8 {
                0 => session.receive(now, now_bytes),
                _ => session.receive(now, &frame(0, now_bytes)),
            }
        } else if let Some(due) = session.next_timeout() {
            elapsed = elapsed.max(due.since_origin());
            session.handle_timeout(reading(elapsed));
        }
    }
    assert_eq!(ends, 1, "one outcome");
    assert!(elapsed <= Duration::from_secs(120));
});
