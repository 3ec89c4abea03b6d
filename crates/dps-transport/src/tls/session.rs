//! One TLS connection as a [`Layer`].

use super::clock::GivenClock;
use super::failure;
use crate::Layer;
use dps_core::{Error, ErrorKind, Now, Stage};
use rustls::ClientConnection;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

/// More than one opening flight with the largest request in it.
const MAX_HELD_BACK: usize = 256 * 1024;

pub(crate) struct TlsSession {
    connection: ClientConnection,
    clock: Arc<GivenClock>,
    host: String,
    /// Whose errors these are: the service's or a proxy's.
    stage: Stage,
}

impl TlsSession {
    pub(super) fn new(
        mut connection: ClientConnection,
        clock: Arc<GivenClock>,
        host: String,
        stage: Stage,
    ) -> Self {
        connection.set_buffer_limit(Some(MAX_HELD_BACK));
        Self { connection, clock, host, stage }
    }

    fn read_plaintext(&mut self, up: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        // Reads from memory: it ends when all is taken, with "would block" or the end of stream.
        let _ = reader.read_to_end(up);
    }

    /// What concerns TLS concerns our stage; what concerns the device's key does not.
    fn located(&self, error: Error) -> Error {
        if error.stage() == Stage::Tls { error.at_stage(self.stage) } else { error }
    }

    fn lost(&self, detail: &str) -> Error {
        Error::new(self.stage, ErrorKind::ConnectionLost).with_detail(detail)
    }
}

impl Layer for TlsSession {
    fn stage(&self) -> Stage {
        self.stage
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
            let established = self.is_ready();
            let result = self.connection.process_new_packets();
            // What arrived before a fault counts.
            self.read_plaintext(up);
            match result {
                Ok(state) if state.peer_has_closed() => {
                    return Err(self.lost("the server said goodbye"));
                }
                Ok(_) => {}
                Err(error) if established => {
                    return Err(self.located(failure::later(&error, &self.host)));
                }
                Err(error) => {
                    return Err(self.located(failure::translate(&error, &self.host)));
                }
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
