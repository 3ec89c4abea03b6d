//! A registration, its protocol engine and its link as one machine without I/O.

use dps_core::{
    Action, ActivationBlob, Assignment, Error, ErrorKind, Event, HsmError, Mac, Now, Opening,
    RandomSource, Registration, RegistrationConfig, Stage, Status, Timestamp, TpmKeys, Transport,
    TransportEvent,
};
use dps_transport::Link;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::Duration;
use zeroize::Zeroizing;

/// What the driver of a [`Session`] has to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Let the security module sign this text; answer with [`Session::signed`].
    Sign(String),
    /// Let the TPM show its public keys; answer with [`Session::tpm_keys`].
    ReadTpmKeys,
    /// Let the TPM take this key; answer with [`Session::activated`].
    Activate(ActivationBlob),
    /// Open a connection; answer with [`Session::opened`] or [`Session::connect_failed`].
    Connect,
    /// Close the connection, or give up opening it. Send `farewell` first if that can be done
    /// without waiting.
    Disconnect {
        /// The last bytes for the wire.
        farewell: Vec<u8>,
    },
    /// Tell the application.
    Status(Status),
    /// The end. Nothing follows.
    Finished(Box<Result<Assignment, Error>>),
}

/// One registration without any I/O: it says what to do ([`poll_output`](Self::poll_output)), is
/// told what happened, and has bytes moved between [`transmit`](Self::transmit), the wire, and
/// [`receive`](Self::receive).
///
/// [`ProvisioningClient`](crate::ProvisioningClient) drives one with sockets. Others may drive it
/// with what they have: an event loop, a modem's AT commands, a test in virtual time.
pub struct Session {
    registration: Registration,
    engine: Box<dyn Transport>,
    link: Option<Link>,
    /// For the connection that is being opened.
    opening: Option<Opening>,
    /// The link's handshake that is under way; none once all are over.
    pending: Option<Stage>,
    outputs: VecDeque<Output>,
}

/// The limits of a registration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    deadline: Option<(Timestamp, Duration)>,
    request_started: Option<Timestamp>,
}

impl Limits {
    /// When it ends at the latest, and by which limit.
    pub(crate) fn end(&self, request_timeout: Option<Duration>) -> Option<(Timestamp, Duration)> {
        let of_request =
            self.request_started.zip(request_timeout).map(|(began, limit)| (began + limit, limit));
        [self.deadline, of_request].into_iter().flatten().min()
    }
}

impl Session {
    /// Starts a registration at `now`.
    pub fn new(
        config: RegistrationConfig,
        engine: Box<dyn Transport>,
        random: Box<dyn RandomSource>,
        now: Now,
    ) -> Self {
        let registration = Registration::new(config, random, now);
        let mut session = Self {
            registration,
            engine,
            link: None,
            opening: None,
            pending: None,
            outputs: VecDeque::new(),
        };
        session.act(now);
        session
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The answer to [`Output::Sign`].
    pub fn signed(&mut self, now: Now, result: Result<Mac, HsmError>) {
        self.registration.handle(now, Event::Signed(result));
        self.act(now);
    }

    /// The answer to [`Output::ReadTpmKeys`].
    pub fn tpm_keys(&mut self, now: Now, result: Result<TpmKeys, HsmError>) {
        self.registration.handle(now, Event::TpmKeys(result));
        self.act(now);
    }

    /// The answer to [`Output::Activate`].
    pub fn activated(&mut self, now: Now, result: Result<(), HsmError>) {
        self.registration.handle(now, Event::Activated(result));
        self.act(now);
    }

    /// The connection attempt has reached this stage: [`Stage::Resolve`], [`Stage::Connect`].
    pub fn reached(&mut self, now: Now, stage: Stage) {
        self.registration.handle(now, Event::Reached(stage));
        self.act(now);
    }

    /// The connection could not be opened.
    pub fn connect_failed(&mut self, now: Now, error: Error) {
        tracing::warn!(%error, "no connection");
        self.opening = None;
        self.registration.handle(now, Event::Lost(error));
        self.act(now);
    }

    /// The wire is open; `link` is what stands between it and the protocol.
    pub fn opened(&mut self, now: Now, link: Link) {
        let Some(opening) = self.opening.take() else { return };
        self.pending = link.pending_stage();
        self.link = Some(link);
        let stage = self.pending.unwrap_or(Stage::Authenticate);
        self.registration.handle(now, Event::Reached(stage));
        let result = self.engine.open(now, opening);
        if result.is_ok() && self.pending.is_none() {
            self.engine.ready(now);
        }
        self.settle(now, result);
    }

    /// Bytes came from the wire.
    pub fn receive(&mut self, now: Now, wire: &[u8]) {
        self.receive_with(now, wire, |now| now);
    }

    /// The same with a key that may take long: `later` tells what time it has become meanwhile,
    /// which is not the service's silence.
    pub(crate) fn receive_with(&mut self, now: Now, wire: &[u8], later: impl FnOnce(Now) -> Now) {
        let Some(link) = &mut self.link else { return };
        let mut up = Vec::new();
        let mut result = link.receive(now, wire, &mut up);
        let now = later(now);
        let pending = link.pending_stage();
        if pending != self.pending {
            self.pending = pending;
            self.registration.handle(now, Event::Reached(pending.unwrap_or(Stage::Authenticate)));
            if pending.is_none() {
                self.engine.ready(now);
            }
        }
        // What arrived before a fault counts.
        if !up.is_empty() {
            result = self.engine.receive(now, &up).and(result);
        }
        self.settle(now, result);
    }

    /// The wire is closed: by the peer when `error` is none, else because of it.
    pub fn closed(&mut self, now: Now, error: Option<Error>) {
        let Some(link) = &self.link else { return };
        let stage = link.pending_stage().unwrap_or(self.registration.stage());
        let detail = match &error {
            Some(error) => error.detail().unwrap_or("input/output error").to_owned(),
            None => "the server closed the connection".to_owned(),
        };
        let lost = Error::new(stage, ErrorKind::ConnectionLost).with_detail(detail);
        self.settle(now, Err(lost));
    }

    /// Appends what is to be put on the wire.
    pub fn transmit(&mut self, now: Now, wire: &mut Vec<u8>) {
        let Some(link) = &mut self.link else { return };
        let result = carry(now, self.engine.as_mut(), link, wire);
        if let Err(error) = result {
            self.fail(now, error);
            self.act(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let engine = self.link.as_ref().and_then(|_| self.engine.next_timeout());
        [self.registration.next_timeout(), engine].into_iter().flatten().min()
    }

    /// What ends it in time, whoever has it.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            deadline: self.registration.ends(),
            request_started: self.registration.request_started(),
        }
    }

    /// Whether a layer of the link is at its handshake.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.link.is_some() && self.pending.is_some()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.registration.handle_timeout(now);
        if self.link.is_some()
            && let Err(error) = self.engine.handle_timeout(now)
        {
            self.fail(now, error);
        }
        self.act(now);
    }

