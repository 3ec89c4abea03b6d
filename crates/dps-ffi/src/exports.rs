//! The C functions, file by file as their headers.
//!
//! Each one enters through the gate that stops panics, reads its arguments, and passes Rust
//! values on.

mod built_in;
mod derive;
mod extensions;
mod handles;
mod hub_auth;
mod library;
mod ll;
mod pkcs11;
mod plugin;
mod prov_auth;
#[cfg(feature = "riot")]
mod riot;
mod security;
mod setting;
mod threaded;
mod tpm;
mod transport;

pub use built_in::*;
pub use derive::*;
pub use extensions::*;
pub use hub_auth::*;
pub use library::*;
pub use ll::*;
pub use pkcs11::*;
pub use plugin::*;
pub use prov_auth::*;
#[cfg(feature = "riot")]
pub use riot::*;
pub use security::*;
pub use threaded::*;
pub use tpm::*;
pub use transport::*;
