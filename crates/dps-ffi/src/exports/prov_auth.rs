//! `internal/prov_auth_client.h` (`c-abi.md` section 1.7), but for the two functions that give a
//! BUFFER of c-utility, which are in C (`c/prov_auth_buffer.c`).
#![allow(unsafe_code)]

use crate::abi::{PROV_AUTH_HANDLE, PROV_AUTH_TYPE, PROV_DEVICE_RESULT};
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::plugin;
use crate::pointers;
use crate::prov_auth::ProvAuth;
use crate::registry::Registry;
use crate::secret::SecretText;
use crate::security::Side;
use core::ffi::{c_char, c_int, c_uchar};
use core::ptr;
use std::sync::Arc;
use zeroize::Zeroizing;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
};

/// What `int` functions answer when they refuse; only zero or not is contract.
const REFUSED: c_int = 1;

static PROV_AUTHS: Registry<ProvAuth> = Registry::new();

/// Makes a source of proofs of the kind that `prov_dev_security_init` has chosen. NULL when it has
/// not, or the key is missing, or a security module refuses.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_create() -> PROV_AUTH_HANDLE {
    guard(ptr::null_mut(), || match plugin::proof(Side::Provisioning) {
        Ok(proof) => pointers::handle(PROV_AUTHS.add(Arc::new(ProvAuth::new(proof)))),
        Err(failure) => {
            of_thread(|last| last.set(failure));
            ptr::null_mut()
        }
    })
}

/// Ends the handle's life. Others are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_destroy(handle: PROV_AUTH_HANDLE) {
    guard((), || drop(PROV_AUTHS.remove(pointers::handle_number(handle))));
}

/// The kind; unknown for a handle that is not alive.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_get_type(handle: PROV_AUTH_HANDLE) -> PROV_AUTH_TYPE {
    guard(PROV_AUTH_TYPE::PROV_AUTH_TYPE_UNKNOWN, || {
        let auth = PROV_AUTHS.get(pointers::handle_number(handle));
        auth.map_or(PROV_AUTH_TYPE::PROV_AUTH_TYPE_UNKNOWN, |auth| auth.kind())
    })
}

/// The registration id, for the caller to `free`. NULL on failure.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_get_registration_id(handle: PROV_AUTH_HANDLE) -> *mut c_char {
    text(handle, |auth| auth.registration_id().map(|id| Zeroizing::new(id.into_bytes())))
}

/// Sets the registration id, unless one is known. 0 on success.
///
/// # Safety
///
/// The text is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_auth_set_registration_id(
    handle: PROV_AUTH_HANDLE,
    registration_id: *const c_char,
) -> c_int {
    number(handle, |auth| {
        // SAFETY: the caller's contract.
        let id = unsafe { pointers::text(registration_id) };
        auth.set_registration_id(id.ok_or("the registration id is NULL")?)
    })
}

/// A TPM's endorsement key, or its storage root key, for the caller to `free`. 0 on success.
///
/// # Safety
///
/// `key` and `key_len` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_prov_auth_tpm_key(
    handle: PROV_AUTH_HANDLE,
    storage_root: c_int,
    key: *mut *mut c_uchar,
    key_len: *mut usize,
) -> c_int {
    number(handle, |auth| {
        if key.is_null() || key_len.is_null() {
            return Err("a place for the key is NULL".into());
        }
        let bytes = auth.tpm_key(storage_root != 0)?;
        // SAFETY: the caller's contract.
        let given = unsafe { pointers::give_bytes(&bytes, key, key_len) };
        if given { Ok(()) } else { Err(NO_MEMORY.into()) }
    })
}

/// Has a TPM recover a key. 0 on success.
///
/// # Safety
///
/// `key_value` is NULL or has `key_len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_auth_import_key(
    handle: PROV_AUTH_HANDLE,
    key_value: *const c_uchar,
    key_len: usize,
) -> c_int {
    number(handle, |auth| {
        // SAFETY: the caller's contract.
        let blob = unsafe { pointers::byte_copy(key_value, key_len) };
        auth.import_key(&blob.ok_or("there is no key")?)
    })
}

