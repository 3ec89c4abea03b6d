//! One device's connection to its hub, from CONNECT to the end (`wire-protocol.md` section 8.1):
//! packets come, packets go.

use super::access::Seat;
use super::device::Push;
use super::handle::MethodReply;
use super::subscriptions::Feed;
use super::topic::{self, Upward};
use super::{Hubs, username};
use crate::doors::Wake;
use crate::doors::mqtt::packet::Violation;
use crate::events::Kind;
use crate::service::Credentials;
use core::time::Duration;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest message.
pub(super) const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The largest packet after its fixed header: a message of the largest size and its topic.
pub(crate) const MAX_PACKET_BYTES: usize = MAX_MESSAGE_BYTES + 16 * 1024;
/// A SUBSCRIBE with more filters is no device's.
const MAX_FILTERS: usize = 16;

/// A device that was let in.
#[derive(Debug)]
pub(crate) struct HubSession {
    seat: Seat,
    last_packet_id: u16,
    /// Packet ids of messages that the device has not acknowledged.
    unacknowledged: BTreeMap<u16, u64>,
}

impl HubSession {
    /// Lets the device of a CONNECT in, or tells the log why not. Also says whether an earlier
    /// session goes on.
    pub(crate) fn open(
        hubs: &Arc<Hubs>,
        name: &str,
        connect: &Connect,
        credentials: &Credentials,
        wake: Wake,
        now: Duration,
    ) -> Option<(Self, bool)> {
        let place = match username::parse(name, &connect.client_id) {
            Ok(place) => place,
            Err(reason) => {
                tracing::warn!(reason, "hub connection refused: unusable MQTT user name");
                return None;
            }
        };
        let refused = |reason: super::identity::Objection| {
            tracing::warn!(hub = place.hub, device_id = place.device, %reason,
                "hub connection refused");
            hubs.events.add(place.event(Kind::DeviceRefused).because(reason), now);
        };
        if connect.client_id != place.device {
            refused(super::identity::Objection::ClientId);
            return None;
        }
        let clean = connect.clean_session;
        match Seat::take(hubs, place.clone(), credentials, clean, wake, now) {
            Ok((seat, goes_on)) => {
                tracing::info!(hub = place.hub, device_id = place.device, "device connected");
                let unacknowledged = BTreeMap::new();
                Some((Self { seat, last_packet_id: 0, unacknowledged }, goes_on))
            }
            Err(objection) => {
                refused(objection);
                None
            }
        }
    }

    /// When the device's token expires, with which its connection ends.
    pub(crate) fn expires_at(&self) -> Option<Duration> {
        self.seat.expires_at()
    }

