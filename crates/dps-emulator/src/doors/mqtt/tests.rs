mod faults;

use super::*;
use crate::config::EmulatorConfig;
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::{RegistrationId, SymmetricKey};
use rumqttc::mqttbytes::v4::SubscribeFilter;

const NOW: Duration = Duration::from_secs(1_790_000_000);
const SECOND: Duration = Duration::from_secs(1);
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?$rid=1";

fn open() -> MqttConnection {
    let id = RegistrationId::new("dev1").unwrap();
    let key = SymmetricKey::from_base64(KEY).unwrap();
    let mut config = EmulatorConfig::default();
    config.enrollments =
        vec![crate::config::IndividualEnrollmentConfig::new(id).with_keys(key.clone(), key)];
    let service = Service::new(&config, Random::from_seed([4; 32])).unwrap();
    MqttConnection::new(Arc::new(service), NOW)
}

fn bytes(packet: Packet) -> Vec<u8> {
    let mut output = BytesMut::new();
    packet.write(&mut output, usize::MAX).unwrap();
    output.to_vec()
}

fn token(id: &str) -> String {
    let (sr, se) = (format!("0ne00111111/registrations/{id}"), 1_790_003_600);
    let key = SymmetricKey::from_base64(KEY).unwrap();
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    format!("SharedAccessSignature sr={sr}&sig={}&se={se}", sig.replace('+', "%2B"))
}

fn connect_with(client_id: &str, username: &str, password: &str, keep_alive: u16) -> Vec<u8> {
    let mut connect = Connect::new(client_id);
    connect.keep_alive = keep_alive;
    connect.set_login(username, password);
    bytes(Packet::Connect(connect))
}

fn connect() -> Vec<u8> {
    let username = "0ne00111111/registrations/dev1/api-version=2021-06-01&ClientVersion=1.15.0";
    connect_with("dev1", username, &token("dev1"), 0)
}

fn subscribe(filters: &[(&str, QoS)]) -> Vec<u8> {
    let filters = filters.iter().map(|(path, qos)| SubscribeFilter::new(path.to_string(), *qos));
    let mut subscribe = Subscribe::new_many(filters);
    subscribe.pkid = 1;
    bytes(Packet::Subscribe(subscribe))
}

fn publish(topic: &str, qos: QoS, body: &str) -> Vec<u8> {
    let mut publish = Publish::new(topic, qos, body);
    publish.pkid = 7;
    bytes(Packet::Publish(publish))
}

/// CONNECT, SUBSCRIBE and register in one piece, as a client that does not wait sends them.
fn flight(qos: QoS) -> Vec<u8> {
    [connect(), subscribe(&[(RESPONSES, qos)]), publish(REGISTER, qos, "")].concat()
}

fn packets(output: &[u8]) -> Vec<Packet> {
    let mut stream = BytesMut::from(output);
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(Packet::read(&mut stream, usize::MAX).unwrap());
    }
    packets
}

/// What comes back for `input`.
fn exchange(connection: &mut MqttConnection, now: Duration, input: &[u8]) -> Vec<Packet> {
    connection.receive(now, input);
    packets(&connection.transmit())
}

fn accepted() -> Packet {
    Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false))
}

fn suback(code: SubscribeReasonCode) -> Packet {
    Packet::SubAck(SubAck::new(1, vec![code]))
}

fn response(packet: &Packet) -> (&str, serde_json::Value, QoS) {
    let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
    assert!(!publish.dup && !publish.retain);
    let body = serde_json::from_slice(&publish.payload).unwrap();
    (&publish.topic, body, publish.qos)
}

fn connected() -> MqttConnection {
    let mut connection = open();
    let input = [connect(), subscribe(&[(RESPONSES, QoS::AtLeastOnce)])].concat();
    let output = exchange(&mut connection, NOW, &input);
    assert_eq!(output.len(), 2);
    connection
}

