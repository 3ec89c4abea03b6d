//! What proves a device's identity.

use crate::{ClientIdentity, Now, RegistrationId};
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The kinds of proof (`wire-protocol.md` section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attestation {
    /// A shared key signs SAS tokens.
    SymmetricKey,
    /// A certificate chain and its private key take part in the TLS handshake.
    X509,
    /// A TPM 2.0 shows that it holds its endorsement key, by recovering a key that only it can
    /// recover and signing SAS tokens with it.
    Tpm,
}

/// The public halves of a TPM's two keys (`wire-protocol.md` section 5.1), each a marshalled
/// `TPM2B_PUBLIC` with its size of two bytes. Not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmKeys {
    /// By which the service knows the TPM.
    pub endorsement_key: Vec<u8>,
    /// To which the service binds the keys that it sends.
    pub storage_root_key: Vec<u8>,
}

/// An HMAC-SHA256 result. Zeroized when dropped, hidden in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Mac([u8; 32]);

impl Mac {
    /// Wraps the 32 bytes of an HMAC-SHA256.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(secret)")
    }
}

/// Why a hardware (or software) security module could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HsmError {
    /// The module has no such operation, for example signing with an X.509-only module.
    #[error("this security module cannot {operation}")]
    NotSupported {
        /// The operation, as a verb phrase.
        operation: &'static str,
    },
    /// The module reported a failure of its own.
    #[error("the security module failed to {operation}: {reason}")]
    Failed {
        /// The operation, as a verb phrase.
        operation: &'static str,
        /// The module's words. Must contain no key material.
        reason: String,
    },
}

/// A source of attestation: a key file, a TPM, a PKCS#11 token.
///
/// One implementation stands for one device identity. The operations that do not belong to its
/// [`Attestation`] keep their default, which answers [`HsmError::NotSupported`].
///
/// Methods are called by the driver, never by the state machine, and may take as long as the
/// hardware takes: `dps-client` calls [`sign`](Self::sign), [`tpm_keys`](Self::tpm_keys) and
/// [`activate`](Self::activate) on a thread of its own, one at a time, unless the module
/// [works in place](Self::works_in_place). [`client_identity`](Self::client_identity) is asked on the
/// thread that drives the registration: whatever takes time for it should be done before.
pub trait Hsm: Send {
    /// The kind of proof this module gives. Must not change over its life.
    fn attestation(&self) -> Attestation;

    /// Whether the module wants to be called on the thread that drives the registration: it only
    /// computes, in well under a millisecond, or is bound to that thread. Nothing can end a
    /// registration while such a module is at work. Must not change over its life.
    fn works_in_place(&self) -> bool {
        false
    }

    /// The registration id that the module itself knows, if it does: the name given with a
    /// symmetric key, a certificate's common name. An id set by the application goes first.
    ///
    /// # Errors
    ///
    /// [`HsmError::Failed`] when the module cannot be read or its id is malformed.
    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError>;

    /// HMAC-SHA256 of `data` with the identity's key: the shared one
    /// ([`Attestation::SymmetricKey`]), or the one of the latest [`activate`](Self::activate)
    /// ([`Attestation::Tpm`]).
    ///
    /// # Errors
    ///
    /// [`HsmError::NotSupported`] unless the module holds such a key, [`HsmError::Failed`] when
    /// it cannot use it.
    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        let _ = data;
        Err(HsmError::NotSupported { operation: "sign with a symmetric key" })
    }

    /// The certificate chain and a way to sign with its key ([`Attestation::X509`]). Asked once
    /// for each registration, before the connection; `now` is for checking validity dates.
    ///
    /// # Errors
    ///
    /// [`HsmError::NotSupported`] unless the module holds a certificate, [`HsmError::Failed`]
    /// when it cannot be used, for example because it has expired.
    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        let _ = now;
        Err(HsmError::NotSupported { operation: "present a certificate" })
    }

    /// The public keys to present ([`Attestation::Tpm`]). Asked once for each registration,
    /// before the connection.
    ///
    /// # Errors
    ///
    /// [`HsmError::NotSupported`] unless the module is a TPM, [`HsmError::Failed`] when they can
    /// be neither read nor made.
    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        Err(HsmError::NotSupported { operation: "present the keys of a TPM" })
    }

    /// The endorsement key of [`tpm_keys`](Self::tpm_keys) alone ([`Attestation::Tpm`]); a module
    /// that can have it without the other should say so here.
    ///
    /// # Errors
    ///
    /// As [`tpm_keys`](Self::tpm_keys).
    fn endorsement_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.tpm_keys().map(|keys| keys.endorsement_key)
    }

    /// The storage root key of [`tpm_keys`](Self::tpm_keys) alone ([`Attestation::Tpm`]).
    ///
    /// # Errors
    ///
    /// As [`tpm_keys`](Self::tpm_keys).
    fn storage_root_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.tpm_keys().map(|keys| keys.storage_root_key)
    }

    /// Recovers the key in an activation blob (`wire-protocol.md` section 5.3) and makes it the
    /// identity's key, which [`sign`](Self::sign) uses from now on ([`Attestation::Tpm`]). The
    /// key outlives the process; the one before stays if this fails.
    ///
    /// A registration calls it for the challenge, and again for the hub's key: one that fails in
    /// between leaves the device without its hub key until another succeeds.
    ///
    /// # Errors
    ///
    /// [`HsmError::NotSupported`] unless the module is a TPM, [`HsmError::Failed`] when the blob
    /// was not made for this TPM or is damaged.
    fn activate(&mut self, blob: &[u8]) -> Result<(), HsmError> {
        let _ = blob;
        Err(HsmError::NotSupported { operation: "activate an identity key" })
    }
}
