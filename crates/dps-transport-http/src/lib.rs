//! Sans-I/O HTTP/1.1 engine for the Device Provisioning Service (`wire-protocol.md` section 3).
//!
//! # In scope
//!
//! * the client's side of one provisioning conversation: PUT register, then GET operations, one
//!   request at a time on one connection that is kept alive
//! * telling [`TransportEvent::Closing`](dps_core::TransportEvent::Closing) when the service does
//!   not keep it alive
//!
//! # Out of scope
//!
//! * TLS, sockets: bytes come and go through [`dps_core::Transport`]
//! * redirects, cookies, content encodings: the service uses none, and a redirect would carry the
//!   token to another place
//! * deciding when to send what: that is [`dps_core::Registration`]'s
//!
//! # When it is connected
//!
//! HTTP has no greeting: the service says nothing before it answers the first request. The
//! original client reports CONNECTED when TLS is up (`c-abi.md` section 1.9), and so does this
//! engine: it gives [`TransportEvent::Connected`](dps_core::TransportEvent::Connected) when the
//! driver says that the link is [`ready`](dps_core::Transport::ready). So a service that is silent
//! from then on is said to owe a reply to the register request, not to have refused the
//! connection.
//!
//! # Logging
//!
//! This crate logs nothing. ureq-proto, which cuts the stream, hands what it reads to the `log`
//! crate at level trace: replies, but never a token or a request's body, which do not go through
//! it.
#![forbid(unsafe_code)]

mod engine;
mod reply;
mod request;

pub use engine::HttpTransport;

/// The TCP port of HTTPS (`wire-protocol.md` section 0).
pub const HTTPS_PORT: u16 = 443;
