//! The state of one connection.

use crate::{packets, topic};
use bytes::BytesMut;
use core::fmt;
use core::time::Duration;
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{
    Error, ErrorKind, Now, Opening, Pace, Reply, Request, Stage, Timestamp, Transport,
    TransportEvent,
};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode};
use std::collections::VecDeque;
use zeroize::Zeroize as _;

/// We ping when we have sent nothing for this long.
const PING_AFTER: Duration = Duration::from_secs(45);
/// The answer to a ping must come within this time.
const PING_ANSWER: Duration = Duration::from_secs(30);

/// The first byte of every CONNACK, and so of all that a server sends.
const CONNACK: u8 = 0x20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// CONNECT is on its way.
    Connecting,
    /// CONNECT was accepted, SUBSCRIBE is on its way.
    Subscribing,
    /// Requests and replies flow.
    Open,
}

/// The MQTT engine.
pub struct MqttTransport {
    /// Whether SUBSCRIBE and the first request go out with CONNECT.
    pace: Pace,
    phase: Phase,
    /// A request that must wait: for CONNACK or SUBACK when conservative.
    waiting: Option<Request>,
    /// The request whose reply is awaited, once sent.
    rid: u32,
    awaiting: bool,
    stage: Stage,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<TransportEvent>,
    last_sent: Timestamp,
    pinged: Option<Timestamp>,
}

impl MqttTransport {
    /// An engine that pipelines.
    pub fn new() -> Self {
        Self {
            pace: Pace::default(),
            phase: Phase::Closed,
            waiting: None,
            rid: 0,
            awaiting: false,
            stage: Stage::Authenticate,
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            last_sent: Timestamp::default(),
            pinged: None,
        }
    }

    /// Whether to wait for CONNACK before SUBSCRIBE and for SUBACK before the first request, as
    /// older clients do. Costs two round trips.
    ///
    /// An engine that pipelines does so too after a connection that brought no reply, accepted or
    /// not, in case the service dislikes what is sent ahead; [`Pace`] tells when.
    #[must_use]
    pub fn conservative(mut self, conservative: bool) -> Self {
        self.pace = Pace::new(conservative);
        self
    }

    fn publish(&mut self, request: Request) -> Result<(), Error> {
        self.rid = self.rid.wrapping_add(1);
        self.awaiting = true;
        let (topic, body, stage) = match request {
            Request::Register { body } => (topic::register(self.rid), body, Stage::Register),
            Request::Poll { operation_id } => {
                (topic::poll(self.rid, &operation_id), String::new(), Stage::Poll)
            }
        };
        if self.phase == Phase::Open {
            self.stage = stage;
        }
        packets::publish(&mut self.output, topic, body, stage)
    }

    fn packet(&mut self, now: Now, packet: Packet) -> Result<(), Error> {
        match (packet, self.phase) {
            (Packet::ConnAck(ack), Phase::Connecting) => self.accepted(ack.code),
            (Packet::SubAck(ack), Phase::Subscribing) => self.subscribed(&ack),
            // A server may send messages before it acknowledges the subscription they match.
            (Packet::Publish(publish), Phase::Subscribing | Phase::Open) => {
                self.message(now, publish)
            }
            (Packet::PingResp, Phase::Subscribing | Phase::Open) => {
                self.pinged = None;
                Ok(())
            }
            // Only QoS 1 publishes are acknowledged, and we send none.
            (packet, phase) => Err(Error::new(self.stage, ErrorKind::Protocol)
                .with_detail(format!("unexpected {} while {phase:?}", name(&packet)))),
        }
    }

    fn accepted(&mut self, code: ConnectReturnCode) -> Result<(), Error> {
        if code != ConnectReturnCode::Success {
            self.pace.excused();
            let kind = ErrorKind::ConnectRejected { code: code as u8 };
            return Err(Error::new(Stage::Authenticate, kind));
        }
        self.phase = Phase::Subscribing;
        self.stage = Stage::Register;
        self.events.push_back(TransportEvent::Connected);
        if !self.pace.is_ahead() {
            packets::subscribe(&mut self.output, topic::RESPONSE_FILTER)?;
        }
        Ok(())
    }

    fn subscribed(&mut self, ack: &SubAck) -> Result<(), Error> {
        let granted = matches!(
            ack.return_codes.as_slice(),
            [SubscribeReasonCode::Success(QoS::AtMostOnce | QoS::AtLeastOnce)]
        );
        if ack.pkid != packets::SUBSCRIBE_ID || !granted {
            return Err(Error::new(self.stage, ErrorKind::SubscribeRejected)
                .with_detail(format!("SUBACK for packet {}", ack.pkid)));
        }
        self.phase = Phase::Open;
        match self.waiting.take() {
            Some(request) => self.publish(request),
            None => Ok(()),
        }
    }