#[test]
fn a_whole_registration() {
    let mut connection = open();
    let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
    let subscription = subscribe(&[(RESPONSES, QoS::AtLeastOnce)]);
    assert_eq!(exchange(&mut connection, NOW, &connect()), [accepted()]);
    assert_eq!(exchange(&mut connection, NOW, &subscription), [suback(granted)]);

    // The acknowledgement comes before the response.
    let register = publish(REGISTER, QoS::AtLeastOnce, r#"{"registrationId":"dev1"}"#);
    let output = exchange(&mut connection, NOW, &register);
    assert_eq!(output[0], Packet::PubAck(PubAck::new(7)));
    let (topic, body, qos) = response(&output[1]);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=2");
    assert_eq!((&body["status"], qos), (&"assigning".into(), QoS::AtLeastOnce));
    assert_eq!(output.len(), 2);

    let operation = body["operationId"].as_str().unwrap();
    let poll = format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=e0c0-2&operationId={operation}"
    );
    let input = [bytes(Packet::PubAck(PubAck::new(1))), publish(&poll, QoS::AtMostOnce, " ")];
    let output = exchange(&mut connection, NOW, &input.concat());
    let (topic, body, _) = response(&output[0]);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=e0c0-2&retry-after=2");
    assert_eq!(body["registrationState"]["registrationId"], "dev1");

    let input = publish(&poll, QoS::AtLeastOnce, "");
    let output = exchange(&mut connection, NOW + SECOND, &input);
    let (topic, body, _) = response(&output[1]);
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=e0c0-2");
    assert_eq!(body["registrationState"]["assignedHub"], "contoso-hub.localhost");

    assert!(exchange(&mut connection, NOW, &bytes(Packet::Disconnect)).is_empty());
    assert!(connection.is_closed());
}

#[test]
fn one_flight_of_three_packets_is_answered_in_order() {
    let mut connection = open();
    let output = exchange(&mut connection, NOW, &flight(QoS::AtLeastOnce));
    assert_eq!(output.len(), 4);
    assert_eq!(output[0], accepted());
    assert!(matches!(output[1], Packet::SubAck(_)));
    assert!(matches!(output[2], Packet::PubAck(_)));
    assert!(response(&output[3]).0.starts_with("$dps/registrations/res/202/?$rid=1&"));
}

#[test]
fn input_split_anywhere_gives_the_same_output() {
    let input = flight(QoS::AtLeastOnce);
    let mut whole = open();
    whole.receive(NOW, &input);
    let expected = whole.transmit();
    assert!(!expected.is_empty());
    for cut in 0..=input.len() {
        let mut connection = open();
        let mut output = Vec::new();
        for part in [&input[..cut], &input[cut..]] {
            connection.receive(NOW, part);
            output.extend(connection.transmit());
        }
        assert_eq!(output, expected, "cut at {cut}");
    }
    let mut connection = open();
    let mut output = Vec::new();
    for byte in &input {
        connection.receive(NOW, core::slice::from_ref(byte));
        output.extend(connection.transmit());
    }
    assert_eq!(output, expected, "byte by byte");
}

#[test]
fn no_corruption_of_one_byte_panics() {
    let input = flight(QoS::AtLeastOnce);
    for at in 0..input.len() {
        for change in [0x01, 0x80, 0xff, input[at], input[at].wrapping_sub(0x10)] {
            let mut bad = input.clone();
            bad[at] ^= change;
            let mut connection = open();
            connection.receive(NOW, &bad);
            connection.handle_timeout(NOW + 60 * SECOND);
            let _ = packets(&connection.transmit());
        }
    }
}

#[test]
fn random_bytes_never_panic_and_never_hold_memory() {
    let mut state = 1u64;
    for _ in 0..2000 {
        let mut connection = if state & 1 == 0 { open() } else { connected() };
        for _ in 0..40 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            connection.receive(NOW, &state.to_be_bytes()[..4]);
        }
        let _ = connection.transmit();
        assert!(connection.input.len() <= 160);
    }
}

