//! `GET /admin/service`: what the service is and where.

use super::{AdminError, Asked};
use crate::config::Permission;
use crate::service::{ApiAnswer, Service};
use crate::summary::Endpoints;
use core::time::Duration;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    id_scope: &'a str,
    version: &'static str,
    /// Missing where there are no sockets.
    #[serde(flatten)]
    endpoints: Option<&'a Endpoints>,
    server_names: &'a [String],
    hubs: &'a [String],
    allocation_policy: crate::config::AllocationPolicy,
    device_networks: Vec<DeviceNetwork<'a>>,
    connection_strings: Vec<ConnectionString<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNetwork<'a> {
    network: String,
    latency_ms: &'a BTreeMap<String, u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionString<'a> {
    key_name: &'a str,
    rights: &'a [Permission],
    connection_string: String,
}

pub(super) fn answer(
    service: &Service,
    asked: &Asked<'_>,
    _: Duration,
) -> Result<ApiAnswer, AdminError> {
    asked.only_get()?;
    Ok(info(service, asked))
}

fn info(service: &Service, asked: &Asked<'_>) -> ApiAnswer {
    let endpoints = service.endpoints.get();
    let host = match endpoints {
        Some(endpoints) => endpoints.https.authority(),
        None => asked.request.host.to_owned(),
    };
    // Nobody learns a key that opens more than the own one.
    let strings = service.policies.connection_strings(&host, asked.rights);
    let state = service.state();
    let networks = state.hubs.networks().iter();
    ApiAnswer::ok(&Info {
        id_scope: service.id_scope(),
        version: env!("CARGO_PKG_VERSION"),
        endpoints,
        server_names: &service.settings.server_names,
        hubs: state.hubs.names(),
        allocation_policy: state.hubs.default_policy(),
        device_networks: networks
            .map(|item| DeviceNetwork {
                network: item.network.to_string(),
                latency_ms: &item.latency_ms,
            })
            .collect(),
        connection_strings: strings
            .into_iter()
            .map(|(key_name, rights, text)| ConnectionString {
                key_name,
                rights,
                connection_string: text.to_string(),
            })
            .collect(),
    })
}
