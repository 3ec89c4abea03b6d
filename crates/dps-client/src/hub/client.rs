//! Drives a session with the system's sockets and clocks.

use super::builder::HubBuilder;
use super::inbox::Inbox;
use super::link::{self, Route};
use super::session::HubSession;
use crate::clock::SystemClock;
use crate::connector::{Connector, Step};
use crate::preparation::{Preparation, Prepared};
use crate::signing;
use crate::wake::{Interrupter, Sleeper};
use crate::wire::{OpenWire, Received, Wire};
use core::fmt;
use core::time::Duration;
use dps_core::sas::{UnsignedToken, hub_resource};
use dps_core::{Assignment, Attestation, Credentials, Error, ErrorKind, Hsm, Now, Stage};
use dps_hub_mqtt::{DesiredUpdate, Event, HubOpening, Message, Request, RequestId};
use dps_transport::LinkSettings;
use serde_json::Value;

/// Bytes read from the socket at a time: one TLS record.
const READ_SIZE: usize = 16 * 1024;
/// Reads in one call of `poll`, so that a flood cannot keep the caller.
const PASSES_PER_POLL: usize = 64;

/// What [`HubClient::poll`] found.
#[derive(Debug)]
#[non_exhaustive]
pub enum HubProgress {
    /// There is no connection; [`start`](HubClient::start) begins one.
    Idle,
    /// Nothing more can be done now.
    Pending,
    /// Something happened; call `poll` again.
    Event(Event),
    /// The connection is over.
    Ended(Error),
}

/// What the hub has for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// A message.
    Message(Message),
    /// New desired properties.
    Desired(DesiredUpdate),
}

/// A device's twin, as its device sees it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Twin {
    /// What the device is to be like, with `$version`.
    pub desired: Value,
    /// What it has said it is like, with `$version`.
    pub reported: Value,
}

impl Twin {
    fn from_json(body: &[u8]) -> Option<Self> {
        let mut document: Value = serde_json::from_slice(body).ok()?;
        let mut side = |name| document.get_mut(name).map(Value::take).filter(Value::is_object);
        Some(Self { desired: side("desired")?, reported: side("reported")? })
    }
}

impl fmt::Debug for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Properties may be confidential.
        let version = |side: &Value| side.get("$version").and_then(Value::as_u64);
        f.debug_struct("Twin")
            .field("desired_version", &version(&self.desired))
            .field("reported_version", &version(&self.reported))
            .finish_non_exhaustive()
    }
}

/// A device's connection to its hub. One after the other, any number of times.
///
/// The methods that block end within the builder's time-outs, with an error if need be; after an
/// error of a connection, [`connect`](Self::connect) begins a new one. Dropping it closes the
/// connection.
pub struct HubClient {
    settings: HubBuilder,
    route: Route,
    hsm: Box<dyn Hsm>,
    link_settings: Option<LinkSettings>,
    clock: SystemClock,
    session: Option<HubSession>,
    wire: Wire,
    preparation: Option<Preparation>,
    sleeper: Sleeper,
    buffer: Vec<u8>,
    inbox: Inbox,
    ready: bool,
}

impl HubClient {
    /// A client of the device `device_id` of the hub with this host name.
    pub fn builder(hub: impl Into<String>, device_id: impl Into<String>) -> HubBuilder {
        HubBuilder::new(hub.into(), device_id.into())
    }

    /// A client of the hub that a registration gave.
    pub fn of(assignment: &Assignment) -> HubBuilder {
        Self::builder(assignment.hub.as_str(), assignment.device_id.as_str())
    }

    pub(super) fn new(
        mut settings: HubBuilder,
        hub: dps_transport::Endpoint,
        hsm: Box<dyn Hsm>,
    ) -> Self {
        let connect_to = settings.connect_to.take();
        let transport = settings.transport;
        Self {
            settings,
            route: Route { hub, connect_to, transport },
            hsm,
            link_settings: None,
            clock: SystemClock::new(),
            session: None,
            wire: Wire::Closed,
            preparation: None,
            sleeper: Sleeper::default(),
            buffer: Vec::new(),
            inbox: Inbox::default(),
            ready: false,
        }
    }

