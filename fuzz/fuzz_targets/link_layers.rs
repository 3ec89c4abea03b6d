//! The layers of a link against a peer that sends anything at all: a proxy's tunnel, TLS, a
//! WebSocket, and all of them stacked. They must not panic, nor give or hold more than they got.
#![no_main]

use dps_core::{Now, Timestamp};
use dps_transport::{
    Endpoint, Link, LinkSettings, Proxy, TlsSettings, TrustAnchors, Tunnel, WebSocket,
    WebSocketProtocol,
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;

static TLS: LazyLock<TlsSettings> = LazyLock::new(|| {
    let pem = include_bytes!("../anchor.pem");
    TlsSettings::new(&TrustAnchors::pem(pem.as_slice()), None).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut bytes)) = input.split_first() else { return };
    let now = Now::new(Timestamp::new(Duration::ZERO), 1_800_000_000);
    let endpoint = Endpoint::parse("dps.example").unwrap();
    let proxy = Proxy::parse("http://user:password@proxy.example").unwrap();
    let web_socket = || WebSocket::new(WebSocketProtocol::Mqtt, &endpoint, 443);
    let mut link = match flags & 3 {
        0 => Link::plain().with(Tunnel::new(&proxy, &endpoint, 8883)),
        1 => Link::plain().with(web_socket()),
        2 => Link::plain().with(Tunnel::new(&proxy, &endpoint, 443)).with(web_socket()),
        _ => LinkSettings::new(TLS.clone())
            .proxy(proxy, TLS.clone())
            .web_socket(WebSocketProtocol::Amqp)
            .link(now, &endpoint, 443)
            .unwrap(),
    };
    link.send(now, b"the first flight").unwrap();
    let (mut wire, mut up) = (Vec::new(), Vec::new());
    let _ = link.transmit(now, &mut wire);

    // What an honest peer says first, so that the fuzzer gets past the opening.
    if flags & 4 != 0 && flags & 3 != 1 {
        link.receive(now, b"HTTP/1.1 200 ok\r\n\r\n", &mut up).unwrap();
        let _ = link.transmit(now, &mut wire);
    }
    if flags & 8 != 0 && flags & 3 != 3 {
        let text = String::from_utf8_lossy(&wire).into_owned();
        if let Some(rest) = text.split("Sec-WebSocket-Key: ").nth(1) {
            let key = rest.split("\r\n").next().unwrap();
            let answer = format!(
                "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.as_bytes())
            );
            link.receive(now, answer.as_bytes(), &mut up).unwrap();
        }
    }
    up.clear();
    let mut taken = 0;
    while !bytes.is_empty() {
        let (piece, later) = bytes.split_at(bytes.len().min(1 + usize::from(bytes[0]) % 97));
        bytes = later;
        taken += piece.len();
        let result = link.receive(now, piece, &mut up);
        assert!(up.len() <= taken, "more came out than went in");
        wire.clear();
        let transmitted = link.transmit(now, &mut wire);
        // Echoes of pings at most, beside what was held back.
        assert!(wire.len() <= 4096 + 2 * taken);
        if result.is_err() || transmitted.is_err() {
            break;
        }
        if link.pending_stage().is_none() && link.send(now, b"more").is_err() {
            break;
        }
    }
    link.close(now);
    let _ = link.transmit(now, &mut wire);
});
