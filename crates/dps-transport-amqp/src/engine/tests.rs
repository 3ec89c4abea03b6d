//! The engine, byte by byte, against a service that is written out here.

use super::*;
use crate::value::{binary, composite, describe, encode, map, number, string, symbol};
use dps_core::sas::UnsignedToken;
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{
    Action, Attestation, Event, IdScope, Identity, Policy, Registration, RegistrationConfig,
    RegistrationId, Reply, SymmetricKey,
};
use serde_amqp::Value;

mod tpm;

const BODY: &str = r#"{"registrationId":"dev1"}"#;
const ASSIGNING: &str = r#"{"operationId":"4.a.b","status":"assigning"}"#;
const TAGGED: u64 = 0x73;

fn now(seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(seconds)), 1_700_000_000 + seconds)
}

fn identity() -> Identity {
    Identity {
        id_scope: IdScope::new("0ne00111111").unwrap(),
        registration_id: RegistrationId::new("dev1").unwrap(),
    }
}

fn opening() -> Opening {
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    Opening {
        identity: identity(),
        credentials: Credentials::SasToken(UnsignedToken::new("r", 1).sign(&key)),
        request: Request::Register { body: BODY.into() },
    }
}

fn with_certificate() -> Opening {
    Opening { credentials: Credentials::ClientCertificate, ..opening() }
}

/// What the engine sends: headers, and frames by descriptor with fields and payload.
#[derive(Debug)]
enum Sent {
    Sasl,
    Amqp,
    Heartbeat,
    Frame(Composite, Vec<u8>),
}

impl Sent {
    fn code(&self) -> u64 {
        match self {
            Sent::Sasl => 0x03,
            Sent::Amqp => 0x00,
            Sent::Heartbeat => 0xff,
            Sent::Frame(frame, _) => frame.code,
        }
    }
}

fn sent(engine: &mut AmqpTransport) -> Vec<Sent> {
    let mut bytes = Vec::new();
    engine.transmit(&mut bytes);
    let mut rest = BytesMut::from(bytes.as_slice());
    let mut all = Vec::new();
    while !rest.is_empty() {
        if rest.starts_with(b"AMQP") {
            all.push(if rest[4] == 3 { Sent::Sasl } else { Sent::Amqp });
            rest.advance(8);
            continue;
        }
        let layer = if rest[5] == 1 { Layer::Sasl } else { Layer::Amqp };
        let frame = frame::read(&mut rest, layer).unwrap().expect("whole frames");
        assert_eq!(frame.channel, 0);
        if frame.body.is_empty() {
            all.push(Sent::Heartbeat);
            continue;
        }
        let (value, length) = value::read(&frame.body).unwrap();
        all.push(Sent::Frame(Composite::from_value(value).unwrap(), frame.body[length..].to_vec()));
    }
    all
}

fn codes(engine: &mut AmqpTransport) -> Vec<u64> {
    sent(engine).iter().map(Sent::code).collect()
}

fn raw(kind: u8, channel: u16, parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[2, kind]);
    bytes.extend_from_slice(&channel.to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// The service's frames on its channel 5.
fn amqp(code: u64, fields: Vec<Value>) -> Vec<u8> {
    let channel = if matches!(code, p::OPEN | p::CLOSE) { 0 } else { 5 };
    raw(0, channel, &[&encode(&composite(code, fields))])
}

fn sasl_frame(code: u64, fields: Vec<Value>) -> Vec<u8> {
    raw(1, 0, &[&encode(&composite(code, fields))])
}

fn mechanisms() -> Vec<u8> {
    let names = ["EXTERNAL", "PLAIN"].map(symbol).to_vec();
    sasl_frame(sasl::MECHANISMS, vec![Value::Array(names.into())])
}

fn outcome(code: u8) -> Vec<u8> {
    sasl_frame(sasl::OUTCOME, vec![Value::Ubyte(code)])
}

fn open_with(idle: Value, size: Value, properties: Value) -> Vec<u8> {
    let null = || Value::Null;
    let fields = vec![
        string("IoTDPSGW"),
        null(),
        size,
        null(),
        idle,
        null(),
        null(),
        null(),
        null(),
        properties,
    ];
    amqp(p::OPEN, fields)
}

fn open() -> Vec<u8> {
    open_with(Value::Uint(240_000), Value::Uint(65_536), Value::Null)
}

fn begin() -> Vec<u8> {
    amqp(p::BEGIN, vec![Value::Ushort(0), Value::Uint(1), Value::Uint(5000), Value::Uint(5000)])
}

/// Our links under the service's handles 10 and 11.
fn attach(handle: u32) -> Vec<u8> {
    let role = Value::Bool(handle == SENDER);
    let mut fields = vec![string(p::link_name(handle)), Value::Uint(10 + handle), role];
    fields.extend([Value::Null, Value::Null]);
    fields.extend([composite(0x28, vec![string("x")]), composite(0x29, vec![string("x")])]);
    amqp(p::ATTACH, fields)
}

fn credit(credit: u32) -> Vec<u8> {
    let uint = |number| Value::Uint(number);
    let counters = [uint(0), uint(5000), uint(1), uint(5000)];
    let mut fields = counters.to_vec();
    fields.extend([uint(10 + SENDER), uint(0), uint(credit)]);
    amqp(p::FLOW, fields)
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        frame::SASL_HEADER.to_vec(),
        mechanisms(),
        outcome(0),
        frame::AMQP_HEADER.to_vec(),
        open(),
        begin(),
        attach(RECEIVER),
        attach(SENDER),
        credit(100),
    ]
}

