//! The engine, byte by byte.

use super::*;
use dps_core::sas::UnsignedToken;
use dps_core::{Credentials, IdScope, Identity, RegistrationId, SymmetricKey};
use rumqttc::mqttbytes::v4::{ConnAck, PubAck};

const BODY: &str = r#"{"registrationId":"dev1"}"#;

fn now(seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(seconds)), 1_700_000_000 + seconds)
}

fn opening() -> Opening {
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    Opening {
        identity: Identity {
            id_scope: IdScope::new("0ne00111111").unwrap(),
            registration_id: RegistrationId::new("dev1").unwrap(),
        },
        credentials: Credentials::SasToken(UnsignedToken::new("r", 1).sign(&key)),
        request: Request::Register { body: BODY.into() },
    }
}

fn sent(engine: &mut MqttTransport) -> Vec<Packet> {
    let mut bytes = Vec::new();
    engine.transmit(&mut bytes);
    let mut bytes = BytesMut::from(bytes.as_slice());
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        packets.push(Packet::read(&mut bytes, MAX_MESSAGE_BYTES * 2).unwrap());
    }
    packets
}

fn wire(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for packet in packets {
        packet.write(&mut bytes, usize::MAX).unwrap();
    }
    bytes.to_vec()
}

fn connack(code: ConnectReturnCode) -> Packet {
    Packet::ConnAck(ConnAck::new(code, false))
}

fn suback() -> Packet {
    Packet::SubAck(SubAck::new(1, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)]))
}

fn response(topic: &str, body: &str) -> Packet {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, body);
    publish.pkid = 9;
    Packet::Publish(publish)
}

fn opened() -> MqttTransport {
    let mut engine = MqttTransport::new();
    engine.open(now(0), opening()).unwrap();
    let _ = sent(&mut engine);
    let bytes = wire(&[connack(ConnectReturnCode::Success), suback()]);
    engine.receive(now(0), &bytes).unwrap();
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
    engine
}

#[test]
fn the_opening_is_one_flight() {
    let mut engine = MqttTransport::new();
    engine.open(now(0), opening()).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Connect(connect), Packet::Subscribe(subscribe), Packet::Publish(publish)] =
        packets.as_slice()
    else {
        panic!("{packets:?}");
    };
    assert_eq!(connect.client_id, "dev1");
    assert!(connect.clean_session && connect.last_will.is_none());
    let login = connect.login.as_ref().unwrap();
    assert_eq!(
        login.username,
        concat!(
            "0ne00111111/registrations/dev1/api-version=2021-06-01&ClientVersion=libdps%2F",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert!(login.password.starts_with("SharedAccessSignature sr=r&sig="));
    assert_eq!(subscribe.filters[0].path, "$dps/registrations/res/#");
    assert_eq!(subscribe.filters[0].qos, QoS::AtLeastOnce);
    assert_eq!(publish.topic, "$dps/registrations/PUT/iotdps-register/?$rid=1");
    assert_eq!(publish.payload, BODY.as_bytes());
}

#[test]
fn the_conservative_engine_waits_for_each_acknowledgement() {
    let mut engine = MqttTransport::new().conservative(true);
    engine.open(now(0), opening()).unwrap();
    assert!(matches!(sent(&mut engine).as_slice(), [Packet::Connect(_)]));
    engine.receive(now(0), &wire(&[connack(ConnectReturnCode::Success)])).unwrap();
    assert!(matches!(sent(&mut engine).as_slice(), [Packet::Subscribe(_)]));
    engine.receive(now(0), &wire(&[suback()])).unwrap();
    assert!(matches!(sent(&mut engine).as_slice(), [Packet::Publish(_)]));
}

#[test]
fn replies_match_the_latest_request_and_are_acknowledged() {
    let mut engine = opened();
    let strangers = [
        response("$iothub/twin/res/200/?$rid=1", "x"),
        response("$dps/registrations/res/200/?$rid=2", "x"),
        response("$dps/registrations/res/200/?$rid=01", "x"),
        response("$dps/registrations/res/200/?retry-after=1", "x"),
        response("something/else", "x"),
    ];
    engine.receive(now(0), &wire(&strangers)).unwrap();
    assert_eq!(engine.poll_event(), None);
    assert_eq!(sent(&mut engine), vec![Packet::PubAck(PubAck::new(9)); 5]);

    let reply = response("$dps/registrations/res/202/?$rid=1&retry-after=3", "{}");
    engine.receive(now(0), &wire(std::slice::from_ref(&reply))).unwrap();
    assert_eq!(
        engine.poll_event(),
        Some(TransportEvent::Reply(Reply {
            status: 202,
            retry_after: Some(Duration::from_secs(3)),
            body: b"{}".to_vec()
        }))
    );
    engine.receive(now(0), &wire(&[reply])).unwrap();
    assert_eq!(engine.poll_event(), None, "a reply counts once");

    let _ = sent(&mut engine);
    engine.send(now(3), Request::Poll { operation_id: "4.a.b".into() }).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Publish(publish)] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!(
        publish.topic,
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.a.b"
    );
    assert!(publish.payload.is_empty());
}