    /// Takes a packet and gives the answers; `None` ends the connection without complaint.
    pub(crate) fn handle(
        &mut self,
        now: Duration,
        packet: Packet,
    ) -> Result<Option<Vec<Packet>>, Violation> {
        match packet {
            Packet::Publish(publish) => self.publish(now, &publish),
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe),
            Packet::PubAck(ack) => {
                let number = self.unacknowledged.remove(&ack.pkid);
                let known = self.seat.with(|device| {
                    if let Some(number) = number {
                        device.acknowledge(number);
                    }
                });
                Ok(known.map(|()| Vec::new()))
            }
            Packet::PingReq => Ok(Some(vec![Packet::PingResp])),
            Packet::Disconnect => Ok(None),
            Packet::Connect(_) => Err(Violation::Unexpected("a second CONNECT")),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                Err(Violation::Unexpected("a QoS 2 packet"))
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(Violation::Unexpected("a packet that only a server sends"))
            }
        }
    }

    fn publish(
        &mut self,
        now: Duration,
        publish: &Publish,
    ) -> Result<Option<Vec<Packet>>, Violation> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(Violation::Unexpected("a message with QoS 2"));
        }
        if publish.payload.len() > MAX_MESSAGE_BYTES {
            return Err(Violation::TooLarge);
        }
        let upward = topic::upward(self.seat.device(), &publish.topic)
            .ok_or_else(|| Violation::Topic(publish.topic.chars().take(256).collect()))?;
        let mut answers = Vec::new();
        if publish.qos == QoS::AtLeastOnce {
            answers.push(Packet::PubAck(PubAck::new(publish.pkid)));
        }
        let body: &[u8] = &publish.payload;
        // The QoS of the answer, its topic and body.
        let answer = self.seat.with(|device| match upward {
            Upward::Telemetry(properties) => {
                device.keep(now, properties, body);
                None
            }
            Upward::GetTwin { request_id } => {
                let qos = device.subscriptions.get(Feed::TwinResponses)?;
                let twin = device.twin.to_device_json().to_string();
                Some((qos, topic::twin_response(200, request_id, None), twin))
            }
            Upward::Report { request_id } => {
                let reported = device.twin.report(body);
                let qos = device.subscriptions.get(Feed::TwinResponses)?;
                let (status, version) = match reported {
                    Ok(version) => (204, Some(version)),
                    Err(reason) => {
                        tracing::warn!(%reason, "reported properties refused");
                        (400, None)
                    }
                };
                let topic = topic::twin_response(status, request_id, version);
                Some((qos, topic, String::new()))
            }
            Upward::MethodReply { status, request_id } => {
                device.answer(request_id, MethodReply::new(status, body));
                None
            }
        });
        let Some(answer) = answer else { return Ok(None) };
        self.seat.stir();
        if let Some((qos, topic, body)) = answer {
            answers.push(self.message(qos, topic, body.into_bytes()));
        }
        Ok(Some(answers))
    }

    fn message(&mut self, qos: QoS, topic: String, body: Vec<u8>) -> Packet {
        let mut publish = Publish::new(topic, qos, body);
        if qos != QoS::AtMostOnce {
            // Never 0, which is no packet id.
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            publish.pkid = self.last_packet_id;
        }
        Packet::Publish(publish)
    }

    fn subscribe(&mut self, subscribe: &Subscribe) -> Result<Option<Vec<Packet>>, Violation> {
        if subscribe.pkid == 0 {
            return Err(Violation::Unexpected("the packet id 0"));
        }
        if subscribe.filters.len() > MAX_FILTERS {
            return Err(Violation::Unexpected("a SUBSCRIBE with many filters"));
        }
        let id = self.seat.device().to_owned();
        let codes = self.seat.with(|device| {
            let grant = |filter: &rumqttc::mqttbytes::v4::SubscribeFilter| match device
                .subscriptions
                .subscribe(&id, &filter.path, filter.qos)
            {
                Some(qos) => SubscribeReasonCode::Success(qos),
                None => {
                    let filter: String = filter.path.chars().take(80).collect();
                    tracing::warn!(filter, "subscription refused: a hub has no such topic");
                    SubscribeReasonCode::Failure
                }
            };
            subscribe.filters.iter().map(grant).collect()
        });
        Ok(codes.map(|codes| vec![Packet::SubAck(SubAck::new(subscribe.pkid, codes))]))
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<Option<Vec<Packet>>, Violation> {
        if unsubscribe.pkid == 0 || unsubscribe.topics.is_empty() {
            return Err(Violation::Unexpected("an UNSUBSCRIBE without packet id or filter"));
        }
        let id = self.seat.device().to_owned();
        let done = self.seat.with(|device| {
            for filter in &unsubscribe.topics {
                device.subscriptions.unsubscribe(&id, filter);
            }
        });
        Ok(done.map(|()| vec![Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))]))
    }

    /// What the cloud has for the device; `None` when another connection has taken this one's
    /// place, or the device is gone from the hub.
    pub(crate) fn pushes(&mut self) -> Option<Vec<Packet>> {
        let pushes = self.seat.with(|device| {
            let subscriptions = device.subscriptions.clone();
            (device.take_pushes(), subscriptions)
        });
        let (pushes, subscriptions) = pushes?;
        let granted = |feed| subscriptions.get(feed).unwrap_or(QoS::AtMostOnce);
        let mut packets = Vec::with_capacity(pushes.len());
        for push in pushes {
            packets.push(match push {
                Push::Message { number, qos, message } => {
                    let topic = topic::message(subscriptions.message_topic(), &message.properties);
                    let packet = self.message(qos, topic, message.body);
                    if qos != QoS::AtMostOnce {
                        self.unacknowledged.insert(self.last_packet_id, number);
                    }
                    packet
                }
                Push::Desired { version, patch } => {
                    let topic = topic::desired(version);
                    self.message(granted(Feed::Desired), topic, patch.to_string().into_bytes())
                }
                Push::Method { call, name, payload } => {
                    self.message(granted(Feed::Methods), topic::method(&name, call), payload)
                }
            });
        }
        Some(packets)
    }
}
