//! Core of the Azure IoT device provisioning client.
//!
//! Everything here is sans-I/O: values go in, values come out, and time is an argument.
//! The facts implemented are those of `wire-protocol.md` sections 1 (identity, keys, tokens)
//! and 6 (result JSON), and the client behaviour of `c-abi.md` section 3.
//!
//! # In scope
//!
//! * [`RegistrationId`], [`IdScope`], [`SymmetricKey`] and group key derivation
//! * [`sas`]: SAS tokens
//! * [`wire`]: the JSON bodies of requests, results and errors
//! * [`Hsm`] and [`Transport`]: what an attestation source and a protocol engine implement
//! * [`Pace`]: whether an engine may send ahead of the answers
//! * [`Registration`]: the state machine that decides about polling, retry-after, back-off,
//!   re-connecting and the deadline
//! * [`Error`]: every failure, with its [`Stage`], the service's words, and a hint
//!
//! # Out of scope
//!
//! * sockets, TLS, name resolution, threads
//! * clocks and randomness: callers pass [`Now`] and a [`RandomSource`]
//! * the bytes of any protocol
#![forbid(unsafe_code)]

mod assignment;
mod challenge;
mod client_identity;
mod error;
mod hsm;
mod id;
mod key;
mod pace;
mod random;
mod registration;
mod retry;
pub mod sas;
mod time;
mod transport;
pub mod wire;

pub use assignment::Assignment;
pub use challenge::{ActivationBlob, ActivationBlobError, Challenge};
pub use client_identity::{ClientIdentity, ClientKey, SignatureScheme};
pub use error::{CertificateProblem, Error, ErrorKind, ServiceError, Stage};
pub use hsm::{Attestation, Hsm, HsmError, Mac, TpmKeys};
pub use id::{IdError, IdScope, RegistrationId};
pub use key::{KeyError, SymmetricKey};
pub use pace::Pace;
pub use random::RandomSource;
pub use registration::{Action, Event, Registration, RegistrationConfig, Status};
pub use retry::{Policy, RETRY_AFTER_MAX, RETRY_AFTER_MIN, parse_retry_after};
pub use time::{Now, Timestamp};
pub use transport::{Credentials, Identity, Opening, Reply, Request, Transport, TransportEvent};
