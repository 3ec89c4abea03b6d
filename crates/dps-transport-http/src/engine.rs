//! The state of one connection.

use crate::HTTPS_PORT;
use crate::reply::Incoming;
use crate::request;
use core::fmt;
use dps_core::sas::SasToken;
use dps_core::{
    Credentials, Error, ErrorKind, Identity, Now, Opening, Request, Stage, Timestamp, Transport,
    TransportEvent,
};
use std::collections::VecDeque;
use zeroize::Zeroize as _;

/// The HTTPS engine.
pub struct HttpTransport {
    host: String,
    /// Who speaks on this connection; none when it is closed.
    caller: Option<(Identity, Credentials)>,
    /// The reply that is awaited.
    incoming: Option<Incoming>,
    /// A request that waits for the reply to the one before, which is dropped then.
    waiting: Option<Request>,
    stage: Stage,
    input: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<TransportEvent>,
}

impl HttpTransport {
    /// An engine that speaks to this host and port; both go into the Host header of its requests.
    /// `host` is a name or an address, an IPv6 address without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let mut host = host.into();
        if host.contains(':') {
            host = format!("[{host}]");
        }
        if port != HTTPS_PORT {
            host = format!("{host}:{port}");
        }
        Self {
            host,
            caller: None,
            incoming: None,
            waiting: None,
            stage: Stage::Register,
            input: Vec::new(),
            output: Vec::new(),
            events: VecDeque::new(),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<(), Error> {
        self.stage = request::stage(request);
        let Some((identity, credentials)) = &self.caller else { return Err(self.closed()) };
        let call = request::write(&mut self.output, &self.host, identity, credentials, request)?;
        self.incoming = Some(Incoming::new(self.stage, call));
        Ok(())
    }

    /// Takes what has come.
    fn read(&mut self, now: Now) -> Result<(), Error> {
        if let Some(incoming) = &mut self.incoming {
            let Some(received) = incoming.receive(&mut self.input, now.unix_seconds)? else {
                return Ok(());
            };
            self.incoming = None;
            let next = self.waiting.take();
            if next.is_none() {
                self.events.push_back(TransportEvent::Reply(received.reply));
            }
            if received.closing {
                self.forget();
                self.events.push_back(TransportEvent::Closing);
                return if next.is_some() { Err(self.closed()) } else { Ok(()) };
            }
            if let (Some(next), true) = (next, self.input.is_empty()) {
                return self.ask(&next);
            }
        }
        if self.input.is_empty() {
            return Ok(());
        }
        // It could be taken for the answer to the next question.
        Err(Error::new(self.stage, ErrorKind::Protocol)
            .with_detail("the service sent more than the reply to the request"))
    }

    fn closed(&self) -> Error {
        Error::new(self.stage, ErrorKind::ConnectionLost)
            .with_detail("the service has ended this connection")
    }

    fn forget(&mut self) {
        self.caller = None;
        self.incoming = None;
        self.waiting = None;
        self.input.clear();
        wipe(&mut self.output);
    }
}

impl Transport for HttpTransport {
    fn open(&mut self, _: Now, opening: Opening) -> Result<(), Error> {
        self.forget();
        self.events.clear();
        self.caller = Some((opening.identity, opening.credentials));
        self.ask(&opening.request)
    }

    fn ready(&mut self, _: Now) {
        self.events.push_back(TransportEvent::Connected);
    }

    fn send(&mut self, _: Now, request: Request) -> Result<(), Error> {
        if self.incoming.is_none() {
            return self.ask(&request);
        }
        self.waiting = Some(request);
        Ok(())
    }

    /// A challenge is an ordinary reply here, and each request carries its proof
    /// (`wire-protocol.md` section 3.5): the next ones carry this.
    fn authenticate(&mut self, _: Now, new: SasToken) -> Result<(), Error> {
        match &mut self.caller {
            Some((_, Credentials::Tpm { token, .. })) => {
                *token = Some(new);
                Ok(())
            }
            Some(_) => Err(Error::new(self.stage, ErrorKind::Protocol)
                .with_detail("the service asks for a TPM's proof, but the device has no TPM")),
            None => Err(self.closed()),
        }
    }

    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error> {
        if self.caller.is_none() || bytes.is_empty() {
            return Ok(());
        }
        self.input.extend_from_slice(bytes);
        let result = self.read(now);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn transmit(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.output);
        wipe(&mut self.output);
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        None
    }

    fn handle_timeout(&mut self, _: Now) -> Result<(), Error> {
        Ok(())
    }

    fn owes_nothing(&self) -> bool {
        self.caller.is_some() && self.incoming.is_none()
    }

    fn close(&mut self) {
        // HTTP has no farewell.
        self.forget();
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output may hold a token, so neither buffer is shown.
        f.debug_struct("HttpTransport")
            .field("host", &self.host)
            .field("stage", &self.stage)
            .field("open", &self.caller.is_some())
            .field("awaiting", &self.incoming.is_some())
            .finish_non_exhaustive()
    }
}

/// Empties a buffer that may have held a token.
fn wipe(buffer: &mut Vec<u8>) {
    buffer.zeroize();
}

#[cfg(test)]
mod tests;
