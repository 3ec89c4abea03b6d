//! The Host that a request names (RFC 9112 section 3.2): one, and a host; checked before anything
//! is made of it.

use super::{Caller, answer};
use crate::service::Refusal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use core::net::Ipv6Addr;
use http::{HeaderMap, Version, header};
use std::sync::Arc;

const NONE: Refusal = Refusal::InvalidRequest("The request has no Host.");
const MANY: Refusal = Refusal::InvalidRequest("The request has more than one Host.");
const NO_HOST: Refusal = Refusal::InvalidRequest("The request's Host is not a host and port.");

/// Lets through what names its host properly, and refuses everything else with 400.
pub(super) async fn check(
    State(caller): State<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    match read(request.version(), request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refusal) => {
            let _busy = caller.patience.request();
            answer::refusal(&caller, &refusal)
        }
    }
}

/// The host, with its port if there is one. HTTP/1.0 needs none.
pub(super) fn read(version: Version, headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut named = headers.get_all(header::HOST).into_iter();
    let Some(host) = named.next() else {
        return if version == Version::HTTP_10 { Ok(None) } else { Err(NONE) };
    };
    if named.next().is_some() {
        return Err(MANY);
    }
    host.to_str().ok().filter(|host| is_host(host)).map(Some).ok_or(NO_HOST)
}

/// RFC 3986 section 3.2.2, with a port or without. An https URI's host is not empty (RFC 9110
/// section 4.2.2).
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => (None, port),
            _ => return false,
        },
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Some(host), port)
        }
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || (digits.bytes().all(|byte| byte.is_ascii_digit())
                    && digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    port_is_good && host.is_none_or(is_name)
}

/// Unreserved characters, sub-delims and percent-encoded bytes. A comma is left out: where it
/// stands, a proxy has joined two hosts.
fn is_name(host: &str) -> bool {
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let is_good = match byte {
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                is_hex() && is_hex()
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte),
        };
        if !is_good {
            return false;
        }
    }
    !host.is_empty()
}
