//! The same functions in a build without PKCS#11: each says what is missing.

use crate::arguments::{Pkcs11List, TokenOptions};
use crate::exit;
use crate::failure::Failure;
use dps_client::RegistrationId;
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;

/// None can be had.
pub(crate) type TokenKey = SymmetricKeyHsm;

fn missing() -> Failure {
    Failure::new(exit::CONFIG, "this dps was built without PKCS#11")
        .remedy("build one that has it: cargo build -p dps-cli --features pkcs11")
}

pub(crate) fn symmetric_key(
    _: RegistrationId,
    _: &str,
    _: &TokenOptions,
) -> Result<TokenKey, Failure> {
    Err(missing())
}

pub(crate) fn x509(_: &[u8], _: &str, _: &TokenOptions) -> Result<X509Hsm, Failure> {
    Err(missing())
}

pub(crate) fn x509_from_token(_: &str, _: &str, _: &TokenOptions) -> Result<X509Hsm, Failure> {
    Err(missing())
}

pub(crate) fn list(_: &Pkcs11List) -> Result<(), Failure> {
    Err(missing())
}
