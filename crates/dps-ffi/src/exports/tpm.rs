//! `dps/dps.h`: how the TPM that the library drives by itself is reached.
#![allow(unsafe_code)]

use crate::abi::PROV_DEVICE_RESULT;
use crate::failure::refuse;
use crate::guard::guard;
use crate::pointers;
use crate::tpm::set_tcti;
use core::ffi::c_char;

use PROV_DEVICE_RESULT::{PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_OK as OK};

/// Says how the TPM is reached, in the notation of the tss2 tools, for what is created from then
/// on. NULL: what the environment says, else the default.
///
/// # Safety
///
/// NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_tpm_set_tcti(tcti: *const c_char) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        // SAFETY: the caller's contract.
        match set_tcti(unsafe { pointers::text(tcti) }) {
            Ok(()) => OK,
            Err(reason) => refuse(ERROR, reason),
        }
    })
}
