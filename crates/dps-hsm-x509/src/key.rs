//! Private keys in memory, by ring.

use crate::X509Error;
use crate::certificate::Certificate;
use crate::der::{INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, explicit, take};
use crate::encrypted;
use crate::pem::PrivateKey;
use core::fmt;
use dps_core::{ClientKey, HsmError, SignatureScheme};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};

/// 1.2.840.113549.1.1.1, rsaEncryption.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, ecPublicKey.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7, prime256v1.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34, secp384r1.
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.132.0.35, secp521r1.
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
/// 1.3.101.112, Ed25519.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

const RSA_SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::RsaPssSha256,
    SignatureScheme::RsaPssSha384,
    SignatureScheme::RsaPssSha512,
    SignatureScheme::RsaPkcs1Sha256,
    SignatureScheme::RsaPkcs1Sha384,
    SignatureScheme::RsaPkcs1Sha512,
];

/// What the certificate's key can do, wherever it is.
pub(crate) fn schemes_of(leaf: &Certificate) -> Result<Vec<SignatureScheme>, X509Error> {
    match (leaf.key_algorithm.as_slice(), leaf.curve.as_deref()) {
        (RSA, _) => Ok(RSA_SCHEMES.to_vec()),
        (EC, Some(P256)) => Ok(vec![SignatureScheme::EcdsaP256Sha256]),
        (EC, Some(P384)) => Ok(vec![SignatureScheme::EcdsaP384Sha384]),
        (EC, Some(P521)) => Err(X509Error::UnsupportedKey("an EC key on P-521".into())),
        (EC, _) => Err(X509Error::UnsupportedKey("an EC key on this curve".into())),
        (ED25519, _) => Err(X509Error::UnsupportedKey("an Ed25519 key".into())),
        _ => Err(X509Error::UnsupportedKey("a key of this algorithm".into())),
    }
}

/// A key that signs.
pub(crate) enum SoftwareKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

impl SoftwareKey {
    /// Takes the key if it is that of the certificate.
    pub(crate) fn new(
        key: &PrivateKey,
        passphrase: Option<&[u8]>,
        leaf: &Certificate,
    ) -> Result<Self, X509Error> {
        match key {
            PrivateKey::Pkcs1(der) => rsa(der, leaf),
            PrivateKey::Sec1(der) => ec(der, leaf, None),
            PrivateKey::Pkcs8(der) => pkcs8(der, leaf),
            PrivateKey::EncryptedPkcs8(der) => {
                let passphrase = passphrase.ok_or(X509Error::EncryptedKey)?;
                pkcs8(&encrypted::decrypt(der, passphrase)?, leaf)
            }
        }
    }
}

fn mismatch(leaf: &Certificate) -> X509Error {
    X509Error::KeyMismatch { subject: leaf.subject.text.clone() }
}

/// RFC 5958: version, algorithm, key.
fn pkcs8(der: &[u8], leaf: &Certificate) -> Result<SoftwareKey, X509Error> {
    let parts = || {
        let mut outer = der;
        let mut fields = take(&mut outer, SEQUENCE)?;
        take(&mut fields, INTEGER)?;
        let mut algorithm = take(&mut fields, SEQUENCE)?;
        let kind = take(&mut algorithm, OBJECT_IDENTIFIER)?;
        let curve = take(&mut algorithm, OBJECT_IDENTIFIER);
        Some((kind, curve, take(&mut fields, OCTET_STRING)?))
    };
    let (kind, curve, key) = parts().ok_or(X509Error::MalformedKey)?;
    match kind {
        RSA => rsa(key, leaf),
        EC => ec(key, leaf, curve),
        ED25519 => Err(X509Error::UnsupportedKey("an Ed25519 key".into())),
        _ => Err(X509Error::UnsupportedKey("a key of this algorithm".into())),
    }
}

