//! The public key that a certificate is about, for who looks for its private key.

use crate::X509Error;
use crate::certificate::Certificate;
use crate::der::{INTEGER, SEQUENCE, take};
use crate::key::schemes_of;
use dps_core::SignatureScheme;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

/// The public key of a device's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedKey {
    subject: String,
    schemes: Vec<SignatureScheme>,
    bits: Vec<u8>,
}

impl CertifiedKey {
    pub(crate) fn of(leaf: &Certificate) -> Result<Self, X509Error> {
        Ok(Self {
            subject: leaf.subject.text.clone(),
            schemes: schemes_of(leaf)?,
            bits: leaf.public_key.clone(),
        })
    }

    /// The certificate's subject, for messages.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What a key of this kind can do, the preferred first.
    pub fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }

    /// The public point of an EC key, uncompressed: one byte 4 and two coordinates.
    pub fn point(&self) -> Option<&[u8]> {
        self.modulus().is_none().then_some(&self.bits)
    }

    /// The modulus of an RSA key: a number of big-endian bytes without zeros before it.
    pub fn modulus(&self) -> Option<&[u8]> {
        let is_ec = |scheme: &SignatureScheme| {
            matches!(scheme, SignatureScheme::EcdsaP256Sha256 | SignatureScheme::EcdsaP384Sha384)
        };
        if self.schemes.iter().any(is_ec) {
            return None;
        }
        // RSAPublicKey, RFC 8017 appendix A.1.1.
        let mut key = self.bits.as_slice();
        let mut numbers = take(&mut key, SEQUENCE)?;
        let modulus = take(&mut numbers, INTEGER)?;
        Some(modulus.strip_prefix(&[0]).unwrap_or(modulus))
    }

    /// Whether this key's private half has signed `message`.
    pub fn verifies(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match scheme {
            SignatureScheme::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
            SignatureScheme::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
            SignatureScheme::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            SignatureScheme::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            SignatureScheme::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
            SignatureScheme::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
            SignatureScheme::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
            SignatureScheme::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
            _ => return false,
        };
        self.schemes.contains(&scheme)
            && UnparsedPublicKey::new(algorithm, &self.bits).verify(message, signature).is_ok()
    }
}
