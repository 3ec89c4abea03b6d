//! A small session with the hub that a device was assigned to, to prove that the assignment works
//! (`wire-protocol.md` section 8.1).
//!
//! # In scope
//!
//! * [`HubClient`]: connects with what the device registered with, over MQTT or MQTT in WebSockets;
//!   telemetry with acknowledgement, the twin and its reported properties, messages and desired
//!   properties from the hub; blocking, or driven by [`poll`](HubClient::poll)
//!
//! # Out of scope
//!
//! * being the device's hub client for good: no reconnection, no methods, no file uploads, no
//!   modules
//!
//! ```no_run
//! use dps_client::hub::{HubClient, Message};
//! # use dps_client::{IdScope, ProvisioningClient, RegistrationId, SymmetricKey};
//! # use dps_hsm_symm_key::SymmetricKeyHsm;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SymmetricKey::from_base64("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=")?;
//! # let hsm = SymmetricKeyHsm::new(RegistrationId::new("my-device")?, key);
//! # let mut provisioning = ProvisioningClient::builder()
//! #     .id_scope(IdScope::new("0ne00111111")?)
//! #     .hsm(hsm.clone())
//! #     .build()?;
//! let assignment = provisioning.register()?;
//! let mut hub = HubClient::of(&assignment).hsm(hsm).build()?;
//! hub.connect()?;
//! hub.send(&Message::json(r#"{"temperature":21.5}"#))?;
//! println!("{}", hub.twin()?.desired);
//! hub.disconnect();
//! # Ok(())
//! # }
//! ```

mod builder;
mod client;
mod inbox;
mod link;
mod session;
#[cfg(test)]
mod tests;

pub use builder::HubBuilder;
pub use client::{HubClient, HubProgress, Incoming, Twin};
pub use dps_hub_mqtt::{DesiredUpdate, Event, Message, Properties, Request, RequestId};
