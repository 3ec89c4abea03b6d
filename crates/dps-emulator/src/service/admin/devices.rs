//! `/admin/hubs/{host}/devices`: the devices of a hub and their twins (`wire-protocol.md` section
//! 8.1). Keys are not shown here: the enrollment's attestation mechanism shows them.

use super::query::{self, Query};
use super::{AdminError, Asked, messages};
use crate::config::{Capabilities, InitialTwin, InitialTwinProperties};
use crate::hub::{DeviceView, Hub, HubError, Twin};
use crate::model::{HubDevice, HubDevices};
use crate::service::api::{ApiError, parse};
use crate::service::{ApiAnswer, Service};
use crate::store::{Change, Table};
use crate::timestamp::iso8601;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Serialize)]
struct List {
    devices: Vec<Document>,
    /// What to ask for `after`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    device_id: String,
    connected: bool,
    /// `sas`, `selfSigned` or `certificateAuthority`, as a real hub calls them.
    authentication_type: &'static str,
    telemetry_count: u64,
    waiting_messages: usize,
    #[serde(flatten)]
    made: Option<Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<Value>,
}

/// What provisioning knows of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    registration_id: String,
    capabilities: Capabilities,
    created_date_time_utc: String,
}

pub(super) fn answer(
    service: &Service,
    hub: &Hub,
    rest: &[&str],
    asked: &Asked<'_>,
    now: Duration,
) -> Result<ApiAnswer, AdminError> {
    match (asked.method(), rest) {
        ("GET", []) => list(service, hub, asked.request.query),
        ("GET", [device]) => {
            let (view, twin) = hub.view(device)?;
            let twin = Some(shown(&twin));
            Ok(ApiAnswer::ok(&Document { twin, ..document(service, hub, view) }))
        }
        ("DELETE", [device]) => remove(service, hub, device),
        ("PATCH", [device, "twin"]) => patch(service, hub, device, asked.request.body),
        (_, [device, "messages"]) => messages::answer(hub, device, asked, now),
        (_, [] | [_] | [_, "twin"]) => Err(ApiError::WrongMethod.into()),
        _ => Err(ApiError::NoSuchPath.into()),
    }
}

/// Its registration stays: when it registers again, it is a new device to the hub.
fn remove(service: &Service, hub: &Hub, device: &str) -> Result<ApiAnswer, AdminError> {
    // Held meanwhile, as for a twin.
    let mut state = service.state();
    if !service.iot_hubs().remove(hub.name(), device) {
        return Err(HubError::NoDevice.into());
    }
    state.devices.remove(hub.name(), device);
    let key = HubDevices::key(hub.name(), device);
    let ticket = service.store.append([Change::removed(Table::HubDevices, key)]);
    drop(state);
    tracing::info!(hub = hub.name(), device_id = device, "device deleted from its hub");
    Ok(ApiAnswer::no_content(ticket))
}

fn list(service: &Service, hub: &Hub, query: &str) -> Result<ApiAnswer, AdminError> {
    let query = Query::read(query)?;
    let limit = query.limit()?;
    let mut views = hub.page(query.text(query::AFTER), limit.saturating_add(1));
    let is_more = views.len() > limit;
    views.truncate(limit);
    let next = views.last().filter(|_| is_more).map(|last| last.device_id.clone());
    let devices = views.into_iter().map(|view| document(service, hub, view)).collect();
    Ok(ApiAnswer::ok(&List { devices, next }))
}

fn document(service: &Service, hub: &Hub, view: DeviceView) -> Document {
    let made = service.hub_device(hub.name(), &view.device_id);
    Document {
        device_id: view.device_id,
        connected: view.is_connected,
        authentication_type: view.proof,
        telemetry_count: view.telemetry_count,
        waiting_messages: view.waiting,
        made: made.map(|HubDevice { registration_id, capabilities, created, .. }| Made {
            registration_id,
            capabilities,
            created_date_time_utc: iso8601(created),
        }),
        twin: None,
    }
}

/// As a hub's service API shows it.
fn shown(twin: &Twin) -> Value {
    json!({"tags": twin.tags, "properties": twin.to_device_json()})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    tags: Option<Value>,
    properties: Option<Properties>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    desired: Option<Value>,
}

fn patch(service: &Service, hub: &Hub, device: &str, body: &[u8]) -> Result<ApiAnswer, AdminError> {
    let Patch { tags, properties } = parse(body)?;
    let desired = properties.and_then(|properties| properties.desired);
    if tags.is_none() && desired.is_none() {
        return Err(AdminError::EmptyPatch);
    }
    // Held meanwhile: the state file gets the changes in the order in which they were made.
    let mut state = service.state();
    let twin = hub.patch_twin(device, tags.as_ref(), desired.as_ref())?;
    let change = state.devices.set_twin(hub.name(), device, kept(&twin), twin.desired_version);
    let ticket = service.store.append(change);
    drop(state);
    Ok(ApiAnswer::ok(&shown(&twin)).after(ticket))
}

/// A twin as a state file keeps it: what the device reported is not.
fn kept(twin: &Twin) -> InitialTwin {
    let some = |members: &Map<String, Value>| Some(members.clone()).filter(|all| !all.is_empty());
    InitialTwin {
        tags: some(&twin.tags),
        properties: some(&twin.desired)
            .map(|desired| InitialTwinProperties { desired: Some(desired) }),
    }
}
