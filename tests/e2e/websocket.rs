//! MQTT over WebSocket at the local service's HTTPS door: by a WebSocket client that is not ours,
//! in odd pieces, and by our own.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use bytes::BytesMut;
use dps_client::dps_core::sas::{UnsignedToken, registration_resource};
use dps_client::{
    Builder, Endpoint, ErrorKind, Hsm, IdScope, Policy, ProvisioningClient, RegistrationId, Stage,
    Status, Transport, TrustAnchors,
};
use dps_emulator::{AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, KeyKind, dial};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, Publish, Subscribe};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::Response;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn emulator() -> Emulator {
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.assignment_delay = Duration::ZERO;
    Emulator::start(config).unwrap()
}

/// Opens a WebSocket; tungstenite checks the accept key and the subprotocol.
fn open(
    emulator: &Emulator,
    path: &str,
    protocols: &str,
) -> Result<(WebSocket<Stream>, Response), Error> {
    let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
    let protocols = HeaderValue::from_str(protocols).unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
    tungstenite::client(request, dial(emulator.ca_pem(), emulator.https_address())).map_err(
        |error| match error {
            tungstenite::HandshakeError::Failure(error) => error,
            tungstenite::HandshakeError::Interrupted(_) => panic!("interrupted"),
        },
    )
}

/// CONNECT, SUBSCRIBE and the register PUBLISH of a device in the built-in group.
fn flight(emulator: &Emulator, id: &str) -> Vec<u8> {
    let id = RegistrationId::new(id).unwrap();
    let scope = IdScope::new(emulator.id_scope()).unwrap();
    let key = emulator.groups()[0].symmetric_keys().unwrap().primary.derive(&id);
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let token = UnsignedToken::new(registration_resource(&scope, &id), expiry).sign(&key);
    let mut connect = Connect::new(id.as_str());
    connect.set_login(format!("{scope}/registrations/{id}/api-version=2019-03-31"), token.as_str());
    let mut subscribe = Subscribe::new("$dps/registrations/res/#", QoS::AtMostOnce);
    subscribe.pkid = 1;
    let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    let publish = Publish::new(topic, QoS::AtMostOnce, "{}");
    let mut bytes = BytesMut::new();
    for packet in [Packet::Connect(connect), Packet::Subscribe(subscribe), Packet::Publish(publish)]
    {
        packet.write(&mut bytes, usize::MAX).unwrap();
    }
    bytes.to_vec()
}

/// The next whole packets, until there are `count`.
fn packets(socket: &mut WebSocket<Stream>, count: usize) -> Vec<Packet> {
    let mut bytes = BytesMut::new();
    let mut packets = Vec::new();
    while packets.len() < count {
        match socket.read().unwrap() {
            Message::Binary(part) => bytes.extend_from_slice(&part),
            other => panic!("{other:?}"),
        }
        while let Ok(packet) = Packet::read(&mut bytes, 1 << 20) {
            packets.push(packet);
        }
    }
    assert!(bytes.is_empty() && packets.len() == count);
    packets
}

fn assert_registered(socket: &mut WebSocket<Stream>) {
    let packets = packets(socket, 3);
    let [Packet::ConnAck(_), Packet::SubAck(_), Packet::Publish(response)] = packets.as_slice()
    else {
        panic!("{packets:?}");
    };
    assert_eq!(response.topic, "$dps/registrations/res/202/?$rid=1&retry-after=2");
}

