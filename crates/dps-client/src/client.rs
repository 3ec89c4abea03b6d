//! Drives a [`Session`] with the system's sockets and clocks.

use crate::anchors;
use crate::builder::{Builder, Transport};
use crate::clock::SystemClock;
use crate::connector::{Connector, Step};
use crate::preparation::Preparation;
use crate::random::SystemRandom;
use crate::session::{Output, Session};
use crate::wake::{Interrupter, Sleeper};
use crate::wire::{OpenWire, Received, Wire};
use dps_core::{
    Assignment, Error, ErrorKind, Hsm, IdScope, Identity, Now, Policy, RegistrationConfig,
    RegistrationId, Stage, Status,
};
use dps_transport::{Endpoint, Link, TlsSettings, TrustAnchors};
use serde_json::value::RawValue;
use std::time::Duration;

/// Bytes read from the socket at a time: one TLS record.
const READ_SIZE: usize = 16 * 1024;
/// Reads in one call of `poll`, so that a flood cannot keep the caller.
const READS_PER_POLL: usize = 32;

/// What [`ProvisioningClient::poll`] found.
#[derive(Debug)]
// One value per call, matched at once: boxing would cost callers more than the size does.
#[allow(clippy::large_enum_variant)]
pub enum Progress {
    /// No registration is running; [`start`](ProvisioningClient::start) begins one.
    Idle,
    /// Nothing more can be done now.
    Pending,
    /// Good news; call `poll` again.
    Status(Status),
    /// The registration has ended.
    Finished(Result<Assignment, Error>),
}

/// A device that can register. Make one with [`ProvisioningClient::builder`]; it may register
/// any number of times, one after the other.
///
/// Dropping it, or [`cancel`](Self::cancel), ends a running registration without an outcome.
pub struct ProvisioningClient {
    endpoint: Endpoint,
    transport: Transport,
    conservative: bool,
    identity: Identity,
    pub(crate) hsm: Box<dyn Hsm>,
    payload: Option<Box<RawValue>>,
    policy: Policy,
    trust_anchors: TrustAnchors,
    tls: Option<TlsSettings>,
    clock: SystemClock,
    session: Option<Session>,
    wire: Wire,
    sleeper: Sleeper,
    buffer: Vec<u8>,
    /// `poll` stopped although there is more to read.
    more: bool,
}

