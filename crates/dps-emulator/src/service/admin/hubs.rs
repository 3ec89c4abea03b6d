//! `/admin/hubs`: which hubs devices are assigned to. A hub that is unlinked gets no more devices;
//! those that are in it stay, as in Azure.

use super::{AdminError, Asked, devices};
use crate::config::HubConfig;
use crate::events::{Event, Kind};
use crate::hub::Hub;
use crate::model::{Hubs, MOST_HUBS, is_hub_name};
use crate::service::api::{ApiError, parse};
use crate::service::{ApiAnswer, Service};
use core::time::Duration;
use serde::{Deserialize, Deserializer, Serialize};

/// The longest name of a region.
const LONGEST_REGION: usize = 64;

#[derive(Serialize)]
struct List {
    hubs: Vec<Document>,
}

/// A hub, linked or with devices from when it was.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    host_name: String,
    linked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation_weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apply_allocation_policy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    device_count: usize,
    connected_count: usize,
}

/// What a hub is linked with. What is missing stays as it is, or is as in a configuration; a region
/// that is `null` is taken away.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    allocation_weight: Option<u32>,
    apply_allocation_policy: Option<bool>,
    #[serde(deserialize_with = "stated")]
    region: RegionChange,
}

/// What becomes of a hub's region.
#[derive(Default)]
enum RegionChange {
    #[default]
    Keep,
    Set(Option<String>),
}

/// A member that is there, be it `null`.
fn stated<'a, D: Deserializer<'a>>(input: D) -> Result<RegionChange, D::Error> {
    Option::deserialize(input).map(RegionChange::Set)
}

pub(super) fn answer(
    service: &Service,
    asked: &Asked<'_>,
    now: Duration,
) -> Result<ApiAnswer, AdminError> {
    match (asked.method(), asked.rest.as_slice()) {
        ("GET", []) => Ok(ApiAnswer::ok(&List { hubs: list(service) })),
        ("GET", [name]) => Ok(ApiAnswer::ok(&document(service, name)?)),
        ("PUT", [name]) => link(service, name, asked.request.body, now),
        ("DELETE", [name]) => unlink(service, name, now),
        (_, [name, "devices", rest @ ..]) => {
            devices::answer(service, &find(service, name)?, rest, asked, now)
        }
        (_, [] | [_]) => Err(ApiError::WrongMethod.into()),
        _ => Err(ApiError::NoSuchPath.into()),
    }
}

fn list(service: &Service) -> Vec<Document> {
    // Not under the lock of the service's state, which is a busy one.
    let linked = service.state().hubs.all().to_vec();
    let mut hubs: Vec<Document> =
        linked.into_iter().map(|config| of_linked(service, config)).collect();
    let known = |hubs: &[Document], name: &str| {
        hubs.iter().any(|hub| hub.host_name.eq_ignore_ascii_case(name))
    };
    for name in service.iot_hubs().names() {
        if !known(&hubs, &name)
            && let Some(left) = of_unlinked(service, &name)
        {
            hubs.push(left);
        }
    }
    hubs
}

fn document(service: &Service, name: &str) -> Result<Document, AdminError> {
    let linked = service.state().hubs.find(name).cloned();
    match linked {
        Some(config) => Ok(of_linked(service, config)),
        None => of_unlinked(service, name).ok_or_else(|| unknown(service, name)),
    }
}

fn of_linked(service: &Service, config: HubConfig) -> Document {
    let hub = Hub::new(service.iot_hubs(), &config.host_name);
    let (device_count, connected_count) = hub.map_or((0, 0), |hub| hub.count());
    Document {
        host_name: config.host_name,
        linked: true,
        allocation_weight: Some(config.allocation_weight),
        apply_allocation_policy: Some(config.apply_allocation_policy),
        region: config.region,
        device_count,
        connected_count,
    }
}

/// A hub that is not linked is one as long as it has devices.
fn of_unlinked(service: &Service, name: &str) -> Option<Document> {
    let hub = Hub::new(service.iot_hubs(), name)?;
    let (device_count, connected_count) = hub.count();
    (device_count > 0).then(|| Document {
        host_name: hub.name().to_owned(),
        linked: false,
        allocation_weight: None,
        apply_allocation_policy: None,
        region: None,
        device_count,
        connected_count,
    })
}

/// A hub that is linked or has devices.
fn find(service: &Service, name: &str) -> Result<Hub, AdminError> {
    let is_linked = service.state().hubs.find(name).is_some();
    Hub::new(service.iot_hubs(), name)
        .filter(|hub| is_linked || hub.count().0 > 0)
        .ok_or_else(|| unknown(service, name))
}

fn unknown(service: &Service, name: &str) -> AdminError {
    let name = name.chars().take(253).collect();
    AdminError::NoHub { name, known: list(service).into_iter().map(|hub| hub.host_name).collect() }
}

fn link(
    service: &Service,
    name: &str,
    body: &[u8],
    now: Duration,
) -> Result<ApiAnswer, AdminError> {
    let settings = match body.trim_ascii() {
        [] => Settings::default(),
        body => parse::<Settings>(body)?,
    };
    if !is_hub_name(name) {
        return Err(AdminError::BadHubName { name: name.chars().take(253).collect() });
    }
    if matches!(&settings.region, RegionChange::Set(Some(region)) if !is_region(region)) {
        return Err(AdminError::BadRegion);
    }
    let ticket = {
        let mut state = service.state();
        let hub = merged(&state.hubs, name, settings)?;
        // Before a device can be sent there.
        service.iot_hubs().add(&hub.host_name);
        let change = state.hubs.link(hub);
        let ticket = service.store.append([change]);
        // After the ticket, so that nobody is told of it before it is kept, and under the lock, so
        // that it comes before what happens in the hub.
        service.events().add(Event::new(Kind::HubLinked).hub(name), now);
        ticket
    };
    tracing::info!(hub = name, "hub linked");
    Ok(ApiAnswer::ok(&document(service, name)?).after(ticket))
}

fn merged(hubs: &Hubs, name: &str, settings: Settings) -> Result<HubConfig, AdminError> {
    let known = hubs.find(name);
    if known.is_none() && hubs.all().len() >= MOST_HUBS {
        return Err(AdminError::TooManyHubs);
    }
    let mut hub = known.cloned().unwrap_or_else(|| HubConfig::new(name));
    let Settings { allocation_weight, apply_allocation_policy, region } = settings;
    hub.allocation_weight = allocation_weight.unwrap_or(hub.allocation_weight);
    hub.apply_allocation_policy = apply_allocation_policy.unwrap_or(hub.apply_allocation_policy);
    if let RegionChange::Set(region) = region {
        hub.region = region;
    }
    Ok(hub)
}

fn is_region(text: &str) -> bool {
    (1..=LONGEST_REGION).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn unlink(service: &Service, name: &str, now: Duration) -> Result<ApiAnswer, AdminError> {
    let ticket = {
        let mut state = service.state();
        state.hubs.unlink(name).map(|change| {
            // Under the lock under which devices are assigned: none is on its way there.
            service.iot_hubs().unlink(name);
            let ticket = service.store.append([change]);
            service.events().add(Event::new(Kind::HubUnlinked).hub(name), now);
            ticket
        })
    };
    let ticket = ticket.ok_or_else(|| unknown(service, name))?;
    tracing::info!(hub = name, "hub unlinked");
    Ok(ApiAnswer::no_content(ticket))
}