fn response(correlation: Value, body: &str) -> Vec<u8> {
    let mut ids = vec![Value::Null; 5];
    ids.push(correlation);
    let properties = map([(string("retry-after"), Value::Int(3))]);
    [
        encode(&composite(TAGGED, ids)),
        encode(&describe(0x74, properties)),
        encode(&describe(0x75, binary(body))),
    ]
    .concat()
}

fn transfer(id: u32, settled: bool, more: bool, aborted: bool, payload: &[u8]) -> Vec<u8> {
    let flags = |flag| Value::Bool(flag);
    let performative = composite(
        p::TRANSFER,
        vec![
            Value::Uint(10 + RECEIVER),
            Value::Uint(id),
            binary([id as u8]),
            Value::Uint(0),
            flags(settled),
            flags(more),
            Value::Null,
            Value::Null,
            flags(false),
            flags(aborted),
        ],
    );
    raw(0, 5, &[&encode(&performative), payload])
}

fn reply(id: u32, correlation: &str, body: &str) -> Vec<u8> {
    transfer(id, false, false, false, &response(string(correlation), body))
}

fn disposition(state: Value) -> Vec<u8> {
    let id = || Value::Uint(0);
    amqp(p::DISPOSITION, vec![Value::Bool(true), id(), id(), Value::Bool(true), state])
}

fn error(condition: &str, description: &str) -> Value {
    composite(p::ERROR, vec![symbol(condition), string(description), Value::Null])
}

/// Opens a connection that reaches the service; whether all of the opening went out at once.
fn opens_ahead(engine: &mut AmqpTransport) -> bool {
    let _ = sent(engine);
    engine.open(now(0), opening()).unwrap();
    engine.ready(now(0));
    match codes(engine).as_slice() {
        [0x03] => false,
        [0x03, 0x41, 0x00, p::OPEN, p::BEGIN, p::ATTACH, p::ATTACH] => true,
        codes => panic!("{codes:?}"),
    }
}

/// An engine whose register request is out.
fn asked() -> AmqpTransport {
    let mut engine = AmqpTransport::new("host");
    engine.open(now(0), opening()).unwrap();
    engine.receive(now(0), &layers().concat()).unwrap();
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
    assert_eq!(sent(&mut engine).last().unwrap().code(), p::TRANSFER);
    engine
}

fn assigning() -> Option<TransportEvent> {
    let retry_after = Some(Duration::from_secs(3));
    Some(TransportEvent::Reply(Reply { status: 202, retry_after, body: ASSIGNING.into() }))
}

#[test]
fn the_opening_is_one_flight_and_the_request_waits_for_credit() {
    let mut engine = AmqpTransport::new("dps.example");
    engine.open(now(0), opening()).unwrap();
    let mut flight = sent(&mut engine);
    let order: Vec<u64> = flight.iter().map(Sent::code).collect();
    assert_eq!(order, [0x03, 0x41, 0x00, p::OPEN, p::BEGIN, p::ATTACH, p::ATTACH]);
    let field = |flight: &mut Vec<Sent>, frame: usize, index: usize| match &mut flight[frame] {
        Sent::Frame(frame, _) => frame.take(index),
        other => panic!("{other:?}"),
    };
    let Value::Binary(response) = field(&mut flight, 1, 1) else { panic!("no response") };
    let text = String::from_utf8(response.into_vec()).unwrap();
    assert!(
        text.starts_with("\x000ne00111111/registrations/dev1\0SharedAccessSignature sr=r"),
        "{text:?}"
    );
    assert_eq!(field(&mut flight, 3, 1), string("dps.example"));
    assert_eq!(field(&mut flight, 3, 2), Value::Uint(65_536));
    for (frame, terminus, receives) in [(5, 5, true), (6, 6, false)] {
        assert_eq!(field(&mut flight, frame, 2), Value::Bool(receives));
        let mut terminus = Composite::from_value(field(&mut flight, frame, terminus)).unwrap();
        assert_eq!(terminus.take(0), string("0ne00111111/registrations/dev1"));
        let properties = field(&mut flight, frame, 13);
        assert_eq!(lookup(&properties, "com.microsoft:api-version"), Some(string("2021-06-01")));
    }

    let layers = layers();
    engine.receive(now(0), &layers[..8].concat()).unwrap();
    assert_eq!(codes(&mut engine), [p::FLOW], "credit for replies, and no transfer yet");
    engine.receive(now(0), &layers[8]).unwrap();
    let flight = sent(&mut engine);
    let [Sent::Frame(transfer, payload)] = flight.as_slice() else { panic!("{flight:?}") };
    assert_eq!(transfer.code, p::TRANSFER);
    let request = Request::Register { body: BODY.into() };
    assert_eq!(*payload, message::request(request, "1"));
}

