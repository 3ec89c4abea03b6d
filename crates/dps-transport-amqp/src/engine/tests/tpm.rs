//! A device with a TPM.

use super::*;
use dps_core::{ActivationBlob, TpmKeys};

const RESPONSE: u64 = 0x43;

fn keys() -> TpmKeys {
    TpmKeys { endorsement_key: vec![0xee; 316], storage_root_key: vec![0x55; 284] }
}

fn with_tpm() -> Opening {
    Opening { credentials: Credentials::Tpm { keys: keys(), token: None }, ..opening() }
}

fn token() -> SasToken {
    UnsignedToken::new("r", 1).sign(&SymmetricKey::from_bytes(&[7; 32]).unwrap())
}

fn offer() -> Vec<u8> {
    let names = ["PLAIN", "TPM"].map(symbol).to_vec();
    sasl_frame(sasl::MECHANISMS, vec![Value::Array(names.into())])
}

fn challenge(bytes: &[u8]) -> Vec<u8> {
    sasl_frame(sasl::CHALLENGE, vec![binary(bytes)])
}

/// Both segments of a blob of 874 bytes.
fn segments() -> [Vec<u8>; 2] {
    [[&[0x80][..], &[1; 437]].concat(), [&[0xc1][..], &[2; 437]].concat()]
        .map(|segment| challenge(&segment))
}

fn blob() -> ActivationBlob {
    ActivationBlob::new([[1; 437], [2; 437]].concat()).unwrap()
}

fn new(conservative: bool) -> AmqpTransport {
    let mut engine = AmqpTransport::new("dps.example").conservative(conservative);
    engine.open(now(0), with_tpm()).unwrap();
    engine.ready(now(0));
    engine
}

fn receive(engine: &mut AmqpTransport, bytes: &[u8]) -> Vec<u64> {
    engine.receive(now(0), bytes).unwrap();
    codes(engine)
}

/// The one frame that the engine has sent, with its binary field at `index`.
fn response(engine: &mut AmqpTransport, code: u64, index: usize) -> Value {
    match sent(engine).as_mut_slice() {
        [Sent::Frame(frame, _)] if frame.code == code => frame.take(index),
        other => panic!("{other:?}"),
    }
}

/// Up to the complete challenge.
fn challenged(conservative: bool) -> AmqpTransport {
    let mut engine = new(conservative);
    engine.receive(now(0), &frame::SASL_HEADER).unwrap();
    engine.receive(now(0), &offer()).unwrap();
    engine.receive(now(0), &challenge(&[0])).unwrap();
    for segment in segments() {
        engine.receive(now(0), &segment).unwrap();
    }
    assert_eq!(engine.poll_event(), Some(TransportEvent::Challenge(Challenge::new(blob()))));
    assert_eq!(engine.poll_event(), None);
    let _ = sent(&mut engine);
    engine
}

#[test]
fn nothing_but_init_goes_ahead_of_the_challenge() {
    let mut engine = new(false);
    let mut opening = sent(&mut engine);
    let [Sent::Sasl, Sent::Frame(init, _)] = opening.as_mut_slice() else { panic!("{opening:?}") };
    assert_eq!((init.code, init.take(0)), (0x41, symbol("TPM")));
    let expected = [&b"\x000ne00111111\0dev1\0"[..], &[0xee; 316]].concat();
    assert_eq!(init.take(1), binary(expected));
    assert_eq!(receive(&mut engine, &frame::SASL_HEADER), [0; 0]);
    assert_eq!(receive(&mut engine, &offer()), [0; 0]);
    engine.receive(now(0), &challenge(&[0])).unwrap();
    let storage_root_key = [&[0][..], &[0x55; 284]].concat();
    assert_eq!(response(&mut engine, RESPONSE, 0), binary(storage_root_key));
    let [first, second] = segments();
    engine.receive(now(0), &first).unwrap();
    assert_eq!(response(&mut engine, RESPONSE, 0), binary([0]));
    assert_eq!(receive(&mut engine, &second), [0; 0], "the token comes from elsewhere");
    assert_eq!(engine.poll_event(), Some(TransportEvent::Challenge(Challenge::new(blob()))));
    engine.authenticate(now(0), token()).unwrap();
    let expected = [&[0][..], token().as_str().as_bytes()].concat();
    assert_eq!(response(&mut engine, RESPONSE, 0), binary(expected));
    // Then all goes ahead that may.
    let opening = receive(&mut engine, &outcome(0));
    assert_eq!(opening, [0x00, p::OPEN, p::BEGIN, p::ATTACH, p::ATTACH]);
    let rest: Vec<u8> = layers().split_off(3).concat();
    assert_eq!(receive(&mut engine, &rest), [p::FLOW, p::TRANSFER]);
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
}

