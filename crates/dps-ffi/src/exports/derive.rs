//! `dps/dps.h`: keys of devices in an enrollment group (`wire-protocol.md` section 1.5).
#![allow(unsafe_code)]

use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG;
use crate::failure::refuse;
use crate::guard::guard;
use crate::pointers;
use core::ffi::c_char;
use core::ptr;
use dps_client::{RegistrationId, SymmetricKey};
use zeroize::Zeroizing;

/// The key in base64 that a device of a group has, to be freed with `free`. NULL when an argument
/// is NULL, no key or no registration id.
///
/// # Safety
///
/// Each argument is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_derive_device_key(
    group_key_base64: *const c_char,
    registration_id: *const c_char,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let (key, id) = unsafe {
            (pointers::text(group_key_base64).map(Zeroizing::new), pointers::text(registration_id))
        };
        match derive(key, id) {
            Ok(key) => pointers::give_text(key.as_bytes()),
            Err(reason) => {
                refuse(INVALID_ARG, reason);
                ptr::null_mut()
            }
        }
    })
}

fn derive(key: Option<Zeroizing<String>>, id: Option<String>) -> Result<Zeroizing<String>, String> {
    let (Some(key), Some(id)) = (key, id) else {
        return Err("the group's key or the registration id is NULL".into());
    };
    let key = SymmetricKey::from_base64(&key).map_err(|error| error.to_string())?;
    let id = RegistrationId::new(id).map_err(|error| error.to_string())?;
    Ok(key.derive(&id).to_base64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::of_thread;
    use std::ffi::CStr;

    const GROUP: &CStr =
        c"8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";

    fn derived(key: *const c_char, id: *const c_char) -> Option<String> {
        // SAFETY: the tests give NULL or C strings; what comes back is one from malloc, or NULL.
        unsafe {
            let text = dps_derive_device_key(key, id);
            let copy = pointers::text(text);
            libc::free(text.cast());
            copy
        }
    }

    /// `wire-protocol.md` section 1.5, K1 to K3.
    #[test]
    fn the_published_keys_come_out() {
        for (id, expected) in [
            (
                c"sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
                "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=",
            ),
            (c"contoso-simdevice", "MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4="),
            (c"Dev:1.a_b-c", "KqbW796YuZh8WJ+Imw7W1ynitiiqe49bmOSEp2EdUyE="),
        ] {
            assert_eq!(derived(GROUP.as_ptr(), id.as_ptr()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_key_or_no_id_gives_null_and_the_reason() {
        for (key, id, reason) in [
            (ptr::null(), c"device".as_ptr(), "NULL"),
            (GROUP.as_ptr(), ptr::null(), "NULL"),
            (c"hidden, no base64".as_ptr(), c"device".as_ptr(), "base64"),
            (GROUP.as_ptr(), c"a device".as_ptr(), "registration id"),
            (GROUP.as_ptr(), c"".as_ptr(), "registration id"),
        ] {
            assert_eq!(derived(key, id), None);
            let line = of_thread(|last| last.line());
            // SAFETY: lives until this thread's next call.
            let line = unsafe { CStr::from_ptr(line.unwrap()) }.to_str().unwrap();
            assert!(line.contains(reason) && !line.contains("hidden"), "{line}");
        }
    }
}
