//! A WebSocket (RFC 6455) as a [`Layer`]: bytes travel in binary messages (`wire-protocol.md`
//! sections 2.7 and 4.6). Frames are tungstenite's, with two exceptions: the upgrade is read here
//! because a server may confirm the subprotocol in either case; and our data frames are put
//! together here because tungstenite hands what it sends to the `log` crate at level trace, and
//! the first flight holds a token. (What it receives it logs there, too.)

mod memory;

use crate::http_head::{HeadReader, ResponseHead};
use crate::{Endpoint, Layer};
use core::fmt;
use dps_core::{Error, ErrorKind, Now, ServiceError, Stage};
use memory::Memory;
use ring::rand::{SecureRandom as _, SystemRandom};
use tungstenite::Message;
use tungstenite::error::Error as WsError;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data as OpData, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use zeroize::Zeroizing;

/// The resource that all clients ask for.
const PATH: &str = "/$iothub/websocket";
/// The longest message taken: more than two of the service's largest.
const MAX_MESSAGE: usize = 256 * 1024;

/// What is spoken inside a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebSocketProtocol {
    /// MQTT 3.1.1: the subprotocol `mqtt`.
    Mqtt,
    /// AMQP 1.0: the subprotocol `AMQPWSB10`.
    Amqp,
}

impl WebSocketProtocol {
    fn name(self) -> &'static str {
        match self {
            WebSocketProtocol::Mqtt => "mqtt",
            WebSocketProtocol::Amqp => "AMQPWSB10",
        }
    }
}

/// A [`Layer`] that asks for the upgrade at once, and holds back what comes from above until it is
/// granted. Errors: stage websocket.
pub struct WebSocket {
    protocol: WebSocketProtocol,
    phase: Phase,
    /// Stands in for the stream that tungstenite reads from and writes to.
    memory: Memory,
}

enum Phase {
    Upgrading { key: String, answer: HeadReader, held_back: Zeroizing<Vec<u8>> },
    Open(Box<WebSocketContext>),
    Failed,
}

impl WebSocket {
    /// A WebSocket with `endpoint` at `port`.
    pub fn new(protocol: WebSocketProtocol, endpoint: &Endpoint, port: u16) -> Self {
        let authority = endpoint.authority(port, 443);
        let key = generate_key();
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {}\r\nUser-Agent: {}\r\n\r\n",
            protocol.name(),
            concat!("libdps/", env!("CARGO_PKG_VERSION")),
        );
        let memory = Memory::sending(request.into_bytes());
        let answer = HeadReader::default();
        let phase = Phase::Upgrading { key, answer, held_back: Zeroizing::default() };
        Self { protocol, phase, memory }
    }

    /// Sends one message.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &self.phase {
            Phase::Open(context) if context.can_write() => {}
            _ => return Ok(()),
        }
        let mut mask = [0; 4];
        let random = SystemRandom::new().fill(&mut mask);
        random.map_err(|_| protocol_error("there are no random numbers to mask a message with"))?;
        let header = FrameHeader {
            is_final: true,
            opcode: OpCode::Data(OpData::Binary),
            mask: Some(mask),
            ..FrameHeader::default()
        };
        let written = header.format(bytes.len() as u64, &mut self.memory);
        written.map_err(|error| broken(&error))?;
        self.memory.write_masked(bytes, mask);
        Ok(())
    }

    /// Appends what has arrived in messages to `up`.
    fn read(&mut self, up: &mut Vec<u8>) -> Result<(), Error> {
        let Phase::Open(context) = &mut self.phase else { return Ok(()) };
        loop {
            match context.read(&mut self.memory) {
                Ok(Message::Binary(bytes)) => up.extend_from_slice(&bytes),
                // Pings are answered underneath.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Text(_)) => {
                    return Err(protocol_error("a text message came where only binary ones may"));
                }
                Ok(Message::Close(frame)) => {
                    // The answer, which is polite and no more.
                    let _ = context.flush(&mut self.memory);
                    let detail = match frame {
                        Some(frame) => {
                            format!("the server closed the WebSocket with code {}", frame.code)
                        }
                        None => "the server closed the WebSocket".to_owned(),
                    };
                    return Err(lost(detail));
                }
                Err(WsError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Ok(());
                }
                Err(error) => return Err(broken(&error)),
            }
        }
    }
}

