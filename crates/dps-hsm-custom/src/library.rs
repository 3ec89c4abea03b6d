//! A library of security modules: the seven functions that one for the C SDK defines
//! (`c-abi.md` section 5).
#![allow(unsafe_code)]

use crate::{KeyInterface, PluginError, TpmInterface, X509Interface};
use core::ffi::c_int;

type Init = Option<unsafe extern "C" fn() -> c_int>;
type Deinit = Option<unsafe extern "C" fn()>;

/// `DPS_HSM_LIBRARY`: the seven functions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct LibraryInterface {
    /// Of the struct; it may grow.
    pub size: usize,
    pub x509_init: Init,
    pub x509_deinit: Deinit,
    pub tpm_init: Init,
    pub tpm_deinit: Deinit,
    pub tpm_interface: Option<unsafe extern "C" fn() -> *const TpmInterface>,
    pub x509_interface: Option<unsafe extern "C" fn() -> *const X509Interface>,
    pub key_interface: Option<unsafe extern "C" fn() -> *const KeyInterface>,
}

impl LibraryInterface {
    /// The size of the first published table. Members are only ever added at the end.
    pub const FIRST_SIZE: usize =
        core::mem::offset_of!(Self, key_interface) + size_of::<Option<fn()>>();
    /// The names of the functions, in the table's order.
    pub const NAMES: [&'static str; 7] = [
        "hsm_client_x509_init",
        "hsm_client_x509_deinit",
        "hsm_client_tpm_init",
        "hsm_client_tpm_deinit",
        "hsm_client_tpm_interface",
        "hsm_client_x509_interface",
        "hsm_client_key_interface",
    ];

    fn present(&self) -> [bool; 7] {
        [
            self.x509_init.is_some(),
            self.x509_deinit.is_some(),
            self.tpm_init.is_some(),
            self.tpm_deinit.is_some(),
            self.tpm_interface.is_some(),
            self.x509_interface.is_some(),
            self.key_interface.is_some(),
        ]
    }
}

/// A library that has all seven functions.
#[derive(Clone, Copy, Debug)]
pub struct Library(LibraryInterface);

impl Library {
    /// Checks that no function is missing.
    ///
    /// # Errors
    ///
    /// [`PluginError::MissingFunction`] names the first one.
    ///
    /// # Safety
    ///
    /// The functions are those of a library that keeps the rules in the crate's documentation, and
    /// stay as long as the process lives. So do the tables that they give.
    pub unsafe fn new(interface: LibraryInterface) -> Result<Self, PluginError> {
        let mut named = LibraryInterface::NAMES.iter().zip(interface.present());
        match named.find(|(_, present)| !present) {
            Some((name, _)) => Err(PluginError::MissingFunction(name)),
            None => Ok(Self(interface)),
        }
    }

    /// Tells the library that its modules will be used: certificates first, then TPMs.
    ///
    /// # Errors
    ///
    /// [`PluginError::Failed`] when one refuses; the others are not told then.
    pub fn initialize(&self) -> Result<(), PluginError> {
        for (slot, init) in
            [("hsm_client_x509_init", self.0.x509_init), ("hsm_client_tpm_init", self.0.tpm_init)]
        {
            let init = init.ok_or(PluginError::MissingFunction(slot))?;
            // SAFETY: `new`'s contract.
            match unsafe { init() } {
                0 => {}
                code => return Err(PluginError::Failed { slot, code }),
            }
        }
        Ok(())
    }

    /// Tells the library that they will not be used any more, in the same order.
    pub fn deinitialize(&self) {
        for deinit in [self.0.x509_deinit, self.0.tpm_deinit].into_iter().flatten() {
            // SAFETY: `new`'s contract.
            unsafe { deinit() };
        }
    }

    /// The table of its module with a symmetric key.
    ///
    /// # Errors
    ///
    /// [`PluginError::ReturnedNull`] when it has none; so do the others.
    pub fn key(&self) -> Result<KeyInterface, PluginError> {
        // SAFETY: `new`'s contract.
        unsafe { table("hsm_client_key_interface", self.0.key_interface) }
    }

    /// The table of its module with a certificate.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn x509(&self) -> Result<X509Interface, PluginError> {
        // SAFETY: `new`'s contract.
        unsafe { table("hsm_client_x509_interface", self.0.x509_interface) }
    }

    /// The table of its trusted platform module.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn tpm(&self) -> Result<TpmInterface, PluginError> {
        // SAFETY: `new`'s contract.
        unsafe { table("hsm_client_tpm_interface", self.0.tpm_interface) }
    }
}

/// # Safety
///
/// The function gives NULL or a table that may be read.
unsafe fn table<T: Copy>(
    name: &'static str,
    get: Option<unsafe extern "C" fn() -> *const T>,
) -> Result<T, PluginError> {
    let get = get.ok_or(PluginError::MissingFunction(name))?;
    // SAFETY: this function's contract.
    let table = unsafe { get().as_ref() };
    table.copied().ok_or(PluginError::ReturnedNull(name))
}
