//! The state of one connection.
//!
//! # Round trips
//!
//! The layers are opened in the order of `wire-protocol.md` section 4.1, and AMQP 1.0 section
//! 2.4.2 ("Pipelined Open") allows a client to go on before it has its partner's header or open,
//! as long as it keeps to what every implementation must take: frames of 512 bytes and no
//! transfers without credit. So after the TLS handshake there are two round trips:
//!
//! 1. SASL header and init, AMQP header, open, begin and both attaches go out; the server's SASL
//!    outcome, open, begin, attaches and the credit for requests come back;
//! 2. the request goes out, its reply comes back.
//!
//! With those of TCP and TLS 1.3 that makes four. Section 5.3 of the specification has the server
//! name its mechanisms first. Sending init ahead presumes that PLAIN is among them, as it is at
//! the provisioning service; a server that does not offer it answers with an error, as it would
//! later. A server that reads ahead of its SASL layer can lose what follows it, and would stay
//! silent, close, or say that the client broke the protocol. Therefore connections after one that
//! brought no reply wait for each answer before they go on ([`Pace`] tells when), as
//! [`AmqpTransport::conservative`] always does: seven round trips instead of two.
//!
//! A device with a TPM must not send anything ahead of its challenge but sasl-init
//! (`wire-protocol.md` section 4.5), so it needs four round trips more: for the storage root key, two
//! segments of the blob, and the token.
//!
//! # Errors
//!
//! The service tells a refusal as the disposition of the request, or as the error of open, detach,
//! end or close. All of them become a [`Reply`] with the status of the service's JSON document
//! (`refusal.rs`).

mod links;

use crate::frame::{self, Layer};
use crate::performative::{self as p, Counters, RECEIVER, SENDER};
use crate::refusal::PeerError;
use crate::sasl::tpm::{Exchange, Step};
use crate::sasl::{self, Mechanism};
use crate::value::{self, Composite};
use crate::violation::Violation;
use crate::{message, value::lookup};
use bytes::{Buf as _, BytesMut};
use core::fmt;
use core::time::Duration;
use dps_core::sas::SasToken;
use dps_core::{
    Challenge, Credentials, Error, ErrorKind, Now, Opening, Pace, Request, Stage, Timestamp,
    Transport, TransportEvent,
};
use links::{Incoming, Outgoing};
use std::collections::VecDeque;
use zeroize::{Zeroize as _, Zeroizing};

/// What we announce: the peer sends something at least this often.
const IDLE_TIME_OUT: Duration = Duration::from_secs(60);
/// When we take it for dead.
const SILENCE: Duration = Duration::from_secs(120);
/// We keep connections alive no faster than this, whatever the peer says.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);
/// Every implementation takes frames of this size.
const LEAST_FRAME: u32 = 512;

/// What is awaited next, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Closed,
    SaslHeader,
    Mechanisms,
    Outcome,
    AmqpHeader,
    Open,
    Begin,
    Attach,
    /// Requests and replies flow.
    Ready,
}

const PHASES: [Phase; 7] = [
    Phase::SaslHeader,
    Phase::Mechanisms,
    Phase::Outcome,
    Phase::AmqpHeader,
    Phase::Open,
    Phase::Begin,
    Phase::Attach,
];

/// The AMQP engine.
pub struct AmqpTransport {
    host: String,
    /// Whether the opening goes out at once.
    pace: Pace,
    /// The server wants a SASL layer even for certificates.
    wants_sasl: bool,
    phase: Phase,
    mechanism: Option<Mechanism>,
    /// Until it is sent.
    init: Zeroizing<Vec<u8>>,
    /// Of a device with a TPM.
    tpm: Option<Exchange>,
    address: String,
    container: String,
    /// A request that must wait for credit.
    waiting: Option<Request>,
    /// Counts requests, over all connections: their correlation-ids.
    requests: u64,
    /// Requests of this connection without a reply.
    open_requests: u32,
    /// The request whose reply is awaited, and its delivery once it is sent.
    awaited: Option<Awaited>,
    stage: Stage,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<TransportEvent>,
    last_sent: Timestamp,
    last_heard: Timestamp,
    /// The peer's idle-time-out.
    peer_idle: Option<Duration>,
    /// The largest frame that the peer takes.
    frame_size: u32,
    incoming: Incoming,
    outgoing: Outgoing,
}

