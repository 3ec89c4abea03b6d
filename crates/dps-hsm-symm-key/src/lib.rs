//! Symmetric keys as an attestation source (`wire-protocol.md` section 1.2).
//!
//! # In scope
//!
//! * the key of an individual enrollment
//! * a device key derived from the key of an enrollment group
//!
//! # Out of scope
//!
//! * keys that stay in hardware
//!
//! ```
//! use dps_core::{Hsm, RegistrationId, SymmetricKey};
//! use dps_hsm_symm_key::SymmetricKeyHsm;
//!
//! let id = RegistrationId::new("my-device").unwrap();
//! let key = SymmetricKey::from_bytes(&[1; 32]).unwrap();
//! let mut hsm = SymmetricKeyHsm::new(id.clone(), key);
//! assert_eq!(hsm.registration_id().unwrap(), Some(id));
//! ```
#![forbid(unsafe_code)]

use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, SymmetricKey};

/// A symmetric key in memory, and the registration id that goes with it.
#[derive(Clone, Debug)]
pub struct SymmetricKeyHsm {
    registration_id: RegistrationId,
    key: SymmetricKey,
}

impl SymmetricKeyHsm {
    /// The key of an individual enrollment, or a device key that was derived elsewhere.
    pub fn new(registration_id: RegistrationId, key: SymmetricKey) -> Self {
        Self { registration_id, key }
    }

    /// The key that the enrollment group's key gives this device. A device should not carry the
    /// group's key: derive where the device is made, and store only the result.
    pub fn derived(registration_id: RegistrationId, group_key: &SymmetricKey) -> Self {
        let key = group_key.derive(&registration_id);
        Self { registration_id, key }
    }

    /// The device's key, for its hub connection string.
    pub fn key(&self) -> &SymmetricKey {
        &self.key
    }
}

impl Hsm for SymmetricKeyHsm {
    fn works_in_place(&self) -> bool {
        true
    }

    fn attestation(&self) -> Attestation {
        Attestation::SymmetricKey
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(Some(self.registration_id.clone()))
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        Ok(Mac::new(self.key.hmac_sha256(data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_core::sas::UnsignedToken;

    #[test]
    fn a_derived_key_signs_like_the_key_it_derives() {
        // `wire-protocol.md` section 1.5, K2.
        let group = SymmetricKey::from_base64(
            "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==",
        )
        .unwrap();
        let id = RegistrationId::new("contoso-simdevice").unwrap();
        let device_key =
            SymmetricKey::from_base64("MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4=").unwrap();
        let mut hsm = SymmetricKeyHsm::derived(id, &group);
        let token = UnsignedToken::new("resource", 1);
        let mac = hsm.sign(token.string_to_sign().as_bytes()).unwrap();
        assert_eq!(token.clone().finish(&mac), token.sign(&device_key));
        assert_eq!(hsm.attestation(), Attestation::SymmetricKey);
    }

    #[test]
    fn it_keeps_to_the_contract() {
        use dps_core::conformance::{Expectations, check, check_debug};
        let id = RegistrationId::new("d").unwrap();
        for bytes in [&[0x41; 16][..], &[0x42; 32], &[0x43; 64]] {
            let key = SymmetricKey::from_bytes(bytes).unwrap();
            let expected =
                Expectations::default().with_key(key.clone()).with_registration_id(id.clone());
            let mut hsm = SymmetricKeyHsm::new(id.clone(), key);
            check(&mut hsm, &expected).unwrap();
            check_debug(&hsm, &expected).unwrap();
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let id = RegistrationId::new("d").unwrap();
        let hsm = SymmetricKeyHsm::new(id, SymmetricKey::from_bytes(&[0x41; 32]).unwrap());
        let debug = format!("{hsm:?}");
        assert!(debug.contains("secret") && !debug.contains("QUFB") && !debug.contains("AAAA"));
    }
}