#[test]
fn any_split_of_the_stream_gives_the_same_events() {
    let stream = wire(&[
        connack(ConnectReturnCode::Success),
        suback(),
        response("$dps/registrations/res/202/?$rid=1&retry-after=3", r#"{"status":"assigning"}"#),
    ]);
    for cut in 0..=stream.len() {
        let mut engine = MqttTransport::new();
        engine.open(now(0), opening()).unwrap();
        engine.receive(now(0), &stream[..cut]).unwrap();
        engine.receive(now(0), &stream[cut..]).unwrap();
        assert_eq!(engine.poll_event(), Some(TransportEvent::Connected), "cut at {cut}");
        assert!(matches!(engine.poll_event(), Some(TransportEvent::Reply(_))), "cut at {cut}");
        assert_eq!(engine.poll_event(), None);
    }
}

#[test]
fn a_reply_may_overtake_the_acknowledgement_of_the_subscription() {
    let mut engine = MqttTransport::new();
    engine.open(now(0), opening()).unwrap();
    let reply = response("$dps/registrations/res/202/?$rid=1", "{}");
    let bytes = wire(&[connack(ConnectReturnCode::Success), reply, suback()]);
    engine.receive(now(0), &bytes).unwrap();
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
    assert!(matches!(engine.poll_event(), Some(TransportEvent::Reply(_))));
    let _ = sent(&mut engine);
    engine.send(now(1), Request::Poll { operation_id: "4.a.b".into() }).unwrap();
    assert!(matches!(sent(&mut engine).as_slice(), [Packet::Publish(_)]));
}

/// Opens a connection that reaches the service; whether all of the opening went out at once.
fn opens_ahead(engine: &mut MqttTransport) -> bool {
    engine.open(now(0), opening()).unwrap();
    engine.ready(now(0));
    match sent(engine).as_slice() {
        [Packet::Connect(_)] => false,
        [Packet::Connect(_), Packet::Subscribe(_), Packet::Publish(_)] => true,
        packets => panic!("{packets:?}"),
    }
}

#[test]
fn after_a_connection_without_a_reply_the_next_waits_for_each_acknowledgement() {
    let accepted = wire(&[connack(ConnectReturnCode::Success), suback()]);
    for came in [&[][..], &accepted] {
        let mut engine = MqttTransport::new();
        assert!(opens_ahead(&mut engine));
        engine.receive(now(1), came).unwrap();
        assert!(!opens_ahead(&mut engine), "after {came:?}");
        engine.receive(now(2), &wire(&[connack(ConnectReturnCode::Success)])).unwrap();
        assert!(matches!(sent(&mut engine).as_slice(), [Packet::Subscribe(_)]));
        engine.receive(now(2), &wire(&[suback()])).unwrap();
        assert!(matches!(sent(&mut engine).as_slice(), [Packet::Publish(_)]));
        let reply = response("$dps/registrations/res/202/?$rid=2", "{}");
        engine.receive(now(2), &wire(&[reply])).unwrap();
        assert!(!opens_ahead(&mut engine), "a broker that dislikes it does so each time");
    }
}

#[test]
fn connections_that_never_reached_the_broker_say_nothing_about_what_it_likes() {
    let mut engine = MqttTransport::new();
    for _ in 0..3 {
        engine.open(now(0), opening()).unwrap();
        assert_eq!(sent(&mut engine).len(), 3);
    }
    assert!(opens_ahead(&mut engine));
}

#[test]
fn a_broker_that_is_away_says_nothing_about_what_it_likes() {
    let mut engine = MqttTransport::new();
    for _ in 0..3 {
        assert!(opens_ahead(&mut engine));
        let away = wire(&[connack(ConnectReturnCode::ServiceUnavailable)]);
        engine.receive(now(0), &away).unwrap_err();
    }
}

#[test]
fn a_broker_known_to_take_it_all_at_once_may_be_lost_once() {
    let mut engine = opened();
    let reply = response("$dps/registrations/res/202/?$rid=1", "{}");
    engine.receive(now(0), &wire(&[reply])).unwrap();
    assert!(opens_ahead(&mut engine));
    assert!(opens_ahead(&mut engine));
    assert!(!opens_ahead(&mut engine));
}

#[test]
fn refusals_keep_their_code() {
    for (code, transient) in [
        (ConnectReturnCode::RefusedProtocolVersion, false),
        (ConnectReturnCode::BadClientId, false),
        (ConnectReturnCode::ServiceUnavailable, true),
        (ConnectReturnCode::BadUserNamePassword, false),
        (ConnectReturnCode::NotAuthorized, false),
    ] {
        let mut engine = MqttTransport::new();
        engine.open(now(0), opening()).unwrap();
        let error = engine.receive(now(0), &wire(&[connack(code)])).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ConnectRejected { code: code as u8 });
        assert_eq!(error.stage(), Stage::Authenticate);
        assert_eq!(error.is_transient(), transient, "{code:?}");
    }
    let mut engine = MqttTransport::new();
    engine.open(now(0), opening()).unwrap();
    let refused = Packet::SubAck(SubAck::new(1, vec![SubscribeReasonCode::Failure]));
    let bytes = wire(&[connack(ConnectReturnCode::Success), refused]);
    let error = engine.receive(now(0), &bytes).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SubscribeRejected);
}

