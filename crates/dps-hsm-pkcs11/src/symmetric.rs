//! Symmetric keys on tokens.

use crate::held::{Held, UseError};
use crate::object::{self, Kind, Object};
use crate::token::{Access, Token};
use crate::{Pkcs11Error, Pkcs11Uri};
use core::fmt;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{AttributeType, KeyType};
use cryptoki::session::Session;
use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId};
use std::sync::Arc;

const OPERATION: &str = "sign with the secret key in the token";

/// A symmetric key on a token, which signs SAS tokens by `CKM_SHA256_HMAC`: the key of an
/// individual enrollment, or a device key that was derived elsewhere.
///
/// Found once and held with its session, as [`Pkcs11Key`](crate::Pkcs11Key) is. Clones share it.
#[derive(Clone)]
pub struct Pkcs11SymmetricKey {
    registration_id: RegistrationId,
    held: Arc<Held<()>>,
}

impl Pkcs11SymmetricKey {
    /// Finds the one secret key that matches the URI.
    ///
    /// # Errors
    ///
    /// [`Pkcs11Error`].
    pub fn find(
        registration_id: RegistrationId,
        uri: &Pkcs11Uri,
        access: &Access,
    ) -> Result<Self, Pkcs11Error> {
        object::check_kind(uri, Kind::SecretKey)?;
        let asked = uri.clone();
        let held = Held::new(
            uri,
            access,
            Box::new(move |_, session, token| Ok((choose(&asked, session, token)?, ()))),
        )?;
        Ok(Self { registration_id, held: Arc::new(held) })
    }
}

fn choose(uri: &Pkcs11Uri, session: &Session, token: &Token) -> Result<Object, Pkcs11Error> {
    let mut keys = object::find(session, uri, Kind::SecretKey)?;
    match (keys.pop(), keys.as_slice()) {
        (Some(only), []) => {
            let unsuitable =
                |reason: String| Err(Pkcs11Error::Unsuitable { key: only.name(), reason });
            match object::key_type(session, &only)? {
                Some(KeyType::GENERIC_SECRET | KeyType::SHA256_HMAC) | None => {}
                Some(other) => {
                    return unsuitable(format!(
                        "it is of the type {other}; SAS tokens take CKK_GENERIC_SECRET or CKK_SHA256_HMAC"
                    ));
                }
            }
            if object::flag(session, &only, AttributeType::Sign)? == Some(false) {
                return unsuitable("it may not sign: CKA_SIGN is false".to_owned());
            }
            Ok(only)
        }
        (Some(last), others) => {
            let mut all = others.to_vec();
            all.push(last);
            Err(Pkcs11Error::SeveralObjects {
                what: Kind::SecretKey.name(),
                token: token.label(),
                uri: uri.path(),
                candidates: object::names(&all),
            })
        }
        (None, _) => Err(object::missing(session, token, uri, Kind::SecretKey)),
    }
}

impl Hsm for Pkcs11SymmetricKey {
    fn attestation(&self) -> Attestation {
        Attestation::SymmetricKey
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(Some(self.registration_id.clone()))
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        let mac = self
            .held
            .with(OPERATION, |_, open| {
                let mac = open.sign(&Mechanism::Sha256Hmac, data)?;
                <[u8; 32]>::try_from(mac).map_err(|_| {
                    let reason = "what it gives is no HMAC-SHA256".to_owned();
                    UseError::Other(Pkcs11Error::Unsuitable { key: open.name(), reason })
                })
            })
            .map_err(|error| error.while_trying(OPERATION))?;
        Ok(Mac::new(mac))
    }
}

impl fmt::Debug for Pkcs11SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11SymmetricKey")
            .field("registration_id", &self.registration_id)
            .field("key", &self.held)
            .finish()
    }
}
