//! What the two kinds of clients have in common: making one, and reading arguments.
#![allow(unsafe_code)]

use super::transport::known;
use crate::abi::{PROV_DEVICE_RESULT, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION};
use crate::failure::{of_thread, refuse};
use crate::options::{Name, Setting};
use crate::pointers;
use crate::registry::Registry;
use crate::security::security;
use crate::session::Session;
use crate::threaded::Threaded;
use core::ffi::{c_char, c_void};

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
};

/// The low-level clients that are alive.
pub(super) static LOW_LEVEL: Registry<Session> = Registry::new();
/// The threaded clients that are alive.
pub(super) static THREADED: Registry<Threaded> = Registry::new();

/// `PROV_DEVICE_CLIENT_VERSION` in `prov_client_const.h`: the version of the interface.
pub(super) const INTERFACE_VERSION: &core::ffi::CStr = c"1.15.0";

/// Both Create functions.
///
/// # Safety
///
/// The texts are NULL or C strings; `protocol` may be called.
pub(super) unsafe fn create(
    uri: *const c_char,
    scope_id: *const c_char,
    protocol: PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION,
) -> Option<Session> {
    // SAFETY: the caller's contract.
    let (uri, scope) = unsafe { (pointers::text(uri), pointers::text(scope_id)) };
    let (Some(uri), Some(scope), Some(protocol)) = (uri, scope, protocol) else {
        refuse(INVALID_ARG, "the service's name, the ID scope or the transport is NULL");
        return None;
    };
    // SAFETY: the caller's contract. No lock is held.
    if known(unsafe { protocol() }).is_none() {
        refuse(INVALID_ARG, "the transport does not belong to this library");
        return None;
    }
    // Not in the `match`: the lock must be gone before anything else happens.
    let proof = security().proof();
    match proof {
        Ok(proof) => {
            // What failed before on this thread is no longer why Create gave NULL.
            of_thread(|last| last.clear());
            Some(Session::new(uri, scope, proof))
        }
        Err(reason) => {
            refuse(ERROR, reason);
            None
        }
    }
}

/// Both SetOption functions, behind their checks for NULL.
///
/// # Safety
///
/// `value` is NULL or points to what the option calls for.
pub(super) unsafe fn set_option(
    session: &Session,
    name: &str,
    value: *const c_void,
    threaded: bool,
) -> PROV_DEVICE_RESULT {
    let name = match Name::find(name) {
        Some(Name::DoWorkFrequency) if !threaded => {
            return session.refuse(ERROR, "do_work_freq_ms is for the threaded client");
        }
        Some(name) => name,
        None => return session.refuse(ERROR, format!("unknown option {name:?}")),
    };
    // SAFETY: the caller's contract. A bool is read as a byte, of which every value is valid.
    let setting = unsafe {
        match name {
            Name::RegistrationId => pointers::text(value.cast()).map(Setting::RegistrationId),
            Name::TrustedCerts => pointers::bytes(value.cast()).map(Setting::TrustedCerts),
            Name::LogTrace => pointers::value::<u8>(value).map(|on| Setting::LogTrace(on != 0)),
            Name::Timeout => pointers::value::<u8>(value).map(Setting::Timeout),
            Name::DoWorkFrequency => pointers::value::<u16>(value).map(Setting::DoWorkFrequency),
        }
    };
    match setting {
        Some(setting) => session.set_option(setting),
        None => session.refuse(ERROR, "the option's value is NULL"),
    }
}