/// A request under way.
#[derive(Debug)]
struct Awaited {
    id: String,
    delivery: u32,
}

impl AmqpTransport {
    /// An engine that pipelines. `host` is the endpoint's name, which the service is told in open.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            pace: Pace::default(),
            wants_sasl: false,
            phase: Phase::Closed,
            mechanism: None,
            init: Zeroizing::default(),
            tpm: None,
            address: String::new(),
            container: String::new(),
            waiting: None,
            requests: 0,
            open_requests: 0,
            awaited: None,
            stage: Stage::Authenticate,
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            last_sent: Timestamp::default(),
            last_heard: Timestamp::default(),
            peer_idle: None,
            frame_size: LEAST_FRAME,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// Whether to wait for each answer before going on with the opening, as older clients do.
    /// Costs five round trips.
    ///
    /// An engine that pipelines does so too after a connection that brought no reply, in case the
    /// service dislikes what is sent ahead; [`Pace`] tells when.
    #[must_use]
    pub fn conservative(mut self, conservative: bool) -> Self {
        self.pace = Pace::new(conservative);
        self
    }

    /// Sends what the answer of `phase` is the answer to.
    fn say(&mut self, phase: Phase) {
        match phase {
            Phase::SaslHeader => self.output.extend_from_slice(&frame::SASL_HEADER),
            Phase::Outcome => {
                let init = core::mem::take(&mut self.init);
                sasl::write(&mut self.output, &init);
            }
            Phase::AmqpHeader => self.output.extend_from_slice(&frame::AMQP_HEADER),
            Phase::Open => {
                let idle = u32::try_from(IDLE_TIME_OUT.as_millis()).unwrap_or(u32::MAX);
                let open = p::open(&self.container, &self.host, idle);
                self.frame(&[&open]);
            }
            Phase::Begin => {
                let begin = p::begin(links::WINDOW);
                self.frame(&[&begin]);
            }
            Phase::Attach => {
                for handle in [RECEIVER, SENDER] {
                    let attach = p::attach(handle, &self.address);
                    self.frame(&[&attach]);
                }
            }
            Phase::Mechanisms | Phase::Ready | Phase::Closed => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        if !self.pace.is_ahead() {
            self.say(phase);
        } else if phase == Phase::AmqpHeader && self.tpm.is_some() {
            self.say_all_from(phase);
        }
    }

    /// Sends ahead what it can: a TPM's exchange must be over before the next layer.
    fn say_all_from(&mut self, first: Phase) {
        let is_over = first > Phase::Outcome;
        for phase in PHASES {
            if phase >= first && (phase <= Phase::Outcome || is_over || self.tpm.is_none()) {
                self.say(phase);
            }
        }
    }

    fn frame(&mut self, parts: &[&[u8]]) {
        frame::write(&mut self.output, Layer::Amqp, parts);
    }

    /// Reads one header or frame. Whether there was a whole one.
    fn step(&mut self, now: Now) -> Result<bool, Error> {
        let layer = match self.phase {
            Phase::Closed => return Ok(false),
            Phase::SaslHeader => return self.header(frame::SASL_HEADER, Phase::Mechanisms),
            Phase::AmqpHeader => return self.header(frame::AMQP_HEADER, Phase::Open),
            Phase::Mechanisms | Phase::Outcome => Layer::Sasl,
            _ => Layer::Amqp,
        };
        let stage = self.stage;
        let Some(frame) = frame::read(&mut self.input, layer).map_err(|fault| fault.at(stage))?
        else {
            return Ok(false);
        };
        if frame.body.is_empty() && layer == Layer::Amqp {
            return Ok(true);
        }
        let (value, length) = value::read(&frame.body).map_err(|fault| fault.at(stage))?;
        let performative =
            Composite::from_value(value).ok_or_else(|| Violation::Malformed.at(stage))?;
        let payload = frame.body.get(length..).unwrap_or_default();
        match layer {
            Layer::Sasl => self.sasl(performative)?,
            Layer::Amqp => self.performative(now, frame.channel, performative, payload)?,
        }
        Ok(true)
    }

    fn header(&mut self, expected: [u8; 8], next: Phase) -> Result<bool, Error> {
        let there = self.input.get(..expected.len()).unwrap_or(&self.input);
        if expected.starts_with(there) {
            if there.len() < expected.len() {
                return Ok(false);
            }
            self.input.advance(expected.len());
            self.enter(next);
            return Ok(true);
        }
        let is_header = there.starts_with(b"AMQP");
        if is_header && there.len() < expected.len() {
            return Ok(false);
        }
        if self.mechanism.is_none() && there == frame::SASL_HEADER {
            self.wants_sasl = true;
            self.pace.excused();
            return Err(Error::new(self.stage, ErrorKind::ConnectionLost)
                .with_detail("the server wants SASL; the next connection has it"));
        }
        let fault = if there == frame::AMQP_HEADER {
            Violation::NoSasl
        } else if is_header {
            Violation::OtherVersion
        } else {
            Violation::NotAmqp
        };
        Err(fault.at(self.stage))
    }

    fn sasl(&mut self, frame: Composite) -> Result<(), Error> {
        match (frame.code, self.phase, self.mechanism) {
            (sasl::MECHANISMS, Phase::Mechanisms, Some(mechanism)) => {
                mechanism.check_offered(frame).map_err(|fault| fault.at(self.stage))?;
                self.enter(Phase::Outcome);
                Ok(())
            }
            (sasl::CHALLENGE, Phase::Outcome, Some(Mechanism::Tpm)) => self.challenge(frame),
            (sasl::OUTCOME, Phase::Outcome, _) => {
                sasl::judge(frame, &mut self.pace)?;
                self.enter(Phase::AmqpHeader);
                Ok(())
            }
            (code, ..) => Err(Violation::Unexpected(code).at(self.stage)),
        }
    }

    fn challenge(&mut self, mut frame: Composite) -> Result<(), Error> {
        let serde_amqp::Value::Binary(challenge) = frame.take(0) else {
            return Err(Violation::Field("challenge").at(self.stage));
        };
        let Some(exchange) = &mut self.tpm else { return Ok(()) };
        match exchange.challenge(&challenge)? {
            Step::Respond(bytes) => {
                let response = sasl::response(&[&bytes])?;
                sasl::write(&mut self.output, &response);
            }
            Step::Prove(blob) => {
                self.events.push_back(TransportEvent::Challenge(Challenge::new(blob)));
            }
        }
        Ok(())
    }

    fn performative(
        &mut self,
        now: Now,
        channel: u16,
        mut frame: Composite,
        payload: &[u8],
    ) -> Result<(), Error> {
        let stage = self.stage;
        let fault = |fault: Violation| fault.at(stage);
        let unix = now.unix_seconds;
        match (frame.code, self.phase) {
            (p::OPEN, Phase::Open) => self.opened(unix, frame),
            (p::CLOSE, phase) if phase >= Phase::Open => {
                self.ended(PeerError::read(frame.take(0), unix), "the connection")
            }
            (p::BEGIN, Phase::Begin) => {
                self.incoming.begin(channel, &mut frame).map_err(fault)?;
                self.outgoing.begin(&mut frame).map_err(fault)?;
                self.enter(Phase::Attach);
                Ok(())
            }
            (_, phase) if phase > Phase::Begin && channel != self.incoming.channel => {
                Err(fault(Violation::Channel(channel)))
            }
            (p::END, phase) if phase > Phase::Begin => {
                self.ended(PeerError::read(frame.take(0), unix), "the session")
            }
            (p::ATTACH, Phase::Attach) => self.attached(frame),
            (p::DETACH, Phase::Attach | Phase::Ready) => {
                self.ended(PeerError::read(frame.take(2), unix), "a link")
            }
            (p::FLOW, Phase::Attach | Phase::Ready) => {
                let echo = self.outgoing.flow(&mut frame).map_err(fault)?;
                if echo {
                    self.session_flow();
                }
                self.pump();
                Ok(())
            }
            (p::TRANSFER, Phase::Ready) => self.transferred(unix, frame, payload),
            (p::DISPOSITION, Phase::Ready) => self.disposed(unix, frame),
            (code, _) => Err(fault(Violation::Unexpected(code))),
        }
    }

    fn opened(&mut self, unix_seconds: u64, mut open: Composite) -> Result<(), Error> {
        let properties = open.take(9);
        if let Some(field) = lookup(&properties, "com.microsoft:open-error")
            && let Some(error) = PeerError::read(field, unix_seconds)
        {
            return self.ended(Some(error), "the connection");
        }
        match value::number(&open.take(2)) {
            Some(size) if size < LEAST_FRAME => {
                return Err(Violation::SmallFrames(size).at(self.stage));
            }
            // The protocol's default is no limit; ours is that of what we take ourselves.
            size => self.frame_size = size.unwrap_or(frame::MAX_FRAME).min(frame::MAX_FRAME),
        }
        self.peer_idle = value::number(&open.take(4))
            .filter(|&idle| idle > 0)
            .map(|idle| Duration::from_millis(idle.into()));
        self.stage = Stage::Register;
        self.events.push_back(TransportEvent::Connected);
        self.enter(Phase::Begin);
        Ok(())
    }

    fn attached(&mut self, mut attach: Composite) -> Result<(), Error> {
        let stage = self.stage;
        let fault = |fault: Violation| fault.at(stage);
        let name = value::text(attach.take(0)).unwrap_or_default();
        let handle = value::needed(&attach.take(1), "handle").map_err(fault)?;
        if name == p::link_name(RECEIVER) && self.incoming.handle.is_none() {
            self.incoming.handle = Some(handle);
            // Credit counts from here. Only sending links have one.
            self.incoming.deliveries = value::number(&attach.take(9)).unwrap_or_default();
            // A null source means that a detach with the reason follows.
            if attach.take(5) != serde_amqp::Value::Null {
                self.incoming.grant();
                self.link_flow();
            }
        } else if name == p::link_name(SENDER) && self.outgoing.handle.is_none() {
            self.outgoing.handle = Some(handle);
        } else {
            return Err(fault(Violation::UnknownLink));
        }
        if self.incoming.handle.is_some() && self.outgoing.handle.is_some() {
            self.enter(Phase::Ready);
            self.pump();
        }
        Ok(())
    }

    /// Tells the session's state.
    fn session_flow(&mut self) {
        self.flow(None);
    }

    /// Tells the receiving link's state along with the session's.
    fn link_flow(&mut self) {
        self.flow(Some((self.incoming.deliveries, self.incoming.credit)));
    }

    fn flow(&mut self, receiver: Option<(u32, u32)>) {
        let flow = p::flow(&Counters {
            next_incoming: Some(self.incoming.next_id),
            incoming_window: self.incoming.window,
            next_outgoing: self.outgoing.next_id,
            outgoing_window: links::WINDOW,
            receiver,
        });
        self.frame(&[&flow]);
    }

    /// Sends the request that waits, as far as the peer lets us.
    fn pump(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        if self.outgoing.may_begin()
            && let Some(request) = self.waiting.take()
        {
            self.requests = self.requests.wrapping_add(1);
            self.open_requests = self.open_requests.saturating_add(1);
            self.stage = message::stage_of(&request);
            let id = self.requests.to_string();
            let delivery = self.outgoing.start(message::request(request, &id));
            self.awaited = Some(Awaited { id, delivery });
        }
        while let Some((transfer, range)) = self.outgoing.next(self.frame_size) {
            let payload = self.outgoing.payload(range);
            frame::write(&mut self.output, Layer::Amqp, &[&transfer, payload]);
        }
    }

    fn transferred(
        &mut self,
        unix_seconds: u64,
        frame: Composite,
        payload: &[u8],
    ) -> Result<(), Error> {
        let stage = self.stage;
        let fault = |fault: Violation| fault.at(stage);
        let complete = self.incoming.transfer(frame, payload).map_err(fault)?;
        if let Some(delivery) = complete {
            if !delivery.settled {
                let accepted = p::accepted(delivery.id);
                self.frame(&[&accepted]);
            }
            let message = message::read(&delivery.bytes, unix_seconds).map_err(fault)?;
            self.message(message);
        }
        if self.incoming.is_low() {
            self.incoming.grant();
            self.link_flow();
        }
        Ok(())
    }

    /// A message that answers the latest request is its reply. One that does not say what it
    /// answers is, too, when there was one request only.
    fn message(&mut self, message: message::Incoming) {
        let Some(awaited) = &self.awaited else { return };
        let answers = match &message.correlation {
            message::Correlation::Text(id) => *id == awaited.id,
            message::Correlation::Absent => self.open_requests == 1,
            message::Correlation::Other => false,
        };
        if answers {
            self.answer(message.into_reply());
        }
    }

    fn answer(&mut self, reply: dps_core::Reply) {
        self.awaited = None;
        self.open_requests = self.open_requests.saturating_sub(1);
        self.pace.answered();
        self.events.push_back(TransportEvent::Reply(reply));
    }

    /// What became of the request: accepted ones have a message as their reply, rejected ones
    /// have none.
    fn disposed(&mut self, unix_seconds: u64, mut frame: Composite) -> Result<(), Error> {
        let stage = self.stage;
        // About deliveries that we sent, the receiver tells.
        if !value::is_true(&frame.take(0)) {
            return Ok(());
        }
        let first = value::needed(&frame.take(1), "first").map_err(|fault| fault.at(stage))?;
        let last = value::number(&frame.take(2)).unwrap_or(first);
        let settled = value::is_true(&frame.take(3));
        let Some(delivery) = self.awaited.as_ref().map(|awaited| awaited.delivery) else {
            return Ok(());
        };
        if delivery.wrapping_sub(first) > last.wrapping_sub(first) {
            return Ok(());
        }
        let state = Composite::from_value(frame.take(4));
        if !settled && state.as_ref().is_some_and(|state| state.code >= p::ACCEPTED) {
            let settled = p::settled(delivery);
            self.frame(&[&settled]);
        }
        match state {
            Some(mut state) if state.code == p::REJECTED => {
                let reply = match PeerError::read(state.take(0), unix_seconds) {
                    Some(error) => error.into_reply(),
                    None => dps_core::Reply { status: 400, retry_after: None, body: Vec::new() },
                };
                self.answer(reply);
                Ok(())
            }
            Some(state) if matches!(state.code, p::RELEASED | p::MODIFIED) => {
                Err(Error::new(stage, ErrorKind::ConnectionLost)
                    .with_detail("the service released the request without an answer"))
            }
            _ => Ok(()),
        }
    }

    /// The peer ended something without which we cannot go on.
    fn ended(&mut self, error: Option<PeerError>, what: &str) -> Result<(), Error> {
        // Nothing of the opening is unanswered once the links are ready.
        let sent_ahead = self.pace.is_ahead() && self.phase < Phase::Ready;
        let Some(error) = error else {
            return Err(Error::new(self.stage, ErrorKind::ConnectionLost)
                .with_detail(format!("the service closed {what}")));
        };
        if sent_ahead && error.may_be_about_haste() {
            self.pace.blamed();
            return Err(error.into_loss(self.stage));
        }
        let reply = error.into_reply_or_error(self.stage)?;
        self.answer(reply);
        self.events.push_back(TransportEvent::Closing);
        // The server has opened the connection, if only to close it.
        self.phase = self.phase.max(Phase::Begin);
        self.close();
        Ok(())
    }
}

impl Transport for AmqpTransport {
    fn open(&mut self, now: Now, opening: Opening) -> Result<(), Error> {
        let Opening { identity, credentials, request } = opening;
        message::check_size(&request)?;
        let ahead = self.pace.begin();
        self.input.clear();
        wipe(&mut self.output);
        self.events.clear();
        self.incoming = Incoming::default();
        self.outgoing = Outgoing::default();
        self.waiting = Some(request);
        self.awaited = None;
        self.open_requests = 0;
        self.peer_idle = None;
        self.frame_size = LEAST_FRAME;
        self.last_sent = now.at;
        self.last_heard = now.at;
        self.stage = Stage::Authenticate;
        self.phase = Phase::Closed;
        self.address = sasl::address(&identity);
        self.container = format!("libdps-{}", identity.registration_id);
        self.tpm = None;
        let (mechanism, init) = match &credentials {
            Credentials::SasToken(token) => {
                let response = sasl::plain(&self.address, token.as_str());
                (Some(Mechanism::Plain), sasl::init(Mechanism::Plain, &response)?)
            }
            Credentials::ClientCertificate if self.wants_sasl => {
                (Some(Mechanism::External), sasl::init(Mechanism::External, &[])?)
            }
            Credentials::ClientCertificate => (None, Zeroizing::default()),
            // Every connection has a challenge of its own, so an earlier token is of no use.
            Credentials::Tpm { keys, .. } => {
                let (response, exchange) = Exchange::begin(&identity, keys)?;
                self.tpm = Some(exchange);
                (Some(Mechanism::Tpm), sasl::init(Mechanism::Tpm, &[&response])?)
            }
            _ => {
                return Err(Error::new(Stage::Authenticate, ErrorKind::InvalidConfig)
                    .with_detail("these credentials cannot be used with AMQP"));
            }
        };
        self.mechanism = mechanism;
        self.init = init;
        // Room for the whole flight, since a buffer that grows leaves copies behind.
        self.output.reserve(2048 + self.init.len() + 3 * self.address.len() + self.host.len());
        let first = if mechanism.is_some() { Phase::SaslHeader } else { Phase::AmqpHeader };
        self.phase = first;
        if ahead {
            self.say_all_from(first);
        } else {
            self.say(first);
        }
        Ok(())
    }