/// An opening with a token as the registration makes it.
fn opening_of(id_scope: &str, registration_id: &str) -> Opening {
    let id_scope = IdScope::new(id_scope).unwrap();
    let registration_id = RegistrationId::new(registration_id).unwrap();
    let resource = dps_core::sas::registration_resource(&id_scope, &registration_id);
    let token = UnsignedToken::new(resource, 1_900_000_000).key_name("registration");
    let token = token.sign(&SymmetricKey::from_bytes(&[7; 32]).unwrap());
    Opening {
        identity: Identity { id_scope, registration_id },
        credentials: Credentials::SasToken(token),
        ..opening()
    }
}

#[test]
fn frames_sent_ahead_fit_into_the_least_frame_size() {
    let longest = Opening {
        credentials: Credentials::ClientCertificate,
        ..opening_of(&"s".repeat(128), &"d".repeat(128))
    };
    for opening in [opening_of("0ne00111111", &"d".repeat(128)), longest] {
        let mut engine = AmqpTransport::new("h".repeat(253));
        engine.open(now(0), opening).unwrap();
        let mut bytes = Vec::new();
        engine.transmit(&mut bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = match rest {
                [b'A', b'M', b'Q', b'P', ..] => 8,
                [a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
                _ => panic!("a piece of a frame"),
            };
            assert!(length <= 512, "{length}");
            rest = &rest[length..];
        }
    }
}

#[test]
fn credentials_that_no_sasl_frame_can_hold_are_refused_before_anything_is_sent() {
    // Each colon has three characters in the token.
    for (colons, fits) in [(30, true), (60, false)] {
        for conservative in [false, true] {
            let id = format!("{}d", "a:".repeat(colons));
            let mut engine = AmqpTransport::new("host").conservative(conservative);
            let result = engine.open(now(0), opening_of("0ne00111111", &id));
            if fits {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.stage(), Stage::Authenticate);
            assert_eq!(*error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("at most 512"), "{error}");
            assert!(!error.to_string().contains("sig="), "{error}");
            engine.close();
            assert!(sent(&mut engine).is_empty());
        }
    }
}

#[test]
fn the_conservative_engine_waits_for_each_answer() {
    let mut engine = AmqpTransport::new("host").conservative(true);
    engine.open(now(0), opening()).unwrap();
    assert_eq!(codes(&mut engine), [0x03]);
    let expected: [&[u64]; 9] = [
        &[],
        &[0x41],
        &[0x00],
        &[p::OPEN],
        &[p::BEGIN],
        &[p::ATTACH, p::ATTACH],
        &[p::FLOW],
        &[],
        &[p::TRANSFER],
    ];
    for (answer, next) in layers().iter().zip(expected) {
        engine.receive(now(0), answer).unwrap();
        assert_eq!(codes(&mut engine), next);
    }
}

#[test]
fn certificates_need_no_sasl_until_the_server_wants_it() {
    let mut engine = AmqpTransport::new("host");
    engine.open(now(0), with_certificate()).unwrap();
    assert_eq!(codes(&mut engine), [0x00, p::OPEN, p::BEGIN, p::ATTACH, p::ATTACH]);
    let error = engine.receive(now(0), &frame::SASL_HEADER).unwrap_err();
    assert!(error.is_transient(), "{error}");
    engine.open(now(1), with_certificate()).unwrap();
    let mut flight = sent(&mut engine);
    assert_eq!(flight.len(), 7, "haste was not the reason");
    let Sent::Frame(init, _) = &mut flight[1] else { panic!("{flight:?}") };
    assert_eq!(init.take(0), symbol("EXTERNAL"));
}

#[test]
fn after_a_connection_without_a_reply_the_next_one_goes_step_by_step() {
    let mut engine = AmqpTransport::new("host");
    assert!(opens_ahead(&mut engine));
    for id in ["1", "2", "3"] {
        assert!(!opens_ahead(&mut engine), "a service that dislikes it does so each time");
        engine.receive(now(0), &layers().concat()).unwrap();
        engine.receive(now(0), &reply(1, id, ASSIGNING)).unwrap();
        assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
        assert_eq!(engine.poll_event(), assigning());
    }
    let mut engine = asked();
    engine.receive(now(0), &reply(1, "1", ASSIGNING)).unwrap();
    assert!(opens_ahead(&mut engine), "a connection that brought a reply was fine");
}

#[test]
fn connections_that_never_reached_the_service_say_nothing_about_what_it_likes() {
    let mut engine = AmqpTransport::new("host");
    for _ in 0..3 {
        engine.open(now(0), opening()).unwrap();
        assert_eq!(codes(&mut engine).len(), 7);
    }
}

#[test]
fn a_service_that_is_away_says_nothing_about_what_it_likes() {
    let mut engine = AmqpTransport::new("host");
    for _ in 0..3 {
        assert!(opens_ahead(&mut engine));
        let stream = [frame::SASL_HEADER.to_vec(), mechanisms(), outcome(4)].concat();
        engine.receive(now(0), &stream).unwrap_err();
    }
}

#[test]
fn what_is_sent_ahead_may_be_the_fault_that_the_service_finds() {
    let conditions = [
        "amqp:connection:framing-error",
        "amqp:illegal-state",
        "amqp:decode-error",
        "amqp:not-allowed",
        "amqp:not-implemented",
    ];
    for condition in conditions {
        let fault = || self::error(condition, "one thing after the other");
        let layers = layers();
        let until = |count: usize| layers[..count].concat();
        for stream in [
            [until(5), amqp(p::CLOSE, vec![fault()])].concat(),
            [until(6), amqp(p::CLOSE, vec![fault()])].concat(),
            [until(6), amqp(p::END, vec![fault()])].concat(),
            [until(7), amqp(p::DETACH, vec![Value::Uint(10), Value::Bool(true), fault()])].concat(),
        ] {
            // Even if it had taken it before.
            let mut engine = asked();
            engine.receive(now(0), &reply(1, "1", ASSIGNING)).unwrap();
            assert!(opens_ahead(&mut engine));
            let error = engine.receive(now(0), &stream).unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains("one thing after the other"), "{error}");
            assert!(!opens_ahead(&mut engine));
            // Now it is no longer the reason.
            match engine.receive(now(0), &stream) {
                Ok(()) => {
                    let events: Vec<_> = std::iter::from_fn(|| engine.poll_event()).collect();
                    let is_refusal = |event: &TransportEvent| {
                        matches!(event, TransportEvent::Reply(Reply { status: 400, .. }))
                    };
                    assert!(events.iter().any(is_refusal), "{condition}: {events:?}");
                }
                Err(error) => assert_eq!(*error.kind(), ErrorKind::Protocol, "{condition}"),
            }
        }
    }
}

