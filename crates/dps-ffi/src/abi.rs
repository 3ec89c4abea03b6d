//! The types of the C interface, under their C names.
//!
//! The hand-written headers define them for C; `include/dps/dps_abi.h` leaves them out.
#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use core::ffi::{c_char, c_int, c_void};
use dps_client::Transport;
use dps_hsm_custom::{KeyInterface, TpmInterface, X509Interface};

/// Result of most functions, and of a registration (`c-abi.md` section 1.1).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PROV_DEVICE_RESULT {
    PROV_DEVICE_RESULT_OK,
    PROV_DEVICE_RESULT_INVALID_ARG,
    PROV_DEVICE_RESULT_SUCCESS,
    PROV_DEVICE_RESULT_MEMORY,
    PROV_DEVICE_RESULT_PARSING,
    PROV_DEVICE_RESULT_TRANSPORT,
    PROV_DEVICE_RESULT_INVALID_STATE,
    PROV_DEVICE_RESULT_DEV_AUTH_ERROR,
    PROV_DEVICE_RESULT_TIMEOUT,
    PROV_DEVICE_RESULT_KEY_ERROR,
    PROV_DEVICE_RESULT_ERROR,
    PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED,
    PROV_DEVICE_RESULT_UNAUTHORIZED,
    PROV_DEVICE_RESULT_DISABLED,
}

/// News on the way to an assignment. Only CONNECTED and ASSIGNING are ever delivered.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PROV_DEVICE_REG_STATUS {
    PROV_DEVICE_REG_STATUS_CONNECTED,
    PROV_DEVICE_REG_STATUS_REGISTERING,
    PROV_DEVICE_REG_STATUS_ASSIGNING,
    PROV_DEVICE_REG_STATUS_ASSIGNED,
    PROV_DEVICE_REG_STATUS_ERROR,
    PROV_DEVICE_REG_HUB_NOT_SPECIFIED,
}

/// The kind of proof. Not a Rust enum, because C callers can pass any number.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SECURE_DEVICE_TYPE(pub u32);

impl SECURE_DEVICE_TYPE {
    /// Not chosen.
    pub const UNKNOWN: Self = Self(0);
    /// A trusted platform module.
    pub const TPM: Self = Self(1);
    /// A certificate.
    pub const X509: Self = Self(2);
    /// The edge runtime's workload interface.
    pub const HTTP_EDGE: Self = Self(3);
    /// A shared key.
    pub const SYMMETRIC_KEY: Self = Self(4);
}

/// The kind of proof of the hub client. Not a Rust enum, because C callers can pass any number.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IOTHUB_SECURITY_TYPE(pub u32);

impl IOTHUB_SECURITY_TYPE {
    /// Not chosen.
    pub const UNKNOWN: Self = Self(0);

    /// The same kind as a provisioning client's: the numbers are the same.
    pub(crate) fn as_device_type(self) -> SECURE_DEVICE_TYPE {
        SECURE_DEVICE_TYPE(self.0)
    }

    /// The reverse.
    pub(crate) fn of_device_type(kind: SECURE_DEVICE_TYPE) -> Self {
        Self(kind.0)
    }
}

/// What a low-level handle seems to point to.
#[repr(C)]
#[derive(Debug)]
pub struct PROV_INSTANCE_INFO_TAG {
    _opaque: [u8; 0],
}

/// What a threaded handle seems to point to.
#[repr(C)]
#[derive(Debug)]
pub struct PROV_DEVICE_INSTANCE_TAG {
    _opaque: [u8; 0],
}

/// What a handle of the hub client's credentials seems to point to.
#[repr(C)]
#[derive(Debug)]
pub struct IOTHUB_SECURITY_INFO_TAG {
    _opaque: [u8; 0],
}

/// A transport. C sees it as opaque; its address is all that counts.
#[repr(C)]
#[derive(Debug)]
pub struct PROV_DEVICE_TRANSPORT_PROVIDER {
    pub(crate) transport: Transport,
}

/// Handle of the low-level client.
pub type PROV_DEVICE_LL_HANDLE = *mut PROV_INSTANCE_INFO_TAG;
/// Handle of the threaded client.
pub type PROV_DEVICE_HANDLE = *mut PROV_DEVICE_INSTANCE_TAG;

/// What a handle of `prov_auth_*` seems to point to.
#[repr(C)]
#[derive(Debug)]
pub struct PROV_AUTH_INFO_TAG {
    _opaque: [u8; 0],
}

