//! Certificates: a chain in PEM or on a token, with its key on a token.

use crate::object::{self, Kind};
use crate::token::{self, Access};
use crate::{Pkcs11Error, Pkcs11Key, Pkcs11Uri, module};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use dps_hsm_x509::{X509Hsm, pem_chain};
use std::sync::Arc;

/// A chain in PEM, the device's own certificate first, with its private key on a token.
///
/// # Errors
///
/// [`Pkcs11Error`]; what is wrong with the chain as [`Pkcs11Error::Certificate`].
pub fn x509(certificates: &[u8], key: &Pkcs11Uri, access: &Access) -> Result<X509Hsm, Pkcs11Error> {
    of_chain(pem_chain(certificates)?, key, access)
}

/// A certificate on a token, with its private key on one, perhaps the same. Its issuers' follow
/// if they are there, too, except for one that issued itself.
///
/// # Errors
///
/// [`Pkcs11Error`].
pub fn x509_from_token(
    certificate: &Pkcs11Uri,
    key: &Pkcs11Uri,
    access: &Access,
) -> Result<X509Hsm, Pkcs11Error> {
    of_chain(chain(certificate, access)?, key, access)
}

fn of_chain(chain: Vec<Vec<u8>>, key: &Pkcs11Uri, access: &Access) -> Result<X509Hsm, Pkcs11Error> {
    X509Hsm::from_chain(chain, |certified| Ok(Arc::new(Pkcs11Key::find(key, access, certified)?)))
}

/// No chain is longer.
const MAX_ISSUERS: usize = 8;

fn chain(uri: &Pkcs11Uri, access: &Access) -> Result<Vec<Vec<u8>>, Pkcs11Error> {
    object::check_kind(uri, Kind::Certificate)?;
    let module = module::load(uri, access.module_path())?;
    let token = token::find(&module, uri)?;
    let session = token::open(&module, &token)?;
    // Certificates are seldom hidden from who has not logged in.
    let mut found = object::find(&session, uri, Kind::Certificate)?;
    if found.is_empty() {
        token::log_in(&session, &token, uri, access)?;
        found = object::find(&session, uri, Kind::Certificate)?;
    }
    let certificate = match found.as_slice() {
        [only] => only,
        [] => return Err(object::missing(&session, &token, uri, Kind::Certificate)),
        several => {
            return Err(Pkcs11Error::SeveralObjects {
                what: Kind::Certificate.name(),
                token: token.label(),
                uri: uri.path(),
                candidates: object::names(several),
            });
        }
    };
    let Some(first) = Parts::of(&session, certificate.handle)? else {
        let reason = "it has no CKA_VALUE".to_owned();
        return Err(Pkcs11Error::Unsuitable { key: certificate.name(), reason });
    };
    let mut chain = vec![first];
    while chain.len() <= MAX_ISSUERS {
        let issuer = chain.last().and_then(|last| last.issuer.clone());
        let Some(issuer) = issuer else { break };
        let template =
            [Attribute::Class(Kind::Certificate.class()), Attribute::Subject(issuer.clone())];
        let mut next = None;
        for candidate in object::matching(&session, &template)? {
            next = next.or(Parts::of(&session, candidate.handle)?);
        }
        match next {
            // One that issued itself is the service's to have.
            Some(next) if next.issuer.as_ref() != Some(&issuer) => chain.push(next),
            _ => break,
        }
    }
    Ok(chain.into_iter().map(|parts| parts.der).collect())
}

/// What is needed of a certificate object.
struct Parts {
    der: Vec<u8>,
    issuer: Option<Vec<u8>>,
}

impl Parts {
    fn of(session: &Session, handle: ObjectHandle) -> Result<Option<Self>, Pkcs11Error> {
        let (mut der, mut issuer) = (None, None);
        let wanted = [AttributeType::Value, AttributeType::Issuer];
        for attribute in object::attributes(session, handle, &wanted)? {
            match attribute {
                Attribute::Value(value) => der = Some(value),
                Attribute::Issuer(name) if !name.is_empty() => issuer = Some(name),
                _ => {}
            }
        }
        Ok(der.map(|der| Self { der, issuer }))
    }
}