#[test]
fn packets_and_messages_need_not_have_the_same_borders() {
    let emulator = emulator();
    for size in [1, 3, 50, usize::MAX] {
        let (mut socket, _) = open(&emulator, "/$iothub/websocket", "mqtt").unwrap();
        let flight = flight(&emulator, "dev-1");
        for (number, part) in flight.chunks(size).enumerate() {
            socket.write(Message::binary(part.to_vec())).unwrap();
            // Pings and empty messages between the parts of a packet change nothing.
            if number == 1 {
                socket.write(Message::Ping("are you there".into())).unwrap();
                socket.write(Message::binary(Vec::new())).unwrap();
            }
        }
        socket.flush().unwrap();
        if size < flight.len() {
            let pong = socket.read().unwrap();
            assert_eq!(pong, Message::Pong("are you there".into()));
        }
        assert_registered(&mut socket);
        // MQTT's farewell ends the WebSocket, politely.
        let mut bytes = BytesMut::new();
        Packet::Disconnect.write(&mut bytes, usize::MAX).unwrap();
        socket.send(Message::binary(bytes.to_vec())).unwrap();
        assert!(matches!(socket.read().unwrap(), Message::Close(_)));
    }
    assert_eq!(emulator.registrations().len(), 1);
}

#[test]
fn each_path_is_taken_and_the_subprotocol_keeps_its_case() {
    let emulator = emulator();
    for (path, protocol) in [
        ("/$iothub/websocket", "MQTT"),
        ("/$iothub/websocket?iothub-no-client-cert=true", "mqtt"),
        ("/mqtt", "mqtt"),
        ("/", "mqtt"),
    ] {
        let (mut socket, response) = open(&emulator, path, protocol).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol, "{path}");
        socket.send(Message::binary(flight(&emulator, "dev-1"))).unwrap();
        assert_registered(&mut socket);
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    }
}

#[test]
fn another_subprotocol_is_refused_with_those_that_are_spoken() {
    let emulator = emulator();
    let Err(Error::Http(response)) = open(&emulator, "/mqtt", "mqttv5.0, x") else {
        panic!("it must be refused");
    };
    assert_eq!(response.status(), 400);
    let missing = open(&emulator, "/nope", "mqtt").map(drop).unwrap_err();
    assert!(matches!(missing, Error::Http(response) if response.status() == 404));
}

/// What the door sends before the end, which must be one that TLS knows of.
fn farewell(socket: &mut WebSocket<Stream>) -> CloseFrame {
    let frame = loop {
        match socket.read().unwrap() {
            Message::Close(frame) => break frame.expect("a reason"),
            Message::Binary(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    assert_eq!(socket.get_mut().read(&mut [0; 1]).unwrap(), 0, "TLS says goodbye");
    frame
}

#[test]
fn a_clients_farewell_is_echoed_and_the_connection_ends_cleanly() {
    let emulator = emulator();
    for protocol in ["mqtt", "AMQPWSB10"] {
        for code in [CloseCode::Normal, CloseCode::Away] {
            let (mut socket, _) = open(&emulator, "/$iothub/websocket", protocol).unwrap();
            socket.close(Some(CloseFrame { code, reason: "done".into() })).unwrap();
            assert_eq!(farewell(&mut socket).code, code, "{protocol}");
        }
    }
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    socket.send(Message::binary(flight(&emulator, "dev-1"))).unwrap();
    assert_registered(&mut socket);
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).unwrap();
    assert_eq!(farewell(&mut socket).code, CloseCode::Normal);
}

#[test]
fn the_end_of_the_conversation_inside_is_a_normal_farewell() {
    let emulator = emulator();
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    let mut bytes = BytesMut::from(flight(&emulator, "dev-1").as_slice());
    Packet::Disconnect.write(&mut bytes, usize::MAX).unwrap();
    socket.send(Message::binary(bytes.to_vec())).unwrap();
    assert_eq!(farewell(&mut socket).code, CloseCode::Normal);
}

#[test]
fn a_client_that_does_not_answer_a_farewell_is_not_waited_for_long() {
    let emulator = emulator();
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    let mut bytes = BytesMut::from(flight(&emulator, "dev-1").as_slice());
    Packet::Disconnect.write(&mut bytes, usize::MAX).unwrap();
    socket.send(Message::binary(bytes.to_vec())).unwrap();
    let begin = Instant::now();
    let mut rest = Vec::new();
    socket.get_mut().read_to_end(&mut rest).unwrap();
    // 1000, and nothing behind it.
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xe8]), "{rest:02x?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn frames_that_break_the_protocol_are_answered_with_the_reason() {
    let emulator = emulator();
    let too_long = [&[0x82, 0xff][..], &(300 * 1024_u64).to_be_bytes(), &[1, 2, 3, 4]].concat();
    for (frame, code) in [
        // Without a mask; with a reserved bit; of a reserved kind; a ping in parts.
        (vec![0x82, 1, 0], CloseCode::Protocol),
        (vec![0xc2, 0x81, 1, 2, 3, 4, 5], CloseCode::Protocol),
        (vec![0x83, 0x81, 1, 2, 3, 4, 5], CloseCode::Protocol),
        (vec![0x09, 0x81, 1, 2, 3, 4, 5], CloseCode::Protocol),
        (too_long, CloseCode::Size),
        // A text that is not UTF-8.
        (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], CloseCode::Invalid),
    ] {
        let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
        socket.get_mut().write_all(&frame).unwrap();
        socket.get_mut().flush().unwrap();
        assert_eq!(farewell(&mut socket).code, code, "{frame:02x?}");
    }
}