#[test]
fn a_refusal_with_a_document_is_one_whatever_was_sent_ahead() {
    let json = r#"{"errorCode":400004,"trackingId":"t","message":"Bad request."}"#;
    let mut engine = AmqpTransport::new("host");
    assert!(opens_ahead(&mut engine));
    let close = amqp(p::CLOSE, vec![self::error("amqp:not-allowed", json)]);
    engine.receive(now(0), &[layers()[..5].concat(), close].concat()).unwrap();
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
    let refusal = Reply { status: 400, retry_after: None, body: json.into() };
    assert_eq!(engine.poll_event(), Some(TransportEvent::Reply(refusal)));
}

#[test]
fn a_reply_is_taken_once_and_accepted() {
    let mut engine = asked();
    engine.receive(now(0), &disposition(composite(p::ACCEPTED, vec![]))).unwrap();
    assert_eq!(engine.poll_event(), None);
    engine.receive(now(0), &reply(1, "other", "{}")).unwrap();
    assert_eq!(engine.poll_event(), None);
    engine.receive(now(0), &reply(2, "1", ASSIGNING)).unwrap();
    assert_eq!(engine.poll_event(), assigning());
    engine.receive(now(0), &reply(3, "1", ASSIGNING)).unwrap();
    assert_eq!(engine.poll_event(), None);
    let mut flight = sent(&mut engine);
    assert_eq!(flight.len(), 3, "each is settled");
    for (frame, id) in flight.iter_mut().zip(1..) {
        let Sent::Frame(frame, _) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.code, p::DISPOSITION);
        assert_eq!(frame.take(1), Value::Uint(id));
        assert_eq!(frame.take(3), Value::Bool(true));
        assert_eq!(Composite::from_value(frame.take(4)).unwrap().code, p::ACCEPTED);
    }
}

