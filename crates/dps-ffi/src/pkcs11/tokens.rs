//! Keys in PKCS#11 tokens, by dps-hsm-pkcs11.

use super::PinGiver;
use crate::callbacks::ask_for_pin;
use crate::patience;
use dps_client::{Attestation, Error, ErrorKind, Hsm, HsmError, Mac, RegistrationId, Stage};
use dps_hsm_pkcs11::{Access, PinSource, Pkcs11Error, Pkcs11SymmetricKey, Pkcs11Uri};
use dps_hsm_x509::X509Hsm;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether the option `Engine` may be "pkcs11"; if not, why.
pub(crate) const ENGINE: Result<(), &str> = Ok(());

/// A symmetric key on a token. Looked for when it is to sign, which no caller waits for then.
pub(crate) struct TokenKey {
    id: RegistrationId,
    uri: Pkcs11Uri,
    access: Access,
    place: Place,
}

/// A key that was found, for the registrations of one handle: where one of them is still at a token
/// that hangs, the next does not go there as well.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<Mutex<Option<Pkcs11SymmetricKey>>>);

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
pub(crate) fn key(id: RegistrationId, uri: &str, place: &Place) -> Result<TokenKey, Error> {
    Ok(TokenKey { id, uri: parse(uri)?, access: access(), place: place.clone() })
}

impl Hsm for TokenKey {
    fn attestation(&self) -> Attestation {
        Attestation::SymmetricKey
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(Some(self.id.clone()))
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        let failed =
            |reason| HsmError::Failed { operation: "find the secret key in the token", reason };
        let mut place =
            patience::lock(&self.place.0).ok_or_else(|| failed(patience::REASON.into()))?;
        let mut key = match place.take() {
            Some(key) => key,
            None => Pkcs11SymmetricKey::find(self.id.clone(), &self.uri, &self.access)
                .map_err(|error| failed(error.to_string()))?,
        };
        let mac = key.sign(data)?;
        // One that has failed is looked for anew.
        *place = Some(key);
        Ok(mac)
    }
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