    fn message(&mut self, now: Now, publish: Publish) -> Result<(), Error> {
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => packets::acknowledge(&mut self.output, publish.pkid, self.stage)?,
            QoS::ExactlyOnce => {
                return Err(Error::new(self.stage, ErrorKind::Protocol)
                    .with_detail("a message with QoS 2, which was not subscribed"));
            }
        }
        // Messages for others, and late answers to earlier questions, are none of ours.
        let Some(response) = topic::ResponseTopic::parse(&publish.topic, now.unix_seconds) else {
            return Ok(());
        };
        if !self.awaiting || response.rid != Some(self.rid.to_string().as_str()) {
            return Ok(());
        }
        if publish.payload.len() > MAX_MESSAGE_BYTES {
            return Err(Error::new(self.stage, ErrorKind::Protocol).with_detail(format!(
                "a reply of {} bytes; at most {MAX_MESSAGE_BYTES} are accepted",
                publish.payload.len()
            )));
        }
        self.awaiting = false;
        self.pace.answered();
        self.events.push_back(TransportEvent::Reply(Reply {
            status: response.status,
            retry_after: response.retry_after,
            body: publish.payload.to_vec(),
        }));
        Ok(())
    }
}

impl Default for MqttTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for MqttTransport {
    fn open(&mut self, now: Now, opening: Opening) -> Result<(), Error> {
        let ahead = self.pace.begin();
        self.input.clear();
        wipe(&mut self.output);
        self.output.reserve(opening_size(&opening));
        self.events.clear();
        self.waiting = None;
        self.awaiting = false;
        self.pinged = None;
        self.last_sent = now.at;
        self.phase = Phase::Connecting;
        self.stage = Stage::Authenticate;
        packets::connect(&mut self.output, &opening.identity, &opening.credentials)?;
        if !ahead {
            self.waiting = Some(opening.request);
            return Ok(());
        }
        packets::subscribe(&mut self.output, topic::RESPONSE_FILTER)?;
        self.publish(opening.request)
    }

    fn ready(&mut self, _: Now) {
        self.pace.reached();
    }

    fn send(&mut self, now: Now, request: Request) -> Result<(), Error> {
        self.last_sent = now.at;
        match self.phase {
            Phase::Open => self.publish(request),
            Phase::Closed | Phase::Connecting | Phase::Subscribing => {
                self.waiting = Some(request);
                Ok(())
            }
        }
    }

    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.pace.reached();
        self.input.extend_from_slice(bytes);
        if self.phase == Phase::Connecting && self.input.first().is_some_and(|&b| b != CONNACK) {
            // Said at once, since the "length" of such a packet could keep us waiting.
            return Err(Error::new(self.stage, ErrorKind::Protocol)
                .with_detail("the server does not speak MQTT: its first byte is no CONNACK"));
        }
        while let Some(packet) = packets::read(&mut self.input, self.stage)? {
            self.packet(now, packet)?;
        }
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
        match (self.phase, self.pinged) {
            (Phase::Open, Some(at)) => Some(at + PING_ANSWER),
            (Phase::Open, None) => Some(self.last_sent + PING_AFTER),
            _ => None,
        }
    }

    fn handle_timeout(&mut self, now: Now) -> Result<(), Error> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        match self.pinged {
            Some(at) if now.at >= at + PING_ANSWER => {
                Err(Error::new(self.stage, ErrorKind::ConnectionLost)
                    .with_detail("the service did not answer a keep-alive"))
            }
            None if now.at >= self.last_sent + PING_AFTER => {
                self.pinged = Some(now.at);
                self.last_sent = now.at;
                packets::ping(&mut self.output, self.stage)
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self) {
        if core::mem::replace(&mut self.phase, Phase::Closed) != Phase::Closed {
            packets::disconnect(&mut self.output);
        }
    }
}

impl fmt::Debug for MqttTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output may hold a token, so neither buffer is shown.
        f.debug_struct("MqttTransport")
            .field("phase", &self.phase)
            .field("pace", &self.pace)
            .field("rid", &self.rid)
            .finish_non_exhaustive()
    }
}

/// Empties a buffer that may have held a token.
fn wipe(buffer: &mut BytesMut) {
    buffer.as_mut().zeroize();
    buffer.clear();
}

/// Room for all of the opening, since a buffer that grows leaves copies behind.
fn opening_size(opening: &Opening) -> usize {
    let body = match &opening.request {
        Request::Register { body } => body.len(),
        Request::Poll { operation_id } => operation_id.len(),
    };
    2048 + body
}

fn name(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}

#[cfg(test)]
mod tests;