#[test]
fn a_reply_without_correlation_is_taken_when_one_request_is_open() {
    let anonymous = |id| transfer(id, true, false, false, &response(Value::Null, ASSIGNING));
    let mut engine = asked();
    engine.receive(now(0), &anonymous(1)).unwrap();
    assert_eq!(engine.poll_event(), assigning());
    assert!(sent(&mut engine).is_empty(), "a settled one is not settled again");
    engine.send(now(3), Request::Poll { operation_id: "4.a.b".into() }).unwrap();
    assert_eq!(codes(&mut engine), [p::TRANSFER]);
    engine.receive(now(3), &anonymous(2)).unwrap();
    assert_eq!(engine.poll_event(), assigning());

    // Two are open: which one it answers cannot be known.
    let mut engine = asked();
    engine.send(now(3), Request::Poll { operation_id: "4.a.b".into() }).unwrap();
    engine.receive(now(3), &anonymous(1)).unwrap();
    assert_eq!(engine.poll_event(), None);
    engine.receive(now(3), &reply(2, "2", ASSIGNING)).unwrap();
    assert_eq!(engine.poll_event(), assigning());
}

#[test]
fn any_split_of_the_stream_gives_the_same_events() {
    let mut stream = layers().concat();
    stream.extend(raw(0, 0, &[]));
    stream.extend(reply(1, "1", ASSIGNING));
    for split in 0..=stream.len() {
        let mut engine = AmqpTransport::new("host");
        engine.open(now(0), opening()).unwrap();
        engine.receive(now(0), &stream[..split]).unwrap();
        engine.receive(now(0), &stream[split..]).unwrap();
        assert_eq!(engine.poll_event(), Some(TransportEvent::Connected), "split at {split}");
        assert_eq!(engine.poll_event(), assigning(), "split at {split}");
    }
}

#[test]
fn messages_come_in_parts_and_may_be_aborted() {
    let mut engine = asked();
    let message = response(string("1"), ASSIGNING);
    let (first, rest) = message.split_at(20);
    engine.receive(now(0), &transfer(1, false, true, false, first)).unwrap();
    engine.receive(now(0), &transfer(1, false, false, true, &[])).unwrap();
    assert!(sent(&mut engine).is_empty());
    for part in [first, &rest[..5]] {
        engine.receive(now(0), &transfer(2, false, true, false, part)).unwrap();
    }
    assert_eq!(engine.poll_event(), None);
    engine.receive(now(0), &transfer(2, false, false, false, &rest[5..])).unwrap();
    assert_eq!(engine.poll_event(), assigning());
}

#[test]
fn messages_have_a_limit() {
    let mut engine = asked();
    let part = vec![0; 60_000];
    engine.receive(now(0), &transfer(1, false, true, false, &part)).unwrap();
    let error = engine.receive(now(0), &transfer(1, false, true, false, &part)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("message larger"), "{error}");
    let body = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let error = asked().send(now(0), Request::Register { body: body.clone() }).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooLarge { .. }));
    let large = Opening { request: Request::Register { body }, ..opening() };
    let error = AmqpTransport::new("host").open(now(0), large).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooLarge { .. }));
}

#[test]
fn requests_are_cut_to_the_peers_frames_and_window() {
    let body = format!("{{\"payload\":\"{}\"}}", "x".repeat(2000));
    let mut engine = AmqpTransport::new("host");
    let request = Request::Register { body: body.clone() };
    engine.open(now(0), Opening { request, ..opening() }).unwrap();
    let _ = sent(&mut engine);
    let mut layers = layers();
    layers[4] = open_with(Value::Null, Value::Uint(512), Value::Null);
    engine.receive(now(0), &layers[..8].concat()).unwrap();
    let _ = sent(&mut engine);
    let flow = |seen: u32, window: u32| {
        let mut fields = vec![Value::Uint(seen), Value::Uint(window), Value::Uint(1)];
        fields.extend([Value::Uint(9), Value::Uint(10 + SENDER), Value::Uint(0), Value::Uint(1)]);
        amqp(p::FLOW, fields)
    };
    let mut message = Vec::new();
    let mut last = true;
    for seen in [0, 2, 4] {
        engine.receive(now(0), &flow(seen, 2)).unwrap();
        for frame in sent(&mut engine) {
            let Sent::Frame(mut frame, payload) = frame else { panic!("{frame:?}") };
            assert_eq!((frame.code, number(&frame.take(0))), (p::TRANSFER, Some(SENDER)));
            last = frame.take(5) == Value::Bool(false);
            assert!(payload.len() <= 512 - 8);
            message.extend(payload);
        }
    }
    assert!(last, "all of it is out");
    assert_eq!(message, message::request(Request::Register { body }, "1"));
}

