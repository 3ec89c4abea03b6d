//! `dps/dps.h`.
#![allow(unsafe_code)]

use super::{ll, threaded};
use crate::abi::{
    DPS_FAILURE, DPS_POLICY, PROV_DEVICE_HANDLE, PROV_DEVICE_LL_HANDLE, PROV_DEVICE_RESULT,
};
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::pointers;
use crate::session::{Session, default_policy, set_default_policy};
use core::ffi::{CStr, c_char};
use std::sync::Arc;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_OK as OK,
};

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

const NO_POLICY: &str = "the policy is NULL or its size is not set";

/// The version of the library: `DPS_VERSION` of the headers it was built with.
#[unsafe(no_mangle)]
pub extern "C" fn dps_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The last failure of a handle, or with NULL of the calling thread. See `dps.h`.
///
/// # Safety
///
/// `failure` is NULL or has its `size` set to the number of bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_ll_last_failure(
    handle: PROV_DEVICE_LL_HANDLE,
    failure: *mut DPS_FAILURE,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    unsafe { last_failure(handle.is_null(), || ll::session(handle), failure) }
}

/// As `dps_ll_last_failure`.
///
/// # Safety
///
/// As for `dps_ll_last_failure`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_last_failure(
    handle: PROV_DEVICE_HANDLE,
    failure: *mut DPS_FAILURE,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    unsafe { last_failure(handle.is_null(), || of_threaded(handle), failure) }
}

/// The last failure as one line; empty when nothing has failed. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn dps_ll_last_error(handle: PROV_DEVICE_LL_HANDLE) -> *const c_char {
    last_error(handle.is_null(), || ll::session(handle))
}

/// As `dps_ll_last_error`.
#[unsafe(no_mangle)]
pub extern "C" fn dps_last_error(handle: PROV_DEVICE_HANDLE) -> *const c_char {
    last_error(handle.is_null(), || of_threaded(handle))
}

/// Reads a handle's policy. See `dps.h`.
///
/// # Safety
///
/// `policy` is NULL or has its `size` set to the number of bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_ll_get_policy(
    handle: PROV_DEVICE_LL_HANDLE,
    policy: *mut DPS_POLICY,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    guard(ERROR, || unsafe { get_policy(ll::session(handle), policy) })
}

/// Changes a handle's policy. See `dps.h`.
///
/// # Safety
///
/// `policy` is NULL or has its `size` set to the number of bytes that may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_ll_set_policy(
    handle: PROV_DEVICE_LL_HANDLE,
    policy: *const DPS_POLICY,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    guard(ERROR, || unsafe { set_policy(ll::session(handle), policy) })
}

/// As `dps_ll_get_policy`.
///
/// # Safety
///
/// As for `dps_ll_get_policy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_get_policy(
    handle: PROV_DEVICE_HANDLE,
    policy: *mut DPS_POLICY,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    guard(ERROR, || unsafe { get_policy(of_threaded(handle), policy) })
}

/// As `dps_ll_set_policy`.
///
/// # Safety
///
/// As for `dps_ll_set_policy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_set_policy(
    handle: PROV_DEVICE_HANDLE,
    policy: *const DPS_POLICY,
) -> PROV_DEVICE_RESULT {
    // SAFETY: the caller's contract.
    guard(ERROR, || unsafe { set_policy(of_threaded(handle), policy) })
}

/// Reads the policy that new handles begin with. See `dps.h`.
///
/// # Safety
///
/// As for `dps_ll_get_policy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_get_default_policy(policy: *mut DPS_POLICY) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let current = default_policy();
        // SAFETY: the caller's contract.
        match unsafe { pointers::write_sized(policy, &current, DPS_POLICY::FIRST_SIZE) } {
            true => OK,
            false => refuse(INVALID_ARG, NO_POLICY),
        }
    })
}

/// Changes the policy that new handles begin with. See `dps.h`.
///
/// # Safety
///
/// As for `dps_ll_set_policy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_set_default_policy(policy: *const DPS_POLICY) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let current = default_policy();
        // SAFETY: the caller's contract; every bit pattern is a valid policy.
        match unsafe { pointers::read_sized(policy, DPS_POLICY::FIRST_SIZE, current) } {
            Some(policy) => match set_default_policy(&policy) {
                Ok(()) => OK,
                Err(reason) => refuse(INVALID_ARG, reason),
            },
            None => refuse(INVALID_ARG, NO_POLICY),
        }
    })
}

fn of_threaded(handle: PROV_DEVICE_HANDLE) -> Option<Arc<Session>> {
    threaded::threaded(handle).map(|threaded| Arc::clone(&threaded.session))
}

/// # Safety
///
/// `target` is NULL or has its `size` set.
unsafe fn last_failure(
    of_calling_thread: bool,
    session: impl FnOnce() -> Option<Arc<Session>>,
    target: *mut DPS_FAILURE,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let failure = if of_calling_thread {
            of_thread(|last| last.show())
        } else {
            session().map(|session| session.show_failure())
        };
        match failure {
            // SAFETY: the caller's contract.
            Some(failure)
                if unsafe { pointers::write_sized(target, &failure, DPS_FAILURE::FIRST_SIZE) } =>
            {
                OK
            }
            _ => INVALID_ARG,
        }
    })
}

fn last_error(
    of_calling_thread: bool,
    session: impl FnOnce() -> Option<Arc<Session>>,
) -> *const c_char {
    guard(c"".as_ptr(), || {
        let line = match of_calling_thread {
            false => session().map(|session| session.failure_line()),
            true => None,
        };
        // A handle that is not alive has just been noted as the thread's failure.
        line.or_else(|| of_thread(|last| last.line())).unwrap_or(c"".as_ptr())
    })
}

/// # Safety
///
/// `target` is NULL or has its `size` set.
unsafe fn get_policy(session: Option<Arc<Session>>, target: *mut DPS_POLICY) -> PROV_DEVICE_RESULT {
    let Some(session) = session else { return INVALID_ARG };
    // SAFETY: the caller's contract.
    match unsafe { pointers::write_sized(target, &session.policy(), DPS_POLICY::FIRST_SIZE) } {
        true => OK,
        false => session.refuse(INVALID_ARG, NO_POLICY),
    }
}

/// # Safety
///
/// `source` is NULL or has its `size` set.
unsafe fn set_policy(
    session: Option<Arc<Session>>,
    source: *const DPS_POLICY,
) -> PROV_DEVICE_RESULT {
    let Some(session) = session else { return INVALID_ARG };
    // SAFETY: the caller's contract; every bit pattern is a valid policy.
    match unsafe { pointers::read_sized(source, DPS_POLICY::FIRST_SIZE, session.policy()) } {
        Some(policy) => session.set_policy(&policy),
        None => session.refuse(INVALID_ARG, NO_POLICY),
    }
}
