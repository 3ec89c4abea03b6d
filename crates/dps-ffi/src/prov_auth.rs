//! How a device proves itself, for tools (`c-abi.md` section 1.7).

use crate::abi::PROV_AUTH_TYPE;
use crate::proof::Proof;
use crate::secret::SecretText;
use crate::security::security;
use dps_client::dps_core::Hsm as _;
use dps_client::dps_core::sas::{HexCase, SasToken, UnsignedToken};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The object behind a `PROV_AUTH_HANDLE`. Every refusal tells why, without any part of a key.
#[derive(Debug)]
pub(crate) struct ProvAuth {
    proof: Proof,
    /// Never changes once it is known.
    registration_id: Mutex<Option<String>>,
}

impl ProvAuth {
    pub(crate) fn new(proof: Proof) -> Self {
        Self { proof, registration_id: Mutex::default() }
    }

    pub(crate) fn kind(&self) -> PROV_AUTH_TYPE {
        match self.proof {
            Proof::Tpm(_) => PROV_AUTH_TYPE::PROV_AUTH_TYPE_TPM,
            Proof::X509 | Proof::X509Plugin(_) => PROV_AUTH_TYPE::PROV_AUTH_TYPE_X509,
            Proof::SymmetricKey { .. } | Proof::KeyPlugin(_) => PROV_AUTH_TYPE::PROV_AUTH_TYPE_KEY,
        }
    }

    pub(crate) fn registration_id(&self) -> Result<String, String> {
        // Not while a module is asked: it may be slow.
        let known = self.known_id().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let own = match self.proof {
            Proof::X509 => {
                let material = security().x509_in_force();
                if let Some(missing) = material.missing() {
                    return Err(missing.into());
                }
                self.proof.own_name(&material)
            }
            _ => self.proof.own_name(&crate::x509::Material::none()),
        };
        let own = own.map_err(|failure| failure.to_string())?;
        let own = own.ok_or("the certificate has no common name")?;
        Ok(self.known_id().get_or_insert(own).clone())
    }

    pub(crate) fn set_registration_id(&self, id: String) -> Result<(), String> {
        let mut known = self.known_id();
        if known.is_some() {
            return Err("the registration id is known already; make a new handle".into());
        }
        *known = Some(id);
        Ok(())
    }

    /// The endorsement key or the storage root key.
    pub(crate) fn tpm_key(&self, storage_root: bool) -> Result<Vec<u8>, String> {
        let mut tpm = self.tpm()?;
        let key = if storage_root { tpm.storage_root_key() } else { tpm.endorsement_key() };
        key.map_err(|error| error.to_string())
    }

    pub(crate) fn import_key(&self, blob: &[u8]) -> Result<(), String> {
        self.tpm()?.activate(blob).map_err(|error| error.to_string())
    }

    pub(crate) fn sas_token(
        &self,
        scope: String,
        key_name: String,
        expiry: u64,
    ) -> Result<SasToken, String> {
        let token = UnsignedToken::new(scope, expiry).hex_case(HexCase::Lower).key_name(key_name);
        let mac = self.proof.mac(&token.string_to_sign())?;
        Ok(token.finish(&mac))
    }

    pub(crate) fn certificate(&self) -> Result<SecretText, String> {
        self.proof.certificate()
    }

    pub(crate) fn certificate_key(&self) -> Result<SecretText, String> {
        self.proof.certificate_key()
    }

    /// The original checks neither the handle nor its kind.
    pub(crate) fn set_certificate(&self, pem: Vec<u8>) -> Result<(), String> {
        self.settable()?;
        if security().set_certificate(pem) { Ok(()) } else { Err(SET_BEFORE.into()) }
    }

    pub(crate) fn set_certificate_key(&self, pem: SecretText) -> Result<(), String> {
        self.settable()?;
        if security().set_certificate_key(pem) { Ok(()) } else { Err(SET_BEFORE.into()) }
    }

    fn settable(&self) -> Result<(), String> {
        match self.proof {
            Proof::X509 => Ok(()),
            Proof::X509Plugin(_) => Err("the certificate is the plug-in's".into()),
            _ => Err("this is for SECURE_DEVICE_TYPE_X509".into()),
        }
    }

    fn tpm(&self) -> Result<crate::tpm::Tpm, String> {
        match &self.proof {
            Proof::Tpm(tpm) => Ok(tpm.clone()),
            _ => Err("this is for SECURE_DEVICE_TYPE_TPM".into()),
        }
    }

    fn known_id(&self) -> MutexGuard<'_, Option<String>> {
        self.registration_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SET_BEFORE: &str = "it was set before in this process";
