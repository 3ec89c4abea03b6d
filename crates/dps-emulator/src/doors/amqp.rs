//! The AMQP 1.0 door (`wire-protocol.md` section 4): one connection's server side.
//!
//! # When bad credentials are told
//!
//! How the real service answers a PLAIN init with a bad token is not known (section 10.2); for
//! MQTT it is known to accept the connection and to refuse the register request. So here: a PLAIN
//! init that names a device of this scope and has any token is accepted, and the register request
//! is *rejected* with 401000. What names no device, or one of another scope, gets SASL outcome 1.
//! With `reject_at_connect`, so does a bad token.
//!
//! A connection without a certificate and without SASL, or with SASL EXTERNAL or ANONYMOUS, gets
//! what was captured of the real service for such (section 4.1): an open with the property
//! `com.microsoft:open-error`, then close with the same error. The device of a connection with a
//! certificate is known from the address of its first link; a certificate that is not good makes
//! its requests be rejected with 401002, or with `reject_at_connect` its links.
//!
//! A device with a TPM is challenged by SASL (section 4.5), and refused by it, too.
//!
//! A link to another device than the connection's is refused with a detach.
//!
//! # Links without an api-version
//!
//! All known clients state one in the links' properties (section 4.2). What the real service does
//! with a link that states none is not known; here it is taken, and the log has a warning.

mod address;
mod guard;
mod message;
mod sasl;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use crate::doors::Connection;
use crate::doors::outlet::Outlet;
use crate::faults::{DeviceTransport, Disturbance};
use crate::service::{Credentials, DeviceIdentity, Greeting, Reply, Service};
use bytes::BytesMut;
use core::net::IpAddr;
use core::time::Duration;
use message::Operation;
use sasl::{Choice, Exchange, Outcome, Step};
use serde_amqp::Value;
use serde_amqp::primitives::{OrderedMap, Symbol};
use session::{Attach, Out, Session};
use std::sync::Arc;
use wire::{Fields, Performative, Violation};
use zeroize::Zeroizing;

const OPEN: u64 = 0x10;
const BEGIN: u64 = 0x11;
const ATTACH: u64 = 0x12;
const FLOW: u64 = 0x13;
const TRANSFER: u64 = 0x14;
const DISPOSITION: u64 = 0x15;
const DETACH: u64 = 0x16;
const END: u64 = 0x17;
const CLOSE: u64 = 0x18;

/// How long a new connection may take until its open is complete.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// How long an exchange with a TPM may take: hardware needs seconds for some of its steps.
const TPM_PATIENCE: Duration = Duration::from_secs(60);
/// What is announced: the client sends something at least this often.
const IDLE_TIME_OUT: Duration = Duration::from_secs(240);
/// When a silent client is given up: a little later, because heartbeats travel.
const IDLE_PATIENCE: Duration = Duration::from_secs(300);
/// Heartbeats are sent no faster than this, whatever the client asks for.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(500);
/// The most sessions of one connection; clients have one.
const MOST_SESSIONS: usize = 4;
/// The last channel, as the real service says.
const CHANNEL_MAX: u16 = 8191;

/// One AMQP client's connection: takes bytes and the time, gives bytes. It opens no socket and
/// reads no clock, so tests can drive it byte by byte.
///
/// `now` is always the time since 1970-01-01T00:00:00Z.
#[derive(Debug)]
pub struct AmqpConnection {
    service: Arc<Service>,
    input: BytesMut,
    output: BytesMut,
    outlet: Outlet,
    phase: Phase,
    /// The client's certificates from the TLS handshake, in DER, its own first.
    peer_certificates: Vec<Vec<u8>>,
    peer: Option<IpAddr>,
    transport: DeviceTransport,
    /// The exchange of a device with a TPM, while it lasts.
    tpm: Exchange,
    /// Known from SASL PLAIN or TPM, or from the first link.
    device: Option<DeviceIdentity>,
    credentials: Credentials,
    /// The largest frame that the client takes.
    frame_size: u32,
    sessions: Vec<Session>,
    heard_at: Duration,
    sent_at: Duration,
    /// How often the client wants to hear from us.
    heartbeat: Option<Duration>,
}

/// What may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A header of SASL or AMQP.
    FirstHeader,
    SaslInit,
    /// A response in the mechanism TPM.
    SaslTpm,
    /// The header of AMQP, after SASL.
    SecondHeader,
    Open,
    Established,
    /// Nothing more is read; output may still wait for [`AmqpConnection::transmit`].
    Closed,
}

