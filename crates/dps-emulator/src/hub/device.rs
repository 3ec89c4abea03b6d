//! One device of a hub: what is known of it, what it has sent, and what waits for it.

use super::handle::{HubError, Message, MethodReply};
use super::identity::HubIdentity;
use super::properties::Properties;
use super::subscriptions::{Feed, Subscriptions};
use super::twin::Twin;
use crate::doors::Wake;
use core::fmt;
use core::time::Duration;
use rumqttc::mqttbytes::QoS;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc;

/// The most telemetry that is kept of one device: the latest.
const MAX_TELEMETRY: usize = 1000;
/// The most bytes of its bodies and properties.
const MAX_TELEMETRY_BYTES: usize = 8 * 1024 * 1024;
/// The most messages that wait for one device, as with the real hub.
const MAX_WAITING: usize = 50;

/// A message from a device.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Telemetry {
    /// Counts the device's messages, from 1.
    pub sequence: u64,
    /// When it came, since 1970-01-01T00:00:00Z.
    pub enqueued: Duration,
    /// Its properties.
    pub properties: Properties,
    /// Its body, byte for byte.
    pub body: Vec<u8>,
}

impl Telemetry {
    /// What it takes, roughly.
    pub(super) fn size(&self) -> usize {
        let property = |(name, value): (&String, &Option<String>)| {
            size_of::<(String, Option<String>)>()
                + name.len()
                + value.as_ref().map_or(0, String::len)
        };
        self.body.len() + self.properties.iter().map(property).sum::<usize>()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What devices send may be confidential, even here.
        f.debug_struct("Telemetry")
            .field("sequence", &self.sequence)
            .field("enqueued", &self.enqueued)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a connection has to bring to its device.
pub(super) enum Push {
    /// A message from the cloud. At QoS 1 it waits until it is acknowledged.
    Message { number: u64, qos: QoS, message: Message },
    /// New desired properties.
    Desired { version: u64, patch: Value },
    /// A direct method.
    Method { call: u64, name: String, payload: Vec<u8> },
}

/// A message that has not been acknowledged.
struct Waiting {
    number: u64,
    message: Message,
    /// The connection has sent it.
    sent: bool,
}

struct Attached {
    connection: u64,
    wake: Wake,
    outbox: VecDeque<Push>,
}

/// A device and all that the hub keeps of it.
pub(super) struct Device {
    pub(super) identity: HubIdentity,
    pub(super) twin: Twin,
    pub(super) subscriptions: Subscriptions,
    has_session: bool,
    telemetry: VecDeque<Telemetry>,
    telemetry_bytes: usize,
    telemetry_count: u64,
    waiting: VecDeque<Waiting>,
    messages: u64,
    attached: Option<Attached>,
    calls: BTreeMap<u64, mpsc::Sender<MethodReply>>,
    last_call: u64,
}

impl Device {
    pub(super) fn new(identity: HubIdentity, twin: Twin) -> Self {
        Self {
            identity,
            twin,
            subscriptions: Subscriptions::default(),
            has_session: false,
            telemetry: VecDeque::new(),
            telemetry_bytes: 0,
            telemetry_count: 0,
            waiting: VecDeque::new(),
            messages: 0,
            attached: None,
            calls: BTreeMap::new(),
            last_call: 0,
        }
    }

    /// Takes a connection in the place of the one before, which finds out when it next looks.
    /// Whether a session of an earlier one goes on: subscriptions last unless the device wants to
    /// start clean.
    pub(super) fn attach(&mut self, connection: u64, clean: bool, wake: Wake) -> bool {
        self.drop_connection();
        let goes_on = self.has_session && !clean;
        if !goes_on {
            self.subscriptions = Subscriptions::default();
        }
        self.has_session = !clean;
        self.attached = Some(Attached { connection, wake, outbox: VecDeque::new() });
        goes_on
    }

    pub(super) fn is_attached(&self, connection: u64) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.connection == connection)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.attached.is_some()
    }

    /// Ends the connection there is. What it had sent and the device did not acknowledge waits
    /// again.
    pub(super) fn drop_connection(&mut self) {
        if let Some(attached) = self.attached.take() {
            (attached.wake)();
        }
        self.waiting.iter_mut().for_each(|waiting| waiting.sent = false);
        self.calls.clear();
    }

