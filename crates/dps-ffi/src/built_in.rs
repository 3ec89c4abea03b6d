//! The library's own security modules as the original's tables (`c-abi.md` section 1.8), for programs
//! that call them directly. Clients do not go through them.

use crate::pointers;
use crate::registry::Registry;
use crate::secret::SecretText;
use crate::security::security;
use crate::tpm::Tpm;
use core::ffi::c_void;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A name and a key in base64, which a program has given.
#[derive(Debug, Default)]
pub(crate) struct KeyModule(Mutex<Option<[SecretText; 2]>>);

pub(crate) static KEYS: Registry<KeyModule> = Registry::new();
pub(crate) static TPMS: Registry<Tpm> = Registry::new();
/// The certificate is the process's, so all share one handle.
static X509S: Registry<()> = Registry::new();
static X509: OnceLock<usize> = OnceLock::new();

impl KeyModule {
    /// Replaces what was set before.
    pub(crate) fn set(&self, name: SecretText, key: SecretText) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some([name, key]);
    }

    pub(crate) fn name(&self) -> Option<SecretText> {
        self.get(|[name, _]| name)
    }

    pub(crate) fn key(&self) -> Option<SecretText> {
        self.get(|[_, key]| key)
    }

    fn get(&self, which: fn(&[SecretText; 2]) -> &SecretText) -> Option<SecretText> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(which).cloned()
    }
}

/// The handle of the process's certificate.
pub(crate) fn x509_handle() -> *mut c_void {
    pointers::handle(*X509.get_or_init(|| X509S.add(Arc::new(()))))
}

/// Whether it is that one.
fn is_x509(handle: *mut c_void) -> bool {
    X509S.get(pointers::handle_number(handle)).is_some()
}

pub(crate) fn certificate(handle: *mut c_void) -> Option<SecretText> {
    let certificate = if is_x509(handle) { security().x509().certificate } else { None };
    certificate.as_deref().map(SecretText::of_bytes)
}

pub(crate) fn certificate_key(handle: *mut c_void) -> Option<SecretText> {
    if is_x509(handle) { security().x509().key } else { None }
}

/// Tells whether there was none.
pub(crate) fn set_certificate(handle: *mut c_void, pem: Vec<u8>) -> bool {
    is_x509(handle) && security().set_certificate(pem)
}

/// Tells whether there was none.
pub(crate) fn set_certificate_key(handle: *mut c_void, pem: SecretText) -> bool {
    is_x509(handle) && security().set_certificate_key(pem)
}