impl Connection for AmqpConnection {
    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        self.release(now);
        if self.is_over() {
            return;
        }
        self.input.extend_from_slice(bytes);
        while !self.is_over() {
            match self.step(now) {
                Ok(true) => {}
                Ok(false) => break,
                Err(violation) => {
                    tracing::warn!(reason = %violation, "AMQP connection closed");
                    if self.phase == Phase::Established {
                        let error = message::plain_error(
                            "amqp:not-allowed",
                            &violation.to_string(),
                            Value::Null,
                        );
                        self.send(CLOSE, vec![error]);
                    }
                    self.close();
                    break;
                }
            }
        }
        self.note_sent(now);
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.outlet.take(self.output.split());
        self.outlet.transmit()
    }

    fn is_closed(&self) -> bool {
        let is_at_end = self.phase == Phase::Closed && !self.outlet.is_holding();
        is_at_end || self.outlet.is_cut()
    }

    fn is_cut(&self) -> bool {
        self.outlet.is_cut()
    }

    fn next_timeout(&self) -> Option<Duration> {
        // A client that waits for us owes nothing.
        if let Some(due) = self.outlet.next_timeout() {
            return Some(due);
        }
        match self.phase {
            Phase::Closed => None,
            Phase::Established => {
                let heartbeat = self.heartbeat.map(|pause| self.sent_at.saturating_add(pause));
                let silence = self.heard_at.saturating_add(IDLE_PATIENCE);
                Some(heartbeat.map_or(silence, |heartbeat| heartbeat.min(silence)))
            }
            Phase::SaslTpm => Some(self.heard_at.saturating_add(TPM_PATIENCE)),
            // Bytes that lead nowhere do not help.
            _ => Some(self.heard_at.saturating_add(OPEN_PATIENCE)),
        }
    }

    /// Closes a connection without open after 10 s, and one whose client is silent for 300 s;
    /// sends the heartbeats that the client asked for.
    fn handle_timeout(&mut self, now: Duration) {
        self.release(now);
        if self.outlet.is_given_up(now) {
            return self.close();
        }
        if self.next_timeout().is_none_or(|due| now < due) {
            return;
        }
        if self.phase != Phase::Established {
            tracing::debug!("AMQP connection closed: no open in time");
            self.close();
        } else if now >= self.heard_at.saturating_add(IDLE_PATIENCE) {
            tracing::debug!("AMQP connection closed: the client was silent too long");
            let error = message::plain_error(
                "amqp:resource-limit-exceeded",
                "The connection was idle for too long.",
                Value::Null,
            );
            self.send(CLOSE, vec![error]);
            self.close();
        } else {
            wire::write_frame(&mut self.output, false, 0, &[]);
        }
        self.note_sent(now);
    }
}

impl AmqpConnection {
    /// A connection that was just opened.
    pub fn new(service: Arc<Service>, now: Duration) -> Self {
        Self {
            service,
            input: BytesMut::new(),
            output: BytesMut::new(),
            outlet: Outlet::default(),
            phase: Phase::FirstHeader,
            peer_certificates: Vec::new(),
            peer: None,
            transport: DeviceTransport::Amqp,
            tpm: Exchange::default(),
            device: None,
            credentials: Credentials::None,
            frame_size: wire::MIN_MAX_FRAME_SIZE,
            sessions: Vec::new(),
            heard_at: now,
            sent_at: now,
            heartbeat: None,
        }
    }

    /// The certificates that the client presented in the TLS handshake, in DER, its own first.
    /// The layer below must have seen that the client has the key of that one; everything else
    /// about them is the service's to judge.
    #[must_use]
    pub fn with_peer_certificates(mut self, chain: Vec<Vec<u8>>) -> Self {
        self.peer_certificates = chain;
        self
    }

    /// The address that the client connects from, by which a near hub can be chosen for it.
    #[must_use]
    pub fn with_peer_address(mut self, address: Option<IpAddr>) -> Self {
        self.peer = address;
        self
    }

    /// Says that the connection is in a WebSocket, which some faults ask for.
    #[must_use]
    pub fn within_web_socket(mut self) -> Self {
        self.transport = DeviceTransport::AmqpWs;
        self
    }

    /// Whether nothing that comes matters any more.
    fn is_over(&self) -> bool {
        self.phase == Phase::Closed || self.outlet.is_deaf()
    }

    /// Lets go what a fault has held for its time.
    fn release(&mut self, now: Duration) {
        if self.outlet.release(now) {
            (self.heard_at, self.sent_at) = (now, now);
        }
    }

