//! The MQTT 3.1.1 door (`wire-protocol.md` section 2): one connection's server side. The user name
//! decides whether the client speaks with the provisioning service, which is here, or with a hub,
//! which is [`HubSession`]'s.

pub(crate) mod packet;
#[cfg(test)]
mod tests;
mod topic;
mod username;

use crate::doors::outlet::Outlet;
use crate::doors::{Connection, Wake};
use crate::faults::{DeviceTransport, Disturbance};
use crate::hub::session::{self, HubSession};
use crate::hub::username::is_for_hub;
use crate::service::{Credentials, DeviceIdentity, Greeting, Reply, Service};
use bytes::{BufMut as _, BytesMut};
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use dps_core::wire::MAX_MESSAGE_BYTES;
use packet::{Incoming, Violation};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use std::sync::Arc;
use topic::Request;

/// How long a client that states no keep-alive may be silent: twice the longest pause between two
/// polls.
const IDLE_PATIENCE: Duration = Duration::from_secs(600);
/// The service documents one filter; clients that try a few others are told no one by one.
const MAX_FILTERS: usize = 16;
/// How long a new connection may take until its CONNECT packet is complete.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The only topic filter that the service grants.
const RESPONSES: &str = "$dps/registrations/res/#";

/// One client's connection: takes bytes and the time, gives bytes. It opens no socket and reads
/// no clock, so tests can drive it byte by byte.
///
/// `now` is always the time since 1970-01-01T00:00:00Z.
pub struct MqttConnection {
    service: Arc<Service>,
    input: BytesMut,
    output: BytesMut,
    outlet: Outlet,
    phase: Phase,
    /// When the last packet came.
    heard_at: Duration,
    /// How long the client may be silent.
    patience: Option<Duration>,
    /// The client's certificates from the TLS handshake, in DER, its own first.
    peer_certificates: Vec<Vec<u8>>,
    /// Whom to call when a hub has something for the client.
    wake: Wake,
    peer: Option<IpAddr>,
    transport: DeviceTransport,
}

enum Phase {
    /// Nothing but CONNECT may come.
    AwaitingConnect,
    /// CONNECT was accepted.
    Connected(Session),
    /// So it was, for a hub.
    Hub(Box<HubSession>),
    /// Nothing more is read; output may still wait for [`MqttConnection::transmit`].
    Closed,
}

/// What lasts from CONNECT to the end. Never longer: no session is kept (section 2.1).
#[derive(Debug)]
struct Session {
    identity: DeviceIdentity,
    credentials: Credentials,
    /// The QoS of the subscription to responses, when there is one.
    responses: Option<QoS>,
    last_packet_id: u16,
}

impl Connection for MqttConnection {
    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        self.release(now);
        if self.is_over() {
            return;
        }
        self.input.put_slice(bytes);
        while !self.is_over() {
            let limit = match self.phase {
                Phase::Hub(_) => session::MAX_PACKET_BYTES,
                _ => packet::MAX_PACKET_BYTES,
            };
            let result = match packet::read(&mut self.input, limit) {
                Ok(None) => return,
                Ok(Some(incoming)) => {
                    self.heard_at = now;
                    self.handle(now, incoming)
                }
                Err(violation) => Err(violation),
            };
            if let Err(violation) = result {
                tracing::warn!(reason = %violation, "MQTT connection closed");
                self.close();
            }
        }
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.push();
        self.outlet.take(self.output.split());
        self.outlet.transmit()
    }

    fn is_closed(&self) -> bool {
        let is_at_end = matches!(self.phase, Phase::Closed) && !self.outlet.is_holding();
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
        let patience = self.patience.filter(|_| !self.is_closed())?;
        let silence = self.heard_at.saturating_add(patience);
        let expiry = match &self.phase {
            Phase::Hub(session) => session.expires_at(),
            _ => None,
        };
        Some(expiry.map_or(silence, |expiry| expiry.min(silence)))
    }

    /// 10 s before CONNECT, one and a half times the keep-alive afterwards; at a hub no longer
    /// than the token is good.
    fn handle_timeout(&mut self, now: Duration) {
        self.release(now);
        if self.next_timeout().is_some_and(|deadline| deadline <= now) {
            tracing::debug!(
                "MQTT connection closed: the client was silent too long, or its token has expired"
            );
            self.close();
        }
    }

    fn set_wake(&mut self, wake: Wake) {
        self.wake = wake;
    }
}

