use super::*;
use dps_core::SymmetricKey;
use dps_core::sas::{UnsignedToken, hub_resource};
use rumqttc::mqttbytes::v4::{ConnAck, Subscribe};

fn at(seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(seconds)), 1_790_000_000 + seconds)
}

fn opening() -> HubOpening {
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    let token = UnsignedToken::new(hub_resource("hub.example", "d:1"), 1_790_003_600).sign(&key);
    HubOpening {
        hub: "hub.example".into(),
        device_id: "d:1".into(),
        credentials: Credentials::SasToken(token),
    }
}

fn sent(engine: &mut HubEngine) -> Vec<Packet> {
    let mut bytes = Vec::new();
    engine.transmit(&mut bytes);
    let mut stream = BytesMut::from(bytes.as_slice());
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(Packet::read(&mut stream, usize::MAX).unwrap());
    }
    packets
}

fn bytes(packet: Packet) -> Vec<u8> {
    let mut output = BytesMut::new();
    packet.write(&mut output, usize::MAX).unwrap();
    output.to_vec()
}

fn hub_says(topic: &str, qos: QoS, body: &str) -> Vec<u8> {
    let mut publish = Publish::new(topic, qos, body);
    publish.pkid = if qos == QoS::AtMostOnce { 0 } else { 9 };
    bytes(Packet::Publish(publish))
}

fn connack(code: ConnectReturnCode) -> Vec<u8> {
    bytes(Packet::ConnAck(ConnAck::new(code, false)))
}

fn suback(codes: Vec<SubscribeReasonCode>) -> Vec<u8> {
    bytes(Packet::SubAck(SubAck::new(1, codes)))
}

fn granted() -> Vec<u8> {
    suback(vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); 3])
}

fn connected() -> HubEngine {
    let mut engine = HubEngine::new();
    engine.open(at(0), &opening()).unwrap();
    engine.receive(at(0), &connack(ConnectReturnCode::Success)).unwrap();
    engine.receive(at(0), &granted()).unwrap();
    assert_eq!(engine.poll_event(), Some(Event::Connected));
    sent(&mut engine);
    engine
}

#[test]
fn the_opening_names_hub_device_and_version() {
    let mut engine = HubEngine::new();
    engine.open(at(0), &opening()).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Connect(connect)] = packets.as_slice() else { panic!("{packets:?}") };
    let login = connect.login.clone().unwrap();
    assert_eq!((connect.client_id.as_str(), connect.keep_alive), ("d:1", 60));
    assert!(connect.clean_session);
    assert_eq!(
        login.username,
        format!(
            "hub.example/d:1/?api-version=2021-04-12&DeviceClientType=libdps%2F{}",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert!(login.password.starts_with("SharedAccessSignature sr=hub.example%2Fdevices%2Fd%3A1&"));
    engine.receive(at(0), &connack(ConnectReturnCode::Success)).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Subscribe(Subscribe { filters, .. })] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    let paths: Vec<&str> = filters.iter().map(|filter| filter.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "devices/d:1/messages/devicebound/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
        ]
    );
    assert!(engine.request(at(0), &Request::GetTwin).is_err(), "not yet");
}

#[test]
fn a_device_with_a_certificate_sends_no_password() {
    let mut engine = HubEngine::new();
    let opening = HubOpening { credentials: Credentials::ClientCertificate, ..opening() };
    engine.open(at(0), &opening).unwrap();
    let mut connect = Vec::new();
    engine.transmit(&mut connect);
    assert_eq!(connect[9] & 0b1100_0000, 0b1000_0000, "user name without password");
}

#[test]
fn refusals_are_errors_of_the_hub() {
    for (answer, kind) in [
        (connack(ConnectReturnCode::NotAuthorized), ErrorKind::ConnectRejected { code: 5 }),
        (connack(ConnectReturnCode::ServiceUnavailable), ErrorKind::ConnectRejected { code: 3 }),
        (b"HTTP/1.1 400 Bad Request".to_vec(), ErrorKind::Protocol),
        (hub_says("x", QoS::AtMostOnce, ""), ErrorKind::Protocol),
    ] {
        let mut engine = HubEngine::new();
        engine.open(at(0), &opening()).unwrap();
        let error = engine.receive(at(0), &answer).unwrap_err();
        assert_eq!((error.stage(), error.kind()), (Stage::Hub, &kind));
        assert!(!format!("{error} {error:?} {engine:?}").contains("sig="));
    }
    for codes in [
        vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); 2],
        vec![SubscribeReasonCode::Failure; 3],
    ] {
        let mut engine = HubEngine::new();
        engine.open(at(0), &opening()).unwrap();
        engine.receive(at(0), &connack(ConnectReturnCode::Success)).unwrap();
        let error = engine.receive(at(0), &suback(codes)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SubscribeRejected);
    }
}

#[test]
fn a_topic_longer_than_mqtt_allows_is_refused_and_the_connection_goes_on() {
    let mut engine = connected();
    let room = u16::MAX as usize - "devices/d:1/messages/events/p=".len();
    let with = |length| Request::Telemetry(Message::new("x").property("p", "v".repeat(length)));
    let error = engine.request(at(1), &with(room + 1)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge { limit: 65535 });
    assert!(sent(&mut engine).is_empty());
    engine.request(at(1), &with(room)).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Publish(publish)] = packets.as_slice() else { panic!("{}", packets.len()) };
    assert_eq!(publish.topic.len(), 65535);
    assert_eq!(publish.pkid, packets::SUBSCRIBE_ID + 1, "no id is lost");
}

