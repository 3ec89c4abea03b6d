//! The hubs that devices are assigned to (`wire-protocol.md` section 8): as much of an IoT hub as
//! shows that a provisioned device works. Telemetry is kept for whoever asks, messages wait for
//! their devices, twins are merged, methods are called.
//!
//! A hub is entered by the MQTT door, whose connections choose by their user name between the
//! provisioning service and a hub; [`session`] is one device's connection. What the registrations'
//! side needs is in [`Hubs`], what a test or a person needs in [`Hub`].

mod access;
mod device;
mod handle;
mod hubs;
mod identity;
mod percent;
mod proof;
mod properties;
pub(crate) mod session;
mod subscriptions;
#[cfg(test)]
mod tests;
mod topic;
mod twin;
pub(crate) mod username;
mod view;

pub use device::Telemetry;
pub use handle::{Hub, HubError, Message, MethodReply};
pub(crate) use hubs::Hubs;
pub(crate) use identity::HubIdentity;
pub(crate) use proof::ProofRow;
pub use properties::Properties;
pub use twin::Twin;
pub(crate) use view::DeviceView;
