//! The documents of the local service's own API. Members that this version does not know are passed
//! over.

use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A hub of the local service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Hub {
    /// Its host name.
    pub host_name: String,
    /// Whether devices are assigned to it. One that is not linked any more is shown as long as it has
    /// devices.
    pub linked: bool,
    /// How many devices it gets, compared with the other hubs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_weight: Option<u32>,
    /// Whether enrollments that name no hub may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_allocation_policy: Option<bool>,
    /// Where it is, for the policy `geoLatency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How many devices it has.
    pub device_count: usize,
    /// How many of them are connected.
    pub connected_count: usize,
}

/// What a hub is linked with. What is absent stays as it is; for a new hub the weight is then 1, and
/// it takes part in allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HubSettings {
    /// How many devices it gets, compared with the other hubs; 0 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_weight: Option<u32>,
    /// Whether enrollments that name no hub may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_allocation_policy: Option<bool>,
    /// Where it is, for the policy `geoLatency`.
    #[serde(skip_serializing_if = "RegionChange::is_keep")]
    pub region: RegionChange,
}

/// What becomes of a hub's region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RegionChange {
    /// It stays as it is; a new hub has none.
    #[default]
    Keep,
    /// The hub has none.
    Clear,
    /// This one: 1 to 64 printable ASCII characters.
    To(String),
}

impl RegionChange {
    fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

#[derive(Deserialize)]
pub(super) struct HubList {
    pub(super) hubs: Vec<Hub>,
}

/// A device in a hub. No key is ever part of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Device {
    /// Its name in the hub.
    pub device_id: String,
    /// The registration id that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// Whether it is connected now.
    pub connected: bool,
    /// `sas`, `selfSigned` or `certificateAuthority`.
    pub authentication_type: String,
    /// How many messages it has sent in all.
    pub telemetry_count: u64,
    /// How many messages wait for it.
    pub waiting_messages: usize,
    /// When the hub got it, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<String>,
    /// Its twin; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
}

#[derive(Deserialize)]
pub(super) struct DeviceList {
    pub(super) devices: Vec<Device>,
    pub(super) next: Option<String>,
}

/// A device's twin.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Twin {
    /// For the operator; the device does not see them.
    pub tags: Map<String, Value>,
    /// What the device sees.
    pub properties: TwinProperties,
}

/// Both sides of a twin, each with its `$version`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TwinProperties {
    /// What the device is to be like.
    pub desired: Map<String, Value>,
    /// What the device says it is like.
    pub reported: Map<String, Value>,
}

/// A change of a twin: JSON objects that are merged, in which `null` deletes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TwinPatch {
    /// For the tags.
    pub tags: Option<Map<String, Value>>,
    /// For the desired properties.
    pub desired: Option<Map<String, Value>>,
}

impl Serialize for TwinPatch {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            tags: Option<&'a Map<String, Value>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            properties: Option<Properties<'a>>,
        }
        #[derive(Serialize)]
        struct Properties<'a> {
            desired: &'a Map<String, Value>,
        }
        let properties = self.desired.as_ref().map(|desired| Properties { desired });
        Document { tags: self.tags.as_ref(), properties }.serialize(output)
    }
}

/// A part of what a device has sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Telemetry {
    /// The messages, the oldest first.
    pub messages: Vec<TelemetryMessage>,
    /// How many the device has sent in all: the number of the last.
    pub telemetry_count: u64,
}

/// A message from a device. `Debug` leaves out what it says.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TelemetryMessage {
    /// Counts the device's messages, from 1.
    pub sequence: u64,
    /// When it came, ISO 8601.
    pub enqueued_time_utc: String,
    /// Its properties; system properties begin with `$.`.
    pub properties: BTreeMap<String, Option<String>>,
    /// A body that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A body that is none, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

impl fmt::Debug for TelemetryMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryMessage")
            .field("sequence", &self.sequence)
            .field("enqueued_time_utc", &self.enqueued_time_utc)
            .finish_non_exhaustive()
    }
}

/// A message for a device. `Debug` leaves out what it says.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct CloudMessage {
    /// Its body: text.
    pub body: String,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
}

impl CloudMessage {
    /// A message without properties.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), properties: BTreeMap::new() }
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}

impl fmt::Debug for CloudMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudMessage").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    pub(super) waiting_messages: usize,
}

/// A part of what happened.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Events {
    /// The events, the oldest first.
    pub events: Vec<Event>,
    /// The number of the last event there is.
    pub last: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// Counts the events since the service was started, from 1.
    pub number: u64,
    /// When it was, ISO 8601.
    pub time_utc: String,
    /// What it was, for example `registrationAssigned`.
    pub kind: String,
    /// What more there is to say: `registrationId`, `hub`, `deviceId`, `status`, `errorCode`,
    /// `reason`.
    #[serde(flatten)]
    pub about: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_names_only_what_changes() {
        let object = |value: Value| value.as_object().cloned();
        let patch = TwinPatch { tags: None, desired: object(json!({"a": null})) };
        let shown = serde_json::to_value(&patch).unwrap();
        assert_eq!(shown, json!({"properties": {"desired": {"a": null}}}));
        let patch = TwinPatch { tags: object(json!({"t": 1})), desired: None };
        assert_eq!(serde_json::to_value(&patch).unwrap(), json!({"tags": {"t": 1}}));
    }

    #[test]
    fn a_region_is_kept_cleared_or_set() {
        for (region, shown) in [
            (RegionChange::Keep, json!({})),
            (RegionChange::Clear, json!({"region": null})),
            (RegionChange::To("eastus".into()), json!({"region": "eastus"})),
        ] {
            let settings = HubSettings { region, ..HubSettings::default() };
            assert_eq!(serde_json::to_value(&settings).unwrap(), shown);
        }
    }

    #[test]
    fn debug_does_not_show_what_a_message_says() {
        let message = CloudMessage::new("private").with("name", "private");
        assert!(!format!("{message:?}").contains("private"));
        let sent: TelemetryMessage = serde_json::from_value(json!({"sequence": 1,
            "enqueuedTimeUtc": "2026-01-01T00:00:00Z", "properties": {"a": "private"},
            "body": "private", "somethingNew": 1}))
        .unwrap();
        assert!(!format!("{sent:?}").contains("private"));
    }
}