#[test]
fn telemetry_is_acknowledged_by_its_packet_id() {
    let mut engine = connected();
    let message = Message::json("{\"t\":20}");
    let one = engine.request(at(1), &Request::Telemetry(message)).unwrap();
    let two = engine.request(at(1), &Request::Telemetry(Message::new("x"))).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Publish(first), Packet::Publish(second)] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    assert_eq!(
        (first.topic.as_str(), first.qos),
        ("devices/d:1/messages/events/%24.ce=utf-8&%24.ct=application%2Fjson", QoS::AtLeastOnce)
    );
    assert_eq!(second.topic, "devices/d:1/messages/events/");
    assert!(first.pkid != 0 && second.pkid != 0 && first.pkid != second.pkid);
    for (packet_id, request) in [(second.pkid, two), (first.pkid, one)] {
        let ack = bytes(Packet::PubAck(PubAck::new(packet_id)));
        // Twice: the second time it is for nothing.
        engine.receive(at(1), &ack).unwrap();
        engine.receive(at(1), &ack).unwrap();
        assert_eq!(engine.poll_event(), Some(Event::Acknowledged { request }));
        assert_eq!(engine.poll_event(), None);
    }
    let large = Message::new(vec![0; MAX_MESSAGE_BYTES + 1]);
    let error = engine.request(at(1), &Request::Telemetry(large)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge { limit: 262_144 });
    let largest = Message::new(vec![0; MAX_MESSAGE_BYTES]);
    assert!(engine.request(at(1), &Request::Telemetry(largest)).is_ok());
}

#[test]
fn answers_about_the_twin_find_their_requests_in_any_split_of_the_stream() {
    let mut engine = connected();
    let get = engine.request(at(1), &Request::GetTwin).unwrap();
    let report = engine.request(at(1), &Request::Report("{\"a\":1}".into())).unwrap();
    let packets = sent(&mut engine);
    let [Packet::Publish(first), Packet::Publish(second)] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    let twin = "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}";
    assert_eq!(second.payload, "{\"a\":1}".as_bytes());
    let rid = |topic: &str| topic.split_once("$rid=").unwrap().1.to_owned();
    assert!(first.topic.starts_with("$iothub/twin/GET/?$rid="));
    assert!(second.topic.starts_with("$iothub/twin/PATCH/properties/reported/?$rid="));
    let answers = [
        hub_says(
            &format!("$iothub/twin/res/204/?$rid={}&$version=2", rid(&second.topic)),
            QoS::AtLeastOnce,
            "",
        ),
        hub_says(
            &format!("$iothub/twin/res/200/?$rid={}", rid(&first.topic)),
            QoS::AtMostOnce,
            twin,
        ),
        hub_says("$iothub/twin/res/200/?$rid=x", QoS::AtMostOnce, "another's"),
        hub_says("devices/d:1/messages/devicebound/color=violet", QoS::AtLeastOnce, "hello"),
        hub_says(
            "$iothub/twin/PATCH/properties/desired/?$version=3",
            QoS::AtMostOnce,
            "{\"b\":null}",
        ),
    ]
    .concat();
    for byte in answers {
        engine.receive(at(2), &[byte]).unwrap();
    }
    let events: Vec<Event> = std::iter::from_fn(|| engine.poll_event()).collect();
    assert_eq!(
        events,
        [
            Event::Answered { request: report, status: 204, version: Some(2), body: Vec::new() },
            Event::Answered { request: get, status: 200, version: None, body: twin.into() },
            Event::Message(Message::new("hello").property("color", "violet")),
            Event::Desired(DesiredUpdate::new(Some(3), "{\"b\":null}".into())),
        ]
    );
    assert_eq!(sent(&mut engine), vec![Packet::PubAck(PubAck::new(9)); 2]);
    let shown = format!("{events:?}");
    assert!(
        !shown.contains("hello") && !shown.contains("violet") && !shown.contains("null"),
        "{shown}"
    );
}

#[test]
fn a_quiet_connection_is_kept_alive_and_a_dead_one_is_found_out() {
    let mut engine = connected();
    assert_eq!(engine.next_timeout(), Some(at(45).at));
    engine.handle_timeout(at(44)).unwrap();
    assert_eq!(sent(&mut engine), []);
    engine.handle_timeout(at(45)).unwrap();
    assert_eq!(sent(&mut engine), [Packet::PingReq]);
    engine.receive(at(46), &bytes(Packet::PingResp)).unwrap();
    assert_eq!(engine.next_timeout(), Some(at(90).at));
    engine.handle_timeout(at(90)).unwrap();
    let error = engine.handle_timeout(at(120)).unwrap_err();
    assert_eq!((error.stage(), error.kind()), (Stage::Hub, &ErrorKind::ConnectionLost));
    sent(&mut engine);
    engine.close();
    assert_eq!(sent(&mut engine), [Packet::Disconnect]);
    engine.close();
    assert_eq!(sent(&mut engine), []);
}

#[test]
fn desired_properties_that_are_no_object_break_the_protocol() {
    for body in ["", "\u{1b}[2J", "[]", "7", "{\"a\":1", "{\"a\":\"\u{1b}\"}"] {
        let mut engine = connected();
        let topic = "$iothub/twin/PATCH/properties/desired/?$version=3";
        let error = engine.receive(at(1), &hub_says(topic, QoS::AtMostOnce, body)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{body:?}");
        assert_eq!(engine.poll_event(), None);
    }
}
