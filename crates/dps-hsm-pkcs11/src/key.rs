//! Private keys on tokens.

use crate::error::failed;
use crate::held::{Held, Open, UseError};
use crate::object::{self, Kind, Object};
use crate::sign::{Way, way};
use crate::token::{Access, Token};
use crate::{Pkcs11Error, Pkcs11Uri};
use core::fmt;
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, AttributeType, KeyType};
use cryptoki::session::Session;
use dps_core::{ClientKey, HsmError, SignatureScheme};
use dps_hsm_x509::CertifiedKey;

const OPERATION: &str = "sign with the private key in the token";

/// A private key on a token, found once and held with its session.
///
/// When the session is lost, as when the token was taken out and put back, it is opened once more.
/// Use it from any number of threads; it signs one thing at a time.
pub struct Pkcs11Key {
    held: Held<About>,
    /// Those of the certificate's key that the token can do.
    schemes: Vec<SignatureScheme>,
    certified: CertifiedKey,
}

/// What is known of a key.
#[derive(Clone)]
struct About {
    /// Whether it wants the PIN for each signature.
    pin_each_time: bool,
    mechanisms: Vec<MechanismType>,
    /// Whether its public half is known to be the certificate's.
    is_certified: bool,
}

impl Pkcs11Key {
    /// Finds the private key of a certificate among those that match the URI. Of several, it is
    /// the one whose public half is the certificate's: by the key's own attributes, by the public
    /// key of the same `CKA_ID`, or, where a token tells neither, by a signature for trial.
    ///
    /// # Errors
    ///
    /// [`Pkcs11Error`], and [`Pkcs11Error::KeyMismatch`] when none is the certificate's.
    pub fn find(
        uri: &Pkcs11Uri,
        access: &Access,
        certified: &CertifiedKey,
    ) -> Result<Self, Pkcs11Error> {
        object::check_kind(uri, Kind::PrivateKey)?;
        let (wanted, asked) = (certified.clone(), uri.clone());
        let held = Held::new(
            uri,
            access,
            Box::new(move |module, session, token| choose(&asked, &wanted, module, session, token)),
        )?;
        let (schemes, is_certified, name) = held
            .look(|open| {
                let can = |scheme: &&SignatureScheme| open.about.way(**scheme).is_some();
                let schemes: Vec<_> = certified.schemes().iter().filter(can).copied().collect();
                (schemes, open.about.is_certified, open.name())
            })
            .unwrap_or_default();
        let Some(first) = schemes.first().copied() else {
            let reason = "the token cannot sign with it in any way that TLS takes";
            return Err(Pkcs11Error::Unsuitable { key: name, reason: reason.into() });
        };
        let key = Self { held, schemes, certified: certified.clone() };
        if !is_certified && !key.passes_trial(first)? {
            return Err(mismatch(uri, certified, name));
        }
        Ok(key)
    }

    /// Has it sign something, unless that takes a PIN of its own.
    fn passes_trial(&self, scheme: SignatureScheme) -> Result<bool, Pkcs11Error> {
        if self.held.look(|open| open.about.pin_each_time) == Some(true) {
            return Ok(true);
        }
        let signature = self.signature(scheme, TRIAL)?;
        Ok(self.certified.verifies(scheme, TRIAL, &signature))
    }

    fn signature(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        self.held.with(OPERATION, |held, open| open.about.sign(held, open, scheme, message))
    }
}

/// What keys sign to show whose they are.
const TRIAL: &[u8] = b"Is this the key of the certificate?";

impl About {
    fn way(&self, scheme: SignatureScheme) -> Option<Way> {
        way(scheme, &self.mechanisms, self.pin_each_time)
    }

