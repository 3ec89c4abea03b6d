//! The service API over HTTP (`wire-protocol.md` section 7). It is told from the devices' paths by
//! the first part of the path, in any case.

use super::{Caller, devices, host};
use crate::server::now;
use crate::service::{ApiAnswer, ApiRequest, MAX_BODY_BYTES, Service};
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
