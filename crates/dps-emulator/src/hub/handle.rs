//! A hub as those see it who run the service: tests, and people.

use super::device::{Device, Telemetry};
use super::hubs::Hubs;
use super::properties::Properties;
use super::session::MAX_MESSAGE_BYTES;
use super::topic;
use super::twin::Twin;
use core::fmt;
use core::time::Duration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A message from the cloud to a device.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Vec<u8>,
}

impl Message {
    /// A message without properties.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { properties: Properties::new(), body: body.into() }
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), Some(value.into()));
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A device's answer to a direct method.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodReply {
    /// The status that the device chose.
    pub status: i32,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

impl MethodReply {
    pub(super) fn new(status: i32, body: &[u8]) -> Self {
        Self { status, body: body.to_vec() }
    }
}

impl fmt::Debug for MethodReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodReply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why a hub does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub has no device of this id.
    #[error("the hub has no such device: it must register first")]
    NoDevice,
    /// The device's queue is full.
    #[error("50 messages wait for the device already")]
    QueueFull,
    /// A message or a method's call is larger than a hub and MQTT allow.
    #[error("it is too large: a body may have 256 KB, a topic with all properties 65535 bytes")]
    TooLarge,
    /// The desired properties cannot be changed so.
    #[error("the twin stays as it is: {0}")]
    Patch(String),
    /// The device is not connected, or takes no methods.
    #[error("the device does not listen for methods now")]
    NotListening,
    /// The device did not answer in time.
    #[error("the device did not answer in time")]
    NoAnswer,
}

/// One hub of the local service.
#[derive(Clone, Debug)]
pub struct Hub {
    hubs: Arc<Hubs>,
    name: String,
}

impl Hub {
    pub(crate) fn new(hubs: &Arc<Hubs>, name: &str) -> Option<Self> {
        Some(Self { name: hubs.find(name)?, hubs: hubs.clone() })
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids of its devices, sorted.
    pub fn devices(&self) -> Vec<String> {
        self.read(|devices| devices.keys().cloned().collect())
    }

    pub(super) fn read<T: Default>(
        &self,
        action: impl FnOnce(&BTreeMap<String, Device>) -> T,
    ) -> T {
        let state = self.hubs.state();
        let hub = state.hubs.get(&self.name.to_ascii_lowercase());
        hub.map(|hub| action(&hub.devices)).unwrap_or_default()
    }

    pub(super) fn with<T>(
        &self,
        device: &str,
        action: impl FnOnce(&mut Device) -> T,
    ) -> Result<T, HubError> {
        let mut state = self.hubs.state();
        state.device(&self.name, device).map(action).ok_or(HubError::NoDevice)
    }

    /// Whether the device is connected.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`].
    pub fn is_connected(&self, device: &str) -> Result<bool, HubError> {
        self.with(device, |device| device.is_connected())
    }

    /// What the device has sent: the latest 1000 messages, or fewer if they are large.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`].
    pub fn telemetry(&self, device: &str) -> Result<Vec<Telemetry>, HubError> {
        self.with(device, |device| device.telemetry())
    }

    /// How many messages the device has sent in all.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`].
    pub fn telemetry_count(&self, device: &str) -> Result<u64, HubError> {
        self.with(device, |device| device.telemetry_count())
    }

    /// Sends a message to the device. It waits until the device is there, has subscribed, and has
    /// acknowledged it.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`], [`HubError::QueueFull`], [`HubError::TooLarge`].
    pub fn send(&self, device: &str, message: Message) -> Result<(), HubError> {
        self.enqueue(device, message).map(drop)
    }

    /// The same; gives how many messages wait for the device then.
    pub(crate) fn enqueue(&self, device: &str, mut message: Message) -> Result<usize, HubError> {
        let to = format!("/devices/{device}/messages/deviceBound");
        message.properties.entry("$.to".to_owned()).or_insert(Some(to));
        check_size(&topic::message(device, &message.properties), &message.body)?;
        self.with(device, |device| device.enqueue(message))?
    }

    /// How many messages wait for the device.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`].
    pub fn waiting(&self, device: &str) -> Result<usize, HubError> {
        self.with(device, |device| device.waiting())
    }

    /// The device's twin.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`].
    pub fn twin(&self, device: &str) -> Result<Twin, HubError> {
        self.with(device, |device| device.twin.clone())
    }

    /// Merges `patch`, a JSON object in which `null` deletes, into the desired properties, and
    /// tells the device if it listens. Gives the new version.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`], [`HubError::Patch`].
    pub fn update_desired(&self, device: &str, patch: &Value) -> Result<u64, HubError> {
        self.with(device, |device| device.desire(patch))?
    }

    /// Calls a direct method and waits for the answer; blocks.
    ///
    /// # Errors
    ///
    /// [`HubError::NoDevice`], [`HubError::NotListening`], [`HubError::NoAnswer`],
    /// [`HubError::TooLarge`].
    pub fn invoke(
        &self,
        device: &str,
        method: &str,
        payload: impl Into<Vec<u8>>,
        patience: Duration,
    ) -> Result<MethodReply, HubError> {
        let payload = payload.into();
        check_size(&topic::method(method, u64::MAX), &payload)?;
        let answer = self.with(device, |device| device.call(method, payload))??;
        answer.recv_timeout(patience).map_err(|_| HubError::NoAnswer)
    }

    /// Takes the device out of the hub; its connection ends. Whether it was there.
    pub fn remove(&self, device: &str) -> bool {
        self.hubs.remove(&self.name, device)
    }
}

/// Whether a message fits into a packet: MQTT has two bytes for the length of its topic.
fn check_size(topic: &str, body: &[u8]) -> Result<(), HubError> {
    let fits = topic.len() <= u16::MAX.into() && body.len() <= MAX_MESSAGE_BYTES;
    if fits { Ok(()) } else { Err(HubError::TooLarge) }
}
