//! A plug-in that is a trusted platform module.
#![allow(unsafe_code)]

use crate::module::{Given, Module};
use crate::tables::GetBytes;
use crate::{PluginError, Purpose, TpmInterface};
use core::ptr;
use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, TpmKeys};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// More bytes than any structure of a TPM has.
const MAX_BYTES: usize = 64 * 1024;

/// A handle of a plug-in that is a TPM. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct TpmPlugin {
    interface: TpmInterface,
    module: Arc<Mutex<Module>>,
}

impl TpmPlugin {
    /// Makes a handle.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when a function is missing that the purpose takes, or the plug-in refuses.
    ///
    /// # Safety
    ///
    /// The functions are those of a plug-in that keeps the rules in the crate's documentation.
    pub unsafe fn create(interface: TpmInterface, purpose: Purpose) -> Result<Self, PluginError> {
        interface.check(purpose)?;
        let (create, destroy) = (interface.hsm_client_tpm_create, interface.hsm_client_tpm_destroy);
        // SAFETY: this function's contract.
        let module = unsafe { Module::create("hsm_client_tpm_create", create, destroy) }?;
        Ok(Self { interface, module: Arc::new(Mutex::new(module)) })
    }

    fn read_endorsement_key(&self) -> Result<Vec<u8>, PluginError> {
        self.bytes("hsm_client_get_ek", self.interface.hsm_client_get_ek)
    }

    fn read_storage_root_key(&self) -> Result<Vec<u8>, PluginError> {
        self.bytes("hsm_client_get_srk", self.interface.hsm_client_get_srk)
    }

    fn bytes(&self, slot: &'static str, get: GetBytes) -> Result<Vec<u8>, PluginError> {
        let get = get.ok_or(PluginError::MissingSlot(slot))?;
        let (mut bytes, mut length) = (ptr::null_mut(), 0);
        let module = self.module();
        // SAFETY: `create`'s contract; all pointers are valid until it returns.
        let code = unsafe { get(module.handle(), &raw mut bytes, &raw mut length) };
        // SAFETY: `create`'s contract.
        Ok(unsafe { Given { code, bytes, length }.take(slot, MAX_BYTES) }?.to_vec())
    }

    fn mac(&self, data: &[u8]) -> Result<Mac, PluginError> {
        const SLOT: &str = "hsm_client_sign_with_identity";
        let sign = self.interface.hsm_client_sign_with_identity;
        let sign = sign.ok_or(PluginError::MissingSlot(SLOT))?;
        let (mut bytes, mut length) = (ptr::null_mut(), 0);
        let module = self.module();
        // SAFETY: `create`'s contract; all pointers are valid until it returns.
        let code = unsafe {
            sign(module.handle(), data.as_ptr(), data.len(), &raw mut bytes, &raw mut length)
        };
        // SAFETY: `create`'s contract.
        let signed = unsafe { Given { code, bytes, length }.take(SLOT, MAX_BYTES) }?;
        let bytes: Result<Zeroizing<[u8; 32]>, _> =
            signed.as_slice().try_into().map(Zeroizing::new);
        bytes.map(|bytes| Mac::new(*bytes)).map_err(|_| PluginError::MacLength(signed.len()))
    }

    fn take_key(&self, blob: &[u8]) -> Result<(), PluginError> {
        const SLOT: &str = "hsm_client_activate_identity_key";
        let activate = self.interface.hsm_client_activate_identity_key;
        let activate = activate.ok_or(PluginError::MissingSlot(SLOT))?;
        let module = self.module();
        // SAFETY: `create`'s contract; the bytes live until it returns.
        match unsafe { activate(module.handle(), blob.as_ptr(), blob.len()) } {
            0 => Ok(()),
            code => Err(PluginError::Failed { slot: SLOT, code }),
        }
    }

    fn module(&self) -> MutexGuard<'_, Module> {
        self.module.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hsm for TpmPlugin {
    fn works_in_place(&self) -> bool {
        // The C functions are called on the thread that makes the call, as their authors know it.
        true
    }

    fn attestation(&self) -> Attestation {
        Attestation::Tpm
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        let key = self.read_endorsement_key().map_err(|error| error.during("name the device"))?;
        Ok(Some(RegistrationId::from_endorsement_key(&key)))
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        self.mac(data).map_err(|error| error.during("sign"))
    }

    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        let endorsement_key = self.endorsement_key()?;
        Ok(TpmKeys { endorsement_key, storage_root_key: self.storage_root_key()? })
    }

    fn endorsement_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.read_endorsement_key().map_err(|error| error.during("present its endorsement key"))
    }

    fn storage_root_key(&mut self) -> Result<Vec<u8>, HsmError> {
        self.read_storage_root_key().map_err(|error| error.during("present its storage root key"))
    }

    fn activate(&mut self, blob: &[u8]) -> Result<(), HsmError> {
        self.take_key(blob).map_err(|error| error.during("activate an identity key"))
    }
}