    /// Begins a connection: the security module signs. Nothing blocks but that, and nothing is
    /// sent before the first [`poll`](Self::poll).
    ///
    /// # Errors
    ///
    /// Stage config: there is a connection already. Stage hsm: the module did not sign.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.session.is_some() {
            return Err(Error::new(Stage::Config, ErrorKind::InvalidConfig)
                .with_detail("there is a connection already"));
        }
        let now = self.clock.now();
        let opening = HubOpening {
            hub: self.route.hub.host().to_owned(),
            device_id: self.settings.device_id.clone(),
            credentials: self.credentials(now)?,
        };
        let (connect, request) = (self.settings.connect_timeout, self.settings.request_timeout);
        self.session = Some(HubSession::new(opening, connect, request, now));
        self.inbox.clear();
        // Made anew, so that a certificate is looked at with the time of this connection.
        self.link_settings = None;
        self.prepare();
        self.ready = true;
        Ok(())
    }

    fn credentials(&mut self, now: Now) -> Result<Credentials, Error> {
        match self.hsm.attestation() {
            Attestation::X509 => Ok(Credentials::ClientCertificate),
            // A TPM signs with the key that the registration gave it.
            _ => {
                let resource = hub_resource(self.route.hub.host(), &self.settings.device_id);
                let expiry =
                    now.unix_seconds.saturating_add(self.settings.token_lifetime.as_secs());
                let token = UnsignedToken::new(resource, expiry);
                let mac = signing::sign(self.hsm.as_mut(), &token.string_to_sign())?;
                Ok(Credentials::SasToken(token.finish(&mac)))
            }
        }
    }

    /// Does all that can be done without waiting. Call it again at once after an event, and a
    /// little later, or after [`wait`](Self::wait), after [`HubProgress::Pending`].
    pub fn poll(&mut self) -> HubProgress {
        let now = self.clock.now();
        let Some(mut session) = self.session.take() else { return HubProgress::Idle };
        let mut passes = 0;
        let mut timed = false;
        loop {
            if let Some(event) = session.poll_event() {
                self.session = Some(session);
                self.ready = true;
                return HubProgress::Event(event);
            }
            if let Some(error) = session.take_end() {
                self.hang_up(&mut session, now);
                return HubProgress::Ended(error);
            }
            let moved = passes < PASSES_PER_POLL && self.move_wire(&mut session, now);
            passes += 1;
            if moved || session.has_output() {
                continue;
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
        HubProgress::Pending
    }

    /// Sleeps until `poll` has something to do, or for `at_most`, or until
    /// [interrupted](Self::interrupter).
    pub fn wait(&mut self, at_most: Duration) {
        if self.ready || self.session.as_ref().is_some_and(HubSession::has_output) {
            return;
        }
        let now = self.clock.now();
        let due = self.session.as_ref().and_then(HubSession::next_timeout);
        let (connector_due, socket) = match &mut self.wire {
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

    /// Makes a request, whose answer [`poll`](Self::poll) will tell.
    ///
    /// # Errors
    ///
    /// Stage hub: it is too large, or there is no connection.
    pub fn request(&mut self, request: &Request) -> Result<RequestId, Error> {
        let now = self.clock.now();
        let session = self.session.as_mut().filter(|session| session.is_connected());
        let id = session.ok_or_else(not_connected)?.request(now, request)?;
        self.ready = true;
        Ok(id)
    }

    /// Connects, and blocks until the hub has let the device in.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the hub's own refusals have the stage hub.
    pub fn connect(&mut self) -> Result<(), Error> {
        self.start()?;
        self.until(|event| matches!(event, Event::Connected).then_some(()))
    }

    /// Sends telemetry, and blocks until the hub has it.
    ///
    /// # Errors
    ///
    /// Any [`Error`]. After one of the connection it is not known whether the hub has it.
    pub fn send(&mut self, message: &Message) -> Result<(), Error> {
        let id = self.request(&Request::Telemetry(message.clone()))?;
        self.until(|event| match event {
            Event::Acknowledged { request } => (*request == id).then_some(()),
            _ => None,
        })
    }

    /// Gets the twin.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`ErrorKind::MalformedReply`] when it is not what it should be.
    pub fn twin(&mut self) -> Result<Twin, Error> {
        let (_, body) = self.answer(&Request::GetTwin)?;
        Twin::from_json(&body).ok_or_else(|| Error::new(Stage::Hub, ErrorKind::MalformedReply))
    }

    /// Merges `patch`, a JSON object in which `null` deletes, into the reported properties. Gives
    /// their version, if the hub says.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`ErrorKind::Service`] when the hub refuses the patch.
    pub fn report(&mut self, patch: impl Into<String>) -> Result<Option<u64>, Error> {
        let (version, _) = self.answer(&Request::Report(patch.into()))?;
        Ok(version)
    }

    /// Waits for the next message or desired properties, for `at_most`; `None` when nothing came.
    ///
    /// # Errors
    ///
    /// Any [`Error`] of the connection.
    pub fn receive(&mut self, at_most: Duration) -> Result<Option<Incoming>, Error> {
        let until = self.clock.now().at + at_most;
        loop {
            if let Some(incoming) = self.inbox.pop() {
                return Ok(Some(incoming));
            }
            match self.poll() {
                HubProgress::Event(event) => self.keep(event),
                HubProgress::Ended(error) => return Err(error),
                HubProgress::Idle => return Err(not_connected()),
                HubProgress::Pending => {
                    let now = self.clock.now().at;
                    if now >= until {
                        return Ok(None);
                    }
                    self.wait(until.since(now));
                }
            }
        }
    }

    /// Ends the connection, saying goodbye if that can be done without waiting.
    pub fn disconnect(&mut self) {
        if let Some(mut session) = self.session.take() {
            let now = self.clock.now();
            self.hang_up(&mut session, now);
        }
    }

    fn answer(&mut self, request: &Request) -> Result<(Option<u64>, Vec<u8>), Error> {
        let id = self.request(request)?;
        let (status, version, body) = self.until(|event| match event {
            Event::Answered { request, status, version, body } if *request == id => {
                Some((*status, *version, std::mem::take(body)))
            }
            _ => None,
        })?;
        match status {
            200..=299 => Ok((version, body)),
            429 | 500.. => Err(Error::new(Stage::Hub, ErrorKind::Unavailable { status })),
            _ => Err(Error::new(Stage::Hub, ErrorKind::Service { status })),
        }
    }

    /// Blocks until `wanted` finds what it looks for. Messages on the way are kept.
    fn until<T>(&mut self, mut wanted: impl FnMut(&mut Event) -> Option<T>) -> Result<T, Error> {
        loop {
            match self.poll() {
                HubProgress::Event(mut event) => match wanted(&mut event) {
                    Some(found) => return Ok(found),
                    None => self.keep(event),
                },
                HubProgress::Ended(error) => return Err(error),
                HubProgress::Idle => return Err(not_connected()),
                HubProgress::Pending => self.wait(Duration::from_secs(3600)),
            }
        }
    }

    fn keep(&mut self, event: Event) {
        let incoming = match event {
            Event::Message(message) => Incoming::Message(message),
            Event::Desired(update) => Incoming::Desired(update),
            _ => return,
        };
        self.inbox.push(incoming);
    }

    fn hang_up(&mut self, session: &mut HubSession, now: Now) {
        let farewell = session.close(now);
        if let Wire::Open(open) = &mut self.wire {
            open.unsent.extend_from_slice(&farewell);
            // The connection is given up whether or not this works.
            let _ = open.flush();
        }
        self.wire = Wire::Closed;
        self.link_settings = None;
        self.buffer = Vec::new();
        self.ready = false;
        self.sleeper.release();
    }

    fn prepare(&mut self) {
        self.wire = Wire::Preparing;
        if self.preparation.as_ref().is_none_or(|running| !running.is_ours()) {
            let system = link::wants_system_anchors(&self.settings);
            let (endpoint, port) = self.route.first_hop(self.settings.proxy.as_ref());
            let done = self.sleeper.interrupter();
            self.preparation = Some(Preparation::start(endpoint, port, system, done));
        }
    }

    fn connect_to(&mut self, session: &mut HubSession, now: Now, prepared: Prepared) {
        let anchors = prepared.anchors.as_ref();
        let made = link::settings(&self.settings, &self.route, self.hsm.as_mut(), now, anchors);
        match made {
            Ok(settings) => {
                self.link_settings = Some(settings);
                session.reached(Stage::Connect);
                self.wire = Wire::Connecting(Connector::new(prepared.addresses));
            }
            Err(error) => self.give_up(session, error),
        }
    }

    fn give_up(&mut self, session: &mut HubSession, error: Error) {
        self.wire = Wire::Closed;
        session.lost(error);
    }

    /// An error on the way to the first hop. With a proxy it is the proxy's.
    fn on_first_hop(&self, error: Error) -> Error {
        if self.settings.proxy.is_some() { error.at_stage(Stage::Proxy) } else { error }
    }

    /// Moves the connection on. Whether anything happened.
    fn move_wire(&mut self, session: &mut HubSession, now: Now) -> bool {
        match &mut self.wire {
            Wire::Closed => false,
            Wire::Preparing if self.preparation.as_ref().is_some_and(|p| !p.is_ours()) => {
                self.prepare();
                true
            }
            Wire::Preparing => {
                let Some(result) = self.preparation.as_mut().and_then(Preparation::poll) else {
                    return false;
                };
                self.preparation = None;
                match result {
                    Ok(prepared) => self.connect_to(session, now, prepared),
                    Err(error) => {
                        let error = self.on_first_hop(error);
                        self.give_up(session, error);
                    }
                }
                true
            }
            Wire::Connecting(connector) => {
                match connector.poll(now) {
                    Step::Pending => return false,
                    Step::NextAddress => {}
                    Step::Open(stream, registered) => {
                        let settings = self.link_settings.as_ref();
                        match settings.map(|settings| self.route.link(settings, now)) {
                            Some(Ok(link)) => {
                                self.wire = Wire::Open(OpenWire::new(*stream, registered));
                                session.opened(now, link);
                            }
                            Some(Err(error)) => self.give_up(session, error),
                            None => self.prepare(),
                        }
                    }
                    Step::Failed(error) => {
                        let error = self.on_first_hop(error);
                        self.give_up(session, error);
                    }
                }
                true
            }
            Wire::Open(open) => {
                session.transmit(now, &mut open.unsent);
                self.buffer.resize(READ_SIZE, 0);
                // Reading goes on when writing fails: the reason may have arrived.
                let written = open.flush();
                match open.read(&mut self.buffer) {
                    Ok(Received::Bytes(count)) => {
                        session.receive(now, self.buffer.get(..count).unwrap_or_default());
                        session.transmit(now, &mut open.unsent);
                        true
                    }
                    Ok(Received::End) => {
                        let lost = Error::new(Stage::Hub, ErrorKind::ConnectionLost)
                            .with_detail("the server closed the connection");
                        self.give_up(session, lost);
                        true
                    }
                    Ok(Received::Nothing) => match written {
                        Ok(()) => false,
                        Err(error) => {
                            self.give_up(session, error);
                            true
                        }
                    },
                    Err(error) => {
                        self.give_up(session, error);
                        true
                    }
                }
            }
        }
    }
}

fn not_connected() -> Error {
    Error::new(Stage::Hub, ErrorKind::ConnectionLost)
        .with_detail("the device is not connected to its hub")
}

impl Drop for HubClient {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl fmt::Debug for HubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClient")
            .field("hub", &self.route.hub)
            .field("device_id", &self.settings.device_id)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
