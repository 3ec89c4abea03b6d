//! The same in a build without PKCS#11: all of it says what is missing.

use super::PinGiver;
use dps_client::{Error, ErrorKind, RegistrationId, Stage};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use std::path::PathBuf;

const REASON: &str = "this library was built without PKCS#11; set the CMake option DPS_PKCS11 to ON (cargo feature pkcs11) and build it again";

/// Whether the option `Engine` may be "pkcs11"; if not, why.
pub(crate) const ENGINE: Result<(), &str> = Err(REASON);

/// None can be had.
pub(crate) type TokenKey = SymmetricKeyHsm;

/// Where one would be kept.
pub(crate) type Place = Option<TokenKey>;

fn missing() -> Error {
    Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(REASON)
}

pub(crate) fn x509(_: &[u8], _: &str) -> Result<X509Hsm, Error> {
    Err(missing())
}

pub(crate) fn key(_: RegistrationId, _: &str, _: &Place) -> Result<TokenKey, Error> {
    Err(missing())
}

pub(crate) fn set_module(_: Option<PathBuf>) -> Result<(), &'static str> {
    ENGINE
}

pub(crate) fn set_pin_callback(_: Option<PinGiver>) -> Result<(), &'static str> {
    ENGINE
}