/// A SAS token, for the caller to `free`. NULL on failure.
///
/// # Safety
///
/// The texts are NULL or C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_auth_construct_sas_token(
    handle: PROV_AUTH_HANDLE,
    token_scope: *const c_char,
    key_name: *const c_char,
    expiry_time: usize,
) -> *mut c_char {
    text(handle, |auth| {
        // SAFETY: the caller's contract.
        let texts = unsafe { [pointers::bytes(token_scope), pointers::bytes(key_name)] };
        let [scope, key_name] = texts.map(|text| {
            String::from_utf8(text.ok_or("token_scope or key_name is NULL")?)
                .map_err(|_| "token_scope or key_name is not UTF-8")
        });
        let expiry = u64::try_from(expiry_time).unwrap_or(u64::MAX);
        let token = auth.sas_token(scope?, key_name?, expiry)?;
        Ok(Zeroizing::new(token.as_str().as_bytes().to_vec()))
    })
}

/// The certificate in PEM, for the caller to `free`. NULL on failure.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_get_certificate(handle: PROV_AUTH_HANDLE) -> *mut c_char {
    text(handle, |auth| auth.certificate().map(|text| text.as_c_str().to_bytes().to_vec().into()))
}

/// Its private key in PEM, for the caller to `free`. NULL on failure.
#[unsafe(no_mangle)]
pub extern "C" fn prov_auth_get_alias_key(handle: PROV_AUTH_HANDLE) -> *mut c_char {
    text(handle, |auth| {
        auth.certificate_key().map(|text| text.as_c_str().to_bytes().to_vec().into())
    })
}

/// Gives the process a certificate, unless it has one. 0 on success.
///
/// # Safety
///
/// The text is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_auth_set_certificate(
    handle: PROV_AUTH_HANDLE,
    certificate: *const c_char,
) -> c_int {
    number(handle, |auth| {
        // SAFETY: the caller's contract.
        let pem = unsafe { pointers::bytes(certificate) };
        auth.set_certificate(pem.ok_or("the certificate is NULL")?)
    })
}

/// Gives the process a certificate's key, unless it has one. 0 on success.
///
/// # Safety
///
/// The text is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_auth_set_key(handle: PROV_AUTH_HANDLE, key: *const c_char) -> c_int {
    number(handle, |auth| {
        // SAFETY: the caller's contract.
        let pem = unsafe { pointers::bytes(key) }.map(Zeroizing::new);
        auth.set_certificate_key(SecretText::of_bytes(&pem.ok_or("the key is NULL")?))
    })
}

const NO_MEMORY: &str = "out of memory";

/// Does something with the object behind a handle.
fn with<T>(
    handle: PROV_AUTH_HANDLE,
    work: impl FnOnce(&ProvAuth) -> Result<T, String>,
) -> Option<T> {
    let Some(auth) = PROV_AUTHS.get(pointers::handle_number(handle)) else {
        refuse(INVALID_ARG, "the handle is NULL, destroyed, or of another kind");
        return None;
    };
    work(&auth).map_err(|reason| refuse(ERROR, reason)).ok()
}

fn number(handle: PROV_AUTH_HANDLE, work: impl FnOnce(&ProvAuth) -> Result<(), String>) -> c_int {
    guard(REFUSED, || with(handle, work).map_or(REFUSED, |()| 0))
}

fn text(
    handle: PROV_AUTH_HANDLE,
    work: impl FnOnce(&ProvAuth) -> Result<Zeroizing<Vec<u8>>, String>,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        let Some(text) = with(handle, work) else { return ptr::null_mut() };
        let given = pointers::give_text(&text);
        if given.is_null() {
            refuse(ERROR, NO_MEMORY);
        }
        given
    })
}