    /// Has a fault strike what is written since the outlet has taken something.
    fn disturb(&mut self, how: Option<Disturbance>, now: Duration) {
        let answer = self.output.split();
        match how {
            Some(how) => self.outlet.disturb(answer, how, now),
            None => self.outlet.take(answer),
        }
        self.sent_at = now;
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.input = BytesMut::new();
        self.sessions.clear();
    }

    fn note_sent(&mut self, now: Duration) {
        if !self.output.is_empty() {
            self.sent_at = now;
        }
    }

    /// Sends a performative of the connection itself.
    fn send(&mut self, code: u64, fields: Vec<Value>) {
        wire::write_frame(&mut self.output, false, 0, &[&wire::list(code, fields)]);
    }

    /// Reads one header or frame. Whether there was a whole one.
    fn step(&mut self, now: Duration) -> Result<bool, Violation> {
        match self.phase {
            Phase::Closed => Ok(false),
            Phase::FirstHeader | Phase::SecondHeader => self.header(),
            Phase::SaslInit => {
                let Some(frame) = wire::read_frame(&mut self.input, true)? else {
                    return Ok(false);
                };
                let performative = frame.performative.ok_or(Violation::Malformed)?;
                self.sasl(now, sasl::choice(performative)?);
                Ok(true)
            }
            Phase::SaslTpm => {
                let Some(frame) = wire::read_frame(&mut self.input, true)? else {
                    return Ok(false);
                };
                let performative = frame.performative.ok_or(Violation::Malformed)?;
                let response = sasl::response(performative)?;
                self.tpm(now, &response);
                Ok(true)
            }
            Phase::Open | Phase::Established => {
                let Some(frame) = wire::read_frame(&mut self.input, false)? else {
                    return Ok(false);
                };
                if self.phase == Phase::Established {
                    self.heard_at = now;
                }
                match frame.performative {
                    Some(performative) => {
                        self.performative(now, frame.channel, &performative, &frame.payload)?;
                    }
                    None if self.phase == Phase::Open => {
                        return Err(Violation::Unexpected("a heartbeat before open"));
                    }
                    None => {}
                }
                Ok(true)
            }
        }
    }