#[test]
fn responses_come_at_the_granted_qos_whatever_the_requests() {
    for (asked, granted) in [
        (QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::AtLeastOnce, QoS::AtLeastOnce),
        (QoS::ExactlyOnce, QoS::AtLeastOnce),
    ] {
        for request in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut connection = open();
            let input = [connect(), subscribe(&[(RESPONSES, asked)])].concat();
            let output = exchange(&mut connection, NOW, &input);
            assert_eq!(output[1], suback(SubscribeReasonCode::Success(granted)));
            let output = exchange(&mut connection, NOW, &publish(REGISTER, request, ""));
            assert_eq!(response(output.last().unwrap()).2, granted);
            assert_eq!(output.len(), 1 + request as usize);
        }
    }
}

#[test]
fn only_the_responses_can_be_subscribed_to() {
    let mut connection = open();
    connection.receive(NOW, &connect());
    connection.transmit();
    let filters = ["#", "$dps/registrations/res/+", "$dps/#", "$DPS/registrations/res/#", ""];
    for filter in filters {
        let output = exchange(&mut connection, NOW, &subscribe(&[(filter, QoS::AtMostOnce)]));
        assert_eq!(output, [suback(SubscribeReasonCode::Failure)], "{filter}");
    }
    let both = subscribe(&[("#", QoS::AtMostOnce), (RESPONSES, QoS::AtMostOnce)]);
    let codes = vec![SubscribeReasonCode::Failure, SubscribeReasonCode::Success(QoS::AtMostOnce)];
    assert_eq!(exchange(&mut connection, NOW, &both), [Packet::SubAck(SubAck::new(1, codes))]);
    assert!(!connection.is_closed());
}

#[test]
fn a_response_is_lost_without_a_subscription() {
    let mut connection = open();
    let input = [connect(), publish(REGISTER, QoS::AtLeastOnce, "")].concat();
    let output = exchange(&mut connection, NOW, &input);
    assert_eq!(output, [accepted(), Packet::PubAck(PubAck::new(7))]);

    let mut connection = connected();
    let mut unsubscribe = Unsubscribe::new(RESPONSES);
    unsubscribe.pkid = 9;
    let output = exchange(&mut connection, NOW, &bytes(Packet::Unsubscribe(unsubscribe)));
    assert_eq!(output, [Packet::UnsubAck(UnsubAck::new(9))]);
    assert!(exchange(&mut connection, NOW, &publish(REGISTER, QoS::AtMostOnce, "")).is_empty());
}

#[test]
fn bad_credentials_are_told_in_the_response_not_at_connect() {
    let mut connection = open();
    let username = "0ne00111111/registrations/dev1/api-version=2019-03-31";
    let bad = token("dev1").replace("sig=", "sig=A");
    let input = [
        connect_with("dev1", username, &bad, 60),
        subscribe(&[(RESPONSES, QoS::AtLeastOnce)]),
        publish(REGISTER, QoS::AtMostOnce, ""),
    ];
    let output = exchange(&mut connection, NOW, &input.concat());
    assert_eq!(output[0], accepted());
    let (topic, body, _) = response(&output[2]);
    assert_eq!(topic, "$dps/registrations/res/401/?$rid=1");
    assert_eq!((&body["errorCode"], &body["message"]), (&401_000.into(), &"Unauthorized".into()));
    assert!(!connection.is_closed(), "the client may try again");
}

