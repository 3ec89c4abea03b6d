use super::*;
use crate::Link;
use dps_core::Timestamp;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

fn now() -> Now {
    Now::new(Timestamp::default(), 0)
}

fn link() -> Link {
    Link::plain().with(WebSocket::new(
        WebSocketProtocol::Mqtt,
        &"dps.example".parse().unwrap(),
        443,
    ))
}

fn sent(link: &mut Link) -> Vec<u8> {
    let mut wire = Vec::new();
    link.transmit(now(), &mut wire).unwrap();
    wire
}

/// Reads the upgrade request and gives the answer of a willing server, with this subprotocol.
fn accepted(request: &[u8], protocol: &str) -> String {
    let request = std::str::from_utf8(request).unwrap();
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        derive_accept_key(key.as_bytes())
    )
}

/// A link whose upgrade was granted, and the server's side of it.
fn open() -> (Link, WebSocketContext, Memory) {
    let mut link = link();
    let answer = accepted(&sent(&mut link), "Sec-WebSocket-Protocol: mqtt\r\n");
    link.receive(now(), answer.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(link.pending_stage(), None);
    (link, WebSocketContext::new(Role::Server, None), Memory::default())
}

/// One message from the server.
fn say(server: &mut WebSocketContext, memory: &mut Memory, message: Message) {
    server.write(memory, message).unwrap();
    server.flush(memory).unwrap();
}

fn refused(change: impl Fn(String) -> String) -> Error {
    let mut link = link();
    let answer = change(accepted(&sent(&mut link), "Sec-WebSocket-Protocol: mqtt\r\n"));
    let error = link.receive(now(), answer.as_bytes(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.stage(), Stage::WebSocket);
    // Nothing more may be sent on it.
    link.send(now(), b"x").unwrap();
    assert_eq!(sent(&mut link), b"");
    error
}

#[test]
fn the_upgrade_asks_for_what_the_service_knows() {
    let request = String::from_utf8(sent(&mut link())).unwrap();
    assert!(request.starts_with("GET /$iothub/websocket HTTP/1.1\r\nHost: dps.example\r\n"));
    for field in ["Upgrade: websocket", "Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Version: 13"]
    {
        assert!(request.contains(&format!("\r\n{field}\r\n")), "{request}");
    }
    assert!(request.ends_with("\r\n\r\n"));
}

#[test]
fn bytes_wait_for_the_upgrade_and_then_travel_in_binary_messages() {
    let mut link = link();
    link.send(now(), b"first").unwrap();
    link.send(now(), b" flight").unwrap();
    let request = sent(&mut link);
    assert!(request.ends_with(b"\r\n\r\n"));
    let answer = accepted(&request, "Sec-WebSocket-Protocol: mqtt\r\n");
    // In every split.
    link.receive(now(), &answer.as_bytes()[..40], &mut Vec::new()).unwrap();
    assert_eq!((link.pending_stage(), sent(&mut link)), (Some(Stage::WebSocket), Vec::new()));
    link.receive(now(), &answer.as_bytes()[40..], &mut Vec::new()).unwrap();
    let mut server = WebSocketContext::new(Role::Server, None);
    let mut memory = Memory::default();
    memory.arrived(&sent(&mut link));
    assert_eq!(server.read(&mut memory).unwrap(), Message::binary(&b"first flight"[..]));
}

#[test]
fn messages_come_up_whatever_the_pieces() {
    let (_, mut server, mut memory) = open();
    for bytes in [&b"one"[..], b"", &[7; 70_000]] {
        say(&mut server, &mut memory, Message::binary(bytes.to_vec()));
    }
    let mut wire = Vec::new();
    memory.transmit(&mut wire);
    for piece in [1, 2, 5, 1000, 100_000] {
        let (mut link, ..) = open();
        let mut up = Vec::new();
        for bytes in wire.chunks(piece) {
            link.receive(now(), bytes, &mut up).unwrap();
        }
        assert_eq!((&up[..3], up.len()), (&b"one"[..], 70_003), "{piece}");
    }
}

#[test]
fn a_message_may_follow_the_upgrade_at_once() {
    let mut link = link();
    let mut bytes = accepted(&sent(&mut link), "").into_bytes();
    bytes.extend_from_slice(&[0x82, 2, b'h', b'i']);
    let mut up = Vec::new();
    link.receive(now(), &bytes, &mut up).unwrap();
    assert_eq!(up, b"hi");
}

#[test]
fn the_subprotocol_may_come_back_in_either_case_or_not_at_all() {
    for protocol in ["Sec-WebSocket-Protocol: MQTT\r\n", "sec-websocket-protocol:mqtt\r\n", ""] {
        let mut link = link();
        let answer = accepted(&sent(&mut link), protocol);
        link.receive(now(), answer.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(link.pending_stage(), None, "{protocol}");
    }
}

#[test]
fn an_answer_that_is_not_an_upgrade_is_refused() {
    let error = refused(|_| "HTTP/1.1 404 Not Found\r\n\r\n".into());
    assert_eq!(*error.kind(), ErrorKind::WebSocketRejected { status: 404 });
    assert!(error.hint().contains("WebSockets") && !error.is_transient());
    let error = refused(|_| "HTTP/1.1 503 Busy\r\n\r\n".into());
    assert!(error.is_transient());
    for (from, to, words) in [
        ("Upgrade: WebSocket", "Upgrade: h2c", "upgrades"),
        ("keep-alive, Upgrade", "keep-alive", "upgrades"),
        ("Accept: ", "Accept: x", "Sec-WebSocket-Accept"),
        ("Sec-WebSocket-Accept: ", "X: ", "Sec-WebSocket-Accept"),
        ("Protocol: mqtt", "Protocol: AMQPWSB10", "subprotocol"),
        ("Connection:", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection:", "extension"),
    ] {
        let error = refused(|answer| answer.replace(from, to));
        assert_eq!(*error.kind(), ErrorKind::Protocol);
        assert!(error.detail().unwrap().contains(words), "{error}");
    }
}

#[test]
fn pings_are_answered() {
    let (mut link, mut server, mut memory) = open();
    say(&mut server, &mut memory, Message::Ping("are you there".into()));
    let mut wire = Vec::new();
    memory.transmit(&mut wire);
    link.receive(now(), &wire, &mut Vec::new()).unwrap();
    memory.arrived(&sent(&mut link));
    assert_eq!(server.read(&mut memory).unwrap(), Message::Pong("are you there".into()));
}

#[test]
fn the_servers_close_is_a_lost_connection_and_is_answered() {
    let (mut link, mut server, mut memory) = open();
    say(&mut server, &mut memory, Message::binary(&b"last words"[..]));
    let frame = CloseFrame { code: CloseCode::Away, reason: "maintenance".into() };
    server.close(&mut memory, Some(frame)).unwrap();
    let mut wire = Vec::new();
    memory.transmit(&mut wire);
    let mut up = Vec::new();
    let error = link.receive(now(), &wire, &mut up).unwrap_err();
    assert_eq!(up, b"last words");
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
    assert!(error.detail().unwrap().contains("1001"), "{error}");
    memory.arrived(&sent(&mut link));
    assert!(matches!(server.read(&mut memory), Ok(Message::Close(Some(_)))));
}

#[test]
fn closing_sends_a_close_frame() {
    let (mut link, mut server, mut memory) = open();
    link.close(now());
    memory.arrived(&sent(&mut link));
    assert!(matches!(server.read(&mut memory), Ok(Message::Close(None))));
}

#[test]
fn text_and_broken_frames_end_the_connection() {
    for frame in [
        &[0x81, 2, b'h', b'i'][..],              // text
        &[0x82, 0x82, 0, 0, 0, 0, b'h', b'i'],   // masked by the server
        &[0xF2, 0],                              // reserved bits
        &[0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0], // 1 GiB announced
    ] {
        let (mut link, ..) = open();
        let error = link.receive(now(), frame, &mut Vec::new()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{frame:x?}");
    }
}
