//! The program's functions, and how they are called.
#![allow(unsafe_code)]

use crate::abi::{PROV_DEVICE_REG_STATUS, PROV_DEVICE_RESULT};
use core::ffi::{CStr, c_char, c_void};
use core::ptr;

type RegisterFunction =
    unsafe extern "C" fn(PROV_DEVICE_RESULT, *const c_char, *const c_char, *mut c_void);
type StatusFunction = unsafe extern "C" fn(PROV_DEVICE_REG_STATUS, *mut c_void);

/// The functions given to one Register_Device, with their contexts.
#[derive(Clone, Copy)]
pub(crate) struct Callbacks {
    register: RegisterFunction,
    register_context: *mut c_void,
    status: Option<StatusFunction>,
    status_context: *mut c_void,
}

// SAFETY: the contexts are only handed back to the program. Its functions are told (docs/c-api.md,
// "Threads") on which thread they are called, and a program that registers them agrees to that.
unsafe impl Send for Callbacks {}

impl Callbacks {
    /// # Safety
    ///
    /// The functions may be called with their contexts until the outcome was told or the handle
    /// destroyed, on the thread that drives the client.
    pub(crate) unsafe fn new(
        register: RegisterFunction,
        register_context: *mut c_void,
        status: Option<StatusFunction>,
        status_context: *mut c_void,
    ) -> Self {
        Self { register, register_context, status, status_context }
    }

    /// Tells news, if the program wants any. The caller holds no lock.
    pub(crate) fn status(&self, status: PROV_DEVICE_REG_STATUS) {
        if let Some(function) = self.status {
            // SAFETY: by the contract of `new`.
            unsafe { function(status, self.status_context) }
        }
    }

    /// Tells success. The caller holds no lock.
    pub(crate) fn assigned(&self, hub: &CStr, device_id: &CStr) {
        let result = PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_OK;
        // SAFETY: by the contract of `new`; the texts live during the call.
        unsafe { (self.register)(result, hub.as_ptr(), device_id.as_ptr(), self.register_context) }
    }

    /// Tells failure. The caller holds no lock.
    pub(crate) fn failed(&self, result: PROV_DEVICE_RESULT) {
        // SAFETY: by the contract of `new`.
        unsafe { (self.register)(result, ptr::null(), ptr::null(), self.register_context) }
    }
}

/// Asks the program for a token's PIN (`DPS_PKCS11_PIN_CALLBACK`). The program's copy in the buffer
/// is wiped.
#[cfg(feature = "pkcs11")]
pub(crate) fn ask_for_pin(
    giver: crate::pkcs11::PinGiver,
    token: &str,
) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    /// No PIN is longer.
    const SIZE: usize = 256;

    let label = std::ffi::CString::new(token).ok()?;
    let mut buffer = zeroize::Zeroizing::new(vec![0_u8; SIZE]);
    let context = giver.context as *mut c_void;
    // SAFETY: by the contract of `dps_pkcs11_set_pin_callback`; the label and the buffer live
    // during the call.
    let length =
        unsafe { (giver.function)(label.as_ptr(), buffer.as_mut_ptr().cast(), SIZE, context) };
    let length = usize::try_from(length).ok().filter(|length| *length <= SIZE)?;
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
impl Callbacks {
    /// Callbacks that do nothing.
    pub(crate) fn ignored() -> Self {
        unsafe extern "C" fn ignore(
            _: PROV_DEVICE_RESULT,
            _: *const c_char,
            _: *const c_char,
            _: *mut c_void,
        ) {
        }
        Self {
            register: ignore,
            register_context: ptr::null_mut(),
            status: None,
            status_context: ptr::null_mut(),
        }
    }
}
