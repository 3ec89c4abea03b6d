//! `dps/dps.h`: how PKCS#11 tokens are reached.
#![allow(unsafe_code)]

use crate::abi::{DPS_PKCS11_PIN_CALLBACK, PROV_DEVICE_RESULT};
use crate::failure::refuse;
use crate::guard::guard;
use crate::pkcs11::{PinGiver, set_module, set_pin_callback};
use crate::pointers;
use core::ffi::{c_char, c_void};

use PROV_DEVICE_RESULT::{PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_OK as OK};

/// Names the tokens' library, for URIs that do not. NULL: the environment's.
///
/// # Safety
///
/// NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_pkcs11_set_module(path: *const c_char) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    guard(ERROR, || answer(set_module(unsafe { pointers::text(path) }.map(Into::into))))
}

/// Has a function give the tokens' PINs, for URIs that do not. NULL: not any more.
///
/// # Safety
///
/// NULL, or a function that may be called with the context from any thread as long as the process
/// lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_pkcs11_set_pin_callback(
    callback: DPS_PKCS11_PIN_CALLBACK,
    context: *mut c_void,
) -> PROV_DEVICE_RESULT {
    let context = context as usize;
    guard(ERROR, || {
        answer(set_pin_callback(callback.map(|function| PinGiver { function, context })))
    })
}

fn answer(outcome: Result<(), &'static str>) -> PROV_DEVICE_RESULT {
    match outcome {
        Ok(()) => OK,
        Err(reason) => refuse(ERROR, reason),
    }
}