impl MqttConnection {
    /// A connection that was just opened.
    pub fn new(service: Arc<Service>, now: Duration) -> Self {
        Self {
            service,
            input: BytesMut::new(),
            output: BytesMut::new(),
            outlet: Outlet::default(),
            phase: Phase::AwaitingConnect,
            heard_at: now,
            patience: Some(CONNECT_PATIENCE),
            peer_certificates: Vec::new(),
            wake: Arc::new(|| {}),
            peer: None,
            transport: DeviceTransport::Mqtt,
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
        self.transport = DeviceTransport::MqttWs;
        self
    }

    /// Whether nothing that comes matters any more.
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed) || self.outlet.is_deaf()
    }

    /// Lets go what a fault has held for its time.
    fn release(&mut self, now: Duration) {
        if self.outlet.release(now) {
            self.heard_at = now;
        }
    }

    /// Has a fault strike what is written since the outlet has taken something.
    fn disturb(&mut self, how: Option<Disturbance>, now: Duration) {
        let answer = self.output.split();
        match how {
            Some(how) => self.outlet.disturb(answer, how, now),
            None => self.outlet.take(answer),
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.input = BytesMut::new();
    }

    fn handle(&mut self, now: Duration, incoming: Incoming) -> Result<(), Violation> {
        let packet = match incoming {
            Incoming::Packet(packet) => packet,
            Incoming::ConnectOfOtherVersion => {
                if !matches!(self.phase, Phase::AwaitingConnect) {
                    return Err(Violation::Unexpected("a second CONNECT"));
                }
                return self.refuse(ConnectReturnCode::RefusedProtocolVersion);
            }
        };
        let session = match (&mut self.phase, packet) {
            (Phase::AwaitingConnect, Packet::Connect(connect)) => {
                return self.connect(now, connect);
            }
            (Phase::AwaitingConnect, _) => return Err(Violation::Unexpected("not CONNECT first")),
            (Phase::Closed, _) => return Ok(()),
            (Phase::Hub(session), packet) => {
                let answers = session.handle(now, packet)?;
                return self.answer(answers);
            }
            (Phase::Connected(session), packet) => (session, packet),
        };
        match session {
            (session, Packet::Subscribe(subscribe)) => {
                let acknowledgement = session.subscribe(&subscribe)?;
                self.send(&Packet::SubAck(acknowledgement))
            }
            (session, Packet::Unsubscribe(unsubscribe)) => {
                session.unsubscribe(&unsubscribe)?;
                self.send(&Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)))
            }
            (_, Packet::Publish(publish)) => self.publish(now, &publish),
            (_, Packet::PingReq) => self.send(&Packet::PingResp),
            // Responses are not sent again, so their acknowledgement changes nothing.
            (_, Packet::PubAck(_)) => Ok(()),
            (_, Packet::Disconnect) => {
                self.close();
                Ok(())
            }
            (_, Packet::Connect(_)) => Err(Violation::Unexpected("a second CONNECT")),
            (_, Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_)) => {
                Err(Violation::Unexpected("a QoS 2 packet"))
            }
            (
                _,
                Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp,
            ) => Err(Violation::Unexpected("a packet that only a server sends")),
        }
    }

    /// Sections 2.1 and 2.6.
    fn connect(&mut self, now: Duration, mut connect: Connect) -> Result<(), Violation> {
        let (username, password) = match connect.login.take() {
            Some(login) => (login.username, login.password),
            None => Default::default(),
        };
        let credentials = match Credentials::sas_token(password) {
            Credentials::None if !self.peer_certificates.is_empty() => {
                Credentials::Certificates(std::mem::take(&mut self.peer_certificates))
            }
            credentials => credentials,
        };
        if is_for_hub(&username) {
            return self.enter_hub(now, &username, &connect, &credentials);
        }
        let identity = match username::parse(&username) {
            Ok(identity) => identity.at(self.peer).over(self.transport),
            Err(problem) => {
                tracing::warn!(reason = problem, "connection refused: unusable MQTT user name");
                return self.refuse(ConnectReturnCode::NotAuthorized);
            }
        };
        if !connect.client_id.eq_ignore_ascii_case(identity.registration_id.as_str()) {
            tracing::warn!(registration_id = %identity.registration_id,
                "connection refused: the MQTT client id is not the registration id");
            return self.refuse(ConnectReturnCode::NotAuthorized);
        }
        if self.service.wants_tpm(&identity) {
            tracing::warn!(registration_id = %identity.registration_id,
                "connection refused: a TPM cannot prove itself over MQTT; use AMQP or HTTPS");
            return self.refuse(ConnectReturnCode::NotAuthorized);
        }
        if !self.service.admits(&identity, &credentials, now) {
            return self.refuse(ConnectReturnCode::NotAuthorized);
        }
        let how = match self.service.greet(&identity, &credentials, now) {
            Some(Greeting::Refused(_)) => {
                return self.refuse(ConnectReturnCode::ServiceUnavailable);
            }
            Some(Greeting::Disturbed(how)) => Some(how),
            None => None,
        };
        self.patience = Some(patience(connect.keep_alive));
        self.phase =
            Phase::Connected(Session { identity, credentials, responses: None, last_packet_id: 0 });
        self.outlet.take(self.output.split());
        self.send(&Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)))?;
        self.disturb(how, now);
        Ok(())
    }

    /// Section 8.1: a bad token and an unknown device are refused at once.
    fn enter_hub(
        &mut self,
        now: Duration,
        username: &str,
        connect: &Connect,
        credentials: &Credentials,
    ) -> Result<(), Violation> {
        let (hubs, wake) = (self.service.iot_hubs(), self.wake.clone());
        let entered = HubSession::open(hubs, username, connect, credentials, wake, now);
        let Some((session, goes_on)) = entered else {
            return self.refuse(ConnectReturnCode::NotAuthorized);
        };
        self.patience = Some(patience(connect.keep_alive));
        self.phase = Phase::Hub(Box::new(session));
        self.send(&Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, goes_on)))
    }

    /// What a hub has for its device goes out, or the connection ends: its place is taken.
    fn push(&mut self) {
        let Phase::Hub(session) = &mut self.phase else { return };
        let pushes = session.pushes();
        if let Err(violation) = self.answer(pushes) {
            tracing::warn!(reason = %violation, "MQTT connection closed");
            self.close();
        }
    }

    /// Sends a hub's packets; none at all ends the connection.
    fn answer(&mut self, packets: Option<Vec<Packet>>) -> Result<(), Violation> {
        match packets {
            Some(packets) => packets.iter().try_for_each(|packet| self.send(packet)),
            None => {
                self.close();
                Ok(())
            }
        }
    }

    fn refuse(&mut self, code: ConnectReturnCode) -> Result<(), Violation> {
        self.send(&Packet::ConnAck(ConnAck::new(code, false)))?;
        self.close();
        Ok(())
    }

    /// Section 2.1. The acknowledgement goes before the response, because the C# client insists
    /// on it (section 2.5).
    fn publish(&mut self, now: Duration, publish: &Publish) -> Result<(), Violation> {
        let Phase::Connected(session) = &self.phase else { return Ok(()) };
        if publish.qos == QoS::ExactlyOnce {
            return Err(Violation::Unexpected("a QoS 2 packet"));
        }
        if publish.payload.len() > MAX_MESSAGE_BYTES {
            return Err(Violation::TooLarge);
        }
        let (request_id, request) = topic::parse(&publish.topic)?;
        let (identity, credentials) = (&session.identity, &session.credentials);
        let reply = match request {
            _ if request_id.is_empty() => {
                self.service.invalid_request(identity, "The topic has no $rid.", now)
            }
            Request::Register => {
                self.service.register(identity, credentials, &publish.payload, now)
            }
            Request::Poll { operation_id: Some(id) } => {
                self.service.poll(identity, credentials, id, now)
            }
            Request::Poll { operation_id: None } => {
                self.service.invalid_request(identity, "The topic has no operationId.", now)
            }
        };
        self.outlet.take(self.output.split());
        let how = reply.disturbance;
        if publish.qos == QoS::AtLeastOnce {
            self.send(&Packet::PubAck(PubAck::new(publish.pkid)))?;
        }
        self.respond(request_id, reply)?;
        self.disturb(how, now);
        Ok(())
    }

    /// Sends a response at the QoS of the subscription; without one it is lost.
    fn respond(&mut self, request_id: &str, reply: Reply) -> Result<(), Violation> {
        let Phase::Connected(session) = &mut self.phase else { return Ok(()) };
        let Some(qos) = session.responses else {
            tracing::warn!(registration_id = %session.identity.registration_id,
                "response lost: the client has not subscribed to {RESPONSES}");
            return Ok(());
        };
        let topic = topic::response(reply.status, request_id, reply.retry_after);
        let mut publish = Publish::new(topic, qos, reply.body);
        if qos != QoS::AtMostOnce {
            publish.pkid = session.next_packet_id();
        }
        self.send(&Packet::Publish(publish))
    }

    fn send(&mut self, packet: &Packet) -> Result<(), Violation> {
        // The limit is the client's: MQTT's own.
        packet.write(&mut self.output, usize::MAX).map(drop).map_err(Violation::Codec)
    }
}

