//! Replies as HTTP responses (`wire-protocol.md` section 3.3 and 6.3).

use super::Caller;
use crate::server::now;
use crate::service::{Refusal, Reply};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The error document for a request that is refused before the service sees it.
pub(super) fn refusal(caller: &Caller, refusal: &Refusal) -> Response {
    let mut response = reply(caller, caller.service.refuse_request(refusal, now()));
    if let Refusal::UpgradeRequired(_) = refusal {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// The service's reply. The JSON has a length of its own (never chunks), and nothing follows it,
/// as the C client wants it.
pub(super) fn reply(caller: &Caller, reply: Reply) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response(caller, reply.status, reply.error_code, headers, Body::from(reply.body))
}

/// A response with what all have.
pub(super) fn response(
    caller: &Caller,
    status: u16,
    error_code: Option<u32>,
    mut headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(code) = error_code {
        headers.insert(ERROR_CODE, HeaderValue::from(code));
    }
    if let Ok(id) = HeaderValue::try_from(caller.service.guid()) {
        headers.insert(REQUEST_ID, id);
    }
    let mut response = Response::new(body);
    // The service's statuses are all valid ones.
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}
