//! The linked hubs, and what provisioning left in them: a device identity with its twin
//! (`wire-protocol.md` sections 7.4 and 7.6).

use crate::config::{
    AllocationPolicy, Capabilities, DeviceNetworkConfig, EmulatorConfig, HubConfig, InitialTwin,
};
use crate::hub::{HubIdentity, ProofRow};
use crate::nesting::read_row;
use crate::store::{Change, Table};
use core::net::IpAddr;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most hubs that can be linked: the service's certificate has the names of all.
pub(crate) const MOST_HUBS: usize = 100;

/// The hubs that devices can be assigned to: those of the configuration, and what was linked and
/// unlinked since.
#[derive(Clone, Debug)]
pub(crate) struct Hubs {
    linked: Vec<HubConfig>,
    names: Vec<String>,
    /// Those of the configuration, in lower case: when one is unlinked, that must be kept.
    configured: BTreeSet<String>,
    /// Smallest first.
    networks: Vec<DeviceNetworkConfig>,
    default_policy: AllocationPolicy,
}

/// What a state file keeps of a hub that was linked, changed or unlinked while a service ran. It goes
/// before the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkRow {
    host_name: String,
    linked: bool,
    #[serde(default)]
    allocation_weight: u32,
    #[serde(default)]
    apply_allocation_policy: bool,
    #[serde(default)]
    region: Option<String>,
}

impl Hubs {
    /// The hubs of a configuration that was checked.
    pub(super) fn linked(config: &EmulatorConfig) -> Self {
        let mut networks = config.device_networks.clone();
        networks.sort_by_key(|item| core::cmp::Reverse(item.network.prefix()));
        let lower = |hub: &HubConfig| hub.host_name.to_ascii_lowercase();
        Self {
            linked: config.hubs.clone(),
            names: config.hubs.iter().map(|hub| hub.host_name.clone()).collect(),
            configured: config.hubs.iter().map(lower).collect(),
            networks,
            default_policy: config.allocation_policy,
        }
    }

    /// Links a hub, or puts other settings in the place of those that it has. Gives what a state file
    /// is to keep.
    pub(crate) fn link(&mut self, hub: HubConfig) -> Change {
        let row = LinkRow {
            host_name: hub.host_name.clone(),
            linked: true,
            allocation_weight: hub.allocation_weight,
            apply_allocation_policy: hub.apply_allocation_policy,
            region: hub.region.clone(),
        };
        self.put(hub);
        row.change()
    }

    /// Unlinks a hub. Gives what a state file is to keep; `None` when it was not linked.
    pub(crate) fn unlink(&mut self, name: &str) -> Option<Change> {
        let place = self.place(name)?;
        let HubConfig { host_name, .. } = self.linked.remove(place);
        self.names.remove(place);
        let key = host_name.to_ascii_lowercase();
        if !self.configured.contains(&key) {
            return Some(Change::removed(Table::LinkedHubs, key));
        }
        let (linked, region) = (false, None);
        let (allocation_weight, apply_allocation_policy) = (0, false);
        let row = LinkRow { host_name, linked, allocation_weight, apply_allocation_policy, region };
        Some(row.change())
    }

    /// Does again what an earlier service did.
    pub(crate) fn restore(&mut self, row: LinkRow) {
        let LinkRow { host_name, linked, allocation_weight, apply_allocation_policy, region } = row;
        if linked {
            self.put(HubConfig { host_name, allocation_weight, apply_allocation_policy, region });
        } else if let Some(place) = self.place(&host_name) {
            tracing::warn!(hub = host_name, "a hub of the configuration stays unlinked");
            self.linked.remove(place);
            self.names.remove(place);
        }
    }

