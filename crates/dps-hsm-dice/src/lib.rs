//! Simulated devices with DICE-style certificates, for trying out X.509 attestation
//! (`c-abi.md` section 1.8, RIoT; `wire-protocol.md` section 1.1, X.509).
//!
//! A DICE chip mixes a secret of its own with a measurement of the firmware that starts, and makes
//! keys of what comes out; the same chip with the same firmware makes the same keys each time. Here
//! a seed stands for the factory and for the secrets of all chips that it makes, so that chains can
//! be thrown away and made again, byte for byte, on any machine:
//!
//! ```text
//! root      the factory's authority, which an enrollment group names; one for each seed
//!  └ signer the chip's own key, bound to its first firmware
//!     └ alias the key that the device presents, bound to all of its firmware
//! ```
//!
//! # In scope
//!
//! * chains of three, on P-256, and their private keys in PEM
//! * certificates that prove the possession of the root's key
//!
//! # Out of scope
//!
//! * security: who knows the seed has every key. Devices for customers have hardware for that, or
//!   at least keys of their own making.
//! * measurements of real firmware, and DICE's own certificate extension: services do not look at it
#![forbid(unsafe_code)]

mod certificate;
mod key;
#[cfg(test)]
mod tests;

use core::fmt;
use dps_core::RegistrationId;
use dps_hsm_x509::{X509Error, X509Hsm};
use key::Key;
use zeroize::Zeroizing;

/// The fewest bytes of a seed.
pub const SEED_MIN: usize = 8;
/// The most characters of a common name (RFC 5280, ub-common-name), and so of a registration id
/// here.
pub const COMMON_NAME_MAX: usize = 64;

/// Why there are no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiceError {
    /// Of [`SEED_MIN`] bytes at least, so that no empty variable makes everybody's devices the
    /// same.
    #[error("the seed has {bytes} bytes; it needs at least {SEED_MIN}")]
    SeedTooShort {
        /// How many it has.
        bytes: usize,
    },
    /// A common name has 1 to [`COMMON_NAME_MAX`] characters.
    #[error("the name has {characters} characters; a certificate takes 1 to {COMMON_NAME_MAX}")]
    NameLength {
        /// How many it has.
        characters: usize,
    },
    /// The certificate could not be written.
    #[error("the certificate could not be made: {0}")]
    Certificate(String),
}

/// The factory: it signs for all devices of one seed.
pub struct Factory {
    secret: Zeroizing<Vec<u8>>,
    key: Key,
    authority: certificate::Authority,
}

impl Factory {
    /// The factory of this seed, which may be any text or random bytes, [`SEED_MIN`] at least.
    ///
    /// # Errors
    ///
    /// [`DiceError::SeedTooShort`].
    pub fn new(seed: &[u8]) -> Result<Self, DiceError> {
        if seed.len() < SEED_MIN {
            return Err(DiceError::SeedTooShort { bytes: seed.len() });
        }
        let key = Key::derive(seed, "root", b"");
        let authority = certificate::root(&key)?;
        Ok(Self { secret: Zeroizing::new(seed.to_vec()), key, authority })
    }

    /// The root certificate in PEM: what an enrollment group of the devices names.
    pub fn root_certificate(&self) -> &str {
        self.authority.pem()
    }

    /// The root's private key in PEM (PKCS#8).
    pub fn root_key(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// A certificate for `code` under the root, in PEM: it proves to a provisioning service that
    /// one has the root's key.
    ///
    /// # Errors
    ///
    /// [`DiceError::NameLength`].
    pub fn leaf_certificate(&self, code: &str) -> Result<String, DiceError> {
        let key = Key::derive(&self.secret, "leaf", code.as_bytes());
        certificate::leaf(code, &key, &self.authority, &self.key)
    }

    /// The device of this registration id, which is its certificate's common name.
    ///
    /// # Errors
    ///
    /// [`DiceError::NameLength`]: an id may be longer than a common name.
    pub fn device(&self, id: &RegistrationId) -> Result<Device, DiceError> {
        let name = id.as_str();
        // The chip's own secret, then what it becomes with the first firmware and with the second.
        let chip = key::mix(&self.secret, "chip", name.as_bytes());
        let first = key::mix(chip.as_slice(), "firmware", b"bootloader 1");
        let second = key::mix(first.as_slice(), "firmware", b"application 1");
        let signer = Key::derive(first.as_slice(), "signer", b"");
        let alias = Key::derive(second.as_slice(), "alias", b"");
        let authority = certificate::signer(&signer, &self.authority, &self.key)?;
        let leaf = certificate::leaf(name, &alias, &authority, &signer)?;
        Ok(Device { leaf, signer: authority.pem().to_owned(), key: alias })
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").finish_non_exhaustive()
    }
}

/// What one device has: its chain and the key of the first certificate.
pub struct Device {
    leaf: String,
    signer: String,
    key: Key,
}

impl Device {
    /// What the device presents, in PEM: the alias certificate, and the signer's behind it.
    pub fn chain(&self) -> String {
        [self.leaf.as_str(), self.signer.as_str()].concat()
    }

    /// The alias certificate alone, in PEM: what an individual enrollment names.
    pub fn alias_certificate(&self) -> &str {
        &self.leaf
    }

    /// The signer's certificate in PEM.
    pub fn signer_certificate(&self) -> &str {
        &self.signer
    }

    /// The private key of the alias certificate in PEM (PKCS#8).
    pub fn alias_key(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// The device as an attestation source.
    ///
    /// # Errors
    ///
    /// [`X509Error`] would be a fault of this crate.
    pub fn hsm(&self) -> Result<X509Hsm, X509Error> {
        X509Hsm::from_pem(self.chain().as_bytes(), self.alias_key().as_bytes())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}
