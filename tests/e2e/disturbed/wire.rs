//! What a fault that drops connections leaves on the wire, seen by TLS and WebSocket clients that are
//! not ours: so many bytes inside, and no farewell of any layer.

use dps_emulator::{DeviceTransport, Emulator, EmulatorConfig, Fault, FaultKind, FaultOperation};
use dps_tests::dial;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, Publish, Subscribe};
use rustls::{ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// CONNACK and SUBACK, which are not struck.
const GREETING: usize = 4 + 5;

fn emulator(after_bytes: u32, operation: FaultOperation, transport: DeviceTransport) -> Emulator {
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    let emulator = Emulator::start(config).unwrap();
    let fault = Fault::new(FaultKind::Drop { after_bytes }).at(operation).over(transport);
    emulator.set_fault("drop", fault).unwrap();
    emulator
}

/// All that comes. TLS must end without its farewell.
fn rest(mut stream: Stream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("a farewell of TLS after {} bytes", all.len()),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
                return all;
            }
        }
    }
}

/// CONNECT, SUBSCRIBE and register. The token is none, which only the answer would say.
fn flight() -> Vec<u8> {
    let mut connect = Connect::new("dev1");
    let username = "0ne00111111/registrations/dev1/api-version=2021-06-01&ClientVersion=1.15.0";
    connect.set_login(username, "SharedAccessSignature x");
    let mut subscribe = Subscribe::new("$dps/registrations/res/#", QoS::AtLeastOnce);
    subscribe.pkid = 1;
    let mut register =
        Publish::new("$dps/registrations/PUT/iotdps-register/?$rid=1", QoS::AtLeastOnce, "");
    register.pkid = 2;
    let mut bytes = bytes::BytesMut::new();
    for packet in
        [Packet::Connect(connect), Packet::Subscribe(subscribe), Packet::Publish(register)]
    {
        packet.write(&mut bytes, usize::MAX).unwrap();
    }
    bytes.to_vec()
}

#[test]
fn mqtt_ends_after_exactly_so_many_bytes() {
    for after in [0, 1, 3, 64] {
        let emulator = emulator(after, FaultOperation::Register, DeviceTransport::Mqtt);
        let mut stream = dial(emulator.ca_pem(), emulator.mqtt_address());
        stream.write_all(&flight()).unwrap();
        assert_eq!(rest(stream).len(), GREETING + after as usize);
    }
    let emulator = emulator(3, FaultOperation::Connect, DeviceTransport::Mqtt);
    let mut stream = dial(emulator.ca_pem(), emulator.mqtt_address());
    stream.write_all(&flight()).unwrap();
    assert_eq!(rest(stream), [0x20, 2, 0]);
}

#[test]
fn https_ends_after_exactly_so_many_bytes() {
    for after in [0, 1, 17, 200] {
        let emulator = emulator(after, FaultOperation::Register, DeviceTransport::Https);
        let mut stream = dial(emulator.ca_pem(), emulator.https_address());
        let head = "PUT /0ne00111111/registrations/dev1/register?api-version=2021-06-01 HTTP/1.1";
        write!(stream, "{head}\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
        let got = rest(stream);
        assert_eq!(got.len(), after as usize);
        let line = b"HTTP/1.1 401 Unauthorized";
        assert!(line.starts_with(&got[..got.len().min(line.len())]));
    }
}

#[test]
fn amqp_ends_after_exactly_so_many_bytes() {
    for after in [0, 1, 12] {
        let emulator = emulator(after, FaultOperation::Connect, DeviceTransport::Amqp);
        let mut stream = dial(emulator.ca_pem(), emulator.amqp_address());
        stream.write_all(b"AMQP\x03\x01\x00\x00").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize;
        stream.read_exact(&mut vec![0; length - 4]).unwrap();
        // sasl-init: PLAIN, and who it is.
        let who = b"\x000ne00111111/registrations/dev1\0SharedAccessSignature x";
        let mut fields = b"\xa3\x05PLAIN\xa0".to_vec();
        fields.push(who.len() as u8);
        fields.extend_from_slice(who);
        let list = [&[0, 0x53, 0x41, 0xc0, fields.len() as u8 + 1, 2], &fields[..]].concat();
        let size = (8 + list.len()) as u32;
        stream.write_all(&[&size.to_be_bytes()[..], &[2, 1, 0, 0], &list].concat()).unwrap();
        assert_eq!(rest(stream).len(), after as usize);
    }
}

#[test]
fn a_web_socket_ends_without_a_farewell_and_its_messages_hold_exactly_so_many_bytes() {
    for after in [0, 1, 64] {
        let emulator = emulator(after, FaultOperation::Register, DeviceTransport::MqttWs);
        let stream = dial(emulator.ca_pem(), emulator.https_address());
        let mut request = "wss://localhost/$iothub/websocket".into_client_request().unwrap();
        let protocol = HeaderValue::from_static("mqtt");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (mut socket, _) = tungstenite::client(request, stream).unwrap();
        socket.send(Message::Binary(flight().into())).unwrap();
        let mut got = 0;
        let end = loop {
            match socket.read() {
                Ok(Message::Binary(bytes)) => got += bytes.len(),
                Ok(other) => panic!("{other:?}"),
                Err(end) => break end,
            }
        };
        assert_eq!(got, GREETING + after as usize);
        let Error::Io(end) = end else { panic!("{end:?}") };
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "no farewell of TLS either: {end}");
    }
}
