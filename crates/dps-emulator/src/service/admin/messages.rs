//! `/admin/hubs/{host}/devices/{id}/messages`: what a device has sent, and messages for it
//! (`wire-protocol.md` section 8.1).

use super::query::{self, Query};
use super::{AdminError, Asked};
use crate::hub::{Hub, Message, Properties, Telemetry};
use crate::service::ApiAnswer;
use crate::service::api::{ApiError, parse};
use crate::timestamp::iso8601;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    messages: Vec<Document>,
    /// How many the device has sent in all: the number of the last.
    telemetry_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    sequence: u64,
    enqueued_time_utc: String,
    properties: Properties,
    /// A body that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// A body that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// A message for the device: text, or any bytes in base64.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Outgoing {
    body: Option<String>,
    body_base64: Option<String>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    waiting_messages: usize,
}

pub(super) fn answer(
    hub: &Hub,
    device: &str,
    asked: &Asked<'_>,
    _: Duration,
) -> Result<ApiAnswer, AdminError> {
    match asked.method() {
        "GET" => list(hub, device, asked.request.query),
        "POST" => {
            let waiting_messages = hub.enqueue(device, outgoing(parse(asked.request.body)?)?)?;
            Ok(ApiAnswer::ok(&Sent { waiting_messages }))
        }
        _ => Err(ApiError::WrongMethod.into()),
    }
}

fn list(hub: &Hub, device: &str, query: &str) -> Result<ApiAnswer, AdminError> {
    let query = Query::read(query)?;
    let after = query.number(query::AFTER, 0)?;
    let (limit, wait) = (query.limit()?, query.wait()?);
    let (messages, telemetry_count) = hub.telemetry_after(device, after, limit)?;
    let is_idle = messages.is_empty() && after <= telemetry_count;
    let messages = messages.into_iter().map(document).collect();
    let answer = ApiAnswer::ok(&List { messages, telemetry_count });
    Ok(if is_idle { answer.unless_within(wait) } else { answer })
}

fn document(message: Telemetry) -> Document {
    let Telemetry { sequence, enqueued, properties, body } = message;
    let (body, body_base64) = match String::from_utf8(body) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    let enqueued_time_utc = iso8601(enqueued);
    Document { sequence, enqueued_time_utc, properties, body, body_base64 }
}

fn outgoing(message: Outgoing) -> Result<Message, AdminError> {
    let Outgoing { body, body_base64, properties } = message;
    let body = match (body, body_base64) {
        (Some(_), Some(_)) => return Err(AdminError::BadMessage("it has two bodies")),
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            let broken = |_| AdminError::BadMessage("its bodyBase64 is not base64");
            STANDARD.decode(text).map_err(broken)?
        }
        (None, None) => Vec::new(),
    };
    Ok(Message { properties, body })
}
