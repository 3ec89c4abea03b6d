//! Symmetric keys and the derivation of device keys (`wire-protocol.md` section 1.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Why a text is not a symmetric key. The key itself is never part of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is empty.
    #[error("the symmetric key is empty")]
    Empty,
    /// The text is not base64.
    #[error(
        "the symmetric key is not valid base64 (a text of {length} characters); copy it whole, with its = signs"
    )]
    NotBase64 {
        /// Number of characters of the text.
        length: usize,
    },
    /// The decoded key has less than 16 or more than 64 bytes.
    #[error(
        "the symmetric key has {length} bytes after base64 decoding; the service accepts 16 to 64"
    )]
    BadLength {
        /// Number of bytes of the decoded key.
        length: usize,
    },
}

/// A shared key of 16 to 64 bytes. Zeroized when dropped; `Debug` prints no part of it.
///
/// ```
/// use dps_core::{RegistrationId, SymmetricKey};
/// let group = SymmetricKey::from_base64(
///     "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==",
/// )?;
/// let id = RegistrationId::new("sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6").unwrap();
/// assert_eq!(*group.derive(&id).to_base64(), "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=");
/// # Ok::<(), dps_core::KeyError>(())
/// ```
#[derive(Clone)]
pub struct SymmetricKey(Zeroizing<Vec<u8>>);

impl SymmetricKey {
    /// Decodes a key as the service shows it: standard base64 with padding. White space around
    /// the text is ignored.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the text is empty, not base64, or not 16 to 64 bytes long.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
        STANDARD
            .decode_vec(text, &mut decoded)
            .map_err(|_| KeyError::NotBase64 { length: text.chars().count() })?;
        Self::check(decoded)
    }

    /// Takes the bytes of a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadLength`] when there are not 16 to 64 of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::check(Zeroizing::new(bytes.to_vec()))
    }

    fn check(bytes: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        match bytes.len() {
            16..=64 => Ok(Self(bytes)),
            length => Err(KeyError::BadLength { length }),
        }
    }

    /// The key in base64, for places that must show it on request (a derived key printed for a
    /// device image, a hub connection string). Zeroized when dropped.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// HMAC-SHA256 of `data` under this key.
    pub fn hmac_sha256(&self, data: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail; an empty MAC would be refused by
        // the service, never accepted.
        match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mut mac) => {
                mac.update(data);
                mac.finalize().into_bytes().into()
            }
            Err(_) => unreachable!("HMAC accepts keys of any length"),
        }
    }

    /// The key of one device of an enrollment group whose key this is: HMAC-SHA256 over the
    /// registration id exactly as the device states it.
    pub fn derive(&self, registration_id: &RegistrationId) -> SymmetricKey {
        let derived = Zeroizing::new(self.hmac_sha256(registration_id.as_str().as_bytes()));
        SymmetricKey(Zeroizing::new(derived.to_vec()))
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(secret)")
    }
}

impl FromStr for SymmetricKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_base64(text)
    }
}

use crate::RegistrationId;

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str =
        "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";

    /// `wire-protocol.md` section 1.5, K1 to K3.
    #[test]
    fn derivation_vectors() {
        let group = SymmetricKey::from_base64(GROUP).unwrap();
        for (id, expected) in [
            (
                "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
                "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=",
            ),
            ("contoso-simdevice", "MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4="),
            ("Dev:1.a_b-c", "KqbW796YuZh8WJ+Imw7W1ynitiiqe49bmOSEp2EdUyE="),
        ] {
            let id = RegistrationId::new(id).unwrap();
            assert_eq!(*group.derive(&id).to_base64(), expected, "{id}");
        }
    }

    #[test]
    fn debug_and_errors_show_nothing_of_the_key() {
        let key = SymmetricKey::from_base64(GROUP).unwrap();
        assert_eq!(format!("{key:?}"), "SymmetricKey(secret)");
        let error = SymmetricKey::from_base64("c2VjcmV0!!c2VjcmV0").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2Vj"), "{error:?}");
    }

    #[test]
    fn bad_keys_are_refused_with_the_reason() {
        assert_eq!(SymmetricKey::from_base64("  ").unwrap_err(), KeyError::Empty);
        assert_eq!(
            SymmetricKey::from_base64("abc").unwrap_err(),
            KeyError::NotBase64 { length: 3 }
        );
        assert_eq!(
            SymmetricKey::from_base64("c2hvcnQ=").unwrap_err(),
            KeyError::BadLength { length: 5 }
        );
        assert_eq!(
            SymmetricKey::from_bytes(&[0; 65]).unwrap_err(),
            KeyError::BadLength { length: 65 }
        );
        assert!(SymmetricKey::from_base64(&format!(" {GROUP}\n")).is_ok());
    }
}
