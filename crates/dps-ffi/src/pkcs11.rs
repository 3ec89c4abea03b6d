//! Keys in PKCS#11 tokens, in builds that have them: `pkcs11:` URIs in place of keys.

#[cfg_attr(feature = "pkcs11", path = "pkcs11/tokens.rs")]
#[cfg_attr(not(feature = "pkcs11"), path = "pkcs11/none.rs")]
mod tokens;

pub(crate) use tokens::{ENGINE, Place, key, set_module, set_pin_callback, x509};

use core::ffi::{c_char, c_int, c_void};

/// Whether a key's text names one on a token.
pub(crate) fn is_uri(text: &str) -> bool {
    const SCHEME: &str = "pkcs11:";
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// A function of C that gives PINs, with its context. Both are the caller's promise to be good
/// from any thread.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "nobody asks for PINs"))]
pub(crate) struct PinGiver {
    pub(crate) function:
        unsafe extern "C" fn(*const c_char, *mut c_char, usize, *mut c_void) -> c_int,
    /// A pointer that only goes back to C.
    pub(crate) context: usize,
}
