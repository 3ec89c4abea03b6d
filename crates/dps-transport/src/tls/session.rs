//! One TLS connection as a [`Layer`].

use super::clock::GivenClock;
use super::failure::translate;
use crate::Layer;
use dps_core::{Error, ErrorKind, Now, Stage};
use rustls::ClientConnection;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

/// More than one opening flight with the largest request in it.
const MAX_HELD_BACK: usize = 256 * 1024;

pub(super) struct TlsSession {
    connection: ClientConnection,
    clock: Arc<GivenClock>,
    host: String,
}

impl TlsSession {
    pub(super) fn new(
        mut connection: ClientConnection,
        clock: Arc<GivenClock>,
        host: String,
    ) -> Self {
        connection.set_buffer_limit(Some(MAX_HELD_BACK));
        Self { connection, clock, host }
    }

    fn lost(&self, detail: &str) -> Error {
        Error::new(Stage::Tls, ErrorKind::ConnectionLost).with_detail(detail)
    }
}

impl Layer for TlsSession {
    fn stage(&self) -> Stage {
        Stage::Tls
    }

    fn is_ready(&self) -> bool {
        !self.connection.is_handshaking()
    }

    fn receive(&mut self, now: Now, mut bytes: &[u8], up: &mut Vec<u8>) -> Result<(), Error> {
        self.clock.set(now);
        while !bytes.is_empty() {
            match self.connection.read_tls(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => return Err(self.lost("too much undecoded TLS data")),
            }
            let state = self
                .connection
                .process_new_packets()
                .map_err(|error| translate(&error, &self.host))?;
            let waiting = state.plaintext_bytes_to_read();
            if waiting > 0 {
                let start = up.len();
                up.resize(start + waiting, 0);
                let read = match up.get_mut(start..) {
                    Some(space) => self.connection.reader().read(space).unwrap_or(0),
                    None => 0,
                };
                up.truncate(start + read);
            }
        }
        Ok(())
    }

    fn send(&mut self, _: Now, bytes: &[u8]) -> Result<(), Error> {
        self.connection
            .writer()
            .write_all(bytes)
            .map_err(|_| self.lost("more data than the TLS buffer takes"))
    }

    fn transmit(&mut self, now: Now, down: &mut Vec<u8>) -> Result<(), Error> {
        self.clock.set(now);
        while self.connection.wants_write() {
            if self.connection.write_tls(down).is_err() {
                return Err(self.lost("TLS data could not be written to memory"));
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
