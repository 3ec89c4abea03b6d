//! `prov_device_client.h` (`c-abi.md` section 1.3).
#![allow(unsafe_code, non_snake_case)]

use super::handles::{INTERFACE_VERSION, THREADED, create};
use super::setting::set_option;
use crate::abi::{
    PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK, PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK,
    PROV_DEVICE_HANDLE, PROV_DEVICE_RESULT, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION,
};
use crate::callbacks::Callbacks;
use crate::failure::refuse;
use crate::guard::guard;
use crate::pointers;
use crate::threaded::Threaded;
use core::ffi::{c_char, c_void};
use core::ptr;
use std::sync::Arc;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
};

/// The client, unless the handle is not alive.
pub(super) fn threaded(handle: PROV_DEVICE_HANDLE) -> Option<Arc<Threaded>> {
    let threaded = THREADED.get(pointers::handle_number(handle));
    if threaded.is_none() {
        refuse(INVALID_ARG, "the handle is NULL, destroyed, or of another kind");
    }
    threaded
}

/// As `Prov_Device_LL_Create`, for a client with a thread of its own. The thread starts with the
/// first accepted `Prov_Device_Register_Device`.
///
/// # Safety
///
/// As for `Prov_Device_LL_Create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_Create(
    uri: *const c_char,
    scope_id: *const c_char,
    protocol: PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION,
) -> PROV_DEVICE_HANDLE {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let session = unsafe { create(uri, scope_id, protocol) };
        session.map_or(ptr::null_mut(), |session| {
            pointers::handle(THREADED.add(Arc::new(Threaded::new(session))))
        })
    })
}

/// Ends the client and its thread; no callback comes any more. Waits for a running callback, never
/// for the network. Handles that are not alive are ignored. From a callback it takes effect when
/// the callback returns.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_Destroy(prov_device_handle: PROV_DEVICE_HANDLE) {
    guard((), || {
        if let Some(threaded) = THREADED.remove(pointers::handle_number(prov_device_handle)) {
            threaded.destroy();
        }
    });
}

/// As `Prov_Device_LL_Register_Device`; the callbacks come on the client's thread.
///
/// # Safety
///
/// As for `Prov_Device_LL_Register_Device`, on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_Register_Device(
    prov_device_handle: PROV_DEVICE_HANDLE,
    register_callback: PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK,
    user_context: *mut c_void,
    reg_status_cb: PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK,
    status_user_context: *mut c_void,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(threaded) = threaded(prov_device_handle) else { return INVALID_ARG };
        let Some(register) = register_callback else {
            return threaded.session.refuse(INVALID_ARG, "the register callback is NULL");
        };
        // SAFETY: the caller's contract.
        threaded.register(unsafe {
            Callbacks::new(register, user_context, reg_status_cb, status_user_context)
        })
    })
}

/// As `Prov_Device_LL_SetOption`, and INVALID_ARG for a NULL value. Knows `do_work_freq_ms` too.
///
/// # Safety
///
/// As for `Prov_Device_LL_SetOption`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_SetOption(
    prov_device_handle: PROV_DEVICE_HANDLE,
    option_name: *const c_char,
    value: *const c_void,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(threaded) = threaded(prov_device_handle) else { return INVALID_ARG };
        let session = &threaded.session;
        // SAFETY: the caller's contract.
        let name = unsafe { pointers::text(option_name) };
        let (Some(name), false) = (name, value.is_null()) else {
            return session.refuse(INVALID_ARG, "the option's name or value is NULL");
        };
        // SAFETY: the caller's contract.
        unsafe { set_option(session, &name, value, true) }
    })
}

/// The version of the interface. Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_GetVersionString() -> *const c_char {
    INTERFACE_VERSION.as_ptr()
}

/// As `Prov_Device_LL_Set_Provisioning_Payload`.
///
/// # Safety
///
/// `json` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Prov_Device_Set_Provisioning_Payload(
    prov_device_handle: PROV_DEVICE_HANDLE,
    json: *const c_char,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        let Some(threaded) = threaded(prov_device_handle) else { return INVALID_ARG };
        // SAFETY: the caller's contract.
        threaded.session.set_payload(unsafe { pointers::bytes(json) })
    })
}

/// As `Prov_Device_LL_Get_Provisioning_Payload`.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_Get_Provisioning_Payload(
    prov_device_handle: PROV_DEVICE_HANDLE,
) -> *const c_char {
    guard(ptr::null(), || {
        threaded(prov_device_handle)
            .map_or(ptr::null(), |threaded| threaded.session.service_payload())
    })
}
