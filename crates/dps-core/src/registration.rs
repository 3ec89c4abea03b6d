//! The registration state machine (`c-abi.md` section 3; `wire-protocol.md` sections 2.5, 3.3
//! and 6.4).
//!
//! It is told what happened ([`Event`]) and says what to do ([`Action`]). It alone decides about
//! polling, retry-after, back-off, re-connecting and the deadline, and it ends exactly once.

mod reply;
#[cfg(test)]
mod tests;
mod tpm;
#[cfg(test)]
mod tpm_tests;

use crate::sas::{SasToken, UnsignedToken, registration_resource};
use crate::wire::DeviceRegistration;
use crate::{
    ActivationBlob, Assignment, Attestation, Challenge, Credentials, Error, ErrorKind, HsmError,
    Identity, Mac, Now, Opening, Policy, RETRY_AFTER_MIN, RandomSource, Reply, Request, Stage,
    Timestamp, TpmKeys,
};
use core::fmt;
use core::time::Duration;
use reply::Verdict;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// What to register, and how patiently.
#[derive(Clone)]
pub struct RegistrationConfig {
    /// Who registers, and where.
    pub identity: Identity,
    /// The kind of proof the security module gives.
    pub attestation: Attestation,
    /// Any JSON to send along; kept byte for byte.
    pub payload: Option<Box<RawValue>>,
    /// Time-outs and retries.
    pub policy: Policy,
}

impl fmt::Debug for RegistrationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload is the application's own and may be confidential.
        f.debug_struct("RegistrationConfig")
            .field("identity", &self.identity)
            .field("attestation", &self.attestation)
            .field("payload_bytes", &self.payload.as_ref().map(|payload| payload.get().len()))
            .field("policy", &self.policy)
            .finish()
    }
}

/// Good news on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The service accepted the connection. Told once.
    Connected,
    /// The service is working on the assignment. Told once for each such reply.
    Assigning,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The answer to [`Action::Sign`].
    Signed(Result<Mac, HsmError>),
    /// The answer to [`Action::ReadTpmKeys`].
    TpmKeys(Result<TpmKeys, HsmError>),
    /// The answer to [`Action::Activate`].
    Activated(Result<(), HsmError>),
    /// The connection attempt has reached this stage.
    Reached(Stage),
    /// The engine reports that the service accepted the connection.
    Connected,
    /// The engine received a challenge.
    Challenge(Challenge),
    /// The engine received a reply.
    Reply(Reply),
    /// The service has said that it closes the connection now, and the driver has closed it.
    Closed,
    /// The connection failed or ended. Also the answer to an [`Action::Connect`] that could not
    /// be carried out.
    Lost(Error),
}

/// What to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Let the security module sign this text; answer with [`Event::Signed`].
    Sign(String),
    /// Let the TPM show its public keys; answer with [`Event::TpmKeys`].
    ReadTpmKeys,
    /// Let the TPM take this key, with which it signs from now on; answer with
    /// [`Event::Activated`].
    Activate(ActivationBlob),
    /// Open a new connection and start the engine on it.
    Connect(Opening),
    /// Present this on the open connection, as the answer to a challenge.
    Authenticate(SasToken),
    /// Send this on the open connection.
    Send(Request),
    /// Close the connection, politely if it still works.
    Disconnect,
    /// Tell the application.
    Notify(Status),
    /// The end. Nothing follows.
    Finish(Box<Result<Assignment, Error>>),
}

#[derive(Debug)]
enum State {
    /// Waits for the signature of a token: of a new connection, or of one that is challenged.
    Signing(UnsignedToken),
    /// Waits for the TPM's public keys.
    ReadingTpmKeys,
    /// Waits for the TPM to take the key of a challenge, which has this name.
    Activating { key_name: String },
    /// Waits for the TPM to take the hub's key.
    ActivatingHubKey(Box<Assignment>),
    /// Opens a connection.
    Connecting,
    /// A request is on its way.
    Awaiting,
    /// Pauses between two requests, with or without a connection.
    Pausing { until: Timestamp, connected: bool },
    /// Pauses before a new connection.
    BackingOff { until: Timestamp },
    /// Has ended.
    Done,
}