    /// Both layers' headers are answered with themselves, and SASL's with an offer, too.
    fn header(&mut self) -> Result<bool, Violation> {
        let header = match wire::read_header(&mut self.input) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(false),
            Err(violation) => {
                // A peer that asks for another protocol is told which one is spoken here.
                self.output.extend_from_slice(&wire::SASL);
                return Err(violation);
            }
        };
        match (self.phase, header) {
            (_, wire::AMQP) => {
                self.output.extend_from_slice(&wire::AMQP);
                self.phase = Phase::Open;
            }
            (Phase::FirstHeader, _) => {
                self.output.extend_from_slice(&wire::SASL);
                sasl::offer(&mut self.output);
                self.phase = Phase::SaslInit;
            }
            _ => return Err(Violation::Header),
        }
        Ok(true)
    }

    fn sasl(&mut self, now: Duration, choice: Choice) {
        let is_good = match choice {
            Choice::Plain(identity, credentials) => {
                let is_good = self.service.admits(&identity, &credentials, now);
                if is_good {
                    return self.welcome(now, identity, credentials);
                }
                false
            }
            Choice::External if self.peer_certificates.is_empty() => {
                tracing::warn!("connection refused: SASL EXTERNAL without a client certificate");
                false
            }
            Choice::External | Choice::Anonymous => true,
            Choice::Tpm(response) => {
                self.heard_at = now;
                self.phase = Phase::SaslTpm;
                return self.tpm(now, &response);
            }
            Choice::Unusable(problem) => {
                tracing::warn!(reason = problem, "connection refused");
                false
            }
        };
        self.sasl_outcome(if is_good { Outcome::Ok } else { Outcome::Auth });
    }

    /// A device that SASL has named, and may go on unless a fault strikes it.
    fn welcome(&mut self, now: Duration, identity: DeviceIdentity, credentials: Credentials) {
        let identity = identity.at(self.peer).over(self.transport);
        let how = match self.service.greet(&identity, &credentials, now) {
            Some(Greeting::Refused(_)) => return self.sasl_outcome(Outcome::SysTemp),
            Some(Greeting::Disturbed(how)) => Some(how),
            None => None,
        };
        self.device = Some(identity);
        self.credentials = credentials;
        self.outlet.take(self.output.split());
        self.sasl_outcome(Outcome::Ok);
        self.disturb(how, now);
    }

    fn sasl_outcome(&mut self, outcome: Outcome) {
        sasl::outcome(&mut self.output, outcome);
        match outcome {
            Outcome::Ok => self.phase = Phase::SecondHeader,
            Outcome::Auth | Outcome::SysTemp => self.close(),
        }
    }

    /// One message of a TPM's exchange (section 4.5).
    fn tpm(&mut self, now: Duration, response: &[u8]) {
        let content = match self.tpm.receive(response) {
            Step::Challenge(content) => Ok(content),
            Step::Make { identity, endorsement_key, storage_root_key } => self
                .service
                .challenge_tpm(&identity, &endorsement_key, &storage_root_key, now)
                .map(|blob| self.tpm.segments(&blob))
                .map_err(|refusal| refusal.to_string()),
            Step::Judge(identity, token) => {
                let token = Zeroizing::new(token);
                let text = std::str::from_utf8(&token).unwrap_or_default();
                match self.service.prove_tpm(&identity, text, now) {
                    Ok(proven) => {
                        // What a slow TPM has taken does not count.
                        self.heard_at = now;
                        return self.welcome(now, identity, proven);
                    }
                    Err(refusal) => Err(refusal.to_string()),
                }
            }
            Step::Refuse(problem) => Err(problem.to_owned()),
        };
        match content {
            Ok(content) => sasl::challenge(&mut self.output, content),
            Err(reason) => {
                tracing::warn!(reason, "connection refused");
                self.sasl_outcome(Outcome::Auth);
            }
        }
    }

    fn performative(
        &mut self,
        now: Duration,
        channel: u16,
        frame: &Performative,
        payload: &[u8],
    ) -> Result<(), Violation> {
        let fields = &frame.fields;
        match (self.phase, frame.code) {
            (Phase::Open, OPEN) => return self.open(now, fields),
            (Phase::Open, _) => return Err(Violation::Unexpected("something before open")),
            (_, OPEN) => return Err(Violation::Unexpected("a second open")),
            (_, CLOSE) => {
                self.send(CLOSE, Vec::new());
                self.close();
                return Ok(());
            }
            (_, BEGIN) => return self.begin(channel, fields),
            _ => {}
        }
        let mut out = Out { bytes: &mut self.output, frame_size: self.frame_size };
        let index = self.sessions.iter().position(|session| session.channel == channel);
        let Some((index, session)) =
            index.and_then(|index| Some((index, self.sessions.get_mut(index)?)))
        else {
            return Err(Violation::Unexpected("a frame on a channel without a session"));
        };
        match frame.code {
            ATTACH => self.attach(now, index, fields),
            FLOW => session.flowed(fields, &mut out),
            DETACH => session.detach(fields, &mut out),
            // Responses are not sent again, so what became of them changes nothing.
            DISPOSITION => Ok(()),
            TRANSFER => match session.transfer(fields, payload, &mut out)? {
                Some(delivery) => self.request(now, index, &delivery),
                None => Ok(()),
            },
            END => {
                self.sessions.remove(index);
                wire::write_frame(&mut self.output, false, channel, &[&wire::list(END, vec![])]);
                Ok(())
            }
            _ => Err(Violation::Unexpected("a frame that there is not")),
        }
    }

    fn open(&mut self, now: Duration, fields: &Fields) -> Result<(), Violation> {
        self.frame_size = match fields.number(2) {
            Some(size) if size < wire::MIN_MAX_FRAME_SIZE => {
                return Err(Violation::Field("max-frame-size"));
            }
            Some(size) => size.min(wire::MAX_FRAME_SIZE),
            None => wire::MAX_FRAME_SIZE,
        };
        self.heartbeat = (fields.number(4).filter(|&idle| idle > 0))
            .map(|idle| (Duration::from_millis(idle.into()) / 2).max(SHORTEST_HEARTBEAT));
        self.heard_at = now;
        let refusal = if self.device.is_some() {
            None
        } else if self.peer_certificates.is_empty() {
            Some(message::error(&self.service.refuse_connection(now)))
        } else {
            self.credentials =
                Credentials::Certificates(std::mem::take(&mut self.peer_certificates));
            None
        };
        let idle = u32::try_from(IDLE_TIME_OUT.as_millis()).unwrap_or(u32::MAX);
        let mut open = vec![
            Value::String(format!("IoTDPSGW_{}", self.service.random_hex())),
            Value::String("gateway000000".to_owned()),
            Value::Uint(wire::MAX_FRAME_SIZE),
            Value::Ushort(CHANNEL_MAX),
            Value::Uint(idle),
        ];
        if let Some(error) = refusal {
            let mut properties = OrderedMap::new();
            let key = Value::Symbol(Symbol::from("com.microsoft:open-error"));
            properties.insert(key, error.clone());
            open.extend([Value::Null, Value::Null, Value::Null, Value::Null]);
            open.push(Value::Map(properties));
            self.send(OPEN, open);
            self.send(CLOSE, vec![error]);
            self.close();
            return Ok(());
        }
        self.send(OPEN, open);
        self.phase = Phase::Established;
        Ok(())
    }

    fn begin(&mut self, channel: u16, fields: &Fields) -> Result<(), Violation> {
        if channel > CHANNEL_MAX || self.sessions.len() >= MOST_SESSIONS {
            return Err(Violation::Unexpected("more sessions than are allowed"));
        }
        if self.sessions.iter().any(|session| session.channel == channel) {
            return Err(Violation::Unexpected("a begin on a channel with a session"));
        }
        let mut out = Out { bytes: &mut self.output, frame_size: self.frame_size };
        self.sessions.push(Session::begin(channel, fields, &mut out)?);
        Ok(())
    }

    fn attach(&mut self, now: Duration, index: usize, fields: &Fields) -> Result<(), Violation> {
        let attach = Attach::read(fields)?;
        let is_first = self.device.is_none();
        let refusal = match self.admit(now, attach.address().unwrap_or_default()) {
            Ok(()) => None,
            Err(reply) => Some(message::error(&reply)),
        };
        // Without SASL it is only now known whose the connection is.
        let greeting = match &self.device {
            Some(device) if is_first => self.service.greet(device, &self.credentials, now),
            _ => None,
        };
        if refusal.is_none() && !attach.states_api_version() {
            let device = self.device.as_ref();
            tracing::warn!(
                registration_id = device.map(|device| device.registration_id.as_str()),
                "a link without the property com.microsoft:api-version; the real service may \
                 refuse it"
            );
        }
        self.outlet.take(self.output.split());
        let mut out = Out { bytes: &mut self.output, frame_size: self.frame_size };
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        let how = match (refusal, greeting) {
            (Some(error), _) => {
                session.refuse(&attach, error, &mut out);
                None
            }
            (None, Some(Greeting::Refused(reply))) => {
                let error = message::error(&reply);
                session.refuse(&attach, error.clone(), &mut out);
                self.send(CLOSE, vec![error]);
                self.close();
                None
            }
            (None, Some(Greeting::Disturbed(how))) => {
                session.attach(&attach, &mut out)?;
                Some(how)
            }
            (None, None) => {
                session.attach(&attach, &mut out)?;
                None
            }
        };
        self.disturb(how, now);
        Ok(())
    }

    /// Whether this connection may have a link to that address.
    fn admit(&mut self, now: Duration, address: &str) -> Result<(), Reply> {
        let identity = address::parse(address).map_err(|problem| {
            tracing::warn!(reason = problem, "link refused");
            self.service.refuse_connection(now)
        })?;
        let is_allowed = match &self.device {
            Some(device) => address::is_same(device, &identity),
            None => self.service.admits(&identity, &self.credentials, now),
        };
        let identity = identity.at(self.peer).over(self.transport);
        if !is_allowed {
            tracing::warn!(registration_id = %identity.registration_id,
                "link refused: it is not for the device of this connection");
            return Err(self.service.refuse_connection(now));
        }
        self.device.get_or_insert(identity);
        Ok(())
    }

    /// Sections 4.3 and 4.4: what becomes of the request is told before the response is sent.
    fn request(
        &mut self,
        now: Duration,
        index: usize,
        delivery: &session::Delivery,
    ) -> Result<(), Violation> {
        let request = message::read(&delivery.bytes)?;
        let Some(device) = &self.device else { return Ok(()) };
        let reply = match &request.operation {
            Operation::Register { body } => {
                self.service.register(device, &self.credentials, body, now)
            }
            Operation::Poll { operation_id } => {
                self.service.poll(device, &self.credentials, operation_id, now)
            }
            Operation::Invalid(problem) => self.service.invalid_request(device, problem, now),
        };
        self.outlet.take(self.output.split());
        let mut out = Out { bytes: &mut self.output, frame_size: self.frame_size };
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        if reply.status >= 300 {
            session.settle(delivery, message::rejected(&reply), &mut out);
        } else {
            session.settle(delivery, Session::accepted(), &mut out);
            let response = message::response(&reply, request.correlation_id);
            if !session.respond(response, &mut out) {
                tracing::warn!(registration_id = %device.registration_id,
                    "response lost: the client has no link to receive it");
            }
        }
        self.disturb(reply.disturbance, now);
        Ok(())
    }
}
