//! `hsm_client_riot.h`, and the choice of the device in `dps/dps.h`.
#![allow(unsafe_code)]

use crate::abi::PROV_DEVICE_RESULT;
use crate::failure::refuse;
use crate::guard::guard;
use crate::pointers;
use crate::riot::{self, Riot};
use core::ffi::{c_char, c_void};
use core::ptr;
use zeroize::Zeroizing;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_OK as OK,
};

/// Chooses the simulated device's seed and registration id; NULL: the usual one.
///
/// # Safety
///
/// Each argument is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_riot_set_device(
    seed: *const c_char,
    registration_id: *const c_char,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        // SAFETY: the caller's contract.
        let (seed, id) =
            unsafe { (pointers::bytes(seed).map(Zeroizing::new), pointers::text(registration_id)) };
        match riot::choose(seed, id) {
            Ok(()) => OK,
            Err(reason) => refuse(INVALID_ARG, reason),
        }
    })
}

/// The simulated device as it is chosen now. NULL when its name is none.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_create() -> *mut c_void {
    guard(ptr::null_mut(), || match riot::open() {
        Ok(number) => pointers::handle(number),
        Err(reason) => {
            refuse(ERROR, reason);
            ptr::null_mut()
        }
    })
}

/// NULL, and handles that are not alive, are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_destroy(handle: *mut c_void) {
    guard((), || drop(riot::RIOTS.remove(pointers::handle_number(handle))));
}

/// A text of the device in memory from `malloc`; NULL for a handle that is not alive.
fn text(handle: *mut c_void, of: impl FnOnce(&Riot) -> Option<Zeroizing<String>>) -> *mut c_char {
    guard(ptr::null_mut(), || {
        let Some(riot) = riot::find(handle) else {
            refuse(ERROR, "the handle is NULL, destroyed, or of another kind");
            return ptr::null_mut();
        };
        of(&riot).map_or(ptr::null_mut(), |text| pointers::give_text(text.as_bytes()))
    })
}

fn public(pem: &str) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(pem.to_owned()))
}

/// The alias certificate and the device's behind it, in PEM.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_certificate(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| public(&riot.device.chain()))
}

/// The alias certificate's private key in PEM.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_alias_key(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| Some(riot.device.alias_key()))
}

/// The device's certificate in PEM, which signed the alias certificate.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_device_cert(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| public(riot.device.signer_certificate()))
}

/// The same: the device signs here.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_signer_cert(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| public(riot.device.signer_certificate()))
}

/// The root's certificate in PEM.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_root_cert(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| public(riot.factory.root_certificate()))
}

/// The root's private key in PEM.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_root_key(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| Some(riot.factory.root_key()))
}

/// The alias certificate's common name.
#[unsafe(no_mangle)]
pub extern "C" fn hsm_client_riot_get_common_name(handle: *mut c_void) -> *mut c_char {
    text(handle, |riot| public(&riot.name))
}

/// A certificate under the root with this common name, in PEM.
///
/// # Safety
///
/// `common_name` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hsm_client_riot_create_leaf_cert(
    handle: *mut c_void,
    common_name: *const c_char,
) -> *mut c_char {
    text(handle, |riot| {
        // SAFETY: the caller's contract.
        let name = unsafe { pointers::text(common_name) };
        let leaf = name.ok_or_else(|| "the common name is NULL".to_owned()).and_then(|name| {
            riot.factory.leaf_certificate(&name).map_err(|error| error.to_string())
        });
        leaf.map(Zeroizing::new).map_err(|reason| refuse(INVALID_ARG, reason)).ok()
    })
}
