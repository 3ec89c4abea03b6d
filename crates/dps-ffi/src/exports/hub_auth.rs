//! `internal/iothub_auth_client.h` (`c-abi.md` section 1.6): what the hub client needs of the
//! provisioning libraries.
#![allow(unsafe_code)]

use crate::abi::{
    CREDENTIAL_RESULT, DEVICE_AUTH_CREDENTIAL_INFO, DEVICE_AUTH_TYPE, DEVICE_AUTH_X509_RESULT,
    IOTHUB_SECURITY_HANDLE, PROV_DEVICE_RESULT,
};
use crate::failure::{of_thread, refuse};
use crate::guard::guard;
use crate::hub_auth::{Credentials, HubAuth, TokenRequest};
use crate::plugin;
use crate::pointers;
use crate::registry::Registry;
use crate::security::Side;
use core::ptr;
use std::sync::Arc;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_MEMORY as MEMORY,
};

static HUB_AUTHS: Registry<HubAuth> = Registry::new();

/// Makes a source of credentials from what `iothub_security_*` or `prov_dev_*` was told. NULL when
/// the kind is not chosen, or the key is missing.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_device_auth_create() -> IOTHUB_SECURITY_HANDLE {
    guard(ptr::null_mut(), || match plugin::proof(Side::Hub) {
        Ok(proof) => pointers::handle(HUB_AUTHS.add(Arc::new(HubAuth::new(proof)))),
        Err(failure) => {
            of_thread(|last| last.set(failure));
            ptr::null_mut()
        }
    })
}

/// Ends the handle's life, and that of the texts it gave. Others are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_device_auth_destroy(handle: IOTHUB_SECURITY_HANDLE) {
    guard((), || drop(HUB_AUTHS.remove(pointers::handle_number(handle))));
}

/// The kind of credentials; unknown for a handle that is not alive.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_device_auth_get_type(handle: IOTHUB_SECURITY_HANDLE) -> DEVICE_AUTH_TYPE {
    guard(DEVICE_AUTH_TYPE::UNKNOWN, || {
        let auth = HUB_AUTHS.get(pointers::handle_number(handle));
        auth.map_or(DEVICE_AUTH_TYPE::UNKNOWN, |auth| auth.kind())
    })
}

/// Makes credentials. The struct is the caller's to `free`; the texts in it are the handle's, and
/// live until the next call or Destroy. NULL on failure.
///
/// # Safety
///
/// `dev_auth_cred` is NULL or points to the struct, whose texts are NULL or C strings. It is not
/// looked at for certificates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_device_auth_generate_credentials(
    handle: IOTHUB_SECURITY_HANDLE,
    dev_auth_cred: *const DEVICE_AUTH_CREDENTIAL_INFO,
) -> *mut CREDENTIAL_RESULT {
    guard(ptr::null_mut(), || {
        let refused = |result, reason: String| {
            refuse(result, reason);
            ptr::null_mut()
        };
        let Some(auth) = HUB_AUTHS.get(pointers::handle_number(handle)) else {
            return refused(INVALID_ARG, "the handle is not alive".into());
        };
        let made = if auth.gives_tokens() {
            // SAFETY: the caller's contract.
            match unsafe { token_request(dev_auth_cred) } {
                Ok(request) => auth.sas_token(&request),
                Err(reason) => return refused(INVALID_ARG, reason.into()),
            }
        } else {
            auth.certificate()
        };
        match made {
            Ok(Credentials { first, second }) => {
                let result = pointers::allocate(CREDENTIAL_RESULT {
                    dev_auth_type: auth.kind(),
                    auth_cred_result: DEVICE_AUTH_X509_RESULT {
                        x509_cert: first,
                        x509_alias_key: second,
                    },
                });
                if result.is_null() {
                    return refused(MEMORY, "out of memory".into());
                }
                result
            }
            Err(reason) => refused(ERROR, reason),
        }
    })
}

/// # Safety
///
/// As for `iothub_device_auth_generate_credentials`.
unsafe fn token_request(
    info: *const DEVICE_AUTH_CREDENTIAL_INFO,
) -> Result<TokenRequest, &'static str> {
    // SAFETY: the caller's contract; every bit pattern is a valid struct.
    let Some(info) = (unsafe { pointers::value::<DEVICE_AUTH_CREDENTIAL_INFO>(info.cast()) })
    else {
        return Err("what the token is for is NULL");
    };
    if ![DEVICE_AUTH_TYPE::SAS, DEVICE_AUTH_TYPE::SYMM_KEY].contains(&info.dev_auth_type) {
        return Err("dev_auth_type is neither AUTH_TYPE_SAS nor AUTH_TYPE_SYMM_KEY");
    }
    let sas = info.sas_info;
    // SAFETY: the caller's contract.
    let (scope, key_name) =
        unsafe { (pointers::bytes(sas.token_scope), pointers::bytes(sas.key_name)) };
    let scope = String::from_utf8(scope.ok_or("token_scope is NULL")?)
        .map_err(|_| "token_scope is not UTF-8")?;
    let key_name = key_name.map(String::from_utf8).transpose();
    let key_name = key_name.map_err(|_| "key_name is not UTF-8")?;
    Ok(TokenRequest { scope, expiry: sas.expiry_seconds, key_name: key_name.unwrap_or_default() })
}
