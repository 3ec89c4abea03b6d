//! A device's certificate and key in rustls's terms. The key only ever signs, so it may be in
//! hardware.

use core::fmt;
use dps_core::{ClientIdentity, ClientKey, Error, ErrorKind, HsmError, SignatureScheme, Stage};
use rustls::client::ResolvesClientCert;
use rustls::crypto::KeyProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme as TlsScheme};
use std::sync::Arc;

/// Presents the one certificate there is, whatever authorities a server hints at: the
/// provisioning service decides itself (`wire-protocol.md` section 2.6).
#[derive(Debug)]
pub(super) struct Resolver(Arc<CertifiedKey>);

impl Resolver {
    /// # Errors
    ///
    /// Stage hsm: there is no certificate, or a key that signs nothing.
    pub(super) fn new(identity: &ClientIdentity) -> Result<Self, Error> {
        let refuse = |detail: &str| Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(detail);
        if identity.chain().is_empty() {
            return Err(refuse("the security module gives no certificate"));
        }
        let schemes = identity.key().schemes();
        let algorithm = schemes
            .first()
            .map(|scheme| algorithm(*scheme))
            .ok_or_else(|| refuse("the certificate's key supports no signature scheme"))?;
        let chain = identity.chain().iter().map(|der| CertificateDer::from(der.clone())).collect();
        let key = Key { key: identity.key().clone(), schemes, algorithm };
        Ok(Self(Arc::new(CertifiedKey::new(chain, Arc::new(key)))))
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _: &[&[u8]], _: &[TlsScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Loads no private key: those we use sign for themselves.
#[derive(Debug)]
pub(super) struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("private keys stay in their security module".to_owned()))
    }
}

struct Key {
    key: Arc<dyn ClientKey>,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[TlsScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.schemes.iter().find(|scheme| offered.contains(&tls(**scheme)))?;
        Some(Box::new(OneScheme { key: self.key.clone(), scheme: *scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}

struct OneScheme {
    key: Arc<dyn ClientKey>,
    scheme: SignatureScheme,
}

impl Signer for OneScheme {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        // Recognised again by `signing_failure`.
        self.key
            .sign(self.scheme, message)
            .map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> TlsScheme {
        tls(self.scheme)
    }
}

impl fmt::Debug for OneScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneScheme").field(&self.scheme).finish()
    }
}

/// The security module's own failure, if that is what ended the handshake.
pub(super) fn signing_failure(error: &rustls::Error) -> Option<Error> {
    let rustls::Error::Other(OtherError(inner)) = error else { return None };
    let failure = inner.downcast_ref::<HsmError>()?;
    Some(Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(failure.to_string()))
}

fn algorithm(scheme: SignatureScheme) -> SignatureAlgorithm {
    match scheme {
        SignatureScheme::EcdsaP256Sha256 | SignatureScheme::EcdsaP384Sha384 => {
            SignatureAlgorithm::ECDSA
        }
        _ => SignatureAlgorithm::RSA,
    }
}

fn tls(scheme: SignatureScheme) -> TlsScheme {
    match scheme {
        SignatureScheme::RsaPkcs1Sha256 => TlsScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RsaPkcs1Sha384 => TlsScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RsaPkcs1Sha512 => TlsScheme::RSA_PKCS1_SHA512,
        SignatureScheme::RsaPssSha256 => TlsScheme::RSA_PSS_SHA256,
        SignatureScheme::RsaPssSha384 => TlsScheme::RSA_PSS_SHA384,
        SignatureScheme::RsaPssSha512 => TlsScheme::RSA_PSS_SHA512,
        SignatureScheme::EcdsaP256Sha256 => TlsScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::EcdsaP384Sha384 => TlsScheme::ECDSA_NISTP384_SHA384,
        // A scheme that this version does not know is never offered by a server.
        _ => TlsScheme::Unknown(0),
    }
}
