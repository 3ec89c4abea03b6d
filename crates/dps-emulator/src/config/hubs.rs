//! The linked hubs, and how far devices are from them (`wire-protocol.md` section 7.4).

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A hub that devices can be assigned to. In YAML a host name alone will do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubConfig {
    /// Its host name, with a dot.
    pub host_name: String,
    /// How many devices it gets by the policy `hashed`, compared with the other hubs. Default 1;
    /// 0 is none.
    pub allocation_weight: u32,
    /// Whether enrollments that name no hub may use it. Default true.
    pub apply_allocation_policy: bool,
    /// Where it is, for the table of latencies; its host name will do, too.
    pub region: Option<String>,
}

impl HubConfig {
    /// A hub that gets its share of devices.
    pub fn new(host_name: impl Into<String>) -> Self {
        Self {
            host_name: host_name.into(),
            allocation_weight: 1,
            apply_allocation_policy: true,
            region: None,
        }
    }
}

impl PartialEq<&str> for HubConfig {
    /// Whether it is a plain hub of that name.
    fn eq(&self, name: &&str) -> bool {
        *self == Self::new(*name)
    }
}

/// The long form in YAML.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Long {
    host_name: String,
    allocation_weight: Option<u32>,
    apply_allocation_policy: Option<bool>,
    region: Option<String>,
}

impl<'de> Deserialize<'de> for HubConfig {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = HubConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hub's host name, or a map with hostName")
            }
            fn visit_str<E>(self, name: &str) -> Result<HubConfig, E> {
                Ok(HubConfig::new(name))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HubConfig, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(HubConfig {
                    host_name: long.host_name,
                    allocation_weight: long.allocation_weight.unwrap_or(1),
                    apply_allocation_policy: long.apply_allocation_policy.unwrap_or(true),
                    region: long.region,
                })
            }
        }
        input.deserialize_any(Either)
    }
}

/// How far the devices of one network are from the hubs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DeviceNetworkConfig {
    /// The network. Of several that hold an address, the smallest counts.
    pub network: Network,
    /// Milliseconds to a hub, by the hub's host name or region.
    pub latency_ms: BTreeMap<String, u32>,
}

/// A range of IP addresses in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// How many leading bits its addresses have in common.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether an address is one of its own. An IPv4 address that is mapped into IPv6 counts as
    /// IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                u32::from(self.prefix) <= differing.leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                u32::from(self.prefix) <= differing.leading_zeros()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network in CIDR notation, for example 192.0.2.0/24")]
#[non_exhaustive]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| NetworkError)?,
            None => longest,
        };
        if prefix > longest {
            return Err(NetworkError);
        }
        Ok(Self { address, prefix })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        super::enrollment::parsed(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.3", "10.2.0.0"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("10.0.0.0/8", "::ffff:10.9.9.9", "::ffff:11.0.0.0"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?} {outside}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "x/8"] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
    }
}
