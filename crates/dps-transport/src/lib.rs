//! What lies between a protocol engine and a socket.
//!
//! # In scope
//!
//! * [`Endpoint`]: where the service is
//! * [`TrustAnchors`]: which certificate authorities may vouch for it
//! * [`TlsOptions`]: the certificate a device presents, the versions of TLS it speaks, and the
//!   keys of servers that were revoked
//! * [`Proxy`]: an HTTP proxy on the way, with or without TLS and basic authentication
//! * [`Link`]: a stack of sans-I/O [`Layer`]s that turns protocol bytes into wire bytes and back:
//!   [tunnel through a proxy] - TLS - [WebSocket], put together by [`LinkSettings`]
//!
//! # Out of scope
//!
//! * protocol messages
//! * sockets, files, clocks: certificates come as bytes, time as an argument
//!
//! The facts are those of `wire-protocol.md` section 0 (TLS 1.2 or later, with SNI, the server's
//! name verified), 2.7 and 4.6 (WebSockets).
#![forbid(unsafe_code)]

mod endpoint;
mod http_head;
mod link;
mod link_settings;
mod proxy;
mod tls;
mod trust;
mod web_socket;

pub use endpoint::{Endpoint, EndpointError, GLOBAL_ENDPOINT};
pub use link::{Layer, Link};
pub use link_settings::LinkSettings;
pub use proxy::{Proxy, ProxyError, ProxyScheme, Tunnel};
pub use tls::{
    PinError, PublicKeyPin, ServedChain, SystemAnchors, TlsOptions, TlsSettings, TlsVersion,
    TlsVersions,
};
pub use trust::TrustAnchors;
pub use web_socket::{WebSocket, WebSocketProtocol};