#[test]
fn a_rejected_request_is_a_reply_with_the_documents_status() {
    let json = r#"{"errorCode":401000,"trackingId":"t","message":"Unauthorized"}"#;
    let mut engine = asked();
    let rejected = composite(p::REJECTED, vec![error("amqp:unauthorized-access", json)]);
    engine.receive(now(0), &disposition(rejected)).unwrap();
    let reply = Reply { status: 401, retry_after: None, body: json.into() };
    assert_eq!(engine.poll_event(), Some(TransportEvent::Reply(reply)));
    engine.send(now(1), Request::Poll { operation_id: "x".into() }).unwrap();
    assert_eq!(codes(&mut engine), [p::TRANSFER], "the connection goes on");
}

#[test]
fn a_released_request_may_be_tried_again() {
    for code in [p::RELEASED, p::MODIFIED] {
        let error = asked().receive(now(0), &disposition(composite(code, vec![]))).unwrap_err();
        assert!(error.is_transient());
    }
}

#[test]
fn dispositions_of_other_deliveries_do_not_matter() {
    let mut engine = asked();
    let rejected = || composite(p::REJECTED, vec![error("amqp:internal-error", "")]);
    let id = |id| Value::Uint(id);
    for fields in [
        vec![Value::Bool(true), id(1), id(9), Value::Bool(true), rejected()],
        vec![Value::Bool(false), id(0), id(0), Value::Bool(true), rejected()],
    ] {
        engine.receive(now(0), &amqp(p::DISPOSITION, fields)).unwrap();
    }
    assert_eq!(engine.poll_event(), None);
    // One that we are to settle is settled.
    let fields = vec![Value::Bool(true), id(0), Value::Null, Value::Null, rejected()];
    engine.receive(now(0), &amqp(p::DISPOSITION, fields)).unwrap();
    assert!(matches!(engine.poll_event(), Some(TransportEvent::Reply(Reply { status: 500, .. }))));
    assert_eq!(codes(&mut engine), [p::DISPOSITION]);
}

#[test]
fn refused_connections_sessions_and_links_are_replies() {
    let json = r#"{"errorCode":401002,"trackingId":"t","message":"IotHubUnauthorizedAccess"}"#;
    let refusal = || error("amqp:unauthorized-access", json);
    let properties = map([(symbol("com.microsoft:open-error"), refusal())]);
    let layers = layers();
    let until = |count: usize| layers[..count].concat();
    let detach = vec![Value::Uint(10), Value::Bool(true), refusal()];
    for stream in [
        [until(4), open_with(Value::Null, Value::Null, properties)].concat(),
        [until(5), amqp(p::CLOSE, vec![refusal()])].concat(),
        [until(6), amqp(p::END, vec![refusal()])].concat(),
        [until(7), amqp(p::DETACH, detach.clone())].concat(),
        [until(9), amqp(p::DETACH, detach)].concat(),
    ] {
        let mut engine = AmqpTransport::new("host");
        engine.open(now(0), opening()).unwrap();
        engine.receive(now(0), &stream).unwrap();
        let events: Vec<_> = std::iter::from_fn(|| engine.poll_event()).collect();
        let [.., TransportEvent::Reply(reply), TransportEvent::Closing] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!((reply.status, reply.body.as_slice()), (401, json.as_bytes()));
        assert_eq!(sent(&mut engine).last().unwrap().code(), p::CLOSE);
        let error = engine.send(now(1), Request::Poll { operation_id: "x".into() }).unwrap_err();
        assert!(error.is_transient());
    }
}

