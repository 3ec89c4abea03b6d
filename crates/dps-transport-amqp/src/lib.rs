//! Sans-I/O AMQP 1.0 engine for the Device Provisioning Service (`wire-protocol.md` section 4).
//!
//! # In scope
//!
//! * the client's side of one provisioning conversation: SASL, open, begin, two links, register,
//!   poll, keep-alive, close
//! * pipelining: after TLS, one flight up to both attaches and one with the first request, unless
//!   [`conservative`](AmqpTransport::conservative) is chosen
//! * checks of everything that comes in before the codec sees it: size of frames and messages,
//!   depth and number of values
//!
//! # Out of scope
//!
//! * TLS, WebSocket, sockets: bytes come and go through [`dps_core::Transport`]
//! * transactions, resuming links, more than one session
//! * deciding when to send what: that is [`dps_core::Registration`]'s
//!
//! Values are encoded and decoded by serde_amqp as untyped ones, so that a field that we do not
//! use can have any form. Only the initial response of SASL, which holds the token, is written
//! here, because the codec would leave copies of it in memory.
#![forbid(unsafe_code)]

mod engine;
mod frame;
mod message;
mod performative;
mod refusal;
mod sasl;
mod shape;
mod value;
mod violation;

pub use engine::AmqpTransport;

/// The TCP port of AMQP over TLS (`wire-protocol.md` section 0).
pub const AMQPS_PORT: u16 = 5671;
