//! The service's side of TPM attestation, in software (`wire-protocol.md` section 5).
//!
//! The service knows a TPM by its endorsement key and holds no secret of it. It makes a key, wraps
//! it so that only that TPM can recover it, and has the device sign with it. Nothing here is a
//! TPM: it takes public keys, and gives blobs.
//!
//! # In scope
//!
//! * [`PublicKey`]: a TPM's RSA key, from its `TPM2B_PUBLIC`
//! * [`ActivationKey`]: a key on its way to a TPM, as the blob that the service sends
//!
//! # Out of scope
//!
//! * keys of other kinds than RSA of 2048 bits with SHA-256, of which no client makes use
//! * timing: RSA is used with public keys only, so there is no private key that it could tell

mod blob;
mod kdf;
mod oaep;
mod public_key;
#[cfg(test)]
mod tests;

pub use blob::ActivationKey;
pub use public_key::{PublicKey, PublicKeyError};
