//! The service API over HTTP (`wire-protocol.md` section 7), and the admin API. They are told from
//! the devices' paths by the first part of the path.

use super::{Caller, devices, host};
use crate::server::now;
use crate::service::{ApiAnswer, ApiRequest, MAX_BODY_BYTES, Provenance, Refusal, Service};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use core::time::Duration;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// How long those who wait let things happen before they look, since many may.
const BREATH: Duration = Duration::from_millis(50);

/// Answers what belongs to the service API or the admin API, and lets everything else through.
pub(super) async fn divert(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_admin = Service::is_admin(path);
    if !is_admin && !Service::is_api(path) {
        return next.run(request).await;
    }
    let _busy = caller.patience.request();
    let (head, body) = request.into_parts();
    let service = &caller.service;
    let body = match devices::collect(body, MAX_BODY_BYTES).await {
        Ok(body) => body,
        Err(refusal) => return response(&caller, service.refuse_api_request(&refusal, now())),
    };
    if let Some(refusal) = unreadable(&head.headers) {
        return response(&caller, service.refuse_api_request(&refusal, now()));
    }
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = host::read(head.version, &head.headers).ok().flatten();
    let asked = ApiRequest {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        host: host.unwrap_or_default(),
        authorization: text("authorization"),
        if_match: text("if-match"),
        continuation: text("x-ms-continuation"),
        max_item_count: text("x-ms-max-item-count"),
        body: &body,
    };
    let answer = match is_admin {
        true => manage(service, &asked, &provenance(&caller, &head)).await,
        false => service.administer(&asked, now()),
    };
    response(&caller, service.kept(answer, now()).await)
}

/// Answers a request of the admin API, at once or when there is something to tell.
async fn manage(service: &Service, asked: &ApiRequest<'_>, from: &Provenance<'_>) -> ApiAnswer {
    let begun = Instant::now();
    loop {
        // From before the answer: nothing is missed in between.
        let mut happenings = service.happenings();
        let answer = service.manage(asked, from, now());
        let left = answer.wait.saturating_sub(begun.elapsed());
        if left.is_zero() || timeout(left, happenings.changed()).await.is_err() {
            return answer;
        }
        tokio::time::sleep(BREATH.min(left)).await;
    }
}

fn provenance<'a>(caller: &Caller, head: &'a Parts) -> Provenance<'a> {
    // A header that is no text is one all the same.
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let proxies = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
    Provenance {
        peer: caller.peer,
        origin: text("origin"),
        fetch_site: text("sec-fetch-site"),
        is_forwarded: proxies.iter().any(|name| head.headers.contains_key(*name)),
    }
}

/// A header that is there but says nothing must not be taken for one that is not there: a DELETE
/// with a broken `If-Match` would delete anything.
fn unreadable(headers: &HeaderMap) -> Option<Refusal> {
    let broken = |name: &&str| {
        let mut values = headers.get_all(*name).iter();
        let first = values.next();
        first.is_some_and(|value| value.to_str().is_err()) || values.next().is_some()
    };
    let names = [
        "if-match",
        "x-ms-continuation",
        "x-ms-max-item-count",
        "authorization",
        "origin",
        "sec-fetch-site",
    ];
    names.iter().any(broken).then_some(Refusal::InvalidRequest(
        "A header is not ASCII text, or is there more than once.",
    ))
}

fn response(caller: &Caller, answer: ApiAnswer) -> Response {
    let ApiAnswer { status, body, error_code, headers: more, .. } = answer;
    let mut headers = HeaderMap::new();
    for (name, value) in more {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, super::answer::JSON);
    }
    let body = body.map_or_else(Body::empty, Body::from);
    super::answer::response(caller, status, error_code, headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_cannot_be_read_is_no_missing_condition() {
        let mut headers = HeaderMap::new();
        assert!(unreadable(&headers).is_none());
        headers.insert("if-match", HeaderValue::from_static("\"a\""));
        assert!(unreadable(&headers).is_none());
        headers.append("if-match", HeaderValue::from_static("\"b\""));
        assert_eq!(unreadable(&headers).unwrap().status(), 400);
        headers.insert("if-match", HeaderValue::from_bytes(b"\"\xe9\"").unwrap());
        assert_eq!(unreadable(&headers).unwrap().status(), 400);
    }
}
