//! Registers a device with the Device Provisioning Service.
//!
//! # In scope
//!
//! * [`ProvisioningClient`]: one device's registration, driven by [`poll`](ProvisioningClient::poll),
//!   by the blocking [`register`](ProvisioningClient::register), or on tokio (feature `tokio`)
//! * `HubClient` (feature `hub`): a small session with the assigned hub, to prove that the
//!   assignment works: telemetry, twin, messages
//! * [`Session`]: the same without any I/O, for those who bring their own
//! * sockets, name resolution and the system's clocks and trust anchors: the only place on the
//!   device's side that has them
//!
//! # Out of scope
//!
//! * protocols, TLS and decisions: they live in the crates below
//! * where keys come from: any [`Hsm`] will do
//!
//! ```no_run
//! use dps_client::{IdScope, ProvisioningClient, RegistrationId, SymmetricKey};
//! use dps_hsm_symm_key::SymmetricKeyHsm;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SymmetricKey::from_base64("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=")?;
//! let id = RegistrationId::new("sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6")?;
//! let mut client = ProvisioningClient::builder()
//!     .id_scope(IdScope::new("0ne00111111")?)
//!     .hsm(SymmetricKeyHsm::new(id, key))
//!     .build()?;
//! let assignment = client.register()?;
//! println!("hub {}, device {}", assignment.hub, assignment.device_id);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod anchors;
mod builder;
mod client;
mod clock;
mod connector;
mod errand;
#[cfg(feature = "hub")]
pub mod hub;
mod module;
mod preparation;
mod random;
mod session;
mod signing;
#[cfg(feature = "tokio")]
mod tokio_driver;
mod transport;
mod wake;
mod wire;

pub use builder::Builder;
pub use client::{Progress, ProvisioningClient};
pub use dps_core::{
    ActivationBlob, Assignment, Attestation, CertificateProblem, ClientIdentity, ClientKey, Error,
    ErrorKind, Hsm, HsmError, IdError, IdScope, Identity, KeyError, Mac, Now, Policy,
    RegistrationId, ServiceError, SignatureScheme, Stage, Status, SymmetricKey, Timestamp, TpmKeys,
};
pub use dps_transport::{
    Endpoint, EndpointError, GLOBAL_ENDPOINT, PinError, Proxy, ProxyError, ProxyScheme,
    PublicKeyPin, TlsVersion, TlsVersions, TrustAnchors,
};
/// For those who drive a [`Session`] themselves.
pub use {dps_core, dps_transport, dps_transport_http, dps_transport_mqtt};

pub use session::{Output, Session};
pub use transport::{Transport, TransportError};
pub use wake::Interrupter;