    fn put(&mut self, hub: HubConfig) {
        match self.linked.iter_mut().find(|known| is_same(known, &hub.host_name)) {
            // Its name stays as it is spelt.
            Some(known) => *known = HubConfig { host_name: known.host_name.clone(), ..hub },
            None => {
                self.names.push(hub.host_name.clone());
                self.linked.push(hub);
            }
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.linked.iter().position(|hub| is_same(hub, name))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[HubConfig] {
        &self.linked
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
        self.linked.iter().find(|hub| is_same(hub, name))
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

impl LinkRow {
    fn change(&self) -> Change {
        Change::put(Table::LinkedHubs, self.host_name.to_ascii_lowercase(), self)
    }
}

fn is_same(hub: &HubConfig, name: &str) -> bool {
    hub.host_name.eq_ignore_ascii_case(name)
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
    /// The version of the desired properties, from 1.
    #[serde(default = "first_version")]
    pub desired_version: u64,
    /// What it can do.
    pub capabilities: Capabilities,
    /// When the identity was made, since 1970-01-01T00:00:00Z.
    pub created: Duration,
}

/// Files of earlier versions do not say.
fn first_version() -> u64 {
    1
}

/// An identity with the proof that its hub asks for; unknown as long as it comes from a file that
/// has none.
pub(crate) type Identity = (HubDevice, Option<HubIdentity>);

/// All identities. A hub's name is the same in any case, a device id is not.
#[derive(Debug, Default)]
pub(crate) struct HubDevices(BTreeMap<String, Identity>);

/// An identity in a state file. Files of the first version have no proofs, and keys in lower case.
#[derive(Deserialize, Serialize)]
struct IdentityRow {
    #[serde(flatten)]
    device: HubDevice,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<ProofRow>,
}

impl HubDevices {
    /// The key of an identity, here and in a state file. A host name has no slash.
    pub(crate) fn key(hub: &str, device_id: &str) -> String {
        format!("{}/{device_id}", hub.to_ascii_lowercase())
    }

    /// An identity.
    pub(crate) fn get(&self, hub: &str, device_id: &str) -> Option<&HubDevice> {
        self.0.get(&Self::key(hub, device_id)).map(|(device, _)| device)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Identity> {
        self.0.values()
    }

    /// Makes an identity, or changes it. Gives what a state file is to keep.
    pub(crate) fn put(&mut self, device: HubDevice, proof: Option<HubIdentity>) -> Change {
        let key = Self::key(&device.hub, &device.device_id);
        let row = IdentityRow { device, proof: proof.as_ref().map(ProofRow::from) };
        let change = Change::put(Table::HubDevices, key.clone(), &row);
        self.0.insert(key, (row.device, proof));
        change
    }

    /// Gives an identity another twin, of this version. Gives what a state file is to keep, if the identity is there.
    pub(crate) fn set_twin(
        &mut self,
        hub: &str,
        device_id: &str,
        twin: InitialTwin,
        desired_version: u64,
    ) -> Option<Change> {
        let (device, proof) = self.0.get(&Self::key(hub, device_id))?.clone();
        Some(self.put(HubDevice { twin, desired_version, ..device }, proof))
    }

    /// Removes an identity, and gives it, and what a state file is to forget.
    pub(crate) fn remove(&mut self, hub: &str, device_id: &str) -> Option<(HubDevice, Change)> {
        let key = Self::key(hub, device_id);
        let (device, _) = self.0.remove(&key)?;
        Some((device, Change::removed(Table::HubDevices, key)))
    }

    /// Takes a row of a state file. `None` when it cannot be read; else what the file is to have in its
    /// place.
    pub(crate) fn restore(&mut self, key: &str, text: &str) -> Option<Vec<Change>> {
        let row: IdentityRow = read_row(text)?;
        let proof = row.proof.map(HubIdentity::try_from).transpose().ok()?;
        let is_in_place = key == Self::key(&row.device.hub, &row.device.device_id);
        let change = self.put(row.device, proof);
        let removed = || Change::removed(Table::HubDevices, key.to_owned());
        Some(if is_in_place { Vec::new() } else { vec![removed(), change] })
    }
}
