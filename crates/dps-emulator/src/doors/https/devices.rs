//! What devices ask over HTTP (`wire-protocol.md` sections 3.1 to 3.3).

use super::{Caller, answer, host};
use crate::doors::outlet::SILENCE_PATIENCE;
use crate::faults::{DeviceTransport, Disturbance};
use crate::server::now;
use crate::service::{Credentials, DeviceIdentity, Refusal, Reply};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use core::time::Duration;
use dps_core::RegistrationId;
use dps_core::wire::MAX_MESSAGE_BYTES;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use std::sync::Arc;
use tokio::time::{sleep, timeout};

/// How long the body of a request may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// The host that redirects lead to when a client names none.
const GLOBAL_HOST: &str = "global.azure-devices-provisioning.net";

type Device = Result<Path<(String, String)>, PathRejection>;
type Operation = Result<Path<(String, String, String)>, PathRejection>;

/// PUT register.
pub(super) async fn register(
    State(caller): State<Arc<Caller>>,
    path: Device,
    request: Request,
) -> Response {
    let _busy = caller.patience.request();
    let host = host::read(request.version(), request.headers()).ok().flatten();
    let host = host.unwrap_or(GLOBAL_HOST).to_owned();
    let target = request.uri().path().to_owned();
    let reply = match read(&caller, path.map(|Path(path)| path), request).await {
        Ok(asked) => caller.service.register(&asked.device, &asked.credentials, &asked.body, now()),
        Err(refusal) => return answer::refusal(&caller, &refusal),
    };
    let accepted = reply.status == 202;
    disturb(&caller, &reply).await;
    let mut response = answer::reply(&caller, reply);
    if accepted && let Ok(location) = HeaderValue::try_from(format!("https://{host}{target}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// GET operations.
pub(super) async fn poll(
    State(caller): State<Arc<Caller>>,
    path: Operation,
    request: Request,
) -> Response {
    let _busy = caller.patience.request();
    let (path, operation) = match path {
        Ok(Path((scope, id, operation))) => (Ok((scope, id)), operation),
        Err(rejection) => (Err(rejection), String::new()),
    };
    // A body means nothing here; the Node.js client sends one all the same.
    match read(&caller, path, request).await {
        Ok(asked) => {
            let service = &caller.service;
            let reply = service.poll(&asked.device, &asked.credentials, &operation, now());
            disturb(&caller, &reply).await;
            answer::reply(&caller, reply)
        }
        Err(refusal) => answer::refusal(&caller, &refusal),
    }
}

/// POST registration lookup.
pub(super) async fn lookup(
    State(caller): State<Arc<Caller>>,
    path: Device,
    request: Request,
) -> Response {
    let _busy = caller.patience.request();
    match read(&caller, path.map(|Path(path)| path), request).await {
        Ok(asked) => {
            let service = &caller.service;
            let reply = service.lookup(&asked.device, &asked.credentials, &asked.body, now());
            answer::reply(&caller, reply)
        }
        Err(refusal) => answer::refusal(&caller, &refusal),
    }
}

/// Lets a fault strike the answer. A client that goes away ends this, too.
async fn disturb(caller: &Caller, reply: &Reply) {
    match reply.disturbance {
        None => {}
        Some(Disturbance::Delay(delay)) => {
            caller.patience.prolong(delay);
            sleep(delay).await;
        }
        Some(Disturbance::Cut(after)) => caller.shears.cut_after(after),
        Some(Disturbance::Silence) => {
            caller.patience.allow(SILENCE_PATIENCE);
            core::future::pending().await
        }
    }
}

/// What every request of a device says.
struct Asked {
    device: DeviceIdentity,
    credentials: Credentials,
    body: Vec<u8>,
}

async fn read(
    caller: &Caller,
    path: Result<(String, String), PathRejection>,
    request: Request,
) -> Result<Asked, Refusal> {
    let (scope, id) =
        path.map_err(|_| Refusal::InvalidRequest("The path is not percent-encoded UTF-8."))?;
    let id = RegistrationId::new(id)
        .map_err(|_| Refusal::InvalidRequest("The path has no valid registration id."))?;
    if !states_api_version(request.uri().query().unwrap_or_default()) {
        return Err(Refusal::InvalidRequest("The query has no api-version."));
    }
    let credentials = credentials(caller, request.headers());
    let body = collect(request.into_body(), MAX_MESSAGE_BYTES).await?;
    let device = DeviceIdentity::new(scope, id).at(caller.peer).over(DeviceTransport::Https);
    Ok(Asked { device, credentials, body })
}

/// Any version will do (`wire-protocol.md` section 3.1).
fn states_api_version(query: &str) -> bool {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.any(|(name, value)| name.eq_ignore_ascii_case("api-version") && !value.is_empty())
}

/// A token goes before a certificate, as over MQTT.
fn credentials(caller: &Caller, headers: &HeaderMap) -> Credentials {
    let token = headers.get(header::AUTHORIZATION).map(|value| {
        // What is no text is no good token either, but it is one.
        Credentials::sas_token(value.to_str().unwrap_or("not text"))
    });
    match token.unwrap_or(Credentials::None) {
        Credentials::None if !caller.peer_certificates.is_empty() => {
            Credentials::Certificates(caller.peer_certificates.clone())
        }
        credentials => credentials,
    }
}

/// The whole body, if it comes in time and is not longer than `most` bytes.
pub(super) async fn collect(body: Body, most: usize) -> Result<Vec<u8>, Refusal> {
    timeout(BODY_PATIENCE, read_all(body, most)).await.map_err(|_| Refusal::TooSlow)?
}

async fn read_all(body: Body, most: usize) -> Result<Vec<u8>, Refusal> {
    let mut parts = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Refusal::InvalidRequest("The body is broken off."))?;
        if bytes.len() + part.len() > most {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