    /// Ends it without an outcome. Gives the last bytes for the wire, if there is one.
    pub fn cancel(mut self, now: Now) -> Vec<u8> {
        self.hang_up(now)
    }

    /// Changes [`Policy::request_timeout`](dps_core::Policy::request_timeout) from now on.
    pub fn set_request_timeout(&mut self, limit: Option<Duration>) {
        self.registration.set_request_timeout(limit);
    }

    /// Changes the payload, from the next request on that carries it.
    pub fn set_payload(&mut self, payload: Option<Box<RawValue>>) {
        self.registration.set_payload(payload);
    }

    /// Lets the registration know what the engine has to say, then what became of the call.
    fn settle(&mut self, now: Now, result: Result<(), Error>) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                TransportEvent::Connected => self.registration.handle(now, Event::Connected),
                TransportEvent::Reply(reply) => {
                    self.registration.handle(now, Event::Reply(reply));
                }
                TransportEvent::Challenge(challenge) => {
                    self.registration.handle(now, Event::Challenge(challenge));
                }
                TransportEvent::Closing => self.closing(now),
            }
        }
        self.act(now);
        if let Err(error) = result {
            self.fail(now, self.located(error));
            self.act(now);
        }
    }

    /// A connection that is lost after all handshakes is lost where the registration stands,
    /// whichever layer noticed it.
    fn located(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::ConnectionLost if self.pending.is_none() => {
                error.at_stage(self.registration.stage())
            }
            _ => error,
        }
    }

    /// The service closes the connection, and so do we; a reply before may have done so already.
    fn closing(&mut self, now: Now) {
        self.act(now);
        if self.link.is_some() {
            let farewell = self.hang_up(now);
            self.outputs.push_back(Output::Disconnect { farewell });
            self.registration.handle(now, Event::Closed);
        }
    }

    /// The connection is of no more use.
    fn fail(&mut self, now: Now, error: Error) {
        if *error.kind() == ErrorKind::ConnectionLost && self.engine.owes_nothing() {
            return self.closing(now);
        }
        tracing::warn!(%error, "the connection is given up");
        if self.link.is_some() {
            let farewell = self.hang_up(now);
            self.outputs.push_back(Output::Disconnect { farewell });
        }
        self.registration.handle(now, Event::Lost(error));
    }

    fn act(&mut self, now: Now) {
        while let Some(action) = self.registration.poll_action() {
            match action {
                Action::Sign(text) => self.outputs.push_back(Output::Sign(text)),
                Action::ReadTpmKeys => self.outputs.push_back(Output::ReadTpmKeys),
                Action::Activate(blob) => self.outputs.push_back(Output::Activate(blob)),
                Action::Authenticate(token) => {
                    if let Err(error) = self.engine.authenticate(now, token) {
                        self.fail(now, error);
                    }
                }
                Action::Connect(opening) => {
                    self.opening = Some(opening);
                    self.outputs.push_back(Output::Connect);
                }
                Action::Send(request) => {
                    if let Err(error) = self.engine.send(now, request) {
                        self.fail(now, error);
                    }
                }
                Action::Disconnect => {
                    self.opening = None;
                    let farewell = self.hang_up(now);
                    self.outputs.push_back(Output::Disconnect { farewell });
                }
                Action::Notify(status) => self.outputs.push_back(Output::Status(status)),
                Action::Finish(result) => self.outputs.push_back(Output::Finished(result)),
                // Actions this version does not know would be a bug in this workspace.
                other => tracing::error!(?other, "unknown action"),
            }
        }
    }

    /// Says goodbye on all layers and forgets the link.
    fn hang_up(&mut self, now: Now) -> Vec<u8> {
        let mut farewell = Vec::new();
        if let Some(mut link) = self.link.take() {
            self.engine.close();
            // A link that failed still has its last words (a TLS alert).
            let _ = carry(now, self.engine.as_mut(), &mut link, &mut farewell);
            link.close(now);
            let _ = link.transmit(now, &mut farewell);
        }
        self.pending = None;
        farewell
    }
}

/// Moves what the engine wants to send through the link.
fn carry(
    now: Now,
    engine: &mut dyn Transport,
    link: &mut Link,
    wire: &mut Vec<u8>,
) -> Result<(), Error> {
    // Holds the token in clear.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    engine.transmit(&mut bytes);
    let sent = if bytes.is_empty() { Ok(()) } else { link.send(now, &bytes) };
    link.transmit(now, wire).and(sent)
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("registration", &self.registration)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