    pub(super) fn keep(&mut self, now: Duration, properties: Properties, body: &[u8]) {
        self.telemetry_count += 1;
        let message = Telemetry {
            sequence: self.telemetry_count,
            enqueued: now,
            properties,
            body: body.to_vec(),
        };
        self.telemetry_bytes += message.size();
        self.telemetry.push_back(message);
        while self.telemetry.len() > MAX_TELEMETRY || self.telemetry_bytes > MAX_TELEMETRY_BYTES {
            let Some(oldest) = self.telemetry.pop_front() else { break };
            self.telemetry_bytes -= oldest.size();
        }
    }

    pub(super) fn telemetry(&self) -> Vec<Telemetry> {
        self.telemetry.iter().cloned().collect()
    }

    pub(super) fn all_telemetry(&self) -> impl Iterator<Item = &Telemetry> {
        self.telemetry.iter()
    }

    pub(super) fn telemetry_count(&self) -> u64 {
        self.telemetry_count
    }

    /// Lets a message wait for the device. Gives how many wait now.
    pub(super) fn enqueue(&mut self, message: Message) -> Result<usize, HubError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(HubError::QueueFull);
        }
        self.messages += 1;
        self.waiting.push_back(Waiting { number: self.messages, message, sent: false });
        self.wake();
        Ok(self.waiting.len())
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The device has the message.
    pub(super) fn acknowledge(&mut self, number: u64) {
        self.waiting.retain(|waiting| waiting.number != number);
    }

    /// Changes the desired properties, and tells the device if it listens.
    pub(super) fn desire(&mut self, patch: &Value) -> Result<u64, HubError> {
        self.patch(None, Some(patch))?;
        Ok(self.twin.desired_version)
    }

    /// The same, together with the tags, which the device does not see.
    pub(super) fn patch(
        &mut self,
        tags: Option<&Value>,
        desired: Option<&Value>,
    ) -> Result<(), HubError> {
        let patched = self.twin.patch(tags, desired);
        let told = patched.map_err(|error| HubError::Patch(error.to_string()))?;
        if let Some(patch) = told
            && self.subscriptions.get(Feed::Desired).is_some()
        {
            self.push(Push::Desired { version: self.twin.desired_version, patch });
        }
        Ok(())
    }

    /// Calls a method; the reply comes through the channel.
    pub(super) fn call(
        &mut self,
        name: &str,
        payload: Vec<u8>,
    ) -> Result<mpsc::Receiver<MethodReply>, HubError> {
        if self.attached.is_none() || self.subscriptions.get(Feed::Methods).is_none() {
            return Err(HubError::NotListening);
        }
        self.last_call += 1;
        let (sender, receiver) = mpsc::channel();
        self.calls.insert(self.last_call, sender);
        self.push(Push::Method { call: self.last_call, name: name.to_owned(), payload });
        Ok(receiver)
    }

    pub(super) fn answer(&mut self, request_id: &str, reply: MethodReply) {
        let call = u64::from_str_radix(request_id, 16).ok();
        match call.and_then(|call| self.calls.remove(&call)) {
            // Nobody may wait any more, which is no matter.
            Some(caller) => drop(caller.send(reply)),
            None => tracing::warn!(request_id, "the answer to a method that nobody has called"),
        }
    }

    /// What the connection is to bring to the device now.
    pub(super) fn take_pushes(&mut self) -> Vec<Push> {
        let Some(attached) = &mut self.attached else { return Vec::new() };
        let mut pushes: Vec<Push> = attached.outbox.drain(..).collect();
        if let Some(qos) = self.subscriptions.get(Feed::Messages) {
            for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.sent) {
                waiting.sent = true;
                let (number, message) = (waiting.number, waiting.message.clone());
                pushes.push(Push::Message { number, qos, message });
            }
            if qos == QoS::AtMostOnce {
                self.waiting.clear();
            }
        }
        pushes
    }

    fn push(&mut self, push: Push) {
        if let Some(attached) = &mut self.attached {
            attached.outbox.push_back(push);
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(attached) = &self.attached {
            (attached.wake)();
        }
    }
}