    fn ready(&mut self, _: Now) {
        self.pace.reached();
    }

    fn send(&mut self, now: Now, request: Request) -> Result<(), Error> {
        message::check_size(&request)?;
        if self.phase == Phase::Closed {
            return Err(Error::new(message::stage_of(&request), ErrorKind::ConnectionLost)
                .with_detail("the service has closed the connection"));
        }
        self.awaited = None;
        self.waiting = Some(request);
        self.pump();
        self.note_sent(now);
        Ok(())
    }

    fn authenticate(&mut self, now: Now, token: SasToken) -> Result<(), Error> {
        let exchange = self.tpm.as_mut().filter(|_| self.phase == Phase::Outcome);
        let Some(parts) = exchange.and_then(|exchange| exchange.prove(token.as_str().as_bytes()))
        else {
            return Err(Violation::NotChallenged.at(self.stage));
        };
        let response = sasl::response(&parts)?;
        // A buffer that grows leaves copies behind.
        self.output.reserve(frame::SASL_FRAME);
        sasl::write(&mut self.output, &response);
        self.note_sent(now);
        Ok(())
    }

    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.pace.reached();
        self.last_heard = now.at;
        self.input.extend_from_slice(bytes);
        while self.step(now)? {}
        self.note_sent(now);
        Ok(())
    }