fn rsa(der: &[u8], leaf: &Certificate) -> Result<SoftwareKey, X509Error> {
    let key = RsaKeyPair::from_der(der).map_err(|error| match error.to_string().as_str() {
        "TooSmall" => X509Error::UnsupportedKey("an RSA key of less than 2048 bits".into()),
        "TooLarge" => X509Error::UnsupportedKey("an RSA key of more than 4096 bits".into()),
        _ => X509Error::MalformedKey,
    })?;
    if leaf.key_algorithm != RSA || key.public().as_ref() != leaf.public_key {
        return Err(mismatch(leaf));
    }
    Ok(SoftwareKey::Rsa(key))
}

/// RFC 5915: version, the secret number, and perhaps the curve and the public point. The point
/// is the certificate's, so that a key without one works and a foreign key does not.
fn ec(der: &[u8], leaf: &Certificate, curve: Option<&[u8]>) -> Result<SoftwareKey, X509Error> {
    let parts = || {
        let mut outer = der;
        let mut fields = take(&mut outer, SEQUENCE)?;
        take(&mut fields, INTEGER)?;
        let secret = take(&mut fields, OCTET_STRING)?;
        let named = take(&mut fields, explicit(0))
            .and_then(|mut parameters| take(&mut parameters, OBJECT_IDENTIFIER));
        Some((secret, named))
    };
    let (secret, named) = parts().ok_or(X509Error::MalformedKey)?;
    let curve = curve.or(named).or(leaf.curve.as_deref());
    let (algorithm, wrap): (_, fn(_) -> _) = match curve {
        Some(P256) => (&ECDSA_P256_SHA256_ASN1_SIGNING, SoftwareKey::P256),
        Some(P384) => (&ECDSA_P384_SHA384_ASN1_SIGNING, SoftwareKey::P384),
        Some(P521) => return Err(X509Error::UnsupportedKey("an EC key on P-521".into())),
        Some(_) => return Err(X509Error::UnsupportedKey("an EC key on this curve".into())),
        None => return Err(mismatch(leaf)),
    };
    if leaf.key_algorithm != EC || leaf.curve.as_deref() != curve {
        return Err(mismatch(leaf));
    }
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, &leaf.public_key, &random)
        .map(wrap)
        .map_err(|_| mismatch(leaf))
}

impl ClientKey for SoftwareKey {
    fn works_in_place(&self) -> bool {
        true
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Rsa(_) => RSA_SCHEMES.to_vec(),
            Self::P256(_) => vec![SignatureScheme::EcdsaP256Sha256],
            Self::P384(_) => vec![SignatureScheme::EcdsaP384Sha384],
        }
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let not_supported = HsmError::NotSupported { operation: "sign under this scheme" };
        let failed = |_| HsmError::Failed {
            operation: "sign with the private key",
            reason: "the cryptographic library refuses".into(),
        };
        let random = SystemRandom::new();
        match (self, scheme) {
            (Self::P256(key), SignatureScheme::EcdsaP256Sha256)
            | (Self::P384(key), SignatureScheme::EcdsaP384Sha384) => {
                Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec())
            }
            (Self::Rsa(key), scheme) => {
                let encoding = rsa_encoding(scheme).ok_or(not_supported)?;
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            _ => Err(not_supported),
        }
    }
}

fn rsa_encoding(scheme: SignatureScheme) -> Option<&'static dyn RsaEncoding> {
    Some(match scheme {
        SignatureScheme::RsaPkcs1Sha256 => &RSA_PKCS1_SHA256,
        SignatureScheme::RsaPkcs1Sha384 => &RSA_PKCS1_SHA384,
        SignatureScheme::RsaPkcs1Sha512 => &RSA_PKCS1_SHA512,
        SignatureScheme::RsaPssSha256 => &RSA_PSS_SHA256,
        SignatureScheme::RsaPssSha384 => &RSA_PSS_SHA384,
        SignatureScheme::RsaPssSha512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "SoftwareKey(RSA, secret)",
            Self::P256(_) => "SoftwareKey(P-256, secret)",
            Self::P384(_) => "SoftwareKey(P-384, secret)",
        })
    }
}