/// Handle of `prov_auth_*`.
pub type PROV_AUTH_HANDLE = *mut PROV_AUTH_INFO_TAG;

/// The kind of a `prov_auth_*` handle (`c-abi.md` section 1.1).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PROV_AUTH_TYPE {
    PROV_AUTH_TYPE_UNKNOWN,
    PROV_AUTH_TYPE_TPM,
    PROV_AUTH_TYPE_X509,
    PROV_AUTH_TYPE_KEY,
}

/// The library's own modules as tables, as `dps.h` documents it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DPS_HSM_BUILT_IN {
    pub size: usize,
    pub key: KeyInterface,
    pub x509: X509Interface,
    pub tpm: TpmInterface,
    pub x509_set_certificate: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
    pub x509_set_key: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
    pub x509_reset: Option<unsafe extern "C" fn()>,
}

/// Handle of the hub client's credentials.
pub type IOTHUB_SECURITY_HANDLE = *mut IOTHUB_SECURITY_INFO_TAG;

/// Tells the outcome.
pub type PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK =
    Option<unsafe extern "C" fn(PROV_DEVICE_RESULT, *const c_char, *const c_char, *mut c_void)>;
/// Tells news on the way.
pub type PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK =
    Option<unsafe extern "C" fn(PROV_DEVICE_REG_STATUS, *mut c_void)>;
/// Names a transport.
pub type PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION =
    Option<unsafe extern "C" fn() -> *const PROV_DEVICE_TRANSPORT_PROVIDER>;

/// What the option `proxy_data` points to (`c-abi.md` section 2.1).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct HTTP_PROXY_OPTIONS {
    pub host_address: *const c_char,
    pub port: c_int,
    pub username: *const c_char,
    pub password: *const c_char,
}

/// The kind of credentials a hub client gets (`c-abi.md` section 1.6). Not a Rust enum, because C
/// callers can pass any number.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DEVICE_AUTH_TYPE(pub u32);

impl DEVICE_AUTH_TYPE {
    /// None.
    pub const UNKNOWN: Self = Self(0);
    /// Tokens.
    pub const SAS: Self = Self(1);
    /// A certificate.
    pub const X509: Self = Self(2);
    /// Tokens signed with a shared key.
    pub const SYMM_KEY: Self = Self(3);
}

/// What a token is for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DEVICE_AUTH_SAS_INFO {
    pub expiry_seconds: u64,
    pub token_scope: *const c_char,
    pub key_name: *const c_char,
}

/// What credentials are asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DEVICE_AUTH_CREDENTIAL_INFO {
    pub dev_auth_type: DEVICE_AUTH_TYPE,
    pub sas_info: DEVICE_AUTH_SAS_INFO,
}

/// A certificate and its key.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DEVICE_AUTH_X509_RESULT {
    pub x509_cert: *const c_char,
    pub x509_alias_key: *const c_char,
}

/// Credentials. In C, `auth_cred_result` is a union of this and of `DEVICE_AUTH_SAS_RESULT`, which
/// has the token where this has the certificate.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CREDENTIAL_RESULT {
    pub dev_auth_type: DEVICE_AUTH_TYPE,
    pub auth_cred_result: DEVICE_AUTH_X509_RESULT,
}

/// A failure, as `dps.h` documents it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DPS_FAILURE {
    pub size: usize,
    pub result: PROV_DEVICE_RESULT,
    pub transient: i32,
    pub stage: *const c_char,
    pub text: *const c_char,
    pub hint: *const c_char,
    pub service_status: u32,
    pub service_error_code: u32,
    pub service_message: *const c_char,
    pub service_tracking_id: *const c_char,
    pub service_time: *const c_char,
}

/// How patient a registration is, as `dps.h` documents it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DPS_POLICY {
    pub size: usize,
    pub deadline_ms: u32,
    pub silence_ms: u32,
    pub max_connections: u32,
    pub poll_interval_ms: u32,
    pub token_lifetime_s: u32,
    pub conservative: u32,
    pub all_statuses: u32,
    pub key_errors: u32,
    pub uniform_results: u32,
    pub reserved: u32,
}

// The sizes that the first published headers had; members are only ever added at the end, so
// these never change.
impl DPS_FAILURE {
    pub(crate) const FIRST_SIZE: usize =
        core::mem::offset_of!(DPS_FAILURE, service_time) + size_of::<*const c_char>();
}

