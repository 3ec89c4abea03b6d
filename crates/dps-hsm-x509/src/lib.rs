//! A certificate chain and its private key, in PEM, as an attestation source
//! (`wire-protocol.md` section 1.1, X.509).
//!
//! # In scope
//!
//! * chains of X.509 certificates, the device's own first; all of the chain is sent
//! * keys in PKCS#8, SEC1 and PKCS#1: RSA of 2048 bits or more, EC on P-256 and P-384
//! * keys under a passphrase: PKCS#8 with PBES2, of PBKDF2 and AES-CBC, which is what OpenSSL writes
//! * the registration id from the certificate's common name
//! * saying what is wrong with such files before a service says "Invalid certificate."
//!
//! # Out of scope
//!
//! * files: PEM comes as bytes
//! * keys in hardware: implement [`dps_core::ClientKey`] over them, and pass it to
//!   [`X509Hsm::from_pem_with_key`], or to [`X509Hsm::from_chain`] when it must be found first
//! * other ways to encrypt keys: they are recognised and refused, with the command that converts
//!
//! The key's text is wiped once it is read, and so is what a passphrase gave. What `ring` makes of it stays in its memory until
//! the last use ends, and is never in `Debug` output or errors.
#![forbid(unsafe_code)]

mod certificate;
mod certified;
mod date;
mod der;
mod encrypted;
mod error;
mod key;
mod name;
mod pem;
#[cfg(test)]
mod tests;

pub use certified::CertifiedKey;
pub use error::X509Error;

use certificate::Certificate;
use dps_core::{
    Attestation, ClientIdentity, ClientKey, Hsm, HsmError, Now, RegistrationId, SignatureScheme,
};
use key::SoftwareKey;
use std::sync::Arc;

/// The certificates of a PEM text in DER, in the text's order, for [`X509Hsm::from_chain`]. What
/// else stands there is passed over.
///
/// # Errors
///
/// [`X509Error::NoCertificate`], [`X509Error::Pem`], [`X509Error::NotText`].
pub fn pem_chain(text: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    pem::certificates(text)
}

/// A certificate chain and its key in memory.
#[derive(Clone, Debug)]
pub struct X509Hsm {
    leaf: Certificate,
    missing_issuer: Option<String>,
    identity: ClientIdentity,
}

