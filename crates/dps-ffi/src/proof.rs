//! What a client or the hub's credentials prove an identity with.

use crate::failure::Failure;
use crate::pkcs11;
use crate::plugin;
use crate::secret::SecretText;
use crate::security::security;
use crate::tpm::Tpm;
use crate::x509::Material;
use dps_client::dps_core::{Hsm as _, Mac};
use dps_client::{RegistrationId, SymmetricKey};
use dps_hsm_custom::{KeyPlugin, X509Plugin};

/// What proves an identity; made when something is created.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A shared key and the name that goes with it.
    SymmetricKey {
        registration_name: String,
        /// Base64, not yet read; or the `pkcs11:` URI of a key in a token.
        key: SecretText,
    },
    /// A certificate, which options give.
    X509,
    /// A symmetric key of a plug-in.
    KeyPlugin(KeyPlugin),
    /// A certificate of a plug-in.
    X509Plugin(X509Plugin),
    /// A trusted platform module.
    Tpm(Tpm),
}

impl Proof {
    /// The registration id that it knows by itself; not checked. `x509` is what the options gave.
    ///
    /// # Errors
    ///
    /// ERROR, with what a plug-in did.
    pub(crate) fn own_name(&self, x509: &Material) -> Result<Option<String>, Failure> {
        match self {
            Self::SymmetricKey { registration_name, .. } => Ok(Some(registration_name.clone())),
            Self::KeyPlugin(plugin) => {
                plugin.registration_name().map(Some).map_err(|error| plugin::failure(&error))
            }
            Self::X509Plugin(plugin) => {
                plugin.common_name().map(Some).map_err(|error| plugin::failure(&error))
            }
            Self::Tpm(tpm) => {
                let id = tpm.clone().registration_id();
                let id = id.map_err(|error| plugin::hsm_failure(&error))?;
                Ok(id.map(|id| id.as_str().to_owned()))
            }
            // Beyond the original, whose certificates have no name.
            Self::X509 => {
                let hsm = x509.hsm().map_err(|failure| failure.under(plugin::ERROR))?;
                Ok(hsm.common_name().map(str::to_owned))
            }
        }
    }

    /// The HMAC-SHA256 of a token's text.
    ///
    /// # Errors
    ///
    /// Why there is none, without any part of a key.
    pub(crate) fn mac(&self, data: &str) -> Result<Mac, String> {
        let data = data.as_bytes();
        match self {
            // Looked for each time: this is seldom, and nothing is held meanwhile.
            Self::SymmetricKey { registration_name, key } if pkcs11::is_uri(key.expose()) => {
                let id = RegistrationId::new(registration_name.as_str());
                let id = id.map_err(|error| error.to_string())?;
                let key = pkcs11::key(id, key.expose(), &pkcs11::Place::default());
                let mut key = key.map_err(|error| error.to_string())?;
                key.sign(data).map_err(|error| error.to_string())
            }
            Self::SymmetricKey { key, .. } => {
                let key = SymmetricKey::from_base64(key.expose()).map_err(|e| e.to_string())?;
                Ok(Mac::new(key.hmac_sha256(data)))
            }
            Self::KeyPlugin(plugin) => {
                let key = plugin.key().map_err(|error| error.to_string())?;
                Ok(Mac::new(key.hmac_sha256(data)))
            }
            Self::Tpm(tpm) => tpm.clone().sign(data).map_err(|error| error.to_string()),
            Self::X509 | Self::X509Plugin(_) => {
                Err("a device with a certificate has no tokens".into())
            }
        }
    }

    /// The certificate in PEM.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn certificate(&self) -> Result<SecretText, String> {
        match self {
            Self::X509 => {
                let certificate = security().x509_in_force().certificate;
                certificate.as_deref().map(SecretText::of_bytes).ok_or_else(|| {
                    "x509certificate has not been set on any provisioning client of this process"
                        .into()
                })
            }
            Self::X509Plugin(plugin) => plugin
                .certificate_text()
                .map(|text| SecretText::new(&text))
                .map_err(|error| error.to_string()),
            _ => Err("there is no certificate: this is for SECURE_DEVICE_TYPE_X509".into()),
        }
    }

    /// Its key in PEM.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn certificate_key(&self) -> Result<SecretText, String> {
        match self {
            Self::X509 => security().x509_in_force().key.ok_or_else(|| {
                "x509privatekey has not been set on any provisioning client of this process".into()
            }),
            Self::X509Plugin(plugin) => plugin
                .key_text()
                .map(|text| SecretText::new(&text))
                .map_err(|error| error.to_string()),
            _ => Err("there is no private key: this is for SECURE_DEVICE_TYPE_X509".into()),
        }
    }
}