#[test]
fn a_service_that_throttles_by_closing_is_asked_again_on_a_new_connection() {
    let json = r#"{"errorCode":429001,"trackingId":"t","message":"Too many requests."}"#;
    let busy = amqp(p::CLOSE, vec![error("amqp:resource-limit-exceeded", json)]);
    let assigned = r#"{"operationId":"4.a.b","status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"d"}}"#;
    let certified = || layers()[3..].concat();
    let mut script =
        [[certified(), busy].concat(), [certified(), reply(1, "2", assigned)].concat()].into_iter();
    let config = RegistrationConfig {
        identity: identity(),
        attestation: Attestation::X509,
        payload: None,
        // Neither connection fails.
        policy: Policy { max_connections: Some(1), ..Policy::default() },
    };
    let mut engine = AmqpTransport::new("host");
    let mut registration = Registration::new(config, Box::new(|| 0), now(0));
    for second in 0..10 {
        let now = now(second);
        registration.handle_timeout(now);
        while let Some(action) = registration.poll_action() {
            match action {
                Action::Connect(opening) => {
                    engine.open(now, opening).unwrap();
                    engine.receive(now, &script.next().unwrap()).unwrap();
                    while let Some(event) = engine.poll_event() {
                        registration.handle(
                            now,
                            match event {
                                TransportEvent::Connected => Event::Connected,
                                TransportEvent::Reply(reply) => Event::Reply(reply),
                                TransportEvent::Challenge(challenge) => Event::Challenge(challenge),
                                TransportEvent::Closing => Event::Closed,
                            },
                        );
                    }
                }
                Action::Send(_) => panic!("the connection is gone"),
                Action::Finish(result) => {
                    assert_eq!(result.unwrap().hub, "h.x");
                    return;
                }
                _ => {}
            }
        }
    }
    panic!("no outcome");
}

#[test]
fn a_connection_that_just_ends_may_be_tried_again() {
    let error = asked().receive(now(0), &amqp(p::CLOSE, vec![])).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(error.stage(), Stage::Register);
    let forced = error_of(&[amqp(p::CLOSE, vec![self::error("amqp:connection:forced", "bye")])]);
    assert_eq!(*forced.kind(), ErrorKind::ConnectionLost);
    assert!(forced.to_string().contains("bye"), "{forced}");
}

/// What these bytes give after the layers are open.
fn error_of(stream: &[Vec<u8>]) -> Error {
    asked().receive(now(0), &stream.concat()).unwrap_err()
}

#[test]
fn sasl_refusals_have_their_code() {
    for (code, pipelined_kind) in [
        (1, ErrorKind::SaslRejected { code: 1 }),
        (2, ErrorKind::ConnectionLost),
        (3, ErrorKind::SaslRejected { code: 3 }),
        (4, ErrorKind::SaslRejected { code: 4 }),
    ] {
        for conservative in [false, true] {
            let mut engine = AmqpTransport::new("host").conservative(conservative);
            engine.open(now(0), opening()).unwrap();
            let stream = [frame::SASL_HEADER.to_vec(), mechanisms(), outcome(code)].concat();
            let error = engine.receive(now(0), &stream).unwrap_err();
            let kind = if conservative {
                ErrorKind::SaslRejected { code }
            } else {
                pipelined_kind.clone()
            };
            assert_eq!((error.stage(), error.kind()), (Stage::Authenticate, &kind));
        }
    }
}