/// One registration, from the first connection to its one outcome.
pub struct Registration {
    config: RegistrationConfig,
    random: Box<dyn RandomSource>,
    state: State,
    /// Whether a connection has been asked for and not yet been given up.
    open: bool,
    actions: VecDeque<Action>,
    stage: Stage,
    started: Timestamp,
    /// Start of the phase that [`Policy::request_timeout`] limits; none while pausing at the
    /// service's wish.
    phase_started: Option<Timestamp>,
    /// When something last moved forward.
    progress: Timestamp,
    connections: u32,
    /// Lost connections since the last good reply.
    losses: u32,
    /// "Too many requests" and server errors since the last good reply.
    refusals: u32,
    notified_connected: bool,
    operation_id: Option<String>,
    polls: u32,
    /// No new request before this time, at the service's wish.
    not_before: Timestamp,
    last_error: Option<Error>,
    tpm: tpm::Tpm,
}

impl Registration {
    /// Starts a registration at `now`. Its first actions are ready to be taken.
    pub fn new(config: RegistrationConfig, random: Box<dyn RandomSource>, now: Now) -> Self {
        let mut registration = Self {
            config,
            random,
            state: State::Connecting,
            open: false,
            actions: VecDeque::new(),
            stage: Stage::Hsm,
            started: now.at,
            phase_started: Some(now.at),
            progress: now.at,
            connections: 0,
            losses: 0,
            refusals: 0,
            notified_connected: false,
            operation_id: None,
            polls: 0,
            not_before: now.at,
            last_error: None,
            tpm: tpm::Tpm::default(),
        };
        registration.connect(now);
        registration
    }