impl X509Hsm {
    /// Reads a chain, the device's own certificate first, and the private key of that one. Both
    /// may stand in one text with other things between them; pass it twice then.
    ///
    /// # Errors
    ///
    /// [`X509Error`], which says what is wrong with which of the two.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, X509Error> {
        Self::new(certificates, key, None)
    }

    /// The same with a key that is encrypted under a passphrase: a PEM block
    /// `ENCRYPTED PRIVATE KEY`, encrypted by PBES2 with PBKDF2 (HMAC of SHA-1 or SHA-2) and AES
    /// of 128, 192 or 256 bits in CBC mode. The passphrase's bytes are taken as they are, without
    /// a line's end. For a key that is not encrypted it is not looked at.
    ///
    /// Deriving the key takes as long as its maker chose: typically 1 to 100 ms.
    ///
    /// # Errors
    ///
    /// As [`X509Hsm::from_pem`]; [`X509Error::WrongPassphrase`] and
    /// [`X509Error::UnsupportedEncryption`] as well.
    pub fn from_pem_with_passphrase(
        certificates: &[u8],
        key: &[u8],
        passphrase: &[u8],
    ) -> Result<Self, X509Error> {
        Self::new(certificates, key, Some(passphrase))
    }

    /// A chain whose key is not in memory. `key` is told the signature schemes that the
    /// certificate's public key allows, the preferred first, and gives what signs under them.
    ///
    /// Whether it is the certificate's key shows at the TLS handshake.
    ///
    /// # Errors
    ///
    /// [`X509Error`], also for kinds of keys that TLS connections here do not take.
    pub fn from_pem_with_key(
        certificates: &[u8],
        key: impl FnOnce(Vec<SignatureScheme>) -> Arc<dyn ClientKey>,
    ) -> Result<Self, X509Error> {
        Self::of_chain(pem::certificates(certificates)?, |leaf| Ok(key(key::schemes_of(leaf)?)))
    }

    /// A chain of DER certificates, the device's own first, whose key is not in memory and must be
    /// found: `find` is told what the certificate's public key is.
    ///
    /// # Errors
    ///
    /// [`X509Error`], as what `find` fails with; and what that fails with itself.
    pub fn from_chain<E: From<X509Error>>(
        chain: Vec<Vec<u8>>,
        find: impl FnOnce(&CertifiedKey) -> Result<Arc<dyn ClientKey>, E>,
    ) -> Result<Self, E> {
        Self::of_chain(chain, |leaf| find(&CertifiedKey::of(leaf)?))
    }

    fn new(certificates: &[u8], key: &[u8], passphrase: Option<&[u8]>) -> Result<Self, X509Error> {
        Self::of_chain(pem::certificates(certificates)?, |leaf| {
            Ok(Arc::new(SoftwareKey::new(&pem::private_key(key)?, passphrase, leaf)?))
        })
    }

    fn of_chain<E: From<X509Error>>(
        chain: Vec<Vec<u8>>,
        key: impl FnOnce(&Certificate) -> Result<Arc<dyn ClientKey>, E>,
    ) -> Result<Self, E> {
        let parsed: Vec<Certificate> = chain
            .iter()
            .enumerate()
            .map(|(index, der)| Certificate::parse(der, index + 1))
            .collect::<Result<_, _>>()?;
        let leaf = parsed.first().ok_or(X509Error::NoCertificate)?.clone();
        for pair in parsed.windows(2) {
            if let [subject, issuer] = pair
                && !subject.is_issued_by(issuer)
            {
                return Err(X509Error::BrokenChain {
                    subject: subject.subject.text.clone(),
                    issuer: subject.issuer.text.clone(),
                    next: issuer.subject.text.clone(),
                }
                .into());
            }
        }
        let missing_issuer = parsed
            .last()
            .filter(|last| !last.is_issued_by(last))
            .map(|last| last.issuer.text.clone());
        let identity =
            ClientIdentity::new(chain, key(&leaf)?).with_missing_issuer(missing_issuer.clone());
        Ok(Self { leaf, missing_issuer, identity })
    }

    /// The common name of the device's certificate, if it has one.
    pub fn common_name(&self) -> Option<&str> {
        self.leaf.subject.common_name.as_deref()
    }

    /// The subject of the certificate that issued the last one of the chain, unless that issued
    /// itself. Rightly absent when it is the root or enrolled; otherwise it is what a service
    /// misses that answers "Invalid certificate.".
    pub fn missing_issuer(&self) -> Option<&str> {
        self.missing_issuer.as_deref()
    }

    /// Checks the validity dates of the device's certificate against the time, in seconds since
    /// 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// [`X509Error::Expired`], [`X509Error::NotYetValid`].
    pub fn check_validity(&self, unix_seconds: u64) -> Result<(), X509Error> {
        self.leaf.check_validity(unix_seconds)
    }
}

impl Hsm for X509Hsm {
    fn works_in_place(&self) -> bool {
        true
    }

    fn attestation(&self) -> Attestation {
        Attestation::X509
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.common_name()
            .map(|name| {
                RegistrationId::new(name).map_err(|error| HsmError::Failed {
                    operation: "take the certificate's common name as registration id",
                    reason: error.to_string(),
                })
            })
            .transpose()
    }

    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        self.check_validity(now.unix_seconds).map_err(|error| HsmError::Failed {
            operation: "present its certificate",
            reason: error.to_string(),
        })?;
        Ok(self.identity.clone())
    }
}
