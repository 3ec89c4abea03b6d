//! `dps/dps.h`: registering security modules of others.
#![allow(unsafe_code)]

use crate::abi::PROV_DEVICE_RESULT;
use crate::failure::refuse;
use crate::guard::guard;
use crate::plugin::Certified;
use crate::pointers;
use crate::security::security;
use dps_hsm_custom::{
    KeyInterface, PluginError, Purpose, SignerInterface, TpmInterface, X509Interface,
};

const FIRST_SIZE: usize = SignerInterface::FIRST_SIZE;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_OK as OK,
};

/// Has symmetric keys come from a plug-in, for what is created from now on. NULL: not any more.
///
/// # Safety
///
/// NULL, or a table of functions that keep the rules in `dps.h` as long as the process lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_register_symmetric_key(
    hsm: *const KeyInterface,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        // SAFETY: the caller's contract.
        let table = unsafe { pointers::value::<KeyInterface>(hsm.cast()) };
        let check = table.as_ref().map(|table| table.check(Purpose::Hub));
        checked(check, || security().register_key(table))
    })
}

/// Has certificates and their keys come from a plug-in, for what is created from now on. NULL: not
/// any more.
///
/// # Safety
///
/// As for `dps_hsm_register_symmetric_key`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_register_x509(hsm: *const X509Interface) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        // SAFETY: the caller's contract.
        let table = unsafe { pointers::value::<X509Interface>(hsm.cast()) };
        checked(table.as_ref().map(|table| table.check(Purpose::Hub)), || {
            security().register_x509(table.map(Certified::Pem));
        })
    })
}

/// Has certificates come from a plug-in that signs and keeps its key, for what is created from now
/// on. NULL: not any more.
///
/// # Safety
///
/// As for `dps_hsm_register_symmetric_key`; the table's size is that of the caller's struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_register_x509_signer(
    hsm: *const SignerInterface,
) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        if hsm.is_null() {
            return checked(None, || security().register_x509(None));
        }
        // SAFETY: the caller's contract; every bit pattern of the size's bytes is the caller's.
        let table = unsafe { pointers::read_sized(hsm, FIRST_SIZE, SignerInterface::default()) };
        let Some(table) = table else {
            return refuse(INVALID_ARG, "the size of the table is not set, or too small");
        };
        checked(Some(table.check()), || {
            security().register_x509(Some(Certified::Signer(table)));
        })
    })
}

/// Has trusted platform modules be a plug-in's, for what is created from now on. NULL: not any more.
///
/// # Safety
///
/// As for `dps_hsm_register_symmetric_key`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dps_hsm_register_tpm(hsm: *const TpmInterface) -> PROV_DEVICE_RESULT {
    guard(ERROR, || {
        // SAFETY: the caller's contract.
        let table = unsafe { pointers::value::<TpmInterface>(hsm.cast()) };
        let check = table.as_ref().map(|table| table.check(Purpose::Hub));
        checked(check, || security().register_tpm(table))
    })
}

/// What both sides miss is refused here; what only a registration calls, when a client is created.
fn checked(check: Option<Result<(), PluginError>>, register: impl FnOnce()) -> PROV_DEVICE_RESULT {
    match check {
        Some(Err(error)) => refuse(INVALID_ARG, error.to_string()),
        _ => {
            register();
            OK
        }
    }
}
