//! Private keys that an OpenSSL provider holds, such as tpm2-openssl or pkcs11-provider, as
//! attestation sources.
//!
//! # In scope
//!
//! * loading providers by name: [`Providers`]
//! * finding a private key by a URI of `OSSL_STORE`, whose scheme a provider knows: [`x509`]
//! * signing TLS handshakes with it; TLS itself stays rustls's
//!
//! # Out of scope
//!
//! * engines, which OpenSSL 3 deprecates and 4 does not have
//! * PINs by a prompt: providers take them from the URI or from their own configuration
//! * symmetric keys
//!
//! OpenSSL 3.0 or newer is needed. It is the system's, linked when this crate is built; of the
//! project's other crates only dps-cli depends on this one, with its feature `openssl`.

mod key;
mod providers;
mod signing;
mod store;

pub use key::{OpensslError, x509};
pub use providers::Providers;
