//! Where an enrollment sends its devices, and with what (`wire-protocol.md` sections 7.3 to 7.6).

use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a hub is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AllocationPolicy {
    /// By a hash of the registration id, weighted: stable, and evenly spread.
    #[default]
    Hashed,
    /// The hub with the lowest latency from where the device is.
    GeoLatency,
    /// The hub that the enrollment names.
    Static,
    /// The hub that a webhook names.
    Custom,
}

/// The webhook of the policy `custom`. `Debug` leaves out what may be secret in the URL.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomAllocationDefinition {
    /// Where to POST the question: http or https.
    pub webhook_url: String,
    /// The version of the question; kept, and given back.
    pub api_version: String,
}

impl fmt::Debug for CustomAllocationDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomAllocationDefinition")
            .field("webhook_url", &place_of(&self.webhook_url))
            .field("api_version", &self.api_version)
            .finish()
    }
}

/// A URL for logs: without user and password, and without query and fragment, which may hold the
/// webhook's own key.
pub(crate) fn place_of(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return "(no URL)".to_owned() };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// What happens to a device that registers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ReprovisionPolicy {
    /// Whether its hub is chosen anew. Otherwise it stays where it is.
    pub update_hub_assignment: bool,
    /// Whether its twin goes with it to another hub. Otherwise it starts from the initial twin.
    pub migrate_device_data: bool,
}

impl Default for ReprovisionPolicy {
    fn default() -> Self {
        Self { update_hub_assignment: true, migrate_device_data: true }
    }
}

/// What a device can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Capabilities {
    /// It is an IoT Edge device.
    pub iot_edge: bool,
}

/// What a device's twin holds at first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct InitialTwin {
    /// The tags, which a device does not see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Map<String, Value>>,
    /// The desired properties, inside of `properties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<InitialTwinProperties>,
}

/// Part of [`InitialTwin`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct InitialTwinProperties {
    /// What the device is asked to be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Map<String, Value>>,
}
