//! `prov_device_ll_client.h` (`c-abi.md` section 1.2).
#![allow(unsafe_code, non_snake_case)]

use super::handles::{INTERFACE_VERSION, LOW_LEVEL, create};
use super::setting::set_option;
use crate::abi::{
    PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK, PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK,
    PROV_DEVICE_LL_HANDLE, PROV_DEVICE_RESULT, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION,
};
use crate::callbacks::Callbacks;
use crate::failure::refuse;
use crate::guard::guard;
use crate::pointers;
use crate::session::Session;
use core::ffi::{c_char, c_void};
use core::ptr;
use std::sync::Arc;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
};

/// The client, unless the handle is not alive.
pub(super) fn session(handle: PROV_DEVICE_LL_HANDLE) -> Option<Arc<Session>> {
    let session = LOW_LEVEL.get(pointers::handle_number(handle));
    if session.is_none() {
        refuse(INVALID_ARG, "the handle is NULL, destroyed, or of another kind");
    }
    session
}

/// Makes a client for the service at `uri`, `host` or `host:port`. Opens nothing.
///
/// NULL when an argument is NULL, when `prov_dev_security_init` has not succeeded, or when there
/// is no key.
///
/// # Safety
///
/// The texts are NULL or C strings; `protocol` is NULL or a function that may be called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_LL_Create(
    uri: *const c_char,
    scope_id: *const c_char,
    protocol: PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION,
) -> PROV_DEVICE_LL_HANDLE {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let session = unsafe { create(uri, scope_id, protocol) };
        session
            .map_or(ptr::null_mut(), |session| pointers::handle(LOW_LEVEL.add(Arc::new(session))))
    })
}

/// Ends the client; no callback comes any more. Handles that are not alive are ignored. From a
/// callback it takes effect when the callback returns.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_LL_Destroy(handle: PROV_DEVICE_LL_HANDLE) {
    guard((), || {
        if let Some(session) = LOW_LEVEL.remove(pointers::handle_number(handle)) {
            session.destroy();
        }
    });
}

/// Begins a registration; the next `Prov_Device_LL_DoWork` does the first work.
///
/// INVALID_ARG for a handle that is not alive or a NULL `register_callback`; ERROR while a
/// registration is under way or when there is no registration id.
///
/// # Safety
///
/// The callbacks may be called with their contexts until the outcome was told or the handle
/// destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_LL_Register_Device(
    handle: PROV_DEVICE_LL_HANDLE,
    register_callback: PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK,
    user_context: *mut c_void,
    reg_status_cb: PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK,
    status_user_ctext: *mut c_void,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(session) = session(handle) else { return INVALID_ARG };
        let Some(register) = register_callback else {
            return session.refuse(INVALID_ARG, "the register callback is NULL");
        };
        // SAFETY: the caller's contract.
        session.register(unsafe {
            Callbacks::new(register, user_context, reg_status_cb, status_user_ctext)
        })
    })
}

/// Does what can be done without waiting, then calls back. Handles that are not alive are
/// ignored; from a callback it does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_LL_DoWork(handle: PROV_DEVICE_LL_HANDLE) {
    guard((), || {
        if let Some(session) = LOW_LEVEL.get(pointers::handle_number(handle)) {
            session.pass();
        }
    });
}

/// Sets an option. INVALID_ARG for a handle that is not alive or a NULL name; ERROR for a name
/// that is not known, or a value that is NULL or cannot be set now.
///
/// # Safety
///
/// `option_name` is NULL or a C string; `value` is NULL or points to what the option calls for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_LL_SetOption(
    handle: PROV_DEVICE_LL_HANDLE,
    option_name: *const c_char,
    value: *const c_void,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(session) = session(handle) else { return INVALID_ARG };
        // SAFETY: the caller's contract.
        let Some(name) = (unsafe { pointers::text(option_name) }) else {
            return session.refuse(INVALID_ARG, "the option's name is NULL");
        };
        // SAFETY: the caller's contract.
        unsafe { set_option(&session, &name, value, false) }
    })
}

/// The version of the interface. Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_LL_GetVersionString() -> *const c_char {
    INTERFACE_VERSION.as_ptr()
}

/// Keeps a copy of JSON text to send along with the next registration; NULL for none.
///
/// # Safety
///
/// `json` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_LL_Set_Provisioning_Payload(
    handle: PROV_DEVICE_LL_HANDLE,
    json: *const c_char,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(session) = session(handle) else { return INVALID_ARG };
        // SAFETY: the caller's contract.
        session.set_payload(unsafe { pointers::bytes(json) })
    })
}

/// JSON that came with the assignment, or NULL. Lives until the next accepted
/// `Prov_Device_LL_Register_Device`, or Destroy.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_LL_Get_Provisioning_Payload(
    handle: PROV_DEVICE_LL_HANDLE,
) -> *const c_char {
    guard(ptr::null(), || session(handle).map_or(ptr::null(), |session| session.service_payload()))
}
