//! A device with a TPM, over HTTPS or AMQP, against a service that sends anything at all in place of
//! challenges and keys: it must not panic, must not grow without bounds, asks the TPM for one thing at
//! a time and not for ever, and ends exactly once, by its deadline at the latest.
#![no_main]

use dps_client::{
    HsmError, IdScope, Identity, Mac, Now, Output, Policy, RegistrationId, Session, Timestamp,
};
use dps_core::{Attestation, RegistrationConfig, TpmKeys, Transport};
use dps_transport::Link;
use dps_transport_amqp::AmqpTransport;
use dps_transport_http::HttpTransport;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fn reading(elapsed: Duration) -> Now {
    Now::new(Timestamp::new(elapsed), 1_800_000_000)
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = (8 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[2, kind, 0, 0]);
    bytes.extend_from_slice(body);
    bytes
}

/// A frame of SASL with this content: a challenge, or the offer of mechanisms.
fn challenge(content: &[u8]) -> Vec<u8> {
    let size = content.len() as u8;
    let body = [&[0, 0x53, 0x42, 0xc0, size + 3, 1, 0xa0, size][..], content].concat();
    frame(1, &body)
}

/// What comes before challenges over AMQP.
fn offer() -> Vec<u8> {
    let mechanisms = [0, 0x53, 0x40, 0xc0, 6, 1, 0xa3, 3, b'T', b'P', b'M'];
    [b"AMQP\x03\x01\x00\x00".to_vec(), frame(1, &mechanisms)].concat()
}

/// The challenge over HTTPS with this key, and the assignment with it.
fn answers(key: &str) -> [String; 2] {
    let reply = |status: &str, body: String| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let wanted =
        format!("{{\"message\":\"x\",\"authenticationKey\":{key},\"keyName\":\"registration\"}}");
    let assigned = format!(
        "{{\"operationId\":\"1\",\"status\":\"assigned\",\"registrationState\":{{\"status\":\"assigned\",\"assignedHub\":\"h\",\"deviceId\":\"d\",\"tpm\":{{\"authenticationKey\":{key}}}}}}}"
    );
    [reply("401 Unauthorized", wanted), reply("200 OK", assigned)]
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut bytes)) = input.split_first() else { return };
    let id = RegistrationId::new("device").unwrap();
    let config = RegistrationConfig {
        identity: Identity { id_scope: IdScope::new("scope").unwrap(), registration_id: id },
        attestation: Attestation::Tpm,
        payload: None,
        policy: Policy::default(),
    };
    let by_http = flags & 1 != 0;
    let engine: Box<dyn Transport> = match by_http {
        true => Box::new(HttpTransport::new("dps.test", 443)),
        false => Box::new(AmqpTransport::new("dps.test").conservative(flags & 2 != 0)),
    };
    let mut elapsed = Duration::ZERO;
    let mut session = Session::new(config, engine, Box::new(|| 7), reading(elapsed));
    let (mut connected, mut ends, mut activations, mut asked) = (false, 0, 0, 0);
    let mut wire = Vec::new();
    for _ in 0..10_000 {
        let now = reading(elapsed);
        while let Some(output) = session.poll_output() {
            match output {
                Output::ReadTpmKeys => {
                    asked += 1;
                    assert_eq!(asked, 1, "the keys are read once");
                    let endorsement_key = [&[1, 58][..], &[7; 314]].concat();
                    let storage_root_key = [&[1, 26][..], &[8; 282]].concat();
                    session.tpm_keys(now, Ok(TpmKeys { endorsement_key, storage_root_key }));
                }
                Output::Activate(blob) => {
                    activations += 1;
                    let size = blob.as_bytes().len();
                    assert!((1..=4096).contains(&size));
                    let reason = || "no key for this TPM".into();
                    // Some fail, by what they are.
                    let result = match blob.as_bytes()[0] == 0xee {
                        true => Err(HsmError::Failed { operation: "activate", reason: reason() }),
                        false => Ok(()),
                    };
                    session.activated(now, result);
                }
                Output::Sign(_) => session.signed(now, Ok(Mac::new([5; 32]))),
                Output::Connect => {
                    session.opened(now, Link::plain());
                    connected = true;
                    if !by_http && flags & 4 != 0 {
                        session.receive(now, &offer());
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
            let (piece, later) = bytes.split_at(bytes.len().min(1 + usize::from(bytes[0]) % 120));
            bytes = later;
            // As it is, or as the content of what the service says to a TPM.
            match (flags >> 4) & 3 {
                0 => session.receive(now, piece),
                _ if !by_http => session.receive(now, &challenge(piece)),
                kind => {
                    let key = String::from_utf8_lossy(piece);
                    let [wanted, assigned] = answers(&key);
                    let last = kind == 3 || later.is_empty();
                    session.receive(now, if last { &assigned } else { &wanted }.as_bytes());
                }
            }
        } else if let Some(due) = session.next_timeout() {
            elapsed = elapsed.max(due.since_origin());
            session.handle_timeout(reading(elapsed));
        }
    }
    assert_eq!(ends, 1, "one outcome");
    assert!(elapsed <= Duration::from_secs(120));
    assert!(activations <= 4000, "{activations}");
});
