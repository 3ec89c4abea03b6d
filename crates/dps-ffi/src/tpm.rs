//! Trusted platform modules (`c-abi.md` sections 3.4 and 5), of a plug-in or built in.

use crate::failure::Failure;
use crate::patience;
use core::fmt;
use dps_client::dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, TpmKeys};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg_attr(feature = "tpm", path = "tpm/tss.rs")]
#[cfg_attr(not(feature = "tpm"), path = "tpm/none.rs")]
mod driven;

pub(crate) use driven::{BUILT_IN, set_tcti};

/// A TPM that several share: a client, the registration that it runs, the hub's credentials.
#[derive(Clone)]
pub(crate) struct Tpm {
    hsm: Arc<Mutex<Box<dyn Hsm>>>,
    works_in_place: bool,
}

impl Tpm {
    pub(crate) fn new(hsm: impl Hsm + 'static) -> Self {
        let works_in_place = hsm.works_in_place();
        Self { hsm: Arc::new(Mutex::new(Box::new(hsm))), works_in_place }
    }

    /// The one that the library drives by itself, opened once: keys that are missing are made.
    ///
    /// # Errors
    ///
    /// ERROR, with why there is none.
    pub(crate) fn built_in() -> Result<Self, Failure> {
        driven::open()
    }

    fn hsm(&self, operation: &'static str) -> Result<MutexGuard<'_, Box<dyn Hsm>>, HsmError> {
        if self.works_in_place {
            // A program's own module is the program's to wait for.
            return Ok(self.hsm.lock().unwrap_or_else(PoisonError::into_inner));
        }
        patience::lock(&self.hsm)
            .ok_or_else(|| HsmError::Failed { operation, reason: patience::REASON.into() })
    }
}

/// Said where a TPM is called for, and none is there.
pub(crate) const NOT_BUILT_IN: &str = "trusted platform modules need a security module: this library is built without one of its own, and none is registered (dps_hsm_register_tpm) or linked";

impl Hsm for Tpm {
    fn attestation(&self) -> Attestation {
        Attestation::Tpm
    }

    fn works_in_place(&self) -> bool {
        self.works_in_place
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.hsm("name the device")?.registration_id()
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        self.hsm("sign")?.sign(data)
    }

    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        self.hsm("present its keys")?.tpm_keys()
    }

    fn endorsement_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.hsm("present its endorsement key")?.endorsement_key()
    }

    fn storage_root_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.hsm("present its storage root key")?.storage_root_key()
    }

    fn activate(&mut self, blob: &[u8]) -> Result<(), HsmError> {
        self.hsm("activate an identity key")?.activate(blob)
    }
}

impl fmt::Debug for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tpm")
    }
}
