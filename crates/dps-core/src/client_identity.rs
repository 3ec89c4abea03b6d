//! A device's certificate and the use of its private key (`wire-protocol.md` section 1.1, X.509).

use crate::HsmError;
use core::fmt;
use std::sync::Arc;

/// A TLS signature scheme (RFC 8446 section 4.2.3): a kind of key and what it does with a
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSA PKCS#1 v1.5 over SHA-256; TLS 1.2 only.
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5 over SHA-384; TLS 1.2 only.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5 over SHA-512; TLS 1.2 only.
    RsaPkcs1Sha512,
    /// RSA PSS over SHA-256.
    RsaPssSha256,
    /// RSA PSS over SHA-384.
    RsaPssSha384,
    /// RSA PSS over SHA-512.
    RsaPssSha512,
    /// ECDSA on P-256 over SHA-256; the signature is a DER sequence.
    EcdsaP256Sha256,
    /// ECDSA on P-384 over SHA-384; the signature is a DER sequence.
    EcdsaP384Sha384,
}

/// A private key that signs. Only signatures leave it, so it may be a handle to hardware.
///
/// It is used within the TLS handshake, one call at a time, and may take as long as the hardware
/// takes: `dps-client` continues a registration's handshake on a thread of its own, unless the key
/// [works in place](Self::works_in_place).
pub trait ClientKey: fmt::Debug + Send + Sync {
    /// Whether the key wants to be called on the thread that drives the registration: it only
    /// computes, in a few milliseconds at most, or is bound to that thread. Nothing can end a
    /// registration while such a key is at work. Must not change over its life.
    fn works_in_place(&self) -> bool {
        false
    }

    /// What it can do, the preferred first. Not empty, and all for one kind of key.
    fn schemes(&self) -> Vec<SignatureScheme>;

    /// Signs `message`, which is not hashed yet, under one of [`schemes`](Self::schemes).
    ///
    /// # Errors
    ///
    /// [`HsmError::NotSupported`] for another scheme, [`HsmError::Failed`] when the key cannot
    /// be used.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError>;
}

/// What a device presents in the TLS handshake. Cloning shares the key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    chain: Vec<Vec<u8>>,
    key: Arc<dyn ClientKey>,
    missing_issuer: Option<String>,
}

impl ClientIdentity {
    /// A chain of DER certificates, the device's own first, and the key of that one. All of the
    /// chain is sent.
    pub fn new(chain: Vec<Vec<u8>>, key: Arc<dyn ClientKey>) -> Self {
        Self { chain, key, missing_issuer: None }
    }

    /// Names the certificate that issued the last one of the chain, for the error when a service
    /// refuses the chain: unless that one is enrolled, it is what is missing.
    #[must_use]
    pub fn with_missing_issuer(mut self, subject: impl Into<Option<String>>) -> Self {
        self.missing_issuer = subject.into();
        self
    }

    /// The subject of the certificate that issued the last one of the chain, if it is known and
    /// not in the chain.
    pub fn missing_issuer(&self) -> Option<&str> {
        self.missing_issuer.as_deref()
    }

    /// The DER certificates, the device's own first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The key of the first certificate.
    pub fn key(&self) -> &Arc<dyn ClientKey> {
        &self.key
    }
}