/// How long a client with this keep-alive may be silent (MQTT 3.1.1, 3.1.2.10).
fn patience(keep_alive: u16) -> Duration {
    match keep_alive {
        // Devices that lose their power never say goodbye, and must not hold a place for ever.
        0 => IDLE_PATIENCE,
        seconds => Duration::from_millis(u64::from(seconds) * 1500),
    }
}

impl fmt::Debug for MqttConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::AwaitingConnect => "AwaitingConnect",
            Phase::Connected(_) => "Connected",
            Phase::Hub(_) => "Hub",
            Phase::Closed => "Closed",
        };
        f.debug_struct("MqttConnection").field("phase", &phase).finish_non_exhaustive()
    }
}

impl Session {
    /// Grants the one filter at QoS 0 or 1, and refuses all others (section 2.1).
    fn subscribe(&mut self, subscribe: &Subscribe) -> Result<SubAck, Violation> {
        if subscribe.pkid == 0 {
            return Err(Violation::Unexpected("the packet id 0"));
        }
        if subscribe.filters.len() > MAX_FILTERS {
            return Err(Violation::Unexpected("a SUBSCRIBE with many filters"));
        }
        let codes = subscribe.filters.iter().map(|filter| {
            if filter.path != RESPONSES {
                let start: String = filter.path.chars().take(80).collect();
                tracing::warn!(filter = start, "subscription refused: not {RESPONSES}");
                return SubscribeReasonCode::Failure;
            }
            let granted = match filter.qos {
                QoS::AtMostOnce => QoS::AtMostOnce,
                QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
            };
            self.responses = Some(granted);
            SubscribeReasonCode::Success(granted)
        });
        Ok(SubAck::new(subscribe.pkid, codes.collect()))
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), Violation> {
        if unsubscribe.pkid == 0 || unsubscribe.topics.is_empty() {
            return Err(Violation::Unexpected("an UNSUBSCRIBE without packet id or filter"));
        }
        if unsubscribe.topics.iter().any(|filter| filter == RESPONSES) {
            self.responses = None;
        }
        Ok(())
    }

    /// Never 0, which is no packet id.
    fn next_packet_id(&mut self) -> u16 {
        self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
        self.last_packet_id
    }
}