    fn sign(
        &self,
        held: &Held<Self>,
        open: &Open<Self>,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, UseError> {
        let unsuitable = |reason: &str| {
            let key = open.name();
            UseError::Other(Pkcs11Error::Unsuitable { key, reason: reason.into() })
        };
        let way = self.way(scheme).ok_or_else(|| unsuitable("it does not sign so any more"))?;
        let input = way.input(message);
        let signature = if self.pin_each_time {
            open.sign_with_pin(held, &way.mechanism, &input)?
        } else {
            open.sign(&way.mechanism, &input)?
        };
        way.output(signature).ok_or_else(|| unsuitable("what it gives is no signature"))
    }
}

fn mismatch(uri: &Pkcs11Uri, certified: &CertifiedKey, candidates: String) -> Pkcs11Error {
    Pkcs11Error::KeyMismatch {
        uri: uri.path(),
        subject: certified.subject().to_owned(),
        candidates,
    }
}

fn choose(
    uri: &Pkcs11Uri,
    certified: &CertifiedKey,
    module: &Pkcs11,
    session: &Session,
    token: &Token,
) -> Result<(Object, About), Pkcs11Error> {
    let candidates = object::find(session, uri, Kind::PrivateKey)?;
    if candidates.is_empty() {
        return Err(object::missing(session, token, uri, Kind::PrivateKey));
    }
    let mechanisms = module
        .get_mechanism_list(token.slot)
        .map_err(|error| failed("list its mechanisms", &error))?;
    let about = |key: &Object, is_certified| {
        let always = object::flag(session, key, AttributeType::AlwaysAuthenticate)?;
        let mechanisms = mechanisms.clone();
        Ok::<_, Pkcs11Error>(About {
            pin_each_time: always == Some(true),
            mechanisms,
            is_certified,
        })
    };
    let mut unknown = Vec::new();
    for key in &candidates {
        match is_half_of(session, key, certified)? {
            Some(true) => return Ok((key.clone(), about(key, true)?)),
            Some(false) => {}
            None => unknown.push(key),
        }
    }
    if let [only] = unknown.as_slice() {
        // Tried when it is opened for the first time.
        return Ok(((*only).clone(), about(only, false)?));
    }
    for key in unknown {
        let of_key = about(key, true)?;
        if of_key.pin_each_time {
            continue;
        }
        let Some((scheme, way)) =
            certified.schemes().iter().find_map(|scheme| Some((*scheme, of_key.way(*scheme)?)))
        else {
            continue;
        };
        let signature = session.sign(&way.mechanism, key.handle, &way.input(TRIAL));
        if let Ok(signature) = signature
            && way.output(signature).is_some_and(|s| certified.verifies(scheme, TRIAL, &s))
        {
            return Ok((key.clone(), of_key));
        }
    }
    Err(mismatch(uri, certified, object::names(&candidates)))
}

/// Whether a private key belongs to a public one; nothing when the token does not tell.
fn is_half_of(
    session: &Session,
    key: &Object,
    certified: &CertifiedKey,
) -> Result<Option<bool>, Pkcs11Error> {
    let of_kind = if certified.modulus().is_some() { KeyType::RSA } else { KeyType::EC };
    if object::key_type(session, key)?.is_some_and(|kind| kind != of_kind) {
        return Ok(Some(false));
    }
    let of_key = public_half(session, key, certified)?;
    if of_key.is_some() || key.id.is_empty() {
        return Ok(of_key);
    }
    // The same id is what the standard joins the halves by (PKCS#11 section 4.8).
    let template = [Attribute::Class(Kind::PublicKey.class()), Attribute::Id(key.id.clone())];
    for public in object::matching(session, &template)? {
        if object::key_type(session, &public)? == Some(of_kind)
            && let Some(is_same) = public_half(session, &public, certified)?
            // Another one with this id says nothing about the private key.
            && is_same
        {
            return Ok(Some(true));
        }
    }
    Ok(None)
}

/// Compares a key object's public numbers with the certificate's, if it shows them.
fn public_half(
    session: &Session,
    key: &Object,
    certified: &CertifiedKey,
) -> Result<Option<bool>, Pkcs11Error> {
    let wanted = [AttributeType::Modulus, AttributeType::EcPoint];
    for attribute in object::attributes(session, key.handle, &wanted)? {
        match attribute {
            Attribute::Modulus(modulus) if !modulus.is_empty() => {
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                return Ok(Some(modulus.get(zeros..) == certified.modulus()));
            }
            Attribute::EcPoint(point) if !point.is_empty() => {
                let Some(wanted) = certified.point() else { return Ok(Some(false)) };
                // In an OCTET STRING, or, with some modules, without.
                return Ok(Some(point == wanted || point.get(2..) == Some(wanted)));
            }
            _ => {}
        }
    }
    Ok(None)
}

impl ClientKey for Pkcs11Key {
    fn schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if !self.schemes.contains(&scheme) {
            return Err(HsmError::NotSupported { operation: "sign under this scheme" });
        }
        self.signature(scheme, message).map_err(|error| error.while_trying(OPERATION))
    }
}

impl fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Key({:?})", self.held)
    }
}
