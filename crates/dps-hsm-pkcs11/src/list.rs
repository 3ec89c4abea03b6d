//! What there is on tokens, as URIs to copy.

use crate::object::{self, Kind};
use crate::pin;
use crate::token::{self, Access};
use crate::{ObjectType, Pkcs11Error, Pkcs11Uri, module};
use cryptoki::object::KeyType;

/// A token and what is on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenEntry {
    /// Its URI, by label, serial number and the rest.
    pub uri: Pkcs11Uri,
    /// Its label.
    pub label: String,
    /// The number of its slot, which may be another at the next start.
    pub slot: u64,
    /// Whether private objects only show after a login.
    pub login_required: bool,
    /// Whether this listing was made after a login.
    pub logged_in: bool,
    /// Its keys and certificates.
    pub objects: Vec<ObjectEntry>,
}

/// A key or certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectEntry {
    /// Its URI: the token's label, and its own id, label and type.
    pub uri: Pkcs11Uri,
    /// What it is.
    pub kind: ObjectType,
    /// A key's algorithm: RSA, EC, or the standard's name; empty for certificates.
    pub algorithm: String,
}

/// Lists the tokens that match a URI (`pkcs11:` matches all), with those of their keys and
/// certificates that match. Without a PIN nobody logs in, and private keys stay out of sight on most
/// tokens. A PIN that does not come from a function, which is told the token, is for one token only:
/// where several match that want a login, it is tried at none.
///
/// # Errors
///
/// [`Pkcs11Error`], also [`Pkcs11Error::PinForSeveral`], and when a PIN is given and the token
/// refuses it.
pub fn list(uri: &Pkcs11Uri, access: &Access) -> Result<Vec<TokenEntry>, Pkcs11Error> {
    let module = module::load(uri, access.module_path())?;
    let tokens = token::matching(&module, uri, &token::all(&module)?)?;
    let wanting_login = tokens.iter().filter(|token| token.info.login_required()).count();
    if wanting_login > 1 && pin::is_for_one_token(uri, access.pin_source()) {
        return Err(Pkcs11Error::PinForSeveral {
            uri: uri.path(),
            candidates: token::names(&tokens),
        });
    }
    let mut entries = Vec::new();
    for token in tokens {
        let label = token.label();
        let session = token::open(&module, &token)?;
        let has_pin = pin::find(uri, access.pin_source(), &label)?.is_some();
        if has_pin {
            token::log_in(&session, &token, uri, access)?;
        }
        let info = &token.info;
        let of_token = Pkcs11Uri {
            token: Some(label.clone()),
            manufacturer: Some(info.manufacturer_id().trim_end().to_owned()),
            serial: Some(info.serial_number().trim_end().to_owned()),
            model: Some(info.model().trim_end().to_owned()),
            module_path: uri.module_path.clone(),
            ..Pkcs11Uri::default()
        };
        let mut objects = Vec::new();
        let kinds = [Kind::PrivateKey, Kind::SecretKey, Kind::PublicKey, Kind::Certificate];
        for kind in kinds.into_iter().filter(|kind| object::check_kind(uri, *kind).is_ok()) {
            for found in object::find(&session, uri, kind)? {
                let algorithm = match kind {
                    Kind::Certificate => None,
                    _ => object::key_type(&session, &found)?,
                };
                let text = String::from_utf8(found.label).ok();
                objects.push(ObjectEntry {
                    uri: Pkcs11Uri {
                        token: Some(label.clone()),
                        serial: of_token.serial.clone(),
                        object: text.filter(|label| !label.is_empty()),
                        id: Some(found.id).filter(|id| !id.is_empty()),
                        kind: Some(kind.in_uri()),
                        module_path: uri.module_path.clone(),
                        ..Pkcs11Uri::default()
                    },
                    kind: kind.in_uri(),
                    algorithm: algorithm.map(algorithm_name).unwrap_or_default(),
                });
            }
        }
        entries.push(TokenEntry {
            uri: of_token,
            label,
            slot: token.slot.id(),
            login_required: info.login_required(),
            logged_in: has_pin,
            objects,
        });
    }
    Ok(entries)
}

fn algorithm_name(kind: KeyType) -> String {
    match kind {
        KeyType::RSA => "RSA".to_owned(),
        KeyType::EC => "EC".to_owned(),
        KeyType::GENERIC_SECRET => "generic secret".to_owned(),
        other => other.to_string(),
    }
}
