//! Requests as bytes (`wire-protocol.md` sections 3.1 and 3.2).

use dps_core::sas::{HexCase, percent_encode};
use dps_core::wire::{API_VERSION, MAX_MESSAGE_BYTES};
use dps_core::{Credentials, Error, ErrorKind, Identity, Request, Stage};
use http::{Method, header};
use ureq_proto::client::state::RecvResponse;
use ureq_proto::client::{Call, SendRequestResult};

/// Room for all of a head but the target, the host and the token.
const FIXED_HEAD_BYTES: usize = 512;
const USER_AGENT: &str = concat!("libdps/", env!("CARGO_PKG_VERSION"));

/// What a request is about, in error texts.
pub(crate) fn stage(request: &Request) -> Stage {
    match request {
        Request::Register { .. } => Stage::Register,
        Request::Poll { .. } => Stage::Poll,
    }
}

/// Appends the whole request to `out`, and gives what reads the reply to it.
pub(crate) fn write(
    out: &mut Vec<u8>,
    host: &str,
    identity: &Identity,
    credentials: &Credentials,
    request: &Request,
) -> Result<Call<RecvResponse>, Error> {
    let stage = stage(request);
    let refuse = |detail: String| Error::new(stage, ErrorKind::InvalidConfig).with_detail(detail);
    let (method, body) = match request {
        Request::Register { body } => (Method::PUT, body.as_bytes()),
        Request::Poll { .. } => (Method::GET, Default::default()),
    };
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(Error::new(stage, ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES })
            .with_detail(format!("the request has {} bytes", body.len())));
    }
    let token = match credentials {
        Credentials::SasToken(token) => Some(token.as_str()),
        Credentials::Tpm { token, .. } => token.as_ref().map(|token| token.as_str()),
        Credentials::ClientCertificate => None,
        _ => return Err(refuse("these credentials cannot be used with HTTPS".into())),
    };
    let target = target(identity, request);
    let head_size = FIXED_HEAD_BYTES + target.len() + host.len();
    let mut head = http::Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json");
    if matches!(request, Request::Register { .. }) {
        head = head
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(header::CONTENT_LENGTH, body.len());
    }
    let head = head.body(()).map_err(|error| refuse(format!("no HTTP request: {error}")))?;
    let odd = |error: ureq_proto::Error| refuse(format!("no HTTP request: {error}"));
    let mut call = Call::new(head).map_err(odd)?.proceed();

    let mut text = vec![0; head_size];
    let written = call.write(&mut text).map_err(odd)?;
    text.truncate(written);
    // The codec would keep copies of the token and could not wipe them: it goes from its own
    // memory straight to the output, as the last header.
    let Some(fields) = text.strip_suffix(b"\r\n") else {
        return Err(refuse("the request's head does not fit".into()));
    };
    let token_parts = token.map(|token| ["authorization: ", token, "\r\n"]);
    // Of the right size at once: a buffer that grows leaves copies behind.
    out.reserve_exact(text.len() + body.len() + token.map_or(0, |token| token.len() + 32));
    out.extend_from_slice(fields);
    for part in token_parts.iter().flatten() {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);

    let lost = || refuse("the request's head does not fit".into());
    match call.proceed().map_err(odd)?.ok_or_else(lost)? {
        SendRequestResult::RecvResponse(call) => Ok(call),
        SendRequestResult::SendBody(mut call) => {
            call.consume_direct_write(body.len()).map_err(odd)?;
            call.proceed().ok_or_else(lost)
        }
        SendRequestResult::Await100(_) => Err(lost()),
    }
}

fn target(identity: &Identity, request: &Request) -> String {
    let segment = |text: &str| percent_encode(text, HexCase::Upper);
    let scope = segment(identity.id_scope.as_str());
    let device = segment(identity.registration_id.as_str());
    let rest = match request {
        Request::Register { .. } => "register".to_owned(),
        Request::Poll { operation_id } => format!("operations/{}", segment(operation_id)),
    };
    format!("/{scope}/registrations/{device}/{rest}?api-version={API_VERSION}")
}