#[test]
fn nonsense_is_a_protocol_error_and_never_a_panic() {
    let oversize = [0x30, 0xff, 0xff, 0xff, 0x7f];
    let cases: [&[u8]; 8] = [
        &oversize,
        &[0x00, 0x00],
        &[0xf0, 0x00],
        &[0x20, 0x02, 0x00, 0x09],
        &[0x20, 0x00],
        &[0x20, 0x01, 0x00],
        &[0x90, 0x03, 0x00, 0x01, 0x01],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    for bytes in cases {
        let mut engine = MqttTransport::new();
        engine.open(now(0), opening()).unwrap();
        let error = engine.receive(now(0), bytes).expect_err("must fail");
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{bytes:?}");
    }
    // Every single byte after a good opening, and every pair of first byte and length.
    for first in 0..=u8::MAX {
        for length in 0..=8 {
            let mut engine = opened();
            let mut bytes = vec![first, length];
            bytes.extend(std::iter::repeat_n(first, usize::from(length)));
            let _ = engine.receive(now(0), &bytes);
        }
    }
}

#[test]
fn an_oversize_request_is_refused_with_the_limit() {
    let mut engine = MqttTransport::new();
    let mut opening = opening();
    opening.request = Request::Register { body: "x".repeat(MAX_MESSAGE_BYTES + 1) };
    let error = engine.open(now(0), opening).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES });
}

#[test]
fn an_idle_connection_is_kept_alive_and_a_dead_one_is_noticed() {
    let mut engine = opened();
    assert_eq!(engine.next_timeout(), Some(now(45).at));
    engine.handle_timeout(now(44)).unwrap();
    assert!(sent(&mut engine).is_empty());
    engine.handle_timeout(now(45)).unwrap();
    assert_eq!(sent(&mut engine), [Packet::PingReq]);
    engine.receive(now(46), &wire(&[Packet::PingResp])).unwrap();
    assert_eq!(engine.next_timeout(), Some(now(90).at));
    engine.handle_timeout(now(90)).unwrap();
    assert_eq!(sent(&mut engine), [Packet::PingReq]);
    engine.handle_timeout(now(119)).unwrap();
    let error = engine.handle_timeout(now(120)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}

#[test]
fn goodbye_is_said_once() {
    let mut engine = opened();
    engine.close();
    engine.close();
    assert_eq!(sent(&mut engine), [Packet::Disconnect]);
    engine.receive(now(0), b"anything").unwrap();
    assert_eq!(engine.poll_event(), None);
}

#[test]
fn a_new_connection_starts_afresh() {
    let mut engine = opened();
    let reply = response("$dps/registrations/res/429/?$rid=1", "");
    engine.receive(now(0), &wire(&[reply])).unwrap();
    engine.receive(now(0), &[0x30, 0x50, 0x00]).unwrap();
    engine.open(now(1), opening()).unwrap();
    let packets = sent(&mut engine);
    assert!(
        matches!(packets.as_slice(), [Packet::Connect(_), Packet::Subscribe(_), Packet::Publish(p)] if p.topic.ends_with("$rid=2"))
    );
    let bytes = wire(&[
        connack(ConnectReturnCode::Success),
        suback(),
        response(
            "$dps/registrations/res/200/?$rid=1",
            "an answer to the last connection's question",
        ),
    ]);
    engine.receive(now(1), &bytes).unwrap();
    assert_eq!(engine.poll_event(), Some(TransportEvent::Connected));
    assert_eq!(engine.poll_event(), None);
}

#[test]
fn debug_shows_no_token() {
    let mut engine = MqttTransport::new();
    engine.open(now(0), opening()).unwrap();
    assert!(!format!("{engine:?} {:?}", opening()).contains("sig"));
}

#[test]
fn with_a_client_certificate_there_is_no_password_and_no_password_flag() {
    let mut engine = MqttTransport::new();
    let opening = Opening { credentials: Credentials::ClientCertificate, ..opening() };
    engine.open(now(0), opening).unwrap();
    let mut bytes = Vec::new();
    engine.transmit(&mut bytes);
    // Fixed header (2 length bytes at this size), protocol name, level, then the flags.
    let level = bytes.windows(4).position(|window| window == b"MQTT").unwrap() + 4;
    assert_eq!(bytes[level + 1], 0x80 | 0x02, "user name and clean session only");
}
