//! `dps_hsm_built_in` of `dps/dps.h`: the library's own modules as tables (`c-abi.md` section 1.8).
#![allow(unsafe_code)]

use crate::abi::DPS_HSM_BUILT_IN;
use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR as ERROR;
use crate::built_in::{self, KEYS, KeyModule, TPMS};
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::plugin::hsm_failure;
use crate::pointers;
use crate::secret::SecretText;
use crate::security::security;
use crate::tpm::Tpm;
use core::ffi::{c_char, c_int, c_uchar, c_void};
use core::ptr;
use dps_client::dps_core::{Hsm as _, HsmError};
use dps_hsm_custom::{KeyInterface, TpmInterface, X509Interface};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What `int` functions answer when they refuse; only zero or not is contract.
const REFUSED: c_int = 1;

type Handle = *mut c_void;

static TABLES: DPS_HSM_BUILT_IN = DPS_HSM_BUILT_IN {
    size: size_of::<DPS_HSM_BUILT_IN>(),
    key: KeyInterface {
        hsm_client_key_create: Some(key_create),
        hsm_client_key_destroy: Some(key_destroy),
        hsm_client_get_symm_key: Some(get_symm_key),
        hsm_client_get_registration_name: Some(get_registration_name),
        hsm_client_set_symm_key_info: Some(set_symm_key_info),
    },
    x509: X509Interface {
        hsm_client_x509_create: Some(x509_create),
        hsm_client_x509_destroy: Some(x509_destroy),
        hsm_client_get_cert: Some(get_cert),
        hsm_client_get_key: Some(get_key),
        hsm_client_get_common_name: Some(get_common_name),
    },
    tpm: TpmInterface {
        hsm_client_tpm_create: Some(tpm_create),
        hsm_client_tpm_destroy: Some(tpm_destroy),
        hsm_client_activate_identity_key: Some(activate),
        hsm_client_get_ek: Some(get_ek),
        hsm_client_get_srk: Some(get_srk),
        hsm_client_sign_with_identity: Some(sign),
    },
    x509_set_certificate: Some(x509_set_certificate),
    x509_set_key: Some(x509_set_key),
    x509_reset: Some(x509_reset),
};

/// The library's own modules. Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn dps_hsm_built_in() -> *const DPS_HSM_BUILT_IN {
    &raw const TABLES
}

fn give(text: Option<SecretText>) -> *mut c_char {
    text.map_or(ptr::null_mut(), |text| pointers::give_text(text.as_c_str().to_bytes()))
}

unsafe extern "C" fn key_create() -> Handle {
    guard(ptr::null_mut(), || pointers::handle(KEYS.add(Arc::new(KeyModule::default()))))
}

unsafe extern "C" fn key_destroy(handle: Handle) {
    guard((), || drop(KEYS.remove(pointers::handle_number(handle))));
}

unsafe extern "C" fn get_symm_key(handle: Handle) -> *mut c_char {
    guard(ptr::null_mut(), || {
        give(KEYS.get(pointers::handle_number(handle)).and_then(|module| module.key()))
    })
}

unsafe extern "C" fn get_registration_name(handle: Handle) -> *mut c_char {
    guard(ptr::null_mut(), || {
        give(KEYS.get(pointers::handle_number(handle)).and_then(|module| module.name()))
    })
}

unsafe extern "C" fn set_symm_key_info(
    handle: Handle,
    name: *const c_char,
    key: *const c_char,
) -> c_int {
    guard(REFUSED, || {
        // SAFETY: by the table's rules NULL or C strings.
        let texts = unsafe { [pointers::bytes(name), pointers::bytes(key)] };
        let texts = texts.map(|text| text.map(|text| SecretText::of_bytes(&Zeroizing::new(text))));
        match (KEYS.get(pointers::handle_number(handle)), texts) {
            (Some(module), [Some(name), Some(key)]) => {
                module.set(name, key);
                0
            }
            _ => REFUSED,
        }
    })
}

unsafe extern "C" fn x509_create() -> Handle {
    guard(ptr::null_mut(), built_in::x509_handle)
}

unsafe extern "C" fn x509_destroy(_: Handle) {}

unsafe extern "C" fn get_cert(handle: Handle) -> *mut c_char {
    guard(ptr::null_mut(), || give(built_in::certificate(handle)))
}

unsafe extern "C" fn get_key(handle: Handle) -> *mut c_char {
    guard(ptr::null_mut(), || give(built_in::certificate_key(handle)))
}

