//! A client of the service API of the Device Provisioning Service (`wire-protocol.md` section 7):
//! what a factory or an operator does, against the real service or the local one.
//!
//! ```no_run
//! use dps_service::{AttestationMechanism, ConnectionString, EnrollmentGroup, ServiceClient};
//!
//! let connection: ConnectionString = std::env::var("DPS_CONNECTION_STRING")?.parse()?;
//! let client = ServiceClient::builder(connection).build()?;
//! let group = EnrollmentGroup::new("line-7", AttestationMechanism::symmetric_key());
//! let created = client.enrollment_groups().create(&group)?;
//! println!("{} has etag {:?}", created.enrollment_group_id, created.etag);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In scope
//!
//! * [`ServiceClient`]: blocking calls; each gives the service's answer or an [`Error`] with the
//!   service's status, code, message and tracking id
//! * [`ConnectionString`]: never shown with its key
//! * [`local`]: hubs and their devices, which only libdps's local service shows so
//! * the documents, which keep members that this version does not know
//!
//! # Out of scope
//!
//! * retries: a caller knows best whether an operation may be repeated
//! * Entra ID tokens, and the management plane of Azure (linking hubs, policies)
#![forbid(unsafe_code)]

mod attestation;
mod bulk;
mod client;
mod collection;
mod connection_string;
mod enrollment;
mod error;
pub mod local;
mod query;
mod registration;

pub use attestation::{
    AttestationMechanism, AttestationType, CertificateWithInfo, Certificates, SymmetricKeys, Tpm,
    X509,
};
pub use bulk::{BulkError, BulkMode, BulkResult};
pub use client::{Builder, ServiceClient};
pub use collection::{Collection, Resource};
pub use connection_string::{ConnectionString, ConnectionStringError};
pub use enrollment::{
    Capabilities, CustomAllocationDefinition, EnrollmentGroup, IndividualEnrollment,
    ReprovisionPolicy,
};
pub use error::{Error, ServiceError};
pub use query::Query;
pub use registration::{DeviceRegistrationState, Registrations};
