//! The state of one connection.

use crate::events::{DesiredUpdate, Event};
use crate::message::{MAX_MESSAGE_BYTES, Message};
use crate::packets;
use crate::topic::{self, Incoming};
use bytes::BytesMut;
use core::fmt;
use core::time::Duration;
use dps_core::{Credentials, Error, ErrorKind, Now, Stage, Timestamp};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroize as _;

/// We ping when we have sent nothing for this long.
const PING_AFTER: Duration = Duration::from_secs(45);
/// The answer to a ping must come within this time.
const PING_ANSWER: Duration = Duration::from_secs(30);
/// The first byte of every CONNACK, and so of all that a server sends.
const CONNACK: u8 = 0x20;

/// Names a request, until its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u32);

/// Who connects where, and with which proof.
#[derive(Clone, Debug)]
pub struct HubOpening {
    /// Host name of the hub.
    pub hub: String,
    /// The device's id there.
    pub device_id: String,
    /// Its proof.
    pub credentials: Credentials,
}

/// What a device asks of its hub.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// To take a message, at QoS 1.
    Telemetry(Message),
    /// For the twin.
    GetTwin,
    /// To merge this JSON patch into the reported properties; `null` deletes.
    Report(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// CONNECT is on its way.
    Connecting,
    /// CONNECT was accepted, SUBSCRIBE is on its way.
    Subscribing,
    /// All flows.
    Open,
}

/// The engine: requests become bytes, bytes become events. It never opens a socket, reads a clock,
/// starts a thread or blocks.
pub struct HubEngine {
    phase: Phase,
    hub: String,
    device_id: String,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<Event>,
    last_request: u32,
    /// Packet ids of telemetry that is not acknowledged.
    unacknowledged: BTreeMap<u16, RequestId>,
    last_packet_id: u16,
    last_sent: Timestamp,
    pinged: Option<Timestamp>,
}

impl HubEngine {
    /// An engine without a connection.
    pub fn new() -> Self {
        Self {
            phase: Phase::Closed,
            hub: String::new(),
            device_id: String::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            last_request: 0,
            unacknowledged: BTreeMap::new(),
            last_packet_id: packets::SUBSCRIBE_ID,
            last_sent: Timestamp::default(),
            pinged: None,
        }
    }

    /// Starts afresh on a new connection: forgets all of the last one and queues CONNECT. The rest
    /// of the opening follows by itself; [`Event::Connected`] tells its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for credentials that MQTT has no place for.
    pub fn open(&mut self, now: Now, opening: &HubOpening) -> Result<(), Error> {
        self.input.clear();
        wipe(&mut self.output);
        self.output.reserve(4096);
        self.events.clear();
        self.unacknowledged.clear();
        self.last_packet_id = packets::SUBSCRIBE_ID;
        self.pinged = None;
        self.last_sent = now.at;
        self.phase = Phase::Connecting;
        self.hub.clone_from(&opening.hub);
        self.device_id.clone_from(&opening.device_id);
        packets::connect(&mut self.output, &opening.hub, &opening.device_id, &opening.credentials)
    }

