//! Drives a [`Session`] with the system's sockets and clocks.

use crate::builder::{Builder, checked_payload};
use crate::clock::SystemClock;
use crate::connector::{Connector, Step};
use crate::module::{Asked, Away, Module};
use crate::preparation::{Preparation, Prepared};
use crate::random::SystemRandom;
use crate::session::{Output, Session};
use crate::signing;
use crate::transport::Transport;
use crate::wake::{Interrupter, Sleeper};
use crate::wire::{OpenWire, Received, Wire};
use dps_core::{
    Assignment, Error, ErrorKind, Hsm, IdScope, Identity, Now, Policy, RegistrationConfig,
    RegistrationId, Stage, Status,
};
use dps_transport::{
    Endpoint, Link, LinkSettings, Proxy, PublicKeyPin, SystemAnchors, TlsOptions, TlsSettings,
    TlsVersions, TrustAnchors,
};
use serde_json::value::RawValue;
use std::task::Poll;
use std::time::Duration;

/// Bytes read from the socket at a time: one TLS record.
const READ_SIZE: usize = 16 * 1024;
/// Reads in one call of `poll`, so that a flood cannot keep the caller.
const PASSES_PER_POLL: usize = 64;

/// What [`ProvisioningClient::poll`] found.
#[derive(Debug)]
#[non_exhaustive]
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
    pub(crate) module: Module,
    payload: Option<Box<RawValue>>,
    policy: Policy,
    trust_anchors: TrustAnchors,
    /// Takes the place of `trust_anchors` at the next connection.
    next_anchors: Option<TrustAnchors>,
    tls_versions: TlsVersions,
    revoked_pins: Vec<PublicKeyPin>,
    proxy: Option<Proxy>,
    /// Takes the place of `proxy` at the next connection.
    next_proxy: Option<Option<Proxy>>,
    /// Made for the first connection of a registration.
    link_settings: Option<LinkSettings>,
    /// What a service may miss behind the certificates that were sent.
    missing_issuer: Option<String>,
    /// Whose certificate it is, as far as it tells.
    common_name: Option<RegistrationId>,
    clock: SystemClock,
    session: Option<Session>,
    /// A question of the session's to the security module.
    asked: Option<Asked>,
    /// The session, while a thread continues it.
    away: Option<Away>,
    wire: Wire,
    /// A look-up that is under way; it outlives the attempt that started it, so that there is
    /// never more than one.
    preparation: Option<Preparation>,
    sleeper: Sleeper,
    buffer: Vec<u8>,
    /// `poll` has more to do at once.
    ready: bool,
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
            module: Module::new(hsm),
            payload,
            policy: settings.policy,
            trust_anchors: settings.trust_anchors,
            next_anchors: None,
            tls_versions: settings.tls_versions,
            revoked_pins: settings.revoked_pins,
            proxy: settings.proxy,
            next_proxy: None,
            link_settings: None,
            missing_issuer: None,
            common_name: None,
            clock: SystemClock::new(),
            session: None,
            asked: None,
            away: None,
            wire: Wire::Closed,
            preparation: None,
            sleeper: Sleeper::default(),
            buffer: Vec::new(),
            ready: false,
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
    /// Stage config: one is running already. Stage hsm, [`ErrorKind::HsmBusy`]: the security module
    /// has not yet answered what an earlier one asked of it.
    pub fn start(&mut self) -> Result<(), Error> {
        let now = self.now();
        self.start_at(now)
    }

    /// [`start`](Self::start) with a given clock reading.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_at(&mut self, now: Now) -> Result<(), Error> {
        if self.is_running() {
            return Err(already_running());
        }
        self.module.check_is_free()?;
        self.session = Some(self.new_session(now));
        self.ready = true;
        Ok(())
    }

    pub(crate) fn new_session(&self, now: Now) -> Session {
        let config = RegistrationConfig {
            identity: self.identity.clone(),
            attestation: self.module.attestation(),
            payload: self.payload.clone(),
            policy: self.policy.clone(),
        };
        let port = self.port();
        let engine = self.transport.engine(self.endpoint.host(), port, self.conservative);
        Session::new(config, engine, Box::new(SystemRandom), now)
    }

    /// Does all that can be done without waiting. Call it again at once after
    /// [`Progress::Status`], and a little later, or after [`wait`](Self::wait), after
    /// [`Progress::Pending`].
    ///
    /// The security module works on a thread of its own meanwhile, unless it
    /// [works in place](Hsm::works_in_place). A deadline that strikes before it has answered ends the
    /// registration in time; the thread is left to itself.
    pub fn poll(&mut self) -> Progress {
        let now = self.now();
        self.poll_at(now)
    }

    /// [`poll`](Self::poll) with a given clock reading. The monotonic part must be one that
    /// [`now`](Self::now) could give; the wall clock may be the caller's own.
    pub fn poll_at(&mut self, mut now: Now) -> Progress {
        if let Some(away) = &mut self.away {
            let Poll::Ready(back) = away.back(now, None) else { return Progress::Pending };
            self.away = None;
            match back {
                Ok(session) => self.take_back(session),
                Err(error) => return self.finished(Err(error)),
            }
        }
        let Some(mut session) = self.session.take() else { return Progress::Idle };
        let mut passes = 0;
        let mut timed = false;
        loop {
            while let Some(output) = session.poll_output() {
                let output = match self.ask_module(&mut session, output, &mut now) {
                    Ok(asked) => {
                        self.asked = asked;
                        continue;
                    }
                    Err(output) => output,
                };
                match output {
                    // Asked above.
                    Output::Sign(_) | Output::ReadTpmKeys | Output::Activate(_) => {}
                    Output::Connect => self.prepare(&mut session, now),
                    Output::Disconnect { farewell } => self.disconnect(&farewell),
                    Output::Status(status) => {
                        self.session = Some(session);
                        self.ready = true;
                        return Progress::Status(status);
                    }
                    Output::Finished(result) => return self.finished(*result),
                }
            }
            if let Some(asked) = &mut self.asked
                && asked.tell(&mut session, now, None)
            {
                self.asked = None;
                continue;
            }
            let moved = match passes < PASSES_PER_POLL {
                true => self.move_wire(&mut session, now),
                false => Moved::Nothing,
            };
            passes += 1;
            match moved {
                Moved::Handshake(wire) => {
                    let waker = Some(self.sleeper.interrupter().into_waker());
                    let limit = self.policy.request_timeout;
                    self.away = Some(self.module.receive(session, now, wire, limit, waker));
                    self.ready = false;
                    return Progress::Pending;
                }
                Moved::Something => continue,
                Moved::Nothing if session.has_output() => continue,
                Moved::Nothing => {}
            }
            // Timers come last: what has arrived counts, however late it is looked at.
            if timed || session.next_timeout().is_none_or(|due| due > now.at) {
                break;
            }
            timed = true;
            session.handle_timeout(now);
        }
        self.ready = passes > PASSES_PER_POLL;
        self.session = Some(session);
        Progress::Pending
    }

    fn ask_module(
        &mut self,
        session: &mut Session,
        output: Output,
        now: &mut Now,
    ) -> Result<Option<Asked>, Output> {
        let waker = self.sleeper.interrupter().into_waker();
        self.module.ask(session, output, now, Some(&waker))
    }

    /// A session that a thread has continued, with what was set meanwhile.
    fn take_back(&mut self, mut session: Session) {
        session.set_payload(self.payload.clone());
        session.set_request_timeout(self.policy.request_timeout);
        self.session = Some(session);
    }

    fn finished(&mut self, result: Result<Assignment, Error>) -> Progress {
        self.rest();
        Progress::Finished(self.explained(result))
    }

    /// Sleeps until `poll` has something to do, or for `at_most`, or until
    /// [interrupted](Self::interrupter).
    pub fn wait(&mut self, at_most: Duration) {
        if self.ready || self.session.as_ref().is_some_and(Session::has_output) {
            return;
        }
        let now = self.now();
        let due = match &self.away {
            Some(away) => away.ends.map(|(at, _)| at),
            None => self.session.as_ref().and_then(Session::next_timeout),
        };
        let (connector_due, socket) = match &mut self.wire {
            // Nothing is done with the socket while the session is away.
            _ if self.away.is_some() => (None, None),
            Wire::Closed | Wire::Preparing => (None, None),
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
    /// [`Policy::deadline`], for 120 s at most, also when the security module hangs.
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
        self.rest();
    }

    /// Changes [`Policy::request_timeout`], also for a running registration.
    pub fn set_request_timeout(&mut self, limit: Option<Duration>) {
        self.policy.request_timeout = limit;
        if let Some(session) = &mut self.session {
            session.set_request_timeout(limit);
        }
        if let Some(away) = &mut self.away {
            away.set_request_timeout(limit);
        }
    }

    /// Changes the payload, `None` for none, from the next request on that carries one; also for
    /// a running registration.
    ///
    /// # Errors
    ///
    /// Stage config: it is not JSON, or too large. The old one stays.
    pub fn set_payload_json(&mut self, json: Option<String>) -> Result<(), Error> {
        self.payload = json.map(checked_payload).transpose()?;
        if let Some(session) = &mut self.session {
            session.set_payload(self.payload.clone());
        }
        Ok(())
    }

    /// Changes whom to trust, from the next connection on.
    pub fn set_trust_anchors(&mut self, anchors: TrustAnchors) {
        self.next_anchors = Some(anchors);
    }

    /// Changes the proxy to go through, `None` for none, from the next connection on.
    pub fn set_proxy(&mut self, proxy: impl Into<Option<Proxy>>) {
        self.next_proxy = Some(proxy.into());
    }

    /// The service's port.
    fn port(&self) -> u16 {
        self.endpoint.port().unwrap_or(self.transport.default_port())
    }

    /// Where the socket leads to: the service, or the proxy.
    pub(crate) fn first_hop(&self) -> (&Endpoint, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.endpoint(), proxy.port()),
            None => (&self.endpoint, self.port()),
        }
    }

    /// An error on the way to the first hop. With a proxy it is the proxy's.
    pub(crate) fn on_first_hop(&self, error: Error) -> Error {
        if self.proxy.is_some() { error.at_stage(Stage::Proxy) } else { error }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.session.is_some() || self.away.is_some()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn clock(&self) -> SystemClock {
        self.clock
    }

    /// Takes over, for a new connection, what was set since the last one.
    pub(crate) fn adopt_settings(&mut self) {
        if let Some(anchors) = self.next_anchors.take() {
            self.trust_anchors = anchors;
            self.link_settings = None;
        }
        if let Some(proxy) = self.next_proxy.take() {
            self.proxy = proxy;
            self.link_settings = None;
            // It may look up another host.
            self.preparation = None;
        }
    }

    /// Whether the next link needs the system's anchors.
    pub(crate) fn wants_system_anchors(&self) -> bool {
        let of_proxy = self.proxy.as_ref().and_then(Proxy::own_trust_anchors);
        self.link_settings.is_none()
            && [Some(&self.trust_anchors), of_proxy]
                .into_iter()
                .flatten()
                .any(TrustAnchors::uses_system)
    }

    /// The link of a new connection.
    pub(crate) fn link(&mut self, now: Now, system: Option<&SystemAnchors>) -> Result<Link, Error> {
        let port = self.port();
        let settings = match self.link_settings.take() {
            Some(settings) => settings,
            None => self.new_link_settings(now, system)?,
        };
        self.link_settings.insert(settings).link(now, &self.endpoint, port)
    }

    /// The outcome, with what is known here about a refusal.
    pub(crate) fn explained(&self, result: Result<Assignment, Error>) -> Result<Assignment, Error> {
        let id = &self.identity.registration_id;
        let (name, issuer) = (self.common_name.as_ref(), self.missing_issuer.as_deref());
        result.map_err(|error| signing::explained(error, id, name, issuer))
    }

    fn new_link_settings(
        &mut self,
        now: Now,
        system: Option<&SystemAnchors>,
    ) -> Result<LinkSettings, Error> {
        let mut options = TlsOptions::default();
        options.versions = self.tls_versions;
        options.revoked_pins = self.revoked_pins.clone();
        let proxy = match &self.proxy {
            None => None,
            Some(proxy) => {
                let anchors = proxy.own_trust_anchors().unwrap_or(&self.trust_anchors);
                let tls = TlsSettings::with_options(anchors, system, &options)
                    .map_err(|error| error.at_stage(Stage::Proxy))?;
                Some((proxy.clone(), tls))
            }
        };
        if let Some((identity, name)) = self.module.client_identity(now)? {
            self.missing_issuer = identity.missing_issuer().map(str::to_owned);
            self.common_name = name;
            options.client_identity = Some(identity);
        }
        let tls = TlsSettings::with_options(&self.trust_anchors, system, &options)?;
        let mut settings = LinkSettings::new(tls);
        if let Some((proxy, tls)) = proxy {
            settings = settings.proxy(proxy, tls);
        }
        if let Some(protocol) = self.transport.web_socket() {
            settings = settings.web_socket(protocol);
        }
        Ok(settings)
    }

    fn prepare(&mut self, session: &mut Session, now: Now) {
        session.reached(now, Stage::Resolve);
        self.wire = Wire::Preparing;
        self.adopt_settings();
        let system = self.wants_system_anchors();
        if self.preparation.as_ref().is_none_or(|running| !running.is_ours()) {
            let (endpoint, port) = self.first_hop();
            let done = self.sleeper.interrupter();
            self.preparation = Some(Preparation::start(endpoint, port, system, done));
        }
    }

    /// The registration has ended: gives back what only a running one needs. The session cache
    /// of TLS goes too; registrations are far apart.
    pub(crate) fn rest(&mut self) {
        self.wire = Wire::Closed;
        self.asked = None;
        self.away = None;
        self.link_settings = None;
        self.buffer = Vec::new();
        self.ready = false;
        self.sleeper.release();
    }

    fn disconnect(&mut self, farewell: &[u8]) {
        if let Wire::Open(open) = &mut self.wire {
            open.unsent.extend_from_slice(farewell);
            // The connection is given up whether or not this works.
            let _ = open.flush();
        }
        self.wire = Wire::Closed;
    }

    /// Moves the connection on.
    fn move_wire(&mut self, session: &mut Session, now: Now) -> Moved {
        match &mut self.wire {
            Wire::Closed => Moved::Nothing,
            Wire::Preparing if self.preparation.as_ref().is_some_and(|p| !p.is_ours()) => {
                self.prepare(session, now);
                Moved::Something
            }
            Wire::Preparing => match self.preparation.as_mut().and_then(Preparation::poll) {
                None => Moved::Nothing,
                Some(result) => {
                    self.preparation = None;
                    match result {
                        Ok(prepared) => self.connect(session, now, prepared),
                        Err(error) => {
                            let error = self.on_first_hop(error);
                            self.give_up(session, now, error)
                        }
                    }
                }
            },
            Wire::Connecting(connector) => match connector.poll(now) {
                Step::Pending => Moved::Nothing,
                Step::NextAddress => {
                    session.reached(now, Stage::Connect);
                    Moved::Something
                }
                Step::Open(stream, registered) => match self.link(now, None) {
                    Ok(link) => {
                        self.wire = Wire::Open(OpenWire::new(*stream, registered));
                        session.opened(now, link);
                        Moved::Something
                    }
                    Err(error) => self.give_up(session, now, error),
                },
                Step::Failed(error) => {
                    let error = self.on_first_hop(error);
                    self.give_up(session, now, error)
                }
            },
            Wire::Open(open) => {
                session.transmit(now, &mut open.unsent);
                self.buffer.resize(READ_SIZE, 0);
                // Reading goes on when writing fails: the reason may have arrived.
                let written = open.flush();
                match open.read(&mut self.buffer) {
                    Ok(Received::Bytes(count))
                        if session.is_handshaking() && self.module.has_slow_key() =>
                    {
                        Moved::Handshake(self.buffer.get(..count).unwrap_or_default().to_vec())
                    }
                    Ok(Received::Bytes(count)) => {
                        session.receive(now, self.buffer.get(..count).unwrap_or_default());
                        session.transmit(now, &mut open.unsent);
                        Moved::Something
                    }
                    Ok(Received::End) => {
                        session.closed(now, None);
                        self.wire = Wire::Closed;
                        Moved::Something
                    }
                    Ok(Received::Nothing) => match written {
                        Ok(()) => Moved::Nothing,
                        Err(error) => {
                            session.closed(now, Some(error));
                            Moved::Something
                        }
                    },
                    Err(error) => {
                        session.closed(now, Some(error));
                        Moved::Something
                    }
                }
            }
        }
    }

    fn connect(&mut self, session: &mut Session, now: Now, prepared: Prepared) -> Moved {
        if self.wants_system_anchors() && prepared.anchors.is_none() {
            // The look-up was started for other settings.
            self.prepare(session, now);
            return Moved::Something;
        }
        // TLS settings first: there is no point in a connection that nobody may vouch for.
        if let Err(error) = self.link(now, prepared.anchors.as_ref()) {
            return self.give_up(session, now, error);
        }
        session.reached(now, Stage::Connect);
        self.wire = Wire::Connecting(Connector::new(prepared.addresses));
        Moved::Something
    }

    fn give_up(&mut self, session: &mut Session, now: Now, error: Error) -> Moved {
        self.wire = Wire::Closed;
        session.connect_failed(now, error);
        Moved::Something
    }
}

/// What became of moving the connection on.
enum Moved {
    Nothing,
    Something,
    /// These bytes have arrived, for a handshake in which a slow key may have to sign.
    Handshake(Vec<u8>),
}

pub(crate) fn already_running() -> Error {
    Error::new(Stage::Config, ErrorKind::InvalidConfig)
        .with_detail("a registration is already running")
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
