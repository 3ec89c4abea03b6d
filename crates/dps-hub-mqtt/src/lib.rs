//! Sans-I/O MQTT 3.1.1 engine for a device's IoT hub (`wire-protocol.md` section 8.1): as much as
//! shows that an assignment is good.
//!
//! # In scope
//!
//! * one connection of one device: CONNECT, its subscriptions, telemetry at QoS 1, the twin and its
//!   reported properties, messages and desired properties from the hub, keep-alive, DISCONNECT
//!
//! # Out of scope
//!
//! * TLS, WebSocket, sockets: bytes come and go
//! * direct methods, modules, QoS 2, MQTT 5
//! * connecting again, and sending again what was not acknowledged
#![forbid(unsafe_code)]

mod engine;
mod events;
mod message;
mod packets;
mod topic;

pub use engine::{HubEngine, HubOpening, Request, RequestId};
pub use events::{DesiredUpdate, Event};
pub use message::{MAX_MESSAGE_BYTES, Message, Properties};

/// The TCP port of MQTT over TLS (`wire-protocol.md` section 0).
pub const MQTT_PORT: u16 = 8883;