#[test]
fn what_is_no_amqp_is_said_to_be_none_at_once() {
    for (bytes, words) in [
        (&b"H"[..], "does not speak AMQP"),
        (b"AMQX", "does not speak AMQP"),
        (b"AMQP\x00\x00\x09\x01", "AMQP 1.0"),
        (b"AMQP\x00\x01\x00\x00", "no SASL"),
    ] {
        let mut engine = AmqpTransport::new("host");
        engine.open(now(0), opening()).unwrap();
        let error = engine.receive(now(0), bytes).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn hostile_frames_are_refused() {
    let size = |size: u32| [&size.to_be_bytes()[..], &[2, 0, 0, 0]].concat();
    let unsessioned = |code| raw(0, 7, &[&encode(&composite(code, vec![]))]);
    let nested = {
        let mut value = Value::Null;
        for _ in 0..50 {
            value = Value::List(vec![value]);
        }
        raw(0, 5, &[&encode(&composite(p::FLOW, vec![value]))])
    };
    let mut cases: Vec<Vec<u8>> = (0..8).map(size).collect();
    cases.extend([
        size(frame::MAX_FRAME + 1),
        size(u32::MAX),
        vec![0, 0, 0, 8, 0, 0, 0, 0],
        vec![0, 0, 0, 8, 1, 0, 0, 0],
        vec![0, 0, 0, 8, 3, 0, 0, 0],
        vec![0, 0, 0, 8, 2, 1, 0, 0],
        vec![0, 0, 0, 8, 2, 7, 0, 0],
        raw(0, 5, &[&[0x40]]),
        raw(0, 5, &[&[0x00, 0x53]]),
        raw(0, 5, &[&[0xc0, 0xff, 0xff]]),
        unsessioned(p::FLOW),
        unsessioned(p::TRANSFER),
        nested,
        amqp(0x19, vec![]),
        amqp(0x99, vec![]),
        amqp(0x40, vec![]),
        open(),
        begin(),
        attach(SENDER),
        amqp(p::FLOW, vec![]),
        amqp(p::FLOW, vec![Value::Null, string("x")]),
        amqp(p::DISPOSITION, vec![Value::Bool(true)]),
        transfer(1, false, false, false, &[0x00]),
        transfer(1, false, false, false, &[0x40]),
    ]);
    for case in cases {
        let error = error_of(std::slice::from_ref(&case));
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{case:02x?}: {error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn credit_counts_from_where_the_services_link_begins() {
    let mut engine = AmqpTransport::new("host");
    assert!(opens_ahead(&mut engine));
    engine.receive(now(0), &layers()[..6].concat()).unwrap();
    let mut fields = vec![string(p::link_name(RECEIVER)), Value::Uint(10), Value::Bool(false)];
    fields.extend([Value::Null, Value::Null]);
    fields.extend([composite(0x28, vec![string("x")]), composite(0x29, vec![string("x")])]);
    fields.extend([Value::Null, Value::Null, Value::Uint(u32::MAX)]);
    engine.receive(now(0), &amqp(p::ATTACH, fields)).unwrap();
    engine.receive(now(0), &[attach(SENDER), credit(100)].concat()).unwrap();
    let told = |flight: Vec<Sent>| {
        flight.into_iter().rev().find_map(|frame| match frame {
            Sent::Frame(mut flow, _) if flow.code == p::FLOW => {
                Some((number(&flow.take(5)), number(&flow.take(6))))
            }
            _ => None,
        })
    };
    assert_eq!(told(sent(&mut engine)), Some((Some(u32::MAX), Some(16))));
    for id in 0..9 {
        engine.receive(now(0), &reply(id, "late", "{}")).unwrap();
    }
    assert_eq!(told(sent(&mut engine)), Some((Some(8), Some(16))), "the count wraps");
}

#[test]
fn more_messages_than_credit_are_refused_and_credit_is_filled_up() {
    let mut engine = asked();
    let mut flows = 0;
    for id in 0..100 {
        engine.receive(now(0), &reply(id, "late", "{}")).unwrap();
        flows += codes(&mut engine).iter().filter(|code| **code == p::FLOW).count();
    }
    assert!((5..30).contains(&flows), "{flows}");
    let mut engine = asked();
    engine.incoming.credit = 0;
    let error = engine.receive(now(0), &reply(1, "1", "{}")).unwrap_err();
    assert!(error.to_string().contains("credit"), "{error}");
}

#[test]
fn heartbeats_keep_the_connection_and_silence_ends_it() {
    let mut engine = asked();
    assert_eq!(engine.next_timeout(), Some(now(120).at), "both are due then");
    engine.receive(now(100), &raw(0, 0, &[])).unwrap();
    assert_eq!(engine.next_timeout(), Some(now(120).at));
    engine.handle_timeout(now(119)).unwrap();
    assert!(sent(&mut engine).is_empty());
    engine.handle_timeout(now(120)).unwrap();
    assert!(matches!(sent(&mut engine).as_slice(), [Sent::Heartbeat]));
    assert_eq!(engine.next_timeout(), Some(now(220).at));
    let error = engine.handle_timeout(now(220)).unwrap_err();
    assert!(error.is_transient());
    // An absurd wish does not keep us busy.
    let mut engine = AmqpTransport::new("host");
    engine.open(now(0), opening()).unwrap();
    let mut layers = layers();
    layers[4] = open_with(Value::Uint(1), Value::Null, Value::Null);
    engine.receive(now(0), &layers.concat()).unwrap();
    assert_eq!(engine.next_timeout(), Some(now(1).at));
    // Before that, silence is the registration's to judge.
    engine.open(now(0), opening()).unwrap();
    assert_eq!(engine.next_timeout(), None);
    engine.handle_timeout(now(1000)).unwrap();
}

#[test]
fn closing_ends_session_and_connection() {
    let mut engine = asked();
    engine.close();
    assert_eq!(codes(&mut engine), [p::END, p::CLOSE]);
    engine.close();
    assert!(sent(&mut engine).is_empty());
    engine.receive(now(0), b"anything").unwrap();
    let mut engine = AmqpTransport::new("host").conservative(true);
    engine.open(now(0), opening()).unwrap();
    let _ = sent(&mut engine);
    engine.close();
    assert!(sent(&mut engine).is_empty(), "nothing to end yet");
}

#[test]
fn debug_shows_no_token() {
    let mut engine = AmqpTransport::new("host");
    engine.open(now(0), opening()).unwrap();
    assert!(!format!("{engine:?}").contains("sig="));
}
