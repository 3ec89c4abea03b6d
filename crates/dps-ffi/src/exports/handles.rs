//! What the two kinds of clients have in common: the handles, and making one.
#![allow(unsafe_code)]

use super::transport::known;
use crate::abi::{PROV_DEVICE_RESULT, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION, SECURE_DEVICE_TYPE};
use crate::failure::{of_thread, refuse};
use crate::plugin;
use crate::pointers;
use crate::registry::Registry;
use crate::security::{Side, security};
use crate::session::Session;
use crate::threaded::Threaded;
use core::ffi::c_char;
use dps_client::dps_core::Attestation;

use PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG;

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
    let Some(transport) = known(unsafe { protocol() }) else {
        refuse(INVALID_ARG, "the transport does not belong to this library");
        return None;
    };
    let is_tpm = security().kind(Side::Provisioning) == SECURE_DEVICE_TYPE::TPM;
    if is_tpm && !transport.supports(Attestation::Tpm) {
        refuse(
            PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR,
            "the service takes trusted platform modules over HTTP and AMQP only, not over MQTT",
        );
        return None;
    }
    match plugin::proof(Side::Provisioning) {
        Ok(proof) => {
            // What failed before on this thread is no longer why Create gave NULL.
            of_thread(|last| last.clear());
            Some(Session::new(uri, scope, transport, proof))
        }
        Err(failure) => {
            of_thread(|last| last.set(failure));
            None
        }
    }
}
