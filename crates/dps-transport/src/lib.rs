//! What lies between a protocol engine and a socket.
//!
//! # In scope
//!
//! * [`Endpoint`]: where the service is
//! * [`TrustAnchors`]: which certificate authorities may vouch for it
//! * [`TlsOptions`]: the certificate a device presents, and the versions of TLS it speaks
//! * [`Link`]: a stack of sans-I/O [`Layer`]s that turns protocol bytes into wire bytes and back;
//!   today TLS, and nothing at all for tests
//!
//! # Out of scope
//!
//! * protocol messages
//! * sockets, files, clocks: certificates come as bytes, time as an argument
//!
//! The facts are those of `wire-protocol.md` section 0: TLS 1.2 or later, with SNI, the server's
//! name verified.
#![forbid(unsafe_code)]

mod endpoint;
mod link;
mod tls;
mod trust;

pub use endpoint::{Endpoint, EndpointError, GLOBAL_ENDPOINT};
pub use link::{Layer, Link};
pub use tls::{SystemAnchors, TlsOptions, TlsSettings, TlsVersion, TlsVersions};
pub use trust::TrustAnchors;