impl DPS_POLICY {
    pub(crate) const FIRST_SIZE: usize =
        core::mem::offset_of!(DPS_POLICY, conservative) + size_of::<u32>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    /// `tests/c/abi_layout.c` asserts the same numbers about the C headers.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn layouts_are_those_of_the_headers() {
        assert_eq!(size_of::<PROV_DEVICE_RESULT>(), 4);
        assert_eq!(size_of::<PROV_DEVICE_REG_STATUS>(), 4);
        assert_eq!(size_of::<SECURE_DEVICE_TYPE>(), 4);
        assert_eq!(size_of::<IOTHUB_SECURITY_TYPE>(), 4);
        assert_eq!(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_DISABLED as u32, 13);
        assert_eq!(PROV_DEVICE_REG_STATUS::PROV_DEVICE_REG_HUB_NOT_SPECIFIED as u32, 5);

        assert_eq!(size_of::<HTTP_PROXY_OPTIONS>(), 32);
        assert_eq!(offset_of!(HTTP_PROXY_OPTIONS, port), 8);
        assert_eq!(offset_of!(HTTP_PROXY_OPTIONS, username), 16);
        assert_eq!(offset_of!(HTTP_PROXY_OPTIONS, password), 24);

        assert_eq!(size_of::<DEVICE_AUTH_SAS_INFO>(), 24);
        assert_eq!(offset_of!(DEVICE_AUTH_SAS_INFO, token_scope), 8);
        assert_eq!(offset_of!(DEVICE_AUTH_SAS_INFO, key_name), 16);
        assert_eq!(size_of::<DEVICE_AUTH_CREDENTIAL_INFO>(), 32);
        assert_eq!(offset_of!(DEVICE_AUTH_CREDENTIAL_INFO, sas_info), 8);
        assert_eq!(size_of::<DEVICE_AUTH_X509_RESULT>(), 16);
        assert_eq!(offset_of!(DEVICE_AUTH_X509_RESULT, x509_alias_key), 8);
        assert_eq!(size_of::<CREDENTIAL_RESULT>(), 24);
        assert_eq!(offset_of!(CREDENTIAL_RESULT, auth_cred_result), 8);

        assert_eq!(size_of::<DPS_HSM_BUILT_IN>(), 160);
        assert_eq!(offset_of!(DPS_HSM_BUILT_IN, tpm), 88);
        assert_eq!(offset_of!(DPS_HSM_BUILT_IN, x509_reset), 152);
        assert_eq!(PROV_AUTH_TYPE::PROV_AUTH_TYPE_KEY as u32, 3);

        assert_eq!(size_of::<DPS_FAILURE>(), 72);
        assert_eq!(offset_of!(DPS_FAILURE, result), 8);
        assert_eq!(offset_of!(DPS_FAILURE, transient), 12);
        assert_eq!(offset_of!(DPS_FAILURE, stage), 16);
        assert_eq!(offset_of!(DPS_FAILURE, text), 24);
        assert_eq!(offset_of!(DPS_FAILURE, hint), 32);
        assert_eq!(offset_of!(DPS_FAILURE, service_status), 40);
        assert_eq!(offset_of!(DPS_FAILURE, service_error_code), 44);
        assert_eq!(offset_of!(DPS_FAILURE, service_message), 48);
        assert_eq!(offset_of!(DPS_FAILURE, service_tracking_id), 56);
        assert_eq!(offset_of!(DPS_FAILURE, service_time), 64);

        assert_eq!(size_of::<DPS_POLICY>(), 48);
        assert_eq!(offset_of!(DPS_POLICY, deadline_ms), 8);
        assert_eq!(offset_of!(DPS_POLICY, silence_ms), 12);
        assert_eq!(offset_of!(DPS_POLICY, max_connections), 16);
        assert_eq!(offset_of!(DPS_POLICY, poll_interval_ms), 20);
        assert_eq!(offset_of!(DPS_POLICY, token_lifetime_s), 24);
        assert_eq!(offset_of!(DPS_POLICY, conservative), 28);
        assert_eq!(offset_of!(DPS_POLICY, all_statuses), 32);
        assert_eq!(offset_of!(DPS_POLICY, key_errors), 36);
        assert_eq!(offset_of!(DPS_POLICY, uniform_results), 40);
        assert_eq!(offset_of!(DPS_POLICY, reserved), 44);
        // A program that was built with the first header.
        assert_eq!(DPS_POLICY::FIRST_SIZE, 32);
    }
}
