//! Certificates by option (`c-abi.md` section 2.1, X.509).
//!
//! The original keeps one chain and one key for the whole process, which the first client that is
//! given them sets. Here each client has its own; what was given first in the process is kept as
//! well, for clients that are given none, so that programs which set the options once and make
//! several clients work unchanged.

use crate::abi::PROV_DEVICE_RESULT::{self, PROV_DEVICE_RESULT_TRANSPORT};
use crate::failure::Failure;
use crate::result::Codes;
use crate::secret::SecretText;
use core::fmt;
use dps_client::{Error, ErrorKind, Stage};
use dps_hsm_x509::{X509Error, X509Hsm};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the options `x509certificate` and `x509privatekey` gave.
#[derive(Clone, Default)]
pub(crate) struct Material {
    /// PEM, the device's own certificate first.
    pub(crate) certificate: Option<Vec<u8>>,
    /// PEM.
    pub(crate) key: Option<SecretText>,
}

impl Material {
    pub(crate) const fn none() -> Self {
        Self { certificate: None, key: None }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.certificate.is_none() && self.key.is_none()
    }

    /// Takes what this lacks.
    pub(crate) fn fill_in(&mut self, other: &Self) {
        if self.certificate.is_none() {
            self.certificate.clone_from(&other.certificate);
        }
        if self.key.is_none() {
            self.key.clone_from(&other.key);
        }
    }

    /// The option that has not been set yet.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        match (&self.certificate, &self.key) {
            (None, None) => Some("neither x509certificate nor x509privatekey has been set"),
            (None, Some(_)) => Some("x509certificate has not been set"),
            (Some(_), None) => Some("x509privatekey has not been set"),
            (Some(_), Some(_)) => None,
        }
    }

    /// Reads both, and checks that they belong together.
    ///
    /// # Errors
    ///
    /// The original finds out at the handshake, which then fails; hence TRANSPORT.
    pub(crate) fn hsm(&self) -> Result<X509Hsm, Failure> {
        let certificate = self.certificate.as_deref().unwrap_or_default();
        let key = self.key.as_ref().map_or("", SecretText::expose);
        X509Hsm::from_pem(certificate, key.as_bytes())
            .map_err(|error| failure(&error, PROV_DEVICE_RESULT_TRANSPORT))
    }
}

/// Checks the certificate's dates against the system's clock, so that an expired one is said to
/// be one before anything is sent.
///
/// # Errors
///
/// The original sends it, and the service refuses; hence its code.
pub(crate) fn check_validity(hsm: &X509Hsm, codes: Codes) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    hsm.check_validity(now).map_err(|error| failure(&error, codes.refused_credentials()))
}

fn failure(error: &X509Error, result: PROV_DEVICE_RESULT) -> Failure {
    let told = Error::new(Stage::Hsm, ErrorKind::InvalidConfig).with_detail(error.to_string());
    Failure::with_result(result, &told).with_hint(match error {
        X509Error::NoCertificate => {
            "set x509certificate to the text of a PEM file with the device's certificate first, not to the file's name"
        }
        X509Error::NoKey => {
            "set x509privatekey to the text of a PEM file with the device's private key, not to the file's name"
        }
        X509Error::BrokenChain { .. } => {
            "put the certificates in order: the device's own, then each one's issuer"
        }
        X509Error::EncryptedKey
        | X509Error::LegacyEncryptedKey
        | X509Error::UnsupportedEncryption(_) => {
            "give the private key without a passphrase: the options have none"
        }
        X509Error::UnsupportedKey(_) => "make another key, and have a certificate issued for it",
        X509Error::KeyMismatch { .. } => {
            "give the private key that the certificate was issued for, and the device's certificate first in the chain"
        }
        X509Error::Expired { .. } => {
            "have the device's certificate renewed; if it should be valid, set this machine's clock"
        }
        X509Error::NotYetValid { .. } => "set this machine's clock",
        _ => "give the PEM files as they were issued",
    })
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificate = self.certificate.as_ref().map(Vec::len);
        f.debug_struct("Material")
            .field("certificate", &certificate)
            .field("key", &self.key)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn secret(text: &str) -> Option<SecretText> {
        Some(SecretText::new(&Zeroizing::new(text.into())))
    }

    #[test]
    fn says_what_is_missing() {
        let mut material = Material::none();
        assert!(material.is_none());
        assert!(material.missing().unwrap().starts_with("neither"));
        material.key = secret("key");
        assert_eq!(material.missing(), Some("x509certificate has not been set"));
        material.fill_in(&Material { certificate: Some(b"one".to_vec()), key: secret("other") });
        assert_eq!(material.missing(), None);
        assert_eq!(material.key.as_ref().map(SecretText::expose), Some("key"), "not replaced");
        assert!(!format!("{material:?}").contains("\"key\""));
    }

    #[test]
    fn what_is_no_pem_is_named_and_not_repeated() {
        let wrong = Material { certificate: Some(b"/etc/device.pem".to_vec()), key: secret("hid") };
        let failure = wrong.hsm().unwrap_err().to_string();
        assert!(failure.contains("not to the file's name"), "{failure}");
        assert!(failure.starts_with("hsm: ") && !failure.contains("hid"), "{failure}");
    }
}
