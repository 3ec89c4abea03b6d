//! Keys that a secret gives again and again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The next secret of a chain: HMAC-SHA256 of the measurement with the one before, which does not
/// show the one before.
pub(crate) fn mix(secret: &[u8], label: &str, measurement: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(measurement);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A key pair on P-256. Its signatures are deterministic (RFC 6979).
pub(crate) struct Key {
    private: SigningKey,
    /// The uncompressed point.
    public: Vec<u8>,
}

impl Key {
    pub(crate) fn derive(secret: &[u8], label: &str, context: &[u8]) -> Self {
        let mut candidate = mix(secret, label, context);
        loop {
            // All but 1 in 4 thousand million of them are keys.
            if let Ok(private) = SigningKey::from_slice(candidate.as_slice()) {
                let public = private.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                return Self { private, public };
            }
            candidate = mix(candidate.as_slice(), label, context);
        }
    }

    /// PKCS#8.
    pub(crate) fn to_pem(&self) -> Zeroizing<String> {
        // A scalar and a point always have their encoding.
        SecretKey::from(&self.private).to_pkcs8_pem(LineEnding::LF).unwrap_or_default()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature =
            self.private.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}
