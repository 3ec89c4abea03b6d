//! `dps/dps.h` and `hsm_client_data.h`: libraries of security modules, registered or loaded, and what
//! they are told (`c-abi.md` sections 1.8 and 5).
#![allow(unsafe_code)]

use crate::abi::PROV_DEVICE_RESULT;
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::plugin;
use crate::pointers;
#[cfg(unix)]
use core::ffi::c_void;
use core::ffi::{c_char, c_int};
use dps_hsm_custom::{Library, LibraryInterface};

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_OK as OK,
};

/// What `int` functions answer when they refuse; only zero or not is contract.
const REFUSED: c_int = 1;

/// Has the security modules get ready, as `prov_dev_security_init` does. 0 on success.
#[unsafe(no_mangle)]
pub extern "C" fn initialize_hsm_system() -> c_int {
    guard(REFUSED, || match plugin::initialize() {
        Ok(()) => 0,
        Err(failure) => {
            of_thread(|last| last.set(failure));
            REFUSED
        }
    })
}

/// The reverse.
#[unsafe(no_mangle)]
pub extern "C" fn deinitialize_hsm_system() {
    guard((), plugin::deinitialize);
}

fn register(library: Option<Library>) -> PROV_DEVICE_RESULT {
    match plugin::register_library(library) {
        Ok(()) => OK,
        Err(reason) => refuse(ERROR, reason),
    }
}

/// Has security modules of all kinds come from a library, for what is made from now on. NULL: not
/// any more.
///
/// # Safety
///
/// NULL, or a table of functions that keep the rules in `dps.h` as long as the process lives; its
/// size is that of the caller's struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_register_library(
    library: *const LibraryInterface,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        if library.is_null() {
            return register(None);
        }
        let (least, base) = (LibraryInterface::FIRST_SIZE, LibraryInterface::default());
        // SAFETY: the caller's contract; every bit pattern of the size's bytes is the caller's.
        let Some(functions) = (unsafe { pointers::read_sized(library, least, base) }) else {
            return refuse(INVALID_ARG, "the size of the table is not set, or too small");
        };
        // SAFETY: the caller's contract.
        match unsafe { Library::new(functions) } {
            Ok(library) => register(Some(library)),
            Err(error) => refuse(INVALID_ARG, error.to_string()),
        }
    })
}

/// Has security modules of all kinds come from a shared object, which stays loaded. NULL: not any
/// more.
///
/// # Safety
///
/// NULL or a C string that names a shared object whose functions keep the rules in `dps.h`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_load(path: *const c_char) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        if path.is_null() {
            return register(None);
        }
        // SAFETY: the caller's contract. No lock is held: loading runs code.
        match unsafe { load(path) } {
            Ok(library) => register(Some(library)),
            Err(reason) => refuse(ERROR, reason),
        }
    })
}

/// # Safety
///
/// As for `dps_hsm_load`, and not NULL.
#[cfg(unix)]
unsafe fn load(path: *const c_char) -> Result<Library, String> {
    // SAFETY: a C string.
    let object = unsafe { libc::dlopen(path, libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if object.is_null() {
        // SAFETY: NULL, or a text that lives until the next such call of this thread.
        let reason = unsafe { pointers::text(libc::dlerror()) };
        return Err(reason.unwrap_or_else(|| "the shared object cannot be loaded".into()));
    }
    let names = [
        c"hsm_client_x509_init",
        c"hsm_client_x509_deinit",
        c"hsm_client_tpm_init",
        c"hsm_client_tpm_deinit",
        c"hsm_client_tpm_interface",
        c"hsm_client_x509_interface",
        c"hsm_client_key_interface",
    ];
    // SAFETY: the object is loaded, and the names are C strings.
    let found = names.map(|name| unsafe { libc::dlsym(object, name.as_ptr()) });
    let [x509_init, x509_deinit, tpm_init, tpm_deinit, tpm, x509, key] = found;
    // SAFETY: NULL is none, and what has these names is a function of this type.
    let library = unsafe {
        Library::new(LibraryInterface {
            size: size_of::<LibraryInterface>(),
            x509_init: function(x509_init),
            x509_deinit: function(x509_deinit),
            tpm_init: function(tpm_init),
            tpm_deinit: function(tpm_deinit),
            tpm_interface: function(tpm),
            x509_interface: function(x509),
            key_interface: function(key),
        })
    };
    library.map_err(|error| {
        // SAFETY: the path is a C string; nothing of the object is in use.
        let path = unsafe {
            libc::dlclose(object);
            pointers::text(path)
        };
        format!("{}: {error}", path.unwrap_or_default())
    })
}

/// What a shared object has under the name of a function. NULL is none.
///
/// # Safety
///
/// `F` is an `Option` of the function's type.
#[cfg(unix)]
unsafe fn function<F>(symbol: *mut c_void) -> F {
    // SAFETY: this function's contract; pointers to functions and to data have one size on unix.
    unsafe { core::mem::transmute_copy(&symbol) }
}

/// # Safety
///
/// None.
#[cfg(not(unix))]
unsafe fn load(_: *const c_char) -> Result<Library, String> {
    Err("shared objects cannot be loaded on this system; register the library's functions".into())
}
