//! Sans-I/O MQTT 3.1.1 engine for the Device Provisioning Service (`wire-protocol.md` section 2).
//!
//! # In scope
//!
//! * the client's side of one provisioning conversation: CONNECT, SUBSCRIBE, register, poll,
//!   keep-alive, DISCONNECT
//! * pipelining: all of the opening goes out in one flight, unless
//!   [`conservative`](MqttTransport::conservative) is chosen
//!
//! # Out of scope
//!
//! * TLS, WebSocket, sockets: bytes come and go through [`dps_core::Transport`]
//! * QoS 2, sessions, MQTT 5
//! * deciding when to send what: that is [`dps_core::Registration`]'s
#![forbid(unsafe_code)]

mod engine;
mod packets;
mod topic;

pub use engine::MqttTransport;

/// The TCP port of MQTT over TLS (`wire-protocol.md` section 0).
pub const MQTT_PORT: u16 = 8883;
