//! The service API over HTTP (`wire-protocol.md` section 7). It is told from the devices' paths by
//! the first part of the path, in any case.

use super::{Caller, devices, host};
use crate::server::now;
use crate::service::{ApiAnswer, ApiRequest, MAX_BODY_BYTES, Refusal, Service};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::Arc;

/// Answers what belongs to the service API, and lets everything else through.
pub(super) async fn divert(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    if !Service::is_api(request.uri().path()) {
        return next.run(request).await;
    }
    let _busy = caller.patience.request();
    let (head, body) = request.into_parts();
    let service = &caller.service;
    let answer = match devices::collect(body, MAX_BODY_BYTES).await {
        Ok(body) => {
            let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(refusal) = unreadable(&head.headers) {
                return response(&caller, service.refuse_api_request(&refusal, now()));
            }
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
            let answer = service.administer(&asked, now());
            service.kept(answer, now()).await
        }
        Err(refusal) => service.refuse_api_request(&refusal, now()),
    };
    response(&caller, answer)
}

/// A header that is there but says nothing must not be taken for one that is not there: a DELETE
/// with a broken `If-Match` would delete anything.
fn unreadable(headers: &HeaderMap) -> Option<Refusal> {
    let broken = |name: &&str| {
        let mut values = headers.get_all(*name).iter();
        let first = values.next();
        first.is_some_and(|value| value.to_str().is_err()) || values.next().is_some()
    };
    let names = ["if-match", "x-ms-continuation", "x-ms-max-item-count", "authorization"];
    names.iter().any(broken).then_some(Refusal::InvalidRequest(
        "A header is not ASCII text, or is there more than once.",
    ))
}

fn response(caller: &Caller, answer: ApiAnswer) -> Response {
    let ApiAnswer { status, body, error_code, page, .. } = answer;
    let mut headers = HeaderMap::new();
    for (name, value) in page {
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
