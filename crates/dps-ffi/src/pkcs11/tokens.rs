//! Keys in PKCS#11 tokens, by dps-hsm-pkcs11.

use super::PinGiver;
use crate::callbacks::ask_for_pin;
use dps_client::{Error, ErrorKind, RegistrationId, Stage};
use dps_hsm_pkcs11::{Access, PinSource, Pkcs11Error, Pkcs11SymmetricKey, Pkcs11Uri};
use dps_hsm_x509::X509Hsm;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether the option `Engine` may be "pkcs11"; if not, why.
pub(crate) const ENGINE: Result<(), &str> = Ok(());

/// A symmetric key on a token.
pub(crate) type TokenKey = Pkcs11SymmetricKey;

/// The PIN, when no function gives it.
const PIN_VARIABLE: &str = "PKCS11_PIN";

/// What the program has said, for the whole process.
struct Told {
    module: Option<PathBuf>,
    pin: Option<PinGiver>,
}

static TOLD: Mutex<Told> = Mutex::new(Told { module: None, pin: None });

fn told() -> MutexGuard<'static, Told> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The chain in PEM, with the key that the URI names.
pub(crate) fn x509(certificate: &[u8], key: &str) -> Result<X509Hsm, Error> {
    let key = parse(key)?;
    dps_hsm_pkcs11::x509(certificate, &key, &access()).map_err(|error| unusable(&error))
}

/// The symmetric key that the URI names.
pub(crate) fn key(id: RegistrationId, uri: &str) -> Result<TokenKey, Error> {
    let uri = parse(uri)?;
    Pkcs11SymmetricKey::find(id, &uri, &access()).map_err(|error| unusable(&error))
}

pub(crate) fn set_module(path: Option<PathBuf>) -> Result<(), &'static str> {
    told().module = path;
    Ok(())
}

pub(crate) fn set_pin_callback(giver: Option<PinGiver>) -> Result<(), &'static str> {
    told().pin = giver;
    Ok(())
}

fn access() -> Access {
    let told = told();
    let access = match &told.module {
        Some(path) => Access::new().module(path),
        None => Access::new(),
    };
    match told.pin {
        Some(giver) => access.pin(PinSource::callback(move |token| ask_for_pin(giver, token))),
        None if std::env::var_os(PIN_VARIABLE).is_some_and(|pin| !pin.is_empty()) => {
            access.pin(PinSource::variable(PIN_VARIABLE))
        }
        None => access,
    }
}

fn parse(uri: &str) -> Result<Pkcs11Uri, Error> {
    Pkcs11Uri::parse(uri).map_err(|error| unusable(&error.into()))
}

fn unusable(error: &Pkcs11Error) -> Error {
    Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(error.to_string())
}
