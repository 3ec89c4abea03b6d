//! The same in a build without a TPM of its own: all of it says what is missing.

use super::{NOT_BUILT_IN, Tpm};
use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR as ERROR;
use crate::failure::Failure;

/// Whether this build can drive a TPM by itself.
pub(crate) const BUILT_IN: bool = false;

const REASON: &str = "this library was built without a TPM of its own; set the CMake option hsm_type_sastoken to ON (cargo feature tpm) and build it again";

pub(crate) fn open() -> Result<Tpm, Failure> {
    Err(Failure::usage(ERROR, NOT_BUILT_IN))
}

pub(crate) fn set_tcti(_: Option<String>) -> Result<(), String> {
    Err(REASON.into())
}