impl ProvisioningClient {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        settings: Builder,
        id_scope: IdScope,
        registration_id: RegistrationId,
        hsm: Box<dyn Hsm>,
        payload: Option<Box<RawValue>>,
    ) -> Self {
        Self {
            endpoint: settings.endpoint,
            transport: settings.transport,
            conservative: settings.conservative,
            identity: Identity { id_scope, registration_id },
            hsm,
            payload,
            policy: settings.policy,
            trust_anchors: settings.trust_anchors,
            tls: None,
            clock: SystemClock::new(),
            session: None,
            wire: Wire::Closed,
            sleeper: Sleeper::default(),
            buffer: Vec::new(),
            more: false,
        }
    }

    /// Who registers, and where.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the system's clocks say, in the terms of this client.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Begins a registration. Nothing blocks, nothing is sent before the first
    /// [`poll`](Self::poll).
    ///
    /// # Errors
    ///
    /// Stage config: one is running already.
    pub fn start(&mut self) -> Result<(), Error> {
        let now = self.now();
        self.start_at(now)
    }

    /// [`start`](Self::start) with a given clock reading.
    ///
    /// # Errors
    ///
    /// Stage config: one is running already.
    pub fn start_at(&mut self, now: Now) -> Result<(), Error> {
        if self.session.is_some() {
            return Err(Error::new(Stage::Config, ErrorKind::InvalidConfig)
                .with_detail("a registration is already running"));
        }
        self.session = Some(self.new_session(now));
        Ok(())
    }

    pub(crate) fn new_session(&self, now: Now) -> Session {
        let config = RegistrationConfig {
            identity: self.identity.clone(),
            attestation: self.hsm.attestation(),
            payload: self.payload.clone(),
            policy: self.policy.clone(),
        };
        let engine = self.transport.engine(self.conservative);
        Session::new(config, engine, Box::new(SystemRandom), now)
    }

    /// Does all that can be done without waiting. Call it again at once after
    /// [`Progress::Status`], and a little later, or after [`wait`](Self::wait), after
    /// [`Progress::Pending`].
    pub fn poll(&mut self) -> Progress {
        let now = self.now();
        self.poll_at(now)
    }

    /// [`poll`](Self::poll) with a given clock reading. The readings of one client must come from
    /// one clock.
    pub fn poll_at(&mut self, now: Now) -> Progress {
        let Some(mut session) = self.session.take() else { return Progress::Idle };
        if session.next_timeout().is_some_and(|due| due <= now.at) {
            session.handle_timeout(now);
        }
        let mut reads = 0;
        loop {
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Sign(text) => session.signed(now, self.hsm.sign(text.as_bytes())),
                    Output::Connect => self.prepare(),
                    Output::Disconnect { farewell } => self.disconnect(&farewell),
                    Output::Status(status) => {
                        self.session = Some(session);
                        return Progress::Status(status);
                    }
                    Output::Finished(result) => {
                        self.wire = Wire::Closed;
                        return Progress::Finished(*result);
                    }
                }
            }
            let moved = self.move_wire(&mut session, now);
            reads += 1;
            self.more = moved && reads >= READS_PER_POLL;
            if !session.has_output() && (self.more || !moved) {
                break;
            }
        }
        self.session = Some(session);
        Progress::Pending
    }

    /// Sleeps until `poll` has something to do, or for `at_most`, or until
    /// [interrupted](Self::interrupter).
    pub fn wait(&mut self, at_most: Duration) {
        if self.more {
            return;
        }
        let now = self.now();
        let due = self.session.as_ref().and_then(Session::next_timeout);
        let (connector_due, socket) = match &mut self.wire {
            Wire::Closed | Wire::Preparing(_) => (None, None),
            Wire::Connecting(connector) => (connector.next_timeout(), connector.socket()),
            Wire::Open(open) => (None, Some(open.socket())),
        };
        let until = [due, connector_due].into_iter().flatten().min();
        // A millisecond more, since poll timers round down.
        let pause = until
            .map_or(at_most, |until| until.since(now.at) + Duration::from_millis(1))
            .min(at_most);
        self.sleeper.sleep(socket, pause);
    }

    /// Something that ends [`wait`](Self::wait) from another thread.
    pub fn interrupter(&self) -> Interrupter {
        self.sleeper.interrupter()
    }

    /// Registers, and blocks until there is an outcome: with the default
    /// [`Policy::deadline`], for 120 s at most.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; see its stage, kind and hint.
    pub fn register(&mut self) -> Result<Assignment, Error> {
        self.register_with(|_| {})
    }

    /// [`register`](Self::register), telling `on_status` what happens on the way.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; see its stage, kind and hint.
    pub fn register_with(
        &mut self,
        mut on_status: impl FnMut(Status),
    ) -> Result<Assignment, Error> {
        self.start()?;
        loop {
            match self.poll() {
                Progress::Finished(result) => return result,
                Progress::Status(status) => on_status(status),
                Progress::Pending => self.wait(Duration::from_secs(3600)),
                Progress::Idle => self.start()?,
            }
        }
    }

    /// Ends a running registration without an outcome, saying goodbye to the service if that can
    /// be done without waiting.
    pub fn cancel(&mut self) {
        if let Some(session) = self.session.take() {
            let farewell = session.cancel(self.now());
            self.disconnect(&farewell);
        }
    }

    /// Changes [`Policy::request_timeout`], also for a running registration.
    pub fn set_request_timeout(&mut self, limit: Option<Duration>) {
        self.policy.request_timeout = limit;
        if let Some(session) = &mut self.session {
            session.set_request_timeout(limit);
        }
    }

    /// Changes whom to trust, from the next connection on.
    pub fn set_trust_anchors(&mut self, anchors: TrustAnchors) {
        self.trust_anchors = anchors;
        self.tls = None;
    }

    pub(crate) fn endpoint(&self) -> (&Endpoint, u16) {
        (&self.endpoint, self.endpoint.port().unwrap_or(self.transport.default_port()))
    }

    pub(crate) fn wants_system_anchors(&self) -> bool {
        self.tls.is_none() && self.trust_anchors.uses_system()
    }

    /// The link of a new connection. The system's anchors have been loaded if they are wanted.
    pub(crate) fn link(&mut self, now: Now) -> Result<Link, Error> {
        let tls = match &self.tls {
            Some(tls) => tls,
            None => {
                let made = TlsSettings::new(&self.trust_anchors, anchors::cached())?;
                self.tls.insert(made)
            }
        };
        tls.link(now, &self.endpoint)
    }

    fn prepare(&mut self) {
        let (endpoint, port) = self.endpoint();
        let system = self.wants_system_anchors();
        let done = self.sleeper.interrupter();
        self.wire = Wire::Preparing(Preparation::start(endpoint, port, system, done));
    }

    fn disconnect(&mut self, farewell: &[u8]) {
        if let Wire::Open(open) = &mut self.wire {
            open.unsent.extend_from_slice(farewell);
            // The connection is given up whether or not this works.
            let _ = open.flush();
        }
        self.wire = Wire::Closed;
    }

    /// Moves the connection on. Whether anything happened.
    fn move_wire(&mut self, session: &mut Session, now: Now) -> bool {
        match &mut self.wire {
            Wire::Closed => false,
            Wire::Preparing(preparation) => match preparation.poll() {
                None => false,
                Some(Ok(addresses)) => {
                    session.reached(now, Stage::Connect);
                    self.wire = Wire::Connecting(Connector::new(addresses));
                    true
                }
                Some(Err(error)) => self.give_up(session, now, error),
            },
            Wire::Connecting(connector) => match connector.poll(now) {
                Step::Pending => false,
                Step::NextAddress => {
                    session.reached(now, Stage::Connect);
                    true
                }
                Step::Open(stream, registered) => match self.link(now) {
                    Ok(link) => {
                        self.wire = Wire::Open(OpenWire::new(*stream, registered));
                        session.opened(now, link);
                        true
                    }
                    Err(error) => self.give_up(session, now, error),
                },
                Step::Failed(error) => self.give_up(session, now, error),
            },
            Wire::Open(open) => {
                session.transmit(now, &mut open.unsent);
                self.buffer.resize(READ_SIZE, 0);
                // Reading goes first when writing fails: the reason may have arrived.
                let written = open.flush();
                match open.read(&mut self.buffer) {
                    Ok(Received::Bytes(count)) => {
                        session.receive(now, self.buffer.get(..count).unwrap_or_default());
                        session.transmit(now, &mut open.unsent);
                        true
                    }
                    Ok(Received::End) => {
                        session.closed(now, None);
                        self.wire = Wire::Closed;
                        true
                    }
                    Ok(Received::Nothing) => match written {
                        Ok(()) => false,
                        Err(error) => {
                            session.closed(now, Some(error));
                            true
                        }
                    },
                    Err(error) => {
                        session.closed(now, Some(error));
                        true
                    }
                }
            }
        }
    }

    fn give_up(&mut self, session: &mut Session, now: Now, error: Error) -> bool {
        self.wire = Wire::Closed;
        session.connect_failed(now, error);
        true
    }
}

impl Drop for ProvisioningClient {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl std::fmt::Debug for ProvisioningClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvisioningClient")
            .field("endpoint", &self.endpoint)
            .field("identity", &self.identity)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
