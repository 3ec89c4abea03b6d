//! The part of `EVP_DigestSignInit_ex` (OpenSSL 3.0) that says by which provider a key is to sign: the
//! openssl crate has no binding for it. Without it OpenSSL takes its own signature code for a key that
//! a chip holds, and finds that the private part is missing.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use foreign_types::{ForeignType as _, ForeignTypeRef as _};
use openssl::error::ErrorStack;
use openssl::md_ctx::MdCtx;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtxRef;

// From <openssl/evp.h> of OpenSSL 3.0; libcrypto is linked by openssl-sys.
unsafe extern "C" {
    #[link_name = "EVP_DigestSignInit_ex"]
    fn digest_sign_init(
        context: *mut openssl_sys::EVP_MD_CTX,
        key_context: *mut *mut openssl_sys::EVP_PKEY_CTX,
        digest: *const c_char,
        library: *mut c_void,
        properties: *const c_char,
        key: *mut openssl_sys::EVP_PKEY,
        parameters: *const c_void,
    ) -> c_int;
}

/// Begins a signature over a message. `digest` is OpenSSL's name of it; `properties` says which
/// provider is to sign. What is given back sets the padding.
///
/// # Errors
///
/// OpenSSL's own.
pub(crate) fn begin<'a>(
    context: &'a mut MdCtx,
    digest: &CStr,
    properties: Option<&CStr>,
    key: &PKey<Private>,
) -> Result<&'a mut PkeyCtxRef<Private>, ErrorStack> {
    let mut key_context = ptr::null_mut();
    let properties = properties.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: context and key are live objects, the texts live during the call and are copied, and
    // everything else may be NULL. The context takes a reference of its own to the key.
    let begun = unsafe {
        digest_sign_init(
            context.as_ptr(),
            &mut key_context,
            digest.as_ptr(),
            ptr::null_mut(),
            properties,
            key.as_ptr(),
            ptr::null(),
        )
    };
    if begun != 1 || key_context.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: it belongs to `context`, which is borrowed for as long as the reference lives.
    Ok(unsafe { PkeyCtxRef::from_ptr_mut(key_context) })
}