    /// Queues a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when it does not fit; the connection goes on without it.
    /// [`ErrorKind::ConnectionLost`] before [`Event::Connected`]; [`ErrorKind::InvalidConfig`] when
    /// too much awaits its acknowledgement.
    pub fn request(&mut self, now: Now, request: &Request) -> Result<RequestId, Error> {
        if self.phase != Phase::Open {
            return Err(Error::new(Stage::Hub, ErrorKind::ConnectionLost)
                .with_detail("the device is not connected to its hub"));
        }
        let size = match request {
            Request::Telemetry(message) => message.body.len(),
            Request::Report(patch) => patch.len(),
            Request::GetTwin => 0,
        };
        if size > MAX_MESSAGE_BYTES {
            return Err(Error::new(Stage::Hub, ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES })
                .with_detail(format!("the message has {size} bytes")));
        }
        self.last_request = self.last_request.wrapping_add(1);
        let id = RequestId(self.last_request);
        let publish = match request {
            Request::Telemetry(message) => {
                let topic = topic::telemetry(&self.device_id, &message.properties);
                // The codec would write a wrong length.
                if topic.len() > topic::MAX_BYTES {
                    let limit = topic::MAX_BYTES;
                    return Err(Error::new(Stage::Hub, ErrorKind::TooLarge { limit }).with_detail(
                        format!(
                            "with the message's properties the topic has {} bytes",
                            topic.len()
                        ),
                    ));
                }
                let mut publish = Publish::new(topic, QoS::AtLeastOnce, message.body.as_slice());
                publish.pkid = self.free_packet_id()?;
                publish
            }
            // The response is the acknowledgement.
            Request::GetTwin => Publish::new(topic::get_twin(id.0), QoS::AtMostOnce, Vec::new()),
            Request::Report(patch) => {
                Publish::new(topic::report(id.0), QoS::AtMostOnce, patch.as_str())
            }
        };
        let packet_id = publish.pkid;
        packets::write(&mut self.output, &Packet::Publish(publish))?;
        if packet_id != 0 {
            self.unacknowledged.insert(packet_id, id);
        }
        self.last_sent = now.at;
        Ok(id)
    }

    /// Never 0, which is none, and none that awaits its acknowledgement.
    fn free_packet_id(&mut self) -> Result<u16, Error> {
        for _ in 0..=u16::MAX {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains_key(&self.last_packet_id) {
                return Ok(self.last_packet_id);
            }
        }
        Err(Error::new(Stage::Hub, ErrorKind::InvalidConfig)
            .with_detail("65535 messages are not acknowledged yet"))
    }

    /// Takes bytes that came from the hub. Any split of the stream is fine.
    ///
    /// # Errors
    ///
    /// When the connection can no longer be used: the hub refused the device
    /// ([`ErrorKind::ConnectRejected`]) or a subscription, or broke the protocol.
    pub fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.input.extend_from_slice(bytes);
        if self.phase == Phase::Connecting && self.input.first().is_some_and(|&b| b != CONNACK) {
            // Said at once, since the "length" of such a packet could keep us waiting.
            return Err(protocol("the server does not speak MQTT: its first byte is no CONNACK"));
        }
        while let Some(packet) = packets::read(&mut self.input)? {
            self.packet(now, packet)?;
        }
        Ok(())
    }

    fn packet(&mut self, now: Now, packet: Packet) -> Result<(), Error> {
        match (packet, self.phase) {
            (Packet::ConnAck(ack), Phase::Connecting) => self.accepted(now, ack.code),
            (Packet::SubAck(ack), Phase::Subscribing) => self.subscribed(&ack),
            (Packet::Publish(publish), Phase::Subscribing | Phase::Open) => {
                self.message(now, &publish)
            }
            (Packet::PubAck(ack), Phase::Open) => {
                // One for nothing is no harm.
                if let Some(request) = self.unacknowledged.remove(&ack.pkid) {
                    self.events.push_back(Event::Acknowledged { request });
                }
                Ok(())
            }
            (Packet::PingResp, Phase::Subscribing | Phase::Open) => {
                self.pinged = None;
                Ok(())
            }
            _ => Err(protocol("a packet that a hub does not send now")),
        }
    }

    fn accepted(&mut self, now: Now, code: ConnectReturnCode) -> Result<(), Error> {
        if code != ConnectReturnCode::Success {
            return Err(Error::new(Stage::Hub, ErrorKind::ConnectRejected { code: code as u8 })
                .with_detail(format!("hub {}, device {:?}", self.hub, self.device_id)));
        }
        self.phase = Phase::Subscribing;
        self.last_sent = now.at;
        let filters = [
            topic::messages(&self.device_id),
            topic::TWIN_RESPONSES.to_owned(),
            topic::DESIRED.to_owned(),
        ];
        packets::subscribe(&mut self.output, &filters)
    }

    fn subscribed(&mut self, ack: &SubAck) -> Result<(), Error> {
        let is_granted = |code: &SubscribeReasonCode| {
            matches!(code, SubscribeReasonCode::Success(QoS::AtMostOnce | QoS::AtLeastOnce))
        };
        let granted = ack.return_codes.len() == 3 && ack.return_codes.iter().all(is_granted);
        if ack.pkid != packets::SUBSCRIBE_ID || !granted {
            return Err(Error::new(Stage::Hub, ErrorKind::SubscribeRejected));
        }
        self.phase = Phase::Open;
        self.events.push_back(Event::Connected);
        Ok(())
    }

    fn message(&mut self, now: Now, publish: &Publish) -> Result<(), Error> {
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                let acknowledgement = Packet::PubAck(PubAck::new(publish.pkid));
                packets::write(&mut self.output, &acknowledgement)?;
                self.last_sent = now.at;
            }
            QoS::ExactlyOnce => return Err(protocol("a message with QoS 2")),
        }
        let body = publish.payload.to_vec();
        let event = match topic::parse(&self.device_id, &publish.topic) {
            Some(Incoming::Twin { status, rid: Some(rid), version }) => {
                Event::Answered { request: RequestId(rid), status, version, body }
            }
            Some(Incoming::Desired { version }) => match String::from_utf8(body) {
                Ok(patch) if is_object(&patch) => {
                    Event::Desired(DesiredUpdate::new(version, patch))
                }
                _ => return Err(protocol("desired properties that are no JSON object")),
            },
            Some(Incoming::Message(properties)) => Event::Message(Message { properties, body }),
            // None of ours.
            Some(Incoming::Twin { rid: None, .. }) | None => return Ok(()),
        };
        self.events.push_back(event);
        Ok(())
    }

    /// Moves the bytes to send, if there are any, to the end of `out`.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.output);
        wipe(&mut self.output);
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        match (self.phase, self.pinged) {
            (Phase::Open, Some(at)) => Some(at + PING_ANSWER),
            (Phase::Open, None) => Some(self.last_sent + PING_AFTER),
            _ => None,
        }
    }

    /// Does what is due at `now`: pings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionLost`] when the hub did not answer one.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), Error> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        match self.pinged {
            Some(at) if now.at >= at + PING_ANSWER => {
                Err(Error::new(Stage::Hub, ErrorKind::ConnectionLost)
                    .with_detail("the hub did not answer a keep-alive"))
            }
            None if now.at >= self.last_sent + PING_AFTER => {
                self.pinged = Some(now.at);
                self.last_sent = now.at;
                packets::write(&mut self.output, &Packet::PingReq)
            }
            _ => Ok(()),
        }
    }

    /// Queues DISCONNECT.
    pub fn close(&mut self) {
        if core::mem::replace(&mut self.phase, Phase::Closed) != Phase::Closed {
            // Two constant bytes; nothing can go wrong.
            let _ = packets::write(&mut self.output, &Packet::Disconnect);
        }
    }
}

impl Default for HubEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HubEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output may hold a token, so neither buffer is shown.
        f.debug_struct("HubEngine")
            .field("phase", &self.phase)
            .field("device_id", &self.device_id)
            .field("unacknowledged", &self.unacknowledged.len())
            .finish_non_exhaustive()
    }
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

fn protocol(detail: &str) -> Error {
    Error::new(Stage::Hub, ErrorKind::Protocol).with_detail(detail)
}

/// Empties a buffer that may have held a token.
fn wipe(buffer: &mut BytesMut) {
    buffer.as_mut().zeroize();
    buffer.clear();
}

#[cfg(test)]
mod tests;