#[test]
fn connections_that_cannot_be_a_devices_are_refused() {
    let good = "0ne00111111/registrations/dev1/api-version=2019-03-31";
    let other_scope = "0ne00999999/registrations/dev1/api-version=2019-03-31";
    for (client_id, username, password) in [
        ("dev1", "nonsense", token("dev1")),
        ("dev1", "", token("dev1")),
        ("dev1", &good.replace("api-", "?api-"), token("dev1")),
        ("dev2", good, token("dev1")),
        ("", good, token("dev1")),
        ("dev1", other_scope, token("dev1")),
        ("dev1", good, String::new()),
    ] {
        let mut connection = open();
        let mut input = connect_with(client_id, username, &password, 60);
        if username.is_empty() {
            // A password alone is not MQTT at all.
            connection.receive(NOW, &input);
            assert!(connection.is_closed() && connection.transmit().is_empty());
            continue;
        }
        input.extend(subscribe(&[(RESPONSES, QoS::AtLeastOnce)]));
        let output = exchange(&mut connection, NOW, &input);
        let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::NotAuthorized, false));
        assert_eq!(output, [refused], "{client_id} {username}");
        assert!(connection.is_closed());
    }
    // No login at all.
    let mut connection = open();
    let output = exchange(&mut connection, NOW, &bytes(Packet::Connect(Connect::new("dev1"))));
    let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::NotAuthorized, false));
    assert_eq!(output, [refused]);
}

#[test]
fn the_case_of_scope_and_client_id_does_not_matter() {
    let mut connection = open();
    let username = "0NE00111111/registrations/Dev1/api-version=2019-03-31";
    let input = connect_with("DEV1", username, &token("dev1"), 60);
    assert_eq!(exchange(&mut connection, NOW, &input), [accepted()]);
}

#[test]
fn a_session_is_never_kept() {
    let mut connect = Connect::new("dev1");
    connect.clean_session = false;
    connect.set_login("0ne00111111/registrations/dev1/api-version=1", token("dev1"));
    let mut connection = open();
    let output = exchange(&mut connection, NOW, &bytes(Packet::Connect(connect)));
    assert_eq!(output, [accepted()], "session-present 0");
}

#[test]
fn other_protocol_versions_are_refused_with_1() {
    let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::RefusedProtocolVersion, false));
    let mut five = connect();
    let level = five.windows(5).position(|window| window == b"MQTT\x04").unwrap() + 4;
    five[level] = 5;
    let three = [b"\x10\x12\0\x06MQIsdp\x03\x02\0\x3c\0\x04dev1".as_slice()].concat();
    for input in [five, three] {
        let mut connection = open();
        assert_eq!(exchange(&mut connection, NOW, &input), std::slice::from_ref(&refused));
        assert!(connection.is_closed());
    }
    let mut http = open();
    http.receive(NOW, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(http.is_closed() && http.transmit().is_empty());
}

#[test]
fn protocol_violations_close_the_connection() {
    let subscription = subscribe(&[(RESPONSES, QoS::AtLeastOnce)]);
    for first in [
        subscription.clone(),
        publish(REGISTER, QoS::AtMostOnce, ""),
        bytes(Packet::PingReq),
        bytes(Packet::Disconnect),
        vec![0xff; 5],
    ] {
        let mut connection = open();
        assert!(exchange(&mut connection, NOW, &first).is_empty());
        assert!(connection.is_closed(), "{first:02x?} before CONNECT");
    }

    let mut wrong_flags = subscription;
    wrong_flags[0] = 0x80;
    let five = |mut packet: Vec<u8>| {
        packet[8] = 5;
        packet
    };
    for (what, packet) in [
        ("a second CONNECT", connect()),
        ("a second CONNECT of another version", five(connect())),
        ("QoS 2", publish(REGISTER, QoS::ExactlyOnce, "")),
        ("PUBREL", bytes(Packet::PubRel(rumqttc::mqttbytes::v4::PubRel::new(1)))),
        ("CONNACK", bytes(accepted())),
        ("PINGRESP", bytes(Packet::PingResp)),
        ("another topic", publish("devices/dev1/messages/events/", QoS::AtMostOnce, "")),
        ("wrong flags", wrong_flags),
        ("packet type 15", vec![0xf0, 0]),
        ("too large", vec![0x30, 0xff, 0xff, 0x07]),
        ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ] {
        let mut connection = connected();
        connection.receive(NOW, &packet);
        assert!(connection.is_closed(), "{what}");
        assert!(connection.transmit().is_empty(), "{what}");
        // Whatever comes after is not looked at.
        connection.receive(NOW, &connect());
        assert!(connection.transmit().is_empty(), "{what}");
    }
}

