//! `dps emulator hosts`: names for clients that know no other way to a server than its name.

use super::read_config;
use crate::arguments::EmulatorHosts;
use crate::failure::Failure;
use crate::output;
use dps_client::GLOBAL_ENDPOINT;
use dps_emulator::EmulatorConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn run(options: &EmulatorHosts) -> Result<(), Failure> {
    let config = match &options.config {
        Some(path) => read_config(path)?,
        None => EmulatorConfig::default(),
    };
    // Where a service that listens everywhere is reached from this machine.
    let address = match options.address.unwrap_or(config.address) {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    output::line(
        "# Add to /etc/hosts, and take out again when done: the local provisioning service",
    );
    for name in names(&config) {
        output::line(format_args!("{address}\t{name}"));
    }
    Ok(())
}

/// The service's own name, those of its hubs, and what else stands in its certificate.
fn names(config: &EmulatorConfig) -> Vec<String> {
    let hubs = config.hubs.iter().map(|hub| &hub.host_name);
    let given = hubs.chain(&config.server_names).cloned();
    let mut names = Vec::new();
    for name in std::iter::once(GLOBAL_ENDPOINT.to_owned()).chain(given) {
        // An address is no name, nor is a wild card.
        if name.parse::<IpAddr>().is_err() && !name.contains('*') && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
