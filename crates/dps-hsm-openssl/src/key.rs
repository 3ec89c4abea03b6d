//! A private key of a provider as a TLS signer.

use crate::{providers, signing, store};
use core::fmt;
use dps_core::{ClientKey, HsmError, SignatureScheme};
use dps_hsm_x509::{CertifiedKey, X509Error, X509Hsm, pem_chain};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::md_ctx::MdCtx;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::RsaPssSaltlen;
use std::ffi::{CStr, CString};
use std::sync::Arc;

const OPERATION: &str = "sign with the OpenSSL provider's key";
/// What keys sign to show whose they are.
const TRIAL: &[u8] = b"Is this the key of the certificate?";

/// Why a provider's key cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpensslError {
    /// A provider is not there or does not start.
    #[error("the OpenSSL provider {name:?} cannot be loaded: {reason}")]
    Provider {
        /// Its name.
        name: String,
        /// OpenSSL's words.
        reason: String,
    },
    /// A URI or property has a NUL in it.
    #[error("the key's URI or its properties have a NUL character")]
    Nul,
    /// The URI leads to no private key.
    #[error("OpenSSL finds no private key by the given URI: {reason}")]
    NoKey {
        /// OpenSSL's words.
        reason: String,
    },
    /// None of the keys that were found is the certificate's.
    #[error(
        "none of the private keys found, {count}, belongs to the certificate of {subject:?}: {reason}"
    )]
    KeyMismatch {
        /// How many there were.
        count: usize,
        /// The certificate's subject.
        subject: String,
        /// How the last one failed.
        reason: String,
    },
    /// The certificate is at fault.
    #[error(transparent)]
    Certificate(#[from] X509Error),
}

/// A chain in PEM, the device's own certificate first, with the private key that OpenSSL finds by a
/// URI: `handle:0x81000001` with tpm2-openssl, `pkcs11:...` with pkcs11-provider, `file:...` with
/// OpenSSL alone. Of several keys it is the certificate's. `properties` says which provider is to
/// find it and to sign, such as `?provider=tpm2`; empty: any. Keys that stay in hardware need it:
/// OpenSSL would rather sign by itself, and finds no private part.
///
/// # Errors
///
/// [`OpensslError`].
pub fn x509(certificates: &[u8], uri: &str, properties: &str) -> Result<X509Hsm, OpensslError> {
    X509Hsm::from_chain(pem_chain(certificates)?, |certified| {
        Ok(Arc::new(ProviderKey::find(uri, properties, certified)?))
    })
}

/// A private key of a provider.
struct ProviderKey {
    key: PKey<Private>,
    /// Which provider is to sign; any.
    properties: Option<CString>,
    schemes: Vec<SignatureScheme>,
}

impl ProviderKey {
    fn find(uri: &str, properties: &str, certified: &CertifiedKey) -> Result<Self, OpensslError> {
        let text = |text: &str| CString::new(text).map_err(|_| OpensslError::Nul);
        let properties = if properties.is_empty() { None } else { Some(text(properties)?) };
        // Each key's algorithms are tried before it is found, so they are known when it signs.
        let _alone = providers::alone();
        let keys = store::private_keys(&text(uri)?, properties.as_ref())
            .map_err(|error| OpensslError::NoKey { reason: reason(&error) })?;
        let count = keys.len();
        let mut failure = String::new();
        for key in keys {
            // A key whose maker cannot do PSS, as some TPMs, still has the rest.
            let schemes: Vec<SignatureScheme> = certified
                .schemes()
                .iter()
                .copied()
                .filter(|scheme| match sign(&key, properties.as_deref(), *scheme, TRIAL) {
                    Ok(signature) if certified.verifies(*scheme, TRIAL, &signature) => true,
                    Ok(_) => {
                        failure = "it is another key".to_owned();
                        false
                    }
                    Err(error) => {
                        failure = reason(&error);
                        false
                    }
                })
                .collect();
            if !schemes.is_empty() {
                return Ok(Self { key, properties, schemes });
            }
        }
        let subject = certified.subject().to_owned();
        Err(OpensslError::KeyMismatch { count, subject, reason: failure })
    }
}

fn sign(
    key: &PKey<Private>,
    properties: Option<&CStr>,
    scheme: SignatureScheme,
    message: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    let (digest, name) = match scheme {
        SignatureScheme::RsaPkcs1Sha384
        | SignatureScheme::RsaPssSha384
        | SignatureScheme::EcdsaP384Sha384 => (Md::sha384(), c"SHA384"),
        SignatureScheme::RsaPkcs1Sha512 | SignatureScheme::RsaPssSha512 => {
            (Md::sha512(), c"SHA512")
        }
        _ => (Md::sha256(), c"SHA256"),
    };
    let mut context = MdCtx::new()?;
    let settings = signing::begin(&mut context, name, properties, key)?;
    match scheme {
        SignatureScheme::RsaPssSha256
        | SignatureScheme::RsaPssSha384
        | SignatureScheme::RsaPssSha512 => {
            settings.set_rsa_padding(Padding::PKCS1_PSS)?;
            settings.set_rsa_mgf1_md(digest)?;
            settings.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        SignatureScheme::RsaPkcs1Sha256
        | SignatureScheme::RsaPkcs1Sha384
        | SignatureScheme::RsaPkcs1Sha512 => settings.set_rsa_padding(Padding::PKCS1)?,
        _ => {}
    }
    let mut signature = Vec::new();
    context.digest_sign_to_vec(message, &mut signature)?;
    Ok(signature)
}

/// OpenSSL's words in one line.
pub(crate) fn reason(error: &ErrorStack) -> String {
    let words: Vec<&str> = error.errors().iter().filter_map(|error| error.reason()).collect();
    if words.is_empty() { "it says no more".to_owned() } else { words.join(", ") }
}

impl ClientKey for ProviderKey {
    fn schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if !self.schemes.contains(&scheme) {
            return Err(HsmError::NotSupported { operation: "sign under this scheme" });
        }
        let _shared = providers::shared();
        sign(&self.key, self.properties.as_deref(), scheme, message)
            .map_err(|error| HsmError::Failed { operation: OPERATION, reason: reason(&error) })
    }
}

impl fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderKey(secret)")
    }
}