#[test]
fn step_by_step_each_answer_is_awaited() {
    let mut engine = new(true);
    assert_eq!(codes(&mut engine), [0x03]);
    assert_eq!(receive(&mut engine, &frame::SASL_HEADER), [0; 0]);
    assert_eq!(receive(&mut engine, &offer()), [0x41]);
    let mut engine = challenged(true);
    engine.authenticate(now(0), token()).unwrap();
    assert_eq!(codes(&mut engine), [RESPONSE]);
    assert_eq!(receive(&mut engine, &outcome(0)), [0x00]);
    assert_eq!(receive(&mut engine, &frame::AMQP_HEADER), [p::OPEN]);
}

#[test]
fn all_of_the_services_bytes_may_come_one_by_one() {
    let all = [frame::SASL_HEADER.to_vec(), offer(), challenge(&[0]), segments().concat()].concat();
    let mut engine = new(false);
    for (index, byte) in all.iter().enumerate() {
        assert_eq!(engine.poll_event(), None, "after {index} bytes");
        engine.receive(now(0), &[*byte]).unwrap();
    }
    assert!(matches!(engine.poll_event(), Some(TransportEvent::Challenge(_))));
}

#[test]
fn challenges_cut_short_or_changed_never_panic_and_never_give_a_wrong_key() {
    let good =
        [frame::SASL_HEADER.to_vec(), offer(), challenge(&[0]), segments().concat()].concat();
    for at in 0..good.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            let mut engine = new(false);
            let _ = engine.receive(now(0), &bytes);
            while let Some(event) = engine.poll_event() {
                // A changed byte of the key is for the TPM to find.
                let TransportEvent::Challenge(challenge) = event else { panic!("{event:?}") };
                assert_eq!(challenge.blob.as_bytes().len(), 874, "changed at {at}");
            }
        }
    }
}

#[test]
fn a_challenge_after_the_token_is_a_refusal() {
    let mut engine = challenged(false);
    engine.authenticate(now(0), token()).unwrap();
    let error = engine.receive(now(0), &challenge(&[0])).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SaslRejected { code: 1 });
}

#[test]
fn outcomes_end_the_exchange_wherever_they_come() {
    for engine in [&mut new(false), &mut challenged(false)] {
        if engine.phase == Phase::SaslHeader {
            engine.receive(now(0), &[&frame::SASL_HEADER[..], &offer()].concat()).unwrap();
        }
        let error = engine.receive(now(0), &outcome(1)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SaslRejected { code: 1 });
        assert_eq!(error.stage(), Stage::Authenticate);
    }
}

#[test]
fn a_token_is_only_taken_when_it_was_asked_for() {
    let mut engine = new(false);
    assert_eq!(*engine.authenticate(now(0), token()).unwrap_err().kind(), ErrorKind::Protocol);
    let mut engine = challenged(false);
    engine.authenticate(now(0), token()).unwrap();
    assert_eq!(*engine.authenticate(now(0), token()).unwrap_err().kind(), ErrorKind::Protocol);
    let mut engine = challenged(false);
    engine.close();
    assert_eq!(*engine.authenticate(now(0), token()).unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn a_token_that_fits_no_frame_is_refused() {
    let long = |length| {
        let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
        UnsignedToken::new("r".repeat(length), 1).sign(&key)
    };
    assert!(long(370).as_str().len() <= 470);
    challenged(false).authenticate(now(0), long(370)).unwrap();
    let error = challenged(false).authenticate(now(0), long(500)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn challenges_are_for_tpms_only() {
    let mut engine = AmqpTransport::new("dps.example");
    engine.open(now(0), opening()).unwrap();
    let bytes = [frame::SASL_HEADER.to_vec(), mechanisms(), challenge(&[0])].concat();
    let error = engine.receive(now(0), &bytes).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Protocol);
    let mut engine = new(false);
    let bytes = [&frame::SASL_HEADER[..], &mechanisms()].concat();
    let error = engine.receive(now(0), &bytes).unwrap_err();
    assert!(error.to_string().contains("does not offer SASL TPM"), "{error}");
}

#[test]
fn every_connection_has_an_exchange_of_its_own() {
    let mut engine = challenged(false);
    engine.authenticate(now(0), token()).unwrap();
    let again = Credentials::Tpm { keys: keys(), token: Some(token()) };
    engine.open(now(1), Opening { credentials: again, ..opening() }).unwrap();
    let _ = sent(&mut engine);
    assert_eq!(receive(&mut engine, &frame::SASL_HEADER), [0; 0]);
    engine.receive(now(1), &offer()).unwrap();
    assert_eq!(response(&mut engine, 0x41, 0), symbol("TPM"));
    engine.receive(now(1), &challenge(&[0])).unwrap();
    let storage_root_key = [&[0][..], &[0x55; 284]].concat();
    assert_eq!(response(&mut engine, RESPONSE, 0), binary(storage_root_key));
}
