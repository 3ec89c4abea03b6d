//! What a device has subscribed to (`wire-protocol.md` section 8.1). There are four filters, so
//! nobody reaches the hub's limit of five.

use super::topic;
use rumqttc::mqttbytes::QoS;

/// A subscription's place in [`Subscriptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// Messages from the cloud.
    Messages,
    /// Answers about the twin.
    TwinResponses,
    /// Changes of the desired properties.
    Desired,
    /// Direct methods.
    Methods,
}

/// The QoS of each that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscriptions {
    messages: Option<QoS>,
    /// What stands before the bag in a message's topic, in the device's own way to write its id.
    message_topic: String,
    twin_responses: Option<QoS>,
    desired: Option<QoS>,
    methods: Option<QoS>,
}

impl Subscriptions {
    fn slot(&mut self, feed: Feed) -> &mut Option<QoS> {
        match feed {
            Feed::Messages => &mut self.messages,
            Feed::TwinResponses => &mut self.twin_responses,
            Feed::Desired => &mut self.desired,
            Feed::Methods => &mut self.methods,
        }
    }

    /// Its QoS, if there is one.
    pub(super) fn get(&self, feed: Feed) -> Option<QoS> {
        match feed {
            Feed::Messages => self.messages,
            Feed::TwinResponses => self.twin_responses,
            Feed::Desired => self.desired,
            Feed::Methods => self.methods,
        }
    }

    /// What the topic of a message begins with: it matches the filter that the device gave last.
    pub(super) fn message_topic(&self) -> &str {
        &self.message_topic
    }

    /// Grants a filter at QoS 0 or 1; `None` when there is no such one.
    pub(super) fn subscribe(&mut self, device: &str, filter: &str, qos: QoS) -> Option<QoS> {
        let granted = match qos {
            QoS::AtMostOnce => QoS::AtMostOnce,
            QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
        };
        let feed = topic::feed(device, filter)?;
        if feed == Feed::Messages {
            self.message_topic = topic::message_topic(device, filter);
        }
        *self.slot(feed) = Some(granted);
        Some(granted)
    }

    pub(super) fn unsubscribe(&mut self, device: &str, filter: &str) {
        if let Some(feed) = topic::feed(device, filter) {
            *self.slot(feed) = None;
        }
    }
}
