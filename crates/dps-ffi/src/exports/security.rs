//! `prov_security_factory.h` and `iothub_security_factory.h` (`c-abi.md` section 1.5).
#![allow(unsafe_code)]

use crate::abi::{IOTHUB_SECURITY_TYPE, PROV_DEVICE_RESULT, SECURE_DEVICE_TYPE};
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::plugin;
use crate::pointers;
use crate::security::{Side, security};
use core::ffi::{c_char, c_int};
use core::ptr;
use zeroize::Zeroizing;

/// What `int` functions answer when they refuse; only zero or not is contract.
const REFUSED: c_int = 1;

/// Chooses the kind of proof for the life of the process. 0 when it is available.
#[unsafe(no_mangle)]
pub extern "C" fn prov_dev_security_init(hsm_type: SECURE_DEVICE_TYPE) -> c_int {
    guard(REFUSED, || init(Side::Provisioning, hsm_type))
}

/// Forgets and wipes the keys it has been given, also for the hub client. The kind of proof stays
/// chosen.
#[unsafe(no_mangle)]
pub extern "C" fn prov_dev_security_deinit() {
    guard((), || deinit(Side::Provisioning));
}

/// The kind given to the last `prov_dev_security_init` with an available kind.
#[unsafe(no_mangle)]
pub extern "C" fn prov_dev_security_get_type() -> SECURE_DEVICE_TYPE {
    guard(SECURE_DEVICE_TYPE::UNKNOWN, || security().kind(Side::Provisioning))
}

/// Keeps copies of a registration id and a key in base64 for the clients created from now on.
/// 0 unless an argument is NULL.
///
/// # Safety
///
/// Each argument is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prov_dev_set_symmetric_key_info(
    registration_name: *const c_char,
    symmetric_key: *const c_char,
) -> c_int {
    // SAFETY: the caller's contract.
    guard(REFUSED, || unsafe { set_key_info(Side::Provisioning, registration_name, symmetric_key) })
}

/// The key given last, or NULL. Lives until the next `prov_dev_set_symmetric_key_info`,
/// `prov_dev_security_deinit` or `iothub_security_deinit`.
#[unsafe(no_mangle)]
pub extern "C" fn prov_dev_get_symmetric_key() -> *const c_char {
    guard(ptr::null(), || security().key_text(Side::Provisioning))
}

/// The registration id given last, or NULL. Lives as long as the key's text.
#[unsafe(no_mangle)]
pub extern "C" fn prov_dev_get_symm_registration_name() -> *const c_char {
    guard(ptr::null(), || security().registration_name(Side::Provisioning))
}

/// As `prov_dev_security_init`, for the hub client.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_security_init(sec_type: IOTHUB_SECURITY_TYPE) -> c_int {
    guard(REFUSED, || init(Side::Hub, sec_type.as_device_type()))
}

/// The same as `prov_dev_security_deinit`.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_security_deinit() {
    guard((), || deinit(Side::Hub));
}

/// The kind given to the last `iothub_security_init` with an available kind, or, before the first
/// one, taken over from `prov_dev_security_init`.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_security_type() -> IOTHUB_SECURITY_TYPE {
    guard(IOTHUB_SECURITY_TYPE::UNKNOWN, || {
        IOTHUB_SECURITY_TYPE::of_device_type(security().kind(Side::Hub))
    })
}

/// As `prov_dev_set_symmetric_key_info`, for the hub client.
///
/// # Safety
///
/// Each argument is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_security_set_symmetric_key_info(
    registration_name: *const c_char,
    symmetric_key: *const c_char,
) -> c_int {
    // SAFETY: the caller's contract.
    guard(REFUSED, || unsafe { set_key_info(Side::Hub, registration_name, symmetric_key) })
}

/// As `prov_dev_get_symmetric_key`, for the hub client.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_security_get_symmetric_key() -> *const c_char {
    guard(ptr::null(), || security().key_text(Side::Hub))
}

/// As `prov_dev_get_symm_registration_name`, for the hub client.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_security_get_symm_registration_name() -> *const c_char {
    guard(ptr::null(), || security().registration_name(Side::Hub))
}

fn init(side: Side, kind: SECURE_DEVICE_TYPE) -> c_int {
    // Not in the `match`: the lock must be gone before anything else happens.
    let chosen = security().init(side, kind);
    let times = match chosen {
        Ok(times) => times,
        Err(reason) => {
            refuse(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR, reason);
            return REFUSED;
        }
    };
    for _ in 0..times {
        if let Err(failure) = plugin::initialize() {
            of_thread(|last| last.set(failure));
            return REFUSED;
        }
    }
    0
}

fn deinit(side: Side) {
    let times = security().deinit(side);
    for _ in 0..times {
        plugin::deinitialize();
    }
}

/// # Safety
///
/// Each text is NULL or a C string.
unsafe fn set_key_info(
    side: Side,
    registration_name: *const c_char,
    symmetric_key: *const c_char,
) -> c_int {
    // SAFETY: the caller's contract.
    let (name, key) = unsafe {
        (pointers::text(registration_name), pointers::text(symmetric_key).map(Zeroizing::new))
    };
    match (name, key) {
        (Some(name), Some(key)) => {
            security().set_key_info(side, name, &key);
            0
        }
        _ => {
            let reason = "the registration name or the key is NULL";
            refuse(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_INVALID_ARG, reason);
            REFUSED
        }
    }
}
