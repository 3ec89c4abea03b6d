//! Connections that are kept for operators while devices have taken all the others.

use super::devices::collect;
use super::{Caller, answer};
use crate::server::Place;
use crate::service::{MAX_BODY_BYTES, Refusal};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, header};
use std::sync::Arc;

/// In seconds.
const COME_AGAIN: u16 = 5;

/// Ends the connection with its first answer, whatever that is.
pub(super) async fn release(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if caller.place == Place::Reserve {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Lets the page through; the service API and the admin API have their answers before. Everything else
/// is told to come again.
pub(super) async fn keep(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    if caller.place == Place::Open || is_page(&request) {
        return next.run(request).await;
    }
    let _busy = caller.patience.request();
    // Who still writes would not read the answer.
    let _ = collect(request.into_body(), MAX_BODY_BYTES).await;
    let mut response = answer::refusal(&caller, &Refusal::Full);
    response.headers_mut().insert(header::RETRY_AFTER, COME_AGAIN.into());
    response
}

fn is_page(request: &Request) -> bool {
    let path = request.uri().path();
    let root = path == "/" && !request.headers().contains_key(header::UPGRADE);
    root || path.strip_prefix("/page/").is_some_and(|file| !file.contains('/'))
}