    /// The next thing to do, oldest first.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called. `None` once it has ended,
    /// or when only an event can move it.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let policy = &self.config.policy;
        let due = match self.state {
            State::Done => return None,
            State::Pausing { until, .. } | State::BackingOff { until } => Some(until),
            State::Connecting | State::Awaiting => Some(self.progress + policy.silence),
            // The module takes as long as it takes.
            State::Signing(_)
            | State::ReadingTpmKeys
            | State::Activating { .. }
            | State::ActivatingHubKey(_) => None,
        };
        [due, self.deadline(), self.phase_deadline()].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        if matches!(self.state, State::Done) {
            return;
        }
        let policy = &self.config.policy;
        if let (Some(at), Some(limit)) = (self.deadline(), policy.deadline)
            && now.at >= at
        {
            return self.run_out(limit);
        }
        if let (Some(at), Some(limit)) = (self.phase_deadline(), policy.request_timeout)
            && now.at >= at
        {
            return self.run_out(limit);
        }
        match self.state {
            State::Pausing { until, connected: true } if now.at >= until => self.send(now),
            State::Pausing { until, .. } | State::BackingOff { until } if now.at >= until => {
                self.connect(now);
            }
            State::Connecting | State::Awaiting if now.at >= self.progress + policy.silence => {
                let after = policy.silence;
                let error = Error::new(self.stage, ErrorKind::Silent { after })
                    .with_detail(format!("waited for {}", self.stage.awaited()));
                self.disconnect();
                self.lost(now, error);
            }
            _ => {}
        }
    }

    /// Takes note of `event`. Events that no longer matter are ignored.
    pub fn handle(&mut self, now: Now, event: Event) {
        match (event, &self.state) {
            (_, State::Done) => {}
            (Event::Signed(result), State::Signing(_)) => self.signed(now, result),
            (Event::TpmKeys(result), State::ReadingTpmKeys) => self.tpm_keys_read(now, result),
            (Event::Activated(result), State::Activating { .. } | State::ActivatingHubKey(_)) => {
                self.activated(now, result);
            }
            (Event::Reached(stage), State::Connecting) => {
                self.stage = stage;
                self.progress = now.at;
            }
            (Event::Connected, State::Connecting) => self.connected(now),
            (Event::Challenge(challenge), State::Connecting) => {
                self.challenged(now, challenge, false)
            }
            // While the module is at work on a challenge, the connection goes on, or does not.
            (Event::Lost(error), State::Activating { .. } | State::Signing(_)) => {
                self.challenge_lost(error);
            }
            (Event::Closed, State::Activating { .. } | State::Signing(_)) => {
                self.challenge_closed();
            }
            // Some protocols refuse the connection itself with a reply.
            (Event::Reply(reply), State::Connecting | State::Awaiting) => self.reply(now, &reply),
            (Event::Lost(error), State::Connecting | State::Awaiting) => {
                self.open = false;
                self.lost(now, error);
            }
            (Event::Lost(error), &State::Pausing { until, connected: true }) => {
                // Nothing was asked, so nothing is lost: connect again when the pause is over, if
                // that is still allowed.
                self.open = false;
                if self.is_exhausted() {
                    // What the service said last says more than that it then went away.
                    let said = self.last_error.take();
                    return self.finish(Err(said.unwrap_or(error)));
                }
                self.state = State::Pausing { until, connected: false };
            }
            (Event::Closed, &State::Pausing { until, connected: true }) => {
                // The service's way of ending an exchange, so none of the connections that may
                // fail.
                self.open = false;
                self.connections = self.connections.saturating_sub(1);
                self.state = State::Pausing { until, connected: false };
            }
            _ => {}
        }
    }

    /// Changes [`Policy::request_timeout`] from now on.
    pub fn set_request_timeout(&mut self, limit: Option<Duration>) {
        self.config.policy.request_timeout = limit;
    }

    /// Changes what is sent along, from the next request on that carries it.
    pub fn set_payload(&mut self, payload: Option<Box<RawValue>>) {
        self.config.payload = payload;
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// When [`Policy::deadline`] ends it, and that limit; `None` without one.
    pub fn ends(&self) -> Option<(Timestamp, Duration)> {
        self.deadline().zip(self.config.policy.deadline)
    }

    /// Since when [`Policy::request_timeout`] counts; `None` while it does not.
    pub fn request_started(&self) -> Option<Timestamp> {
        self.phase_started
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.config.policy.deadline.map(|limit| self.started + limit)
    }

    fn phase_deadline(&self) -> Option<Timestamp> {
        Some(self.phase_started? + self.config.policy.request_timeout?)
    }

    fn connect(&mut self, now: Now) {
        self.connections = self.connections.saturating_add(1);
        self.stage = Stage::Hsm;
        self.progress = now.at;
        self.phase_started.get_or_insert(now.at);
        match self.config.attestation {
            Attestation::SymmetricKey => self.sign(now, Challenge::KEY_NAME),
            // The proof is given in the TLS handshake.
            Attestation::X509 => self.open(now, Credentials::ClientCertificate),
            Attestation::Tpm => self.connect_tpm(now),
        }
    }

    /// Has a token signed that names its key so.
    fn sign(&mut self, now: Now, key_name: &str) {
        let identity = &self.config.identity;
        let resource = registration_resource(&identity.id_scope, &identity.registration_id);
        let expiry = now.unix_seconds.saturating_add(self.config.policy.token_lifetime.as_secs());
        let token = UnsignedToken::new(resource, expiry).key_name(key_name);
        self.actions.push_back(Action::Sign(token.string_to_sign()));
        self.state = State::Signing(token);
    }

    fn signed(&mut self, now: Now, result: Result<Mac, HsmError>) {
        let State::Signing(token) = core::mem::replace(&mut self.state, State::Connecting) else {
            return;
        };
        match result {
            Ok(mac) if self.config.attestation == Attestation::Tpm => {
                self.answer_challenge(now, token.finish(&mac));
            }
            Ok(mac) => self.open(now, Credentials::SasToken(token.finish(&mac))),
            Err(error) => self.finish(Err(error.into())),
        }
    }

    fn open(&mut self, now: Now, credentials: Credentials) {
        self.state = State::Connecting;
        self.stage = Stage::Resolve;
        self.progress = now.at;
        let opening = Opening {
            identity: self.config.identity.clone(),
            credentials,
            request: self.request(),
        };
        self.open = true;
        self.actions.push_back(Action::Connect(opening));
    }

    /// The request that is due: a poll once the service has named an operation.
    fn request(&self) -> Request {
        match &self.operation_id {
            Some(id) => Request::Poll { operation_id: id.clone() },
            None => {
                let registration_id = self.config.identity.registration_id.as_str().to_owned();
                let body = DeviceRegistration {
                    registration_id: Some(registration_id),
                    tpm: self.tpm.attestation(),
                    payload: self.config.payload.clone(),
                };
                // Text and checked JSON always serialize.
                Request::Register { body: serde_json::to_string(&body).unwrap_or_default() }
            }
        }
    }

    fn request_stage(&self) -> Stage {
        if self.operation_id.is_some() { Stage::Poll } else { Stage::Register }
    }

    fn connected(&mut self, now: Now) {
        self.tpm.connected(self.connections);
        if !self.notified_connected {
            self.notified_connected = true;
            self.phase_started = Some(now.at);
            self.actions.push_back(Action::Notify(Status::Connected));
        }
        self.awaiting(now);
    }

    fn awaiting(&mut self, now: Now) {
        self.state = State::Awaiting;
        self.stage = self.request_stage();
        self.progress = now.at;
    }

    fn send(&mut self, now: Now) {
        let request = self.request();
        self.phase_started.get_or_insert(now.at);
        self.actions.push_back(Action::Send(request));
        self.awaiting(now);
    }

    fn reply(&mut self, now: Now, reply: &Reply) {
        match reply::judge(self.stage, &self.config, reply) {
            Verdict::Assigned(assignment, None) => self.finish(Ok(*assignment)),
            Verdict::Assigned(assignment, Some(key)) => self.take_hub_key(assignment, key),
            Verdict::Challenged(challenge) => self.challenged(now, challenge, true),
            Verdict::Refused(error) => self.finish(Err(error)),
            Verdict::Assigning { operation_id } => {
                self.operation_id = Some(operation_id);
                self.polls = self.polls.saturating_add(1);
                self.losses = 0;
                self.refusals = 0;
                self.last_error = None;
                self.tpm.accepted();
                self.phase_started = None;
                self.stage = Stage::Poll;
                self.actions.push_back(Action::Notify(Status::Assigning));
                let pause = reply.retry_after.unwrap_or(self.config.policy.poll_interval);
                self.pause(now, pause);
            }
            Verdict::Unavailable(error) => {
                let jitter = self.config.policy.backoff(self.refusals, self.random.as_mut());
                self.refusals = self.refusals.saturating_add(1);
                self.tpm.put_off();
                self.last_error = Some(error);
                let pause = reply.retry_after.unwrap_or(RETRY_AFTER_MIN) + jitter;
                self.pause(now, pause);
            }
        }
    }

    fn pause(&mut self, now: Now, pause: Duration) {
        self.not_before = now.at + pause;
        self.state = State::Pausing { until: self.not_before, connected: true };
    }

    fn lost(&mut self, now: Now, error: Error) {
        if self.is_exhausted() || !error.is_transient() {
            return self.finish(Err(error));
        }
        let pause = self.config.policy.backoff(self.losses, self.random.as_mut());
        if let Some(asked) = error.retry_after() {
            // Not all who were sent away come back at the same moment.
            self.not_before = self.not_before.max(now.at + asked + pause);
        }
        self.losses = self.losses.saturating_add(1);
        self.last_error = Some(error);
        let until = (now.at + pause).max(self.not_before);
        self.state = State::BackingOff { until };
    }

    fn is_exhausted(&self) -> bool {
        self.config.policy.max_connections.is_some_and(|most| self.connections >= most)
    }

    fn run_out(&mut self, limit: Duration) {
        let during = match self.state {
            State::Signing(_)
            | State::ReadingTpmKeys
            | State::Activating { .. }
            | State::ActivatingHubKey(_) => Stage::Hsm,
            _ => self.stage,
        };
        let mut error = Error::new(Stage::Deadline, ErrorKind::DeadlineExceeded { during, limit });
        if self.polls > 0 {
            let times =
                if self.polls == 1 { "once".into() } else { format!("{} times", self.polls) };
            error = error.with_detail(format!("the service answered \"assigning\" {times}"));
        }
        if let Some(last) = self.last_error.take() {
            error = error.with_source(last);
        }
        self.finish(Err(error));
    }

    fn disconnect(&mut self) {
        if core::mem::take(&mut self.open) {
            self.actions.push_back(Action::Disconnect);
        }
    }

    fn finish(&mut self, result: Result<Assignment, Error>) {
        self.disconnect();
        self.state = State::Done;
        let result = result.map_err(|error| error.with_attestation(self.config.attestation));
        self.actions.push_back(Action::Finish(Box::new(result)));
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("identity", &self.config.identity)
            .field("state", &self.state)
            .field("stage", &self.stage)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