impl Layer for WebSocket {
    fn stage(&self) -> Stage {
        Stage::WebSocket
    }

    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    fn receive(&mut self, now: Now, bytes: &[u8], up: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Failed => return Ok(()),
            Phase::Open(_) => self.memory.arrived(bytes),
            Phase::Upgrading { key, answer, held_back } => {
                let read = answer.read(bytes).map_err(|error| protocol_error(error.to_string()))?;
                let Some((head, rest)) = read else { return Ok(()) };
                if let Err(mut error) = check_upgrade(&head, key, self.protocol) {
                    self.phase = Phase::Failed;
                    if let Some(pause) = head.retry_after(now) {
                        error = error.with_retry_after(pause);
                    }
                    // Why it was refused, if it came along.
                    if let Some(service) = ServiceError::from_json(head.status, &rest) {
                        error = error.with_service(service);
                    }
                    return Err(error);
                }
                let held_back = core::mem::take(held_back);
                let config = WebSocketConfig::default()
                    .read_buffer_size(4096)
                    .write_buffer_size(0)
                    .max_message_size(Some(MAX_MESSAGE))
                    .max_frame_size(Some(MAX_MESSAGE));
                let context =
                    WebSocketContext::from_partially_read(rest, Role::Client, Some(config));
                self.phase = Phase::Open(Box::new(context));
                if !held_back.is_empty() {
                    self.write(&held_back)?;
                }
            }
        }
        let result = self.read(up);
        if result.is_err() {
            // Its farewell, if it has one, is in memory already.
            self.phase = Phase::Failed;
        }
        result
    }

    fn send(&mut self, _: Now, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Upgrading { held_back, .. } => {
                held_back.extend_from_slice(bytes);
                Ok(())
            }
            _ => self.write(bytes),
        }
    }

    fn transmit(&mut self, _: Now, down: &mut Vec<u8>) -> Result<(), Error> {
        self.memory.transmit(down);
        Ok(())
    }

    fn close(&mut self) {
        if let Phase::Open(context) = &mut self.phase {
            // The connection is given up whether or not this works.
            let _ = context.close(&mut self.memory, None);
            let _ = context.flush(&mut self.memory);
        }
    }
}

/// RFC 6455 section 4.1, the client's checks.
fn check_upgrade(head: &ResponseHead, key: &str, protocol: WebSocketProtocol) -> Result<(), Error> {
    if head.status != 101 {
        let status = head.status;
        return Err(Error::new(Stage::WebSocket, ErrorKind::WebSocketRejected { status }));
    }
    if !head.has_token("upgrade", "websocket") || !head.has_token("connection", "upgrade") {
        return Err(protocol_error("the answer does not say that it upgrades to a WebSocket"));
    }
    let expected = derive_accept_key(key.as_bytes());
    if head.values("sec-websocket-accept").map(str::trim).ne([expected.as_str()]) {
        return Err(protocol_error("Sec-WebSocket-Accept does not answer our key"));
    }
    if head.values("sec-websocket-extensions").any(|value| !value.trim().is_empty()) {
        return Err(protocol_error("the answer uses an extension that was not offered"));
    }
    // Some servers do not confirm it; none may choose another.
    let mut chosen = head.values("sec-websocket-protocol").map(str::trim);
    if chosen.any(|chosen| !chosen.eq_ignore_ascii_case(protocol.name())) {
        return Err(protocol_error("the answer chooses a subprotocol that was not offered"));
    }
    Ok(())
}

fn protocol_error(detail: impl Into<String>) -> Error {
    Error::new(Stage::WebSocket, ErrorKind::Protocol).with_detail(detail)
}

/// The session puts the stage right that it has reached.
fn lost(detail: impl Into<String>) -> Error {
    Error::new(Stage::WebSocket, ErrorKind::ConnectionLost).with_detail(detail)
}

fn broken(error: &WsError) -> Error {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => lost("the WebSocket is closed"),
        WsError::Capacity(_) => protocol_error(format!("a message exceeds {MAX_MESSAGE} bytes")),
        error => protocol_error(error.to_string()),
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("protocol", &self.protocol)
            .field("is_open", &self.is_ready())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
