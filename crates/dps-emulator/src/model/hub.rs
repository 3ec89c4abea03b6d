//! The linked hubs, and what provisioning left in them: a device identity with its twin
//! (`wire-protocol.md` sections 7.4 and 7.6).

use crate::config::{
    AllocationPolicy, Capabilities, DeviceNetworkConfig, EmulatorConfig, HubConfig, InitialTwin,
};
use core::net::IpAddr;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The hubs that devices can be assigned to.
#[derive(Debug)]
pub(crate) struct Hubs {
    linked: Vec<HubConfig>,
    names: Vec<String>,
    /// Smallest first.
    networks: Vec<DeviceNetworkConfig>,
    default_policy: AllocationPolicy,
}

impl Hubs {
    /// The hubs of a configuration that was checked.
    pub(super) fn linked(config: &EmulatorConfig) -> Self {
        let mut networks = config.device_networks.clone();
        networks.sort_by_key(|item| core::cmp::Reverse(item.network.prefix()));
        Self {
            linked: config.hubs.clone(),
            names: config.hubs.iter().map(|hub| hub.host_name.clone()).collect(),
            networks,
            default_policy: config.allocation_policy,
        }
    }

    /// Their host names.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// How to choose one for an enrollment that does not say.
    pub(crate) fn default_policy(&self) -> AllocationPolicy {
        self.default_policy
    }

    /// How far devices are from them, the smallest network first.
    pub(crate) fn networks(&self) -> &[DeviceNetworkConfig] {
        &self.networks
    }

    /// A hub by its host name.
    pub(crate) fn find(&self, name: &str) -> Option<&HubConfig> {
        self.linked.iter().find(|hub| hub.host_name.eq_ignore_ascii_case(name))
    }

    /// Those of the given names that are linked; when no name is given, all that are there for
    /// everyone.
    pub(crate) fn among(&self, names: &[String]) -> Vec<&HubConfig> {
        match names {
            [] => self.linked.iter().filter(|hub| hub.apply_allocation_policy).collect(),
            names => names.iter().filter_map(|name| self.find(name)).collect(),
        }
    }

    /// Milliseconds from an address to a hub, if they are known.
    pub(crate) fn latency(&self, from: IpAddr, to: &HubConfig) -> Option<u32> {
        let table = &self.networks.iter().find(|item| item.network.contains(from))?.latency_ms;
        let of = |name: &str| {
            table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, ms)| *ms)
        };
        of(&to.host_name).or_else(|| of(to.region.as_deref()?))
    }
}

/// A device's identity in a hub, as provisioning has made it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubDevice {
    /// The hub's host name.
    pub hub: String,
    /// The device's name there.
    pub device_id: String,
    /// The device's registration id.
    pub registration_id: String,
    /// What its twin holds, but for what the device reported.
    pub twin: InitialTwin,
    /// What it can do.
    pub capabilities: Capabilities,
    /// When the identity was made, since 1970-01-01T00:00:00Z.
    pub created: Duration,
}

/// All identities, by hub and device id in lower case.
#[derive(Debug, Default)]
pub(crate) struct HubDevices(BTreeMap<String, HubDevice>);

impl HubDevices {
    /// The key of an identity, here and in a state file. A host name has no slash.
    pub(crate) fn key(hub: &str, device_id: &str) -> String {
        format!("{hub}/{device_id}").to_ascii_lowercase()
    }

    /// An identity.
    pub(crate) fn get(&self, hub: &str, device_id: &str) -> Option<&HubDevice> {
        self.0.get(&Self::key(hub, device_id))
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &HubDevice> {
        self.0.values()
    }

    /// Makes an identity, or changes it.
    pub(crate) fn put(&mut self, device: HubDevice) {
        self.0.insert(Self::key(&device.hub, &device.device_id), device);
    }

    /// Removes an identity, and gives it.
    pub(crate) fn remove(&mut self, hub: &str, device_id: &str) -> Option<HubDevice> {
        self.0.remove(&Self::key(hub, device_id))
    }
}