#[test]
fn the_largest_message_is_96_kb() {
    let body = format!("{{\"payload\":\"{}\"}}", "x".repeat(MAX_MESSAGE_BYTES - 14));
    assert_eq!(body.len(), MAX_MESSAGE_BYTES);
    let mut connection = connected();
    let output = exchange(&mut connection, NOW, &publish(REGISTER, QoS::AtMostOnce, &body));
    assert!(response(&output[0]).0.contains("/202/"));
    connection.receive(NOW, &publish(REGISTER, QoS::AtMostOnce, &format!("{body} ")));
    assert!(connection.is_closed());
}

#[test]
fn incomplete_requests_are_answered_with_400() {
    for (topic, rid) in [
        ("$dps/registrations/PUT/iotdps-register/?", ""),
        ("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=5", "5"),
    ] {
        let mut connection = connected();
        let output = exchange(&mut connection, NOW, &publish(topic, QoS::AtMostOnce, ""));
        let (topic, body, _) = response(&output[0]);
        assert_eq!(topic, format!("$dps/registrations/res/400/?$rid={rid}"));
        assert_eq!(body["errorCode"], 400_002);
    }
}

#[test]
fn pings_are_answered_and_silence_ends_the_connection() {
    let mut connection = open();
    assert_eq!(connection.next_timeout(), Some(NOW + 10 * SECOND), "for CONNECT");
    let username = "0ne00111111/registrations/dev1/api-version=2019-03-31";
    connection.receive(NOW + 5 * SECOND, &connect_with("dev1", username, &token("dev1"), 60));
    assert_eq!(connection.next_timeout(), Some(NOW + 95 * SECOND));
    connection.transmit();
    let output = exchange(&mut connection, NOW + 50 * SECOND, &bytes(Packet::PingReq));
    assert_eq!(output, [Packet::PingResp]);
    assert_eq!(connection.next_timeout(), Some(NOW + 140 * SECOND));
    connection.receive(NOW + 139 * SECOND, &[0xc0]);
    connection.handle_timeout(NOW + 139 * SECOND);
    assert!(!connection.is_closed(), "too early");
    connection.handle_timeout(NOW + 140 * SECOND);
    assert!(connection.is_closed(), "half a packet is silence");
    assert_eq!(connection.next_timeout(), None);

    let mut connection = connected();
    let idle = NOW + 600 * SECOND;
    assert_eq!(connection.next_timeout(), Some(idle), "keep-alive 0");
    connection.handle_timeout(idle - SECOND);
    assert!(!connection.is_closed());
    connection.handle_timeout(idle);
    assert!(connection.is_closed(), "a device that lost its power");

    let mut connection = open();
    connection.handle_timeout(NOW + 10 * SECOND);
    assert!(connection.is_closed(), "no CONNECT in time");
}

#[test]
fn packet_ids_of_responses_count_from_1_and_skip_0() {
    let mut connection = connected();
    let ping = publish(REGISTER, QoS::AtMostOnce, "");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let output = exchange(&mut connection, NOW, &ping);
        let Packet::Publish(publish) = &output[0] else { panic!() };
        ids.push(publish.pkid);
        if ids.len() == 1 {
            let Phase::Connected(session) = &mut connection.phase else { panic!() };
            session.last_packet_id = u16::MAX - 1;
        }
    }
    assert_eq!(ids, [1, u16::MAX, 1]);
}

#[test]
fn debug_shows_no_token() {
    let connection = connected();
    let text = format!("{connection:?}");
    assert!(!text.contains("SharedAccessSignature"), "{text}");
}