    fn transmit(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.output);
        wipe(&mut self.output);
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        if self.phase <= Phase::Open {
            return None;
        }
        let heartbeat = self.heartbeat().map(|pause| self.last_sent + pause);
        [heartbeat, Some(self.last_heard + SILENCE)].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) -> Result<(), Error> {
        if self.phase <= Phase::Open {
            return Ok(());
        }
        if now.at >= self.last_heard + SILENCE {
            return Err(Error::new(self.stage, ErrorKind::ConnectionLost)
                .with_detail("the service did not keep the connection alive"));
        }
        if self.heartbeat().is_some_and(|pause| now.at >= self.last_sent + pause) {
            self.frame(&[]);
            self.note_sent(now);
        }
        Ok(())
    }

    fn close(&mut self) {
        let phase = core::mem::replace(&mut self.phase, Phase::Closed);
        self.init.zeroize();
        self.tpm = None;
        // Only what the server has opened, too; otherwise it may not even be reading yet.
        if phase > Phase::Begin {
            let end = p::end();
            self.frame(&[&end]);
        }
        if phase > Phase::Open {
            let close = p::close();
            self.frame(&[&close]);
        }
    }
}

impl AmqpTransport {
    fn heartbeat(&self) -> Option<Duration> {
        Some((self.peer_idle? / 2).max(SHORTEST_HEARTBEAT))
    }

    fn note_sent(&mut self, now: Now) {
        if !self.output.is_empty() {
            self.last_sent = now.at;
        }
    }
}

impl fmt::Debug for AmqpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output may hold a token, so neither buffer is shown.
        f.debug_struct("AmqpTransport")
            .field("phase", &self.phase)
            .field("pace", &self.pace)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

/// Empties a buffer that may have held a token.
fn wipe(buffer: &mut BytesMut) {
    buffer.as_mut().zeroize();
    buffer.clear();
}

#[cfg(test)]
mod tests;
