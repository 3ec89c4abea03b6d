//! The part of `OSSL_STORE` (OpenSSL 3.0, `ossl_store(7)`) that finds a private key: the openssl
//! crate has no binding for it.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use foreign_types::ForeignType as _;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use std::ffi::CString;

/// `OSSL_STORE_INFO_PKEY`.
const PRIVATE_KEY: c_int = 4;
/// No store that names a device's key holds more; one that fails at each step must end.
const MAX_OBJECTS: usize = 256;

/// Opaque.
enum Context {}
/// Opaque.
enum Info {}

// From <openssl/store.h> of OpenSSL 3.0; libcrypto is linked by openssl-sys.
unsafe extern "C" {
    #[link_name = "OSSL_STORE_open_ex"]
    fn open(
        uri: *const c_char,
        library: *mut c_void,
        properties: *const c_char,
        prompt: *const c_void,
        prompt_data: *mut c_void,
        parameters: *const c_void,
        post_process: *const c_void,
        post_process_data: *mut c_void,
    ) -> *mut Context;
    #[link_name = "OSSL_STORE_expect"]
    fn expect(context: *mut Context, kind: c_int) -> c_int;
    #[link_name = "OSSL_STORE_load"]
    fn load(context: *mut Context) -> *mut Info;
    #[link_name = "OSSL_STORE_eof"]
    fn eof(context: *mut Context) -> c_int;
    #[link_name = "OSSL_STORE_close"]
    fn close(context: *mut Context) -> c_int;
    #[link_name = "OSSL_STORE_INFO_get_type"]
    fn kind_of(info: *const Info) -> c_int;
    #[link_name = "OSSL_STORE_INFO_get1_PKEY"]
    fn key_of(info: *const Info) -> *mut openssl_sys::EVP_PKEY;
    #[link_name = "OSSL_STORE_INFO_free"]
    fn free(info: *mut Info);
}

/// An open store, closed in the end.
struct Store(NonNull<Context>);

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: opened by `private_keys`, and closed nowhere else.
        let _ = unsafe { close(self.0.as_ptr()) };
    }
}

/// The private keys that a URI names, in their provider's order. `properties` says which provider's
/// they are to be, in OpenSSL's terms, such as "?provider=tpm2".
///
/// # Errors
///
/// OpenSSL's own, also when there is no key: then without any words of it.
pub(crate) fn private_keys(
    uri: &CString,
    properties: Option<&CString>,
) -> Result<Vec<PKey<Private>>, ErrorStack> {
    openssl_sys::init();
    let properties = properties.map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: both texts live during the call; everything else may be NULL.
    let store = unsafe {
        open(
            uri.as_ptr(),
            ptr::null_mut(),
            properties,
            ptr::null(),
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
            ptr::null_mut(),
        )
    };
    let store = Store(NonNull::new(store).ok_or_else(ErrorStack::get)?);
    // SAFETY: the store is open. A provider that cannot narrow its search finds more.
    let _ = unsafe { expect(store.0.as_ptr(), PRIVATE_KEY) };
    let mut keys = Vec::new();
    // SAFETY: as above.
    for _ in 0..MAX_OBJECTS {
        // SAFETY: as above.
        if unsafe { eof(store.0.as_ptr()) } != 0 {
            break;
        }
        // SAFETY: as above.
        let Some(info) = NonNull::new(unsafe { load(store.0.as_ptr()) }) else {
            // Something that it could not read.
            continue;
        };
        // SAFETY: `info` is what was loaded, and freed once, at the end. The key that is taken from
        // it has a reference of its own, which `PKey` gives back; it is a private key by its kind.
        unsafe {
            if kind_of(info.as_ptr()) == PRIVATE_KEY
                && let Some(key) = NonNull::new(key_of(info.as_ptr()))
            {
                keys.push(PKey::from_ptr(key.as_ptr()));
            }
            free(info.as_ptr());
        }
    }
    if keys.is_empty() { Err(ErrorStack::get()) } else { Ok(keys) }
}
