//! A plug-in with a symmetric key.
#![allow(unsafe_code)]

use crate::module::Module;
use crate::{KeyInterface, PluginError, Purpose};
use core::ffi::CStr;
use core::ptr;
use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, SymmetricKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A handle of a plug-in with a symmetric key. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct KeyPlugin {
    interface: KeyInterface,
    module: Arc<Mutex<Module>>,
}

impl KeyPlugin {
    /// Makes a handle, and tells it the name and the key (in base64) that the application has, if
    /// it has any. A plug-in may ignore them, and must not fail for that there are none.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when a function is missing, or the plug-in refuses.
    ///
    /// # Safety
    ///
    /// The functions are those of a plug-in that keeps the rules in the crate's documentation.
    pub unsafe fn create(
        interface: KeyInterface,
        purpose: Purpose,
        info: Option<(&CStr, &CStr)>,
    ) -> Result<Self, PluginError> {
        const SLOT: &str = "hsm_client_set_symm_key_info";
        interface.check(purpose)?;
        let (create, destroy) = (interface.hsm_client_key_create, interface.hsm_client_key_destroy);
        // SAFETY: this function's contract.
        let module = unsafe { Module::create("hsm_client_key_create", create, destroy) }?;
        let (name, key) =
            info.map_or((ptr::null(), ptr::null()), |(name, key)| (name.as_ptr(), key.as_ptr()));
        let set = interface.hsm_client_set_symm_key_info.ok_or(PluginError::MissingSlot(SLOT))?;
        // SAFETY: this function's contract; the texts live until it returns.
        match unsafe { set(module.handle(), name, key) } {
            0 => Ok(Self { interface, module: Arc::new(Mutex::new(module)) }),
            code => Err(PluginError::Failed { slot: SLOT, code }),
        }
    }

    /// The registration id that the plug-in knows; not checked.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none.
    pub fn registration_name(&self) -> Result<String, PluginError> {
        let get = self.interface.hsm_client_get_registration_name;
        // SAFETY: `create`'s contract.
        let name = unsafe { self.module().text("hsm_client_get_registration_name", get) }?;
        Ok(name.to_string())
    }

    /// The plug-in's key, in base64; not checked.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none.
    pub fn key_text(&self) -> Result<Zeroizing<String>, PluginError> {
        let get = self.interface.hsm_client_get_symm_key;
        // SAFETY: `create`'s contract.
        unsafe { self.module().text("hsm_client_get_symm_key", get) }
    }

    /// The plug-in's key.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none, or it is not one.
    pub fn key(&self) -> Result<SymmetricKey, PluginError> {
        Ok(SymmetricKey::from_base64(&self.key_text()?)?)
    }

    fn module(&self) -> MutexGuard<'_, Module> {
        self.module.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hsm for KeyPlugin {
    fn works_in_place(&self) -> bool {
        // The C functions are called on the thread that makes the call, as their authors know it.
        true
    }

    fn attestation(&self) -> Attestation {
        Attestation::SymmetricKey
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        const OPERATION: &str = "name the device";
        let name = self.registration_name().map_err(|error| error.during(OPERATION))?;
        RegistrationId::new(name).map(Some).map_err(|error| {
            let slot = "hsm_client_get_registration_name";
            PluginError::RegistrationId { slot, error }.during(OPERATION)
        })
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        let key = self.key().map_err(|error| error.during("sign"))?;
        Ok(Mac::new(key.hmac_sha256(data)))
    }
}
