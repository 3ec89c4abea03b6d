//! Keys in PKCS#11 tokens (hardware security modules, smart cards, SoftHSM) as attestation sources.
//!
//! # In scope
//!
//! * naming tokens, keys and certificates by URI (RFC 7512): [`Pkcs11Uri`]
//! * PINs from the URI, a file, the environment or a function: [`PinSource`]
//! * X.509 with the private key in the token, EC on P-256 and P-384 and RSA: [`x509`], and with
//!   the certificate there as well: [`x509_from_token`]; both give a [`dps_hsm_x509::X509Hsm`]
//! * symmetric keys by HMAC in the token: [`Pkcs11SymmetricKey`]
//! * what there is on tokens: [`list`](list())
//!
//! # Out of scope
//!
//! * making keys, importing them, or setting up tokens: the tools that come with a token do that
//! * deriving device keys from a group's key: a device should carry only its own
//!
//! # Sessions, threads and processes
//!
//! A module is loaded and initialised once per process and never finalised, since others may use
//! it as well. Each key has a session of its own, so that different keys work at the same time.
//! PKCS#11 has one login per process and token: who logs in first logs in for all, and the PIN of
//! the others is not looked at. After a fork the child opens what it needs anew; a fork while
//! another thread is within a module is the module's to bear, and few do.
//!
//! # Secrets
//!
//! PINs are asked for when they are needed and wiped after the login; one that was refused is not
//! tried again by the same key. Keys stay in the token.
#![forbid(unsafe_code)]

mod certificate;
mod error;
mod held;
mod key;
mod list;
mod module;
mod object;
mod pin;
mod sign;
mod symmetric;
mod token;
mod uri;

pub use certificate::{x509, x509_from_token};
pub use error::Pkcs11Error;
pub use key::Pkcs11Key;
pub use list::{ObjectEntry, TokenEntry, list};
pub use pin::PinSource;
pub use symmetric::Pkcs11SymmetricKey;
pub use token::Access;
pub use uri::{ObjectType, Pkcs11Uri, UriError};
