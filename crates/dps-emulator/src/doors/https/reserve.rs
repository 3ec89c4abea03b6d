//! Connections that are kept for operators while devices have taken all the others.

use super::{Caller, answer};
use crate::server::Place;
use crate::service::Refusal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, header};
use std::sync::Arc;

/// Lets the page through; the service API and the admin API have their answers before. Everything else
/// is told to come again, and its connection ends.
pub(super) async fn keep(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    if caller.place == Place::Open || is_page(&request) {
        return next.run(request).await;
    }
    let _busy = caller.patience.request();
    let mut response = answer::refusal(&caller, &Refusal::Full);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_page(request: &Request) -> bool {
    let path = request.uri().path();
    let root = path == "/" && !request.headers().contains_key(header::UPGRADE);
    root || path.starts_with("/page/")
}
