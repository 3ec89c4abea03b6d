//! The tables of functions, as C has them. The order of the members is the interface.

use crate::PluginError;
use core::ffi::{c_char, c_int, c_uchar, c_void};

/// Makes a handle.
pub(crate) type Create = Option<unsafe extern "C" fn() -> *mut c_void>;
/// Ends a handle.
pub(crate) type Destroy = Option<unsafe extern "C" fn(*mut c_void)>;
/// Gives a text from `malloc`.
pub(crate) type GetText = Option<unsafe extern "C" fn(*mut c_void) -> *mut c_char>;
/// Takes a name and a key.
pub(crate) type SetKeyInfo =
    Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int>;
/// Gives bytes from `malloc`.
pub(crate) type GetBytes =
    Option<unsafe extern "C" fn(*mut c_void, *mut *mut c_uchar, *mut usize) -> c_int>;
/// Takes an activation blob.
pub(crate) type Activate =
    Option<unsafe extern "C" fn(*mut c_void, *const c_uchar, usize) -> c_int>;
/// Signs bytes; gives bytes from `malloc`.
pub(crate) type SignBytes = Option<
    unsafe extern "C" fn(
        *mut c_void,
        *const c_uchar,
        usize,
        *mut *mut c_uchar,
        *mut usize,
    ) -> c_int,
>;
/// Signs a message under a TLS signature scheme; gives bytes from `malloc`.
pub(crate) type Sign = Option<
    unsafe extern "C" fn(
        *mut c_void,
        u32,
        *const c_uchar,
        usize,
        *mut *mut c_uchar,
        *mut usize,
    ) -> c_int,
>;

/// `HSM_CLIENT_KEY_INTERFACE`: a symmetric key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct KeyInterface {
    pub hsm_client_key_create: Create,
    pub hsm_client_key_destroy: Destroy,
    pub hsm_client_get_symm_key: GetText,
    pub hsm_client_get_registration_name: GetText,
    pub hsm_client_set_symm_key_info: SetKeyInfo,
}

/// `HSM_CLIENT_X509_INTERFACE`: a certificate and its key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct X509Interface {
    pub hsm_client_x509_create: Create,
    pub hsm_client_x509_destroy: Destroy,
    pub hsm_client_get_cert: GetText,
    pub hsm_client_get_key: GetText,
    pub hsm_client_get_common_name: GetText,
}

/// `DPS_X509_SIGNER_INTERFACE`: a certificate, and signatures by its key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct SignerInterface {
    /// Of the struct; it may grow.
    pub size: usize,
    pub create: Create,
    pub destroy: Destroy,
    pub get_cert: GetText,
    pub get_common_name: GetText,
    pub sign: Sign,
}

/// `HSM_CLIENT_TPM_INTERFACE`: a trusted platform module.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct TpmInterface {
    pub hsm_client_tpm_create: Create,
    pub hsm_client_tpm_destroy: Destroy,
    pub hsm_client_activate_identity_key: Activate,
    pub hsm_client_get_ek: GetBytes,
    pub hsm_client_get_srk: GetBytes,
    pub hsm_client_sign_with_identity: SignBytes,
}

/// What a handle is made for, which decides about the functions that a table must have
/// (`c-abi.md` section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To register: all of them.
    Provisioning,
    /// To give credentials for a hub: those that this takes.
    Hub,
}

impl Purpose {
    /// Whether a function may be missing that only a registration calls.
    fn spares(self) -> bool {
        self == Self::Hub
    }
}

/// Names the first function that is missing.
fn check(slots: &[(&'static str, bool)]) -> Result<(), PluginError> {
    match slots.iter().find(|(_, present)| !present) {
        Some((slot, _)) => Err(PluginError::MissingSlot(slot)),
        None => Ok(()),
    }
}

impl KeyInterface {
    /// Checks that no function is missing.
    ///
    /// # Errors
    ///
    /// [`PluginError::MissingSlot`] names the first one.
    pub fn check(&self, purpose: Purpose) -> Result<(), PluginError> {
        check(&[
            ("hsm_client_key_create", self.hsm_client_key_create.is_some()),
            ("hsm_client_key_destroy", self.hsm_client_key_destroy.is_some()),
            ("hsm_client_get_symm_key", self.hsm_client_get_symm_key.is_some()),
            (
                "hsm_client_get_registration_name",
                purpose.spares() || self.hsm_client_get_registration_name.is_some(),
            ),
            ("hsm_client_set_symm_key_info", self.hsm_client_set_symm_key_info.is_some()),
        ])
    }
}

impl X509Interface {
    /// Checks that no function is missing.
    ///
    /// # Errors
    ///
    /// [`PluginError::MissingSlot`] names the first one.
    pub fn check(&self, purpose: Purpose) -> Result<(), PluginError> {
        check(&[
            ("hsm_client_x509_create", self.hsm_client_x509_create.is_some()),
            ("hsm_client_x509_destroy", self.hsm_client_x509_destroy.is_some()),
            ("hsm_client_get_cert", self.hsm_client_get_cert.is_some()),
            ("hsm_client_get_key", self.hsm_client_get_key.is_some()),
            (
                "hsm_client_get_common_name",
                purpose.spares() || self.hsm_client_get_common_name.is_some(),
            ),
        ])
    }
}

impl TpmInterface {
    /// Checks that no function is missing.
    ///
    /// # Errors
    ///
    /// [`PluginError::MissingSlot`] names the first one.
    pub fn check(&self, purpose: Purpose) -> Result<(), PluginError> {
        let spared = purpose.spares();
        check(&[
            ("hsm_client_tpm_create", self.hsm_client_tpm_create.is_some()),
            ("hsm_client_tpm_destroy", self.hsm_client_tpm_destroy.is_some()),
            (
                "hsm_client_activate_identity_key",
                spared || self.hsm_client_activate_identity_key.is_some(),
            ),
            ("hsm_client_get_ek", spared || self.hsm_client_get_ek.is_some()),
            ("hsm_client_get_srk", spared || self.hsm_client_get_srk.is_some()),
            ("hsm_client_sign_with_identity", self.hsm_client_sign_with_identity.is_some()),
        ])
    }
}

impl SignerInterface {
    /// The size of the first published table. Members are only ever added at the end.
    pub const FIRST_SIZE: usize = core::mem::offset_of!(Self, sign) + size_of::<Sign>();

    /// Checks that no function is missing.
    ///
    /// # Errors
    ///
    /// [`PluginError::MissingSlot`] names the first one.
    pub fn check(&self) -> Result<(), PluginError> {
        check(&[
            ("create", self.create.is_some()),
            ("destroy", self.destroy.is_some()),
            ("get_cert", self.get_cert.is_some()),
            ("get_common_name", self.get_common_name.is_some()),
            ("sign", self.sign.is_some()),
        ])
    }
}
