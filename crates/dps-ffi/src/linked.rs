//! The library of security modules that the program is linked with, if it is (`c-abi.md` section 5,
//! "Linking").
#![allow(unsafe_code)]

use dps_hsm_custom::{Library, LibraryInterface, PluginError};

/// The library whose functions are linked with this one, if they are. What it lacks is named.
#[cfg(dps_linked_hsm)]
pub(crate) fn library() -> Option<Result<Library, PluginError>> {
    unsafe extern "C" {
        /// In `c/linked_hsm.c`, since Rust has no weak references.
        fn dps_linked_hsm(library: *mut LibraryInterface) -> core::ffi::c_int;
    }
    let mut functions = LibraryInterface::default();
    // SAFETY: it fills in the table.
    match unsafe { dps_linked_hsm(&raw mut functions) } {
        0 => return None,
        2 => return Some(Err(PluginError::BuiltInNames)),
        _ => {}
    }
    // SAFETY: who links functions of these names has made them for this use.
    Some(unsafe { Library::new(functions) })
}

/// Where linkers have no weak references, none.
#[cfg(not(dps_linked_hsm))]
pub(crate) fn library() -> Option<Result<Library, PluginError>> {
    None
}
