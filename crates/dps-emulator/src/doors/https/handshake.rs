//! The switch from HTTP to WebSocket (RFC 6455 section 4.2; `wire-protocol.md` sections 2.7 and
//! 4.6).

use crate::service::Refusal;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Where the clients ask for it: most of them, C#, and Java.
pub(super) const PATHS: [&str; 3] = ["/$iothub/websocket", "/", "/mqtt"];

/// What is spoken inside a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subprotocol {
    Mqtt,
    Amqp,
}

/// The names of the subprotocols, in any case.
const SPOKEN: [(&str, Subprotocol); 2] =
    [("mqtt", Subprotocol::Mqtt), ("AMQPWSB10", Subprotocol::Amqp)];
const NONE_SPOKEN: Refusal = Refusal::InvalidRequest(
    "Sec-WebSocket-Protocol names no subprotocol that is spoken here, which are: mqtt, AMQPWSB10.",
);

/// What makes the accept key of another one.
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A good request for a WebSocket.
#[derive(Debug)]
pub(super) struct Handshake {
    subprotocol: Subprotocol,
    /// Its name as the client writes it: some insist on their case.
    offered: HeaderValue,
    accept: HeaderValue,
}

impl Handshake {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        if !lists(headers, &header::UPGRADE, "websocket")
            || !lists(headers, &header::CONNECTION, "upgrade")
        {
            return Err(Refusal::UpgradeRequired("This path takes WebSockets only."));
        }
        if !lists(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
            return Err(Refusal::UpgradeRequired("Only version 13 of WebSocket is spoken."));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
        let accept = key
            .and_then(accept_key)
            .ok_or(Refusal::InvalidRequest("Sec-WebSocket-Key is not the base64 of 16 bytes."))?;
        let mut offers = words(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        let found = offers.find_map(|offer| {
            let (_, subprotocol) =
                SPOKEN.iter().find(|(name, _)| name.eq_ignore_ascii_case(offer))?;
            Some((*subprotocol, HeaderValue::from_str(offer).ok()?))
        });
        let (subprotocol, offered) = found.ok_or(NONE_SPOKEN)?;
        Ok(Self { subprotocol, offered, accept })
    }

    pub(super) fn subprotocol(&self) -> Subprotocol {
        self.subprotocol
    }

    /// 101, after which the WebSocket begins.
    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, self.offered);
        response
    }
}

fn accept_key(key: &str) -> Option<HeaderValue> {
    if STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ACCEPT_GUID}").as_bytes());
    HeaderValue::try_from(STANDARD.encode(hash)).ok()
}

/// The words of a header that lists them, over all of its lines.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|listed| listed.eq_ignore_ascii_case(word))
}
