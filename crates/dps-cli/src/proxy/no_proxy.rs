//! The variable NO_PROXY: hosts that are reached directly. There is no standard; this takes what
//! curl and Go take.

use std::net::IpAddr;

/// The hosts that are reached directly.
#[derive(Debug)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    hosts: Hosts,
    /// Only at this port.
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    /// `*`
    All,
    /// `name`: the host and those below it.
    Domain(String),
    /// `.name`: those below it.
    Below(String),
    /// An address, or a network with the length of its prefix.
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Reads entries between commas or spaces. What makes no sense covers nothing.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(Entry::parse).collect())
    }

    /// Whether this host is reached directly at this port. This machine always is.
    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        let host = normal(host);
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port) && entry.hosts.include(&host, address)
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        // The colons of an IPv6 address are not before a port, unless it stands in brackets.
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let port = port.map(str::parse).transpose().ok()?;
        Some(Self { hosts: Hosts::parse(host)?, port })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if let Some((address, length)) = text.split_once('/') {
            let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse().ok()?);
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return (length <= bits).then_some(Self::Network(address, length));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        let below = text.strip_prefix("*.").or(text.strip_prefix('.'));
        let name = normal(below.unwrap_or(text));
        match (name.is_empty(), below) {
            (true, _) => None,
            (false, Some(_)) => Some(Self::Below(name)),
            (false, None) => Some(Self::Domain(name)),
        }
    }

    fn include(&self, host: &str, address: Option<IpAddr>) -> bool {
        let is_below = |name: &str| {
            address.is_none()
                && host.strip_suffix(name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        match self {
            Self::All => true,
            Self::Domain(name) => host == name || is_below(name),
            Self::Below(name) => is_below(name),
            Self::Network(network, length) => {
                address.is_some_and(|address| is_within(address, *network, *length))
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    /// The first bits of both, at the right.
    fn first(bits: u128, width: u8, length: u8) -> u128 {
        bits.checked_shr(u32::from(width.saturating_sub(length))).unwrap_or(0)
    }
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let [address, network] = [address, network].map(|one| u128::from(u32::from(one)));
            first(address, 32, length) == first(network, 32, length)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let [address, network] = [address, network].map(u128::from);
            first(address, 128, length) == first(network, 128, length)
        }
        _ => false,
    }
}

/// Names do not differ by case, nor by the dot of the root.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_entry_covers_what_it_names() {
        for (list, covered, not_covered) in [
            ("", vec![], vec!["a.test", "10.0.0.1"]),
            ("*", vec!["a.test", "10.0.0.1", "fd00::1"], vec![]),
            ("a.test", vec!["a.test", "A.Test.", "b.a.test"], vec!["ba.test", "test", "a.test.c"]),
            (".a.test", vec!["b.a.test", "c.b.a.test"], vec!["a.test", "ba.test"]),
            ("*.a.test", vec!["b.a.test"], vec!["a.test"]),
            ("A.TEST.", vec!["a.test"], vec![]),
            ("10.0.0.1", vec!["10.0.0.1"], vec!["10.0.0.10", "x.10.0.0.1", "110.0.0.1"]),
            ("10.0.0.0/8", vec!["10.0.0.1", "10.255.0.1"], vec!["11.0.0.1", "fd00::1", "a.test"]),
            ("10.1.2.3/0", vec!["192.0.2.1"], vec!["fd00::1"]),
            ("192.0.2.128/25", vec!["192.0.2.129"], vec!["192.0.2.127"]),
            ("fd00::/8", vec!["fd12::1"], vec!["fe80::1", "10.0.0.1"]),
            ("fd00::1", vec!["fd00::1", "fd00:0:0::1"], vec!["fd00::2"]),
            ("[fd00::1]", vec!["fd00::1"], vec!["fd00::2"]),
            ("x,a.test b.test,\tc.test", vec!["a.test", "b.test", "c.test"], vec!["d.test"]),
        ] {
            let no_proxy = NoProxy::parse(list);
            for host in covered {
                assert!(no_proxy.covers(host, 443), "{list} covers {host}");
            }
            for host in not_covered {
                assert!(!no_proxy.covers(host, 443), "{list} does not cover {host}");
            }
        }
    }

    #[test]
    fn an_entry_with_a_port_counts_at_that_port_only() {
        for (list, host) in
            [("a.test:443", "a.test"), ("10.0.0.1:443", "10.0.0.1"), ("[fd00::1]:443", "fd00::1")]
        {
            let no_proxy = NoProxy::parse(list);
            assert!(no_proxy.covers(host, 443), "{list}");
            assert!(!no_proxy.covers(host, 8883), "{list}");
        }
    }

    #[test]
    fn this_machine_needs_no_entry() {
        let none = NoProxy::parse("");
        for host in ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
        {
            assert!(none.covers(host, 443), "{host}");
        }
        assert!(!none.covers("localhost.test", 443));
    }

    #[test]
    fn nonsense_covers_nothing() {
        for list in [".", "*.", ":443", "a.test:https", "10.0.0.0/33", "10.0.0.0/x", "[::1", "//"] {
            let no_proxy = NoProxy::parse(list);
            for host in ["a.test", "10.0.0.1", "fd00::1"] {
                assert!(!no_proxy.covers(host, 443), "{list} {host}");
            }
        }
    }
}