/// Never there, as in the original.
unsafe extern "C" fn get_common_name(_: Handle) -> *mut c_char {
    ptr::null_mut()
}

unsafe extern "C" fn x509_set_certificate(handle: Handle, pem: *const c_char) -> c_int {
    guard(REFUSED, || {
        // SAFETY: by the function's rules NULL or a C string.
        let pem = unsafe { pointers::bytes(pem) };
        let set = pem.is_some_and(|pem| built_in::set_certificate(handle, pem));
        if set { 0 } else { REFUSED }
    })
}

unsafe extern "C" fn x509_set_key(handle: Handle, pem: *const c_char) -> c_int {
    guard(REFUSED, || {
        // SAFETY: by the function's rules NULL or a C string.
        let pem = unsafe { pointers::bytes(pem) }.map(Zeroizing::new);
        let set = pem
            .is_some_and(|pem| built_in::set_certificate_key(handle, SecretText::of_bytes(&pem)));
        if set { 0 } else { REFUSED }
    })
}

unsafe extern "C" fn x509_reset() {
    guard((), || security().forget_x509());
}

unsafe extern "C" fn tpm_create() -> Handle {
    guard(ptr::null_mut(), || match Tpm::built_in() {
        Ok(tpm) => pointers::handle(TPMS.add(Arc::new(tpm))),
        Err(failure) => {
            of_thread(|last| last.set(failure));
            ptr::null_mut()
        }
    })
}

unsafe extern "C" fn tpm_destroy(handle: Handle) {
    guard((), || drop(TPMS.remove(pointers::handle_number(handle))));
}

/// Does something with the TPM behind a handle.
fn with_tpm<T>(handle: Handle, work: impl FnOnce(&mut Tpm) -> Result<T, HsmError>) -> Option<T> {
    let Some(tpm) = TPMS.get(pointers::handle_number(handle)) else {
        refuse(ERROR, "the handle is NULL, destroyed, or of another kind");
        return None;
    };
    let done = work(&mut (*tpm).clone());
    done.map_err(|error| of_thread(|last| last.set(hsm_failure(&error)))).ok()
}

/// Hands over what a TPM gave.
///
/// # Safety
///
/// The places are NULL or writable.
unsafe fn give_bytes(
    places: (*mut *mut c_uchar, *mut usize),
    get: impl FnOnce() -> Option<Vec<u8>>,
) -> c_int {
    guard(REFUSED, || {
        if places.0.is_null() || places.1.is_null() {
            return REFUSED;
        }
        let Some(bytes) = get() else { return REFUSED };
        // SAFETY: this function's contract.
        if unsafe { pointers::give_bytes(&bytes, places.0, places.1) } { 0 } else { REFUSED }
    })
}

unsafe extern "C" fn activate(handle: Handle, key: *const c_uchar, length: usize) -> c_int {
    guard(REFUSED, || {
        // SAFETY: by the table's rules NULL or as many bytes.
        let Some(blob) = (unsafe { pointers::byte_copy(key, length) }) else { return REFUSED };
        with_tpm(handle, |tpm| tpm.activate(&blob)).map_or(REFUSED, |()| 0)
    })
}

unsafe extern "C" fn get_ek(handle: Handle, key: *mut *mut c_uchar, length: *mut usize) -> c_int {
    let keys = || with_tpm(handle, |tpm| tpm.endorsement_key());
    // SAFETY: by the table's rules NULL or writable.
    unsafe { give_bytes((key, length), keys) }
}

unsafe extern "C" fn get_srk(handle: Handle, key: *mut *mut c_uchar, length: *mut usize) -> c_int {
    let keys = || with_tpm(handle, |tpm| tpm.storage_root_key());
    // SAFETY: by the table's rules NULL or writable.
    unsafe { give_bytes((key, length), keys) }
}

unsafe extern "C" fn sign(
    handle: Handle,
    data: *const c_uchar,
    length: usize,
    mac: *mut *mut c_uchar,
    mac_length: *mut usize,
) -> c_int {
    let sign = || {
        // SAFETY: by the table's rules NULL or as many bytes.
        let data = unsafe { pointers::byte_copy(data, length) }?;
        with_tpm(handle, |tpm| tpm.sign(&data)).map(|mac| mac.as_bytes().to_vec())
    };
    // SAFETY: by the table's rules NULL or writable.
    unsafe { give_bytes((mac, mac_length), sign) }
}
