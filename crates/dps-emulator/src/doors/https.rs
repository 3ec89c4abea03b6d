//! The HTTPS door (`wire-protocol.md` section 3), which also takes WebSockets for the other
//! protocols (sections 2.7 and 4.6), the service API and the web page: one connection's server
//! side.

mod answer;
mod devices;
mod handshake;
mod host;
mod management;
mod page;
mod patience;
mod reserve;
mod shears;
#[cfg(test)]
mod tests;
mod tunnel;

use crate::doors::amqp::AmqpConnection;
use crate::doors::mqtt::MqttConnection;
use crate::server::{Place, converse, now};
use crate::service::{Refusal, Service};
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use core::net::IpAddr;
use handshake::{Handshake, Subprotocol};
use http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use patience::{Patience, Watched};
use shears::{Shears, Shorn};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tunnel::Tunnel;

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The client of one connection.
#[derive(Debug)]
struct Caller {
    service: Arc<Service>,
    peer_certificates: Vec<Vec<u8>>,
    peer: Option<IpAddr>,
    place: Place,
    patience: Patience,
    /// Where faults cut answers off.
    shears: Shears,
    /// What becomes of the connection once the switch to WebSocket is answered.
    upgrade: Mutex<Option<(OnUpgrade, Subprotocol)>>,
}

/// Serves one client: HTTP/1.1 requests one after the other until either side closes the
/// connection, or a WebSocket after the upgrade. `stream` is what TLS has decrypted;
/// `peer_certificates` are those of the TLS handshake in DER, the client's own first, and the
/// layer below must have seen that the client has the key of that one.
///
/// # Errors
///
/// Those of the stream; [`io::ErrorKind::TimedOut`] when the client was silent for too long;
/// [`io::ErrorKind::InvalidData`] when it broke the WebSocket protocol.
pub async fn serve_https(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: Arc<Service>,
    peer_certificates: Vec<Vec<u8>>,
) -> io::Result<()> {
    serve_https_to(stream, service, peer_certificates, None, Place::Open).await
}

/// As [`serve_https`], for a client at an address, who may have come when the door was full.
pub(crate) async fn serve_https_to(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: Arc<Service>,
    peer_certificates: Vec<Vec<u8>>,
    peer: Option<IpAddr>,
    place: Place,
) -> io::Result<()> {
    let (patience, shears) = (Patience::new(), Shears::default());
    let caller = Arc::new(Caller {
        service,
        peer_certificates,
        peer,
        place,
        patience: patience.clone(),
        shears: shears.clone(),
        upgrade: Mutex::new(None),
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        // Our own patience covers it, and lets a device pause between two polls.
        .header_read_timeout(None)
        .title_case_headers(true)
        .serve_connection(
            TokioIo::new(Watched::new(Shorn::new(stream, shears), patience.clone())),
            TowerToHyperService::new(router(caller.clone())),
        )
        .with_upgrades();
    tokio::select! {
        ended = connection => ended.map_err(io::Error::other)?,
        () = patience.run_out() => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no request in time"));
        }
    }
    let upgrade = caller.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((upgrade, subprotocol)) = upgrade else { return Ok(()) };
    let tunnel = Tunnel::new(TokioIo::new(upgrade.await.map_err(io::Error::other)?)).await;
    let (service, certificates) = (caller.service.clone(), caller.peer_certificates.clone());
    match subprotocol {
        Subprotocol::Mqtt => {
            let connection = MqttConnection::new(service, now())
                .within_web_socket()
                .with_peer_certificates(certificates)
                .with_peer_address(caller.peer);
            converse(tunnel, connection).await
        }
        Subprotocol::Amqp => {
            let connection = AmqpConnection::new(service, now())
                .within_web_socket()
                .with_peer_certificates(certificates)
                .with_peer_address(caller.peer);
            converse(tunnel, connection).await
        }
    }
}

fn router(caller: Arc<Caller>) -> Router {
    let mut router = Router::new()
        .route("/{scope}/registrations/{id}/register", put(devices::register))
        .route("/{scope}/registrations/{id}/operations/{operation}", only_get(devices::poll))
        .route("/{scope}/registrations/{id}", post(devices::lookup))
        .route("/page/{file}", only_get(page::file));
    for path in handshake::PATHS {
        router = match path {
            "/" => router.route(path, only_get(websocket_or_page)),
            _ => router.route(path, only_get(websocket)),
        };
    }
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(caller.clone(), reserve::keep))
        .layer(middleware::from_fn_with_state(caller.clone(), management::divert))
        .layer(middleware::from_fn_with_state(caller.clone(), host::check))
        .layer(middleware::from_fn_with_state(caller.clone(), reserve::release))
        .with_state(caller)
}

/// axum's own route for GET takes HEAD, too, and says so to those who ask with another method.
fn only_get<T: 'static>(handler: impl Handler<T, Arc<Caller>>) -> MethodRouter<Arc<Caller>> {
    get(handler).head(not_get).fallback(not_get)
}

/// Java's clients want their WebSocket where browsers look for the page.
async fn websocket_or_page(state: State<Arc<Caller>>, request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return websocket(state, request).await;
    }
    let _busy = state.patience.request();
    page::index()
}

async fn websocket(State(caller): State<Arc<Caller>>, mut request: Request) -> Response {
    let _busy = caller.patience.request();
    match Handshake::read(request.headers()) {
        Ok(handshake) => {
            let upgrade = hyper::upgrade::on(&mut request);
            *caller.upgrade.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((upgrade, handshake.subprotocol()));
            handshake.response()
        }
        Err(refusal) => answer::refusal(&caller, &refusal),
    }
}

async fn no_such_path(State(caller): State<Arc<Caller>>) -> Response {
    let _busy = caller.patience.request();
    answer::refusal(&caller, &Refusal::NoSuchPath)
}

async fn wrong_method(State(caller): State<Arc<Caller>>) -> Response {
    let _busy = caller.patience.request();
    answer::refusal(&caller, &Refusal::WrongMethod)
}

async fn not_get(state: State<Arc<Caller>>) -> Response {
    let mut response = wrong_method(state).await;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}
