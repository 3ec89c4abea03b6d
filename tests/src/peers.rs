//! The service's side of a connection without a socket: its doors, and what a link has on top of
//! the wire.

use dps_emulator::Connection;
use rustls::{ServerConfig, ServerConnection};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketContext};
use tungstenite::{Error as WsError, Message};

/// One end of a connection in memory.
pub trait Peer {
    /// Takes bytes from the client; `wall` is the time since 1970.
    fn receive(&mut self, wall: Duration, bytes: &[u8]);
    /// What the client is to get.
    fn transmit(&mut self) -> Vec<u8>;
    /// Whether it has closed the connection.
    fn is_closed(&self) -> bool;
}

/// A door of the local service, with nothing on top of the wire.
#[derive(Debug)]
pub struct Door<C>(pub C);

impl<C: Connection> Peer for Door<C> {
    fn receive(&mut self, wall: Duration, bytes: &[u8]) {
        self.0.receive(wall, bytes);
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.0.transmit()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<P: Peer + ?Sized> Peer for Box<P> {
    fn receive(&mut self, wall: Duration, bytes: &[u8]) {
        (**self).receive(wall, bytes);
    }

    fn transmit(&mut self) -> Vec<u8> {
        (**self).transmit()
    }

    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }
}

/// TLS in front of another peer.
#[derive(Debug)]
pub struct TlsPeer<P> {
    connection: ServerConnection,
    inner: P,
    failed: bool,
}

impl<P: Peer> TlsPeer<P> {
    /// A server that has accepted a connection.
    pub fn new(config: Arc<ServerConfig>, inner: P) -> Self {
        Self { connection: ServerConnection::new(config).unwrap(), inner, failed: false }
    }
}

impl<P: Peer> Peer for TlsPeer<P> {
    fn receive(&mut self, wall: Duration, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.failed {
            self.connection.read_tls(&mut bytes).unwrap();
            self.failed = self.connection.process_new_packets().is_err();
            let mut plain = Vec::new();
            // Ends with "would block", or with the client's goodbye.
            let _ = self.connection.reader().read_to_end(&mut plain);
            if !plain.is_empty() {
                self.inner.receive(wall, &plain);
            }
        }
    }

    fn transmit(&mut self) -> Vec<u8> {
        let plain = self.inner.transmit();
        self.connection.writer().write_all(&plain).unwrap();
        let mut wire = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut wire).unwrap();
        }
        wire
    }

    fn is_closed(&self) -> bool {
        self.failed || self.inner.is_closed()
    }
}

/// A proxy that opens a tunnel to another peer.
#[derive(Debug)]
pub struct ProxyPeer<P> {
    request: Vec<u8>,
    open: bool,
    out: Vec<u8>,
    inner: P,
}

impl<P: Peer> ProxyPeer<P> {
    /// A proxy that has accepted a connection.
    pub fn new(inner: P) -> Self {
        Self { request: Vec::new(), open: false, out: Vec::new(), inner }
    }
}

/// Splits off the head of a request, if it is complete.
fn split_head(bytes: &mut Vec<u8>) -> Option<String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let rest = bytes.split_off(end);
    Some(String::from_utf8(std::mem::replace(bytes, rest)).unwrap())
}

impl<P: Peer> Peer for ProxyPeer<P> {
    fn receive(&mut self, wall: Duration, bytes: &[u8]) {
        if self.open {
            return self.inner.receive(wall, bytes);
        }
        self.request.extend_from_slice(bytes);
        if let Some(head) = split_head(&mut self.request) {
            assert!(head.starts_with("CONNECT "), "{head}");
            assert!(self.request.is_empty(), "nothing may follow before the answer");
            self.open = true;
            self.out.extend_from_slice(b"HTTP/1.1 200 Connection established\r\n\r\n");
        }
    }

    fn transmit(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        if self.open {
            out.extend(self.inner.transmit());
        }
        out
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }
}

/// Buffers that look like a stream.
#[derive(Debug, Default)]
struct Memory {
    arrived: Vec<u8>,
    written: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.arrived.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.arrived.len());
        buffer[..count].copy_from_slice(&self.arrived[..count]);
        self.arrived.drain(..count);
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A WebSocket server in front of another peer.
#[derive(Debug)]
pub struct WebSocketPeer<P> {
    request: Vec<u8>,
    memory: Memory,
    context: Option<WebSocketContext>,
    closed: bool,
    inner: P,
}

impl<P: Peer> WebSocketPeer<P> {
    /// A server that has accepted a connection.
    pub fn new(inner: P) -> Self {
        let (request, memory) = (Vec::new(), Memory::default());
        Self { request, memory, context: None, closed: false, inner }
    }

    fn upgrade(&mut self) {
        let Some(head) = split_head(&mut self.request) else { return };
        let field = |name: &str| {
            let start = head.find(&format!("\r\n{name}: ")).expect(name) + name.len() + 4;
            head[start..].split("\r\n").next().unwrap().to_owned()
        };
        self.memory.written.extend_from_slice(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
                derive_accept_key(field("Sec-WebSocket-Key").as_bytes()),
                field("Sec-WebSocket-Protocol"),
            )
            .as_bytes(),
        );
        let rest = std::mem::take(&mut self.request);
        self.context = Some(WebSocketContext::from_partially_read(rest, Role::Server, None));
    }
}

impl<P: Peer> Peer for WebSocketPeer<P> {
    fn receive(&mut self, wall: Duration, bytes: &[u8]) {
        if self.context.is_none() {
            self.request.extend_from_slice(bytes);
            self.upgrade();
        } else {
            self.memory.arrived.extend_from_slice(bytes);
        }
        let Some(context) = &mut self.context else { return };
        loop {
            match context.read(&mut self.memory) {
                Ok(Message::Binary(bytes)) => self.inner.receive(wall, &bytes),
                Ok(Message::Close(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(WsError::Io(error)) if error.kind() == ErrorKind::WouldBlock => return,
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => {
                    self.closed = true;
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn transmit(&mut self) -> Vec<u8> {
        let bytes = self.inner.transmit();
        if let Some(context) = &mut self.context
            && !bytes.is_empty()
            && !self.closed
        {
            // In two messages, as a packet may span several.
            let half = bytes.split_at(bytes.len() / 2);
            for part in [half.0, half.1] {
                let _ = context.write(&mut self.memory, Message::binary(part.to_vec()));
            }
            let _ = context.flush(&mut self.memory);
        }
        std::mem::take(&mut self.memory.written)
    }

    fn is_closed(&self) -> bool {
        self.closed || self.inner.is_closed()
    }
}
