//! The state of the socket under a session.

use crate::connector::Connector;
use dps_core::{Error, ErrorKind, Stage};
use mio::net::TcpStream;
use std::io::{self, Read as _, Write as _};

#[derive(Debug)]
pub(crate) enum Wire {
    /// No connection is wanted.
    Closed,
    /// Looking up the name.
    Preparing,
    /// Opening the connection.
    Connecting(Connector),
    /// Open.
    Open(OpenWire),
}

#[derive(Debug)]
pub(crate) struct OpenWire {
    stream: TcpStream,
    registered: bool,
    /// What the socket would not take yet.
    pub(crate) unsent: Vec<u8>,
}

/// While this much waits to be sent, nothing more is read: a peer that sends without reading must
/// not fill our memory with answers.
pub(crate) const MAX_UNSENT: usize = 128 * 1024;

/// What reading gave.
pub(crate) enum Received {
    Bytes(usize),
    /// The peer has closed its side.
    End,
    /// Nothing now.
    Nothing,
}

impl OpenWire {
    pub(crate) fn new(stream: TcpStream, registered: bool) -> Self {
        // Our flights are small and written whole.
        let _ = stream.set_nodelay(true);
        Self { stream, registered, unsent: Vec::new() }
    }

    pub(crate) fn socket(&mut self) -> (&mut TcpStream, &mut bool) {
        (&mut self.stream, &mut self.registered)
    }

    /// Writes as much of [`unsent`](Self::unsent) as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let mut written = 0;
        let result = loop {
            let rest = self.unsent.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.stream.write(rest) {
                Ok(0) => break Err(lost("the connection takes no more data")),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(lost(&error.to_string())),
            }
        };
        self.unsent.drain(..written.min(self.unsent.len()));
        result
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Received, Error> {
        if self.unsent.len() > MAX_UNSENT {
            return Ok(Received::Nothing);
        }
        loop {
            return match self.stream.read(buffer) {
                Ok(0) if !buffer.is_empty() => Ok(Received::End),
                Ok(count) => Ok(Received::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
                Err(error) => Err(lost(&error.to_string())),
            };
        }
    }
}

/// The session replaces the stage by the one it has reached.
fn lost(detail: &str) -> Error {
    Error::new(Stage::Connect, ErrorKind::ConnectionLost).with_detail(detail)
}
