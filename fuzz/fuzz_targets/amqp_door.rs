//! The local service's AMQP door against a client that sends anything at all.
#![no_main]

use dps_emulator::{AmqpConnection, Connection as _, EmulatorConfig, Random, Service};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

static SERVICE: LazyLock<Arc<Service>> = LazyLock::new(|| {
    let service = Service::new(&EmulatorConfig::default(), Random::from_seed([1; 32])).unwrap();
    Arc::new(service)
});

const ADDRESS: &str = "0ne00111111/registrations/d";

fn frame(kind: u8, fields: &[u8], code: u8, count: u8) -> Vec<u8> {
    let mut body = vec![0, 0x53, code, 0xc0, fields.len() as u8 + 1, count];
    body.extend_from_slice(fields);
    let mut bytes = (8 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[2, kind, 0, 0]);
    bytes.extend(body);
    bytes
}

fn text(code: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![code, text.len() as u8];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn attach(handle: u8, is_receiver: u8) -> Vec<u8> {
    let mut fields = text(0xa1, "link");
    fields.extend_from_slice(&[0x52, handle, is_receiver, 0x40, 0x40]);
    for code in [0x28, 0x29] {
        fields.extend_from_slice(&[0, 0x53, code, 0xc0, ADDRESS.len() as u8 + 3, 1]);
        fields.extend(text(0xa1, ADDRESS));
    }
    frame(0, &fields, 0x12, 7)
}

/// What gets a client past the opening: some token, a session, both links and credit.
fn opening() -> Vec<u8> {
    let mut bytes = b"AMQP\x03\x01\x00\x00".to_vec();
    let response = format!("\0{ADDRESS}\0SharedAccessSignature sr=a&sig=b&se=1");
    let init = [text(0xa3, "PLAIN"), text(0xa0, &response)].concat();
    bytes.extend(frame(1, &init, 0x41, 2));
    bytes.extend_from_slice(b"AMQP\x00\x01\x00\x00");
    bytes.extend(frame(0, &text(0xa1, "x"), 0x10, 1));
    bytes.extend(frame(0, &[0x40, 0x43, 0x52, 200, 0x52, 200], 0x11, 4));
    bytes.extend(attach(0, 0x41));
    bytes.extend(attach(1, 0x42));
    let flow = [0x40, 0x52, 200, 0x43, 0x52, 200, 0x43, 0x43, 0x52, 100];
    bytes.extend(frame(0, &flow, 0x13, 7));
    bytes
}

/// An open, before which nobody has said who they are, with this for its properties.
fn open_with_properties(properties: &[u8]) {
    let now = Duration::from_secs(1_800_000_000);
    let mut door = AmqpConnection::new(SERVICE.clone(), now);
    let mut fields = text(0xa1, "x");
    fields.extend([0x40; 8]);
    fields.extend_from_slice(properties);
    let header = b"AMQP\x00\x01\x00\x00";
    door.receive(now, &[&header[..], &frame(0, &fields, 0x10, 10)].concat());
    assert!(door.transmit().len() < 1 << 20);
}

/// A map of three elements, which once was one too many for the codec.
const HALF_AN_ENTRY: [u8; 8] = [0xc1, 6, 3, 0xa3, 1, b'a', 0x40, 0x40];
static SEED: Once = Once::new();

fuzz_target!(|input: &[u8]| {
    SEED.call_once(|| open_with_properties(&HALF_AN_ENTRY));
    // What one byte of length has room for.
    open_with_properties(input.get(..240).unwrap_or(input));
    let Some((&flags, bytes)) = input.split_first() else { return };
    let now = Duration::from_secs(1_800_000_000);
    let mut door = AmqpConnection::new(SERVICE.clone(), now);
    if flags & 1 != 0 {
        door.receive(now, &opening());
        assert!(!door.is_closed());
    } else if flags & 4 != 0 {
        door = door.with_peer_certificates(vec![vec![0x30, 0]]);
    }
    for chunk in bytes.chunks(1 + usize::from(flags >> 2)) {
        // Pieces as they are, or each as the body of a frame.
        match flags & 2 {
            0 => door.receive(now, chunk),
            _ => {
                let mut frame = (8 + chunk.len() as u32).to_be_bytes().to_vec();
                frame.extend_from_slice(&[2, 0, 0, 0]);
                frame.extend_from_slice(chunk);
                door.receive(now, &frame);
            }
        }
        assert!(door.transmit().len() < 1 << 20);
    }
    if let Some(due) = door.next_timeout() {
        door.handle_timeout(due);
    }
    door.handle_timeout(now + Duration::from_secs(1000));
    let _ = (door.transmit(), door.is_closed());
});