#[test]
fn a_client_that_still_sends_reads_why_it_was_left() {
    let emulator = emulator();
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    socket.send(Message::binary(vec![0x30; 300 * 1024])).unwrap();
    assert_eq!(farewell(&mut socket).code, CloseCode::Size);
}

#[test]
fn what_is_not_a_stream_of_bytes_ends_the_connection() {
    let emulator = emulator();
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    socket.send(Message::text("CONNECT")).unwrap();
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no farewell") };
    assert_eq!(frame.code, CloseCode::Unsupported);

    // A message of more than the door takes.
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    let _ = socket.send(Message::binary(vec![0x30; 300 * 1024]));
    assert!(!matches!(socket.read(), Ok(Message::Binary(_))));

    // What is no MQTT.
    let (mut socket, _) = open(&emulator, "/mqtt", "mqtt").unwrap();
    socket.send(Message::binary(b"GET / HTTP/1.1\r\n\r\n".to_vec())).unwrap();
    assert!(!matches!(socket.read(), Ok(Message::Binary(_))));
    assert!(emulator.registrations().is_empty());
}

fn client(emulator: &Emulator, hsm: impl Hsm + 'static) -> Builder {
    ProvisioningClient::builder()
        .transport(Transport::MqttWs)
        .endpoint(Endpoint::parse(&emulator.https_address().to_string()).unwrap())
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .hsm(hsm)
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .policy(Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() })
}

#[test]
fn our_client_registers_with_a_key() {
    let emulator = emulator();
    let id = RegistrationId::new("Device:1.a_b-c").unwrap();
    let group = emulator.groups()[0].symmetric_keys().unwrap().primary.clone();
    let hsm = SymmetricKeyHsm::derived(id.clone(), &group);
    let mut statuses = Vec::new();
    let mut device = client(&emulator, hsm).build().unwrap();
    let assignment = device.register_with(|status| statuses.push(status)).unwrap();
    assert_eq!(assignment.device_id, id.as_str());
    assert_eq!(statuses, [Status::Connected, Status::Assigning]);

    let wrong = client(&emulator, SymmetricKeyHsm::new(id, group));
    let error = wrong.build().unwrap().register().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert_eq!(
        (error.stage(), error.service().unwrap().error_code),
        (Stage::Register, Some(401_000))
    );
}

#[test]
fn our_client_registers_with_a_certificate() {
    let root = Authority::root("root");
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.assignment_delay = Duration::ZERO;
    let mut group = EnrollmentGroupConfig::new("fleet");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem().as_str());
    config.enrollment_groups = vec![group];
    let emulator = Emulator::start(config).unwrap();
    let chain = root.device("sn-7", KeyKind::P256);
    let hsm = X509Hsm::from_pem(chain.as_bytes(), KeyKind::P256.pem().as_bytes()).unwrap();
    let assignment = client(&emulator, hsm).build().unwrap().register().unwrap();
    assert_eq!(assignment.device_id, "sn-7");
    assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
}
