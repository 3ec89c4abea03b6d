//! Security modules of others: the plug-in interfaces of the Azure IoT C SDK (`c-abi.md` section 5)
//! as attestation sources.
//!
//! # In scope
//!
//! * [`KeyInterface`], [`X509Interface`] and [`TpmInterface`], the tables of C functions that plug-ins have
//! * [`Library`]: the seven functions of a library of such modules
//! * [`SignerInterface`], beyond the original: certificates whose key never leaves the plug-in
//! * [`KeyPlugin`], [`X509Plugin`] and [`TpmPlugin`]: a plug-in's handle as [`dps_core::Hsm`]
//! * saying which function of a plug-in did what
//!
//! # Out of scope
//!
//! * loading libraries: functions come from the caller
//!
//! # Rules for plug-ins
//!
//! Functions are called one at a time for each handle, on any thread; different handles at the
//! same time. What they return is from `malloc`, and freed here after it was wiped. What they are
//! given is theirs to read until they return. They must return: C++
//! exceptions out of them are undefined behaviour.

mod error;
mod key;
mod library;
mod module;
mod tables;
#[cfg(test)]
mod tests;
mod tpm;
mod x509;

pub use error::PluginError;
pub use key::KeyPlugin;
pub use library::{Library, LibraryInterface};
pub use tables::{KeyInterface, Purpose, SignerInterface, TpmInterface, X509Interface};
pub use tpm::TpmPlugin;
pub use x509::X509Plugin;
