//! What matters of a certificate (RFC 5280 section 4.1).

use crate::X509Error;
use crate::date::Date;
use crate::der::{
    BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, explicit, take, take_any,
};
use crate::name::Name;

/// The parts of a certificate that a device needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) subject: Name,
    pub(crate) issuer: Name,
    not_before: Date,
    not_after: Date,
    /// DER content of the object identifier of the key's algorithm.
    pub(crate) key_algorithm: Vec<u8>,
    /// The bits of the public key: an RSAPublicKey, or a point.
    pub(crate) public_key: Vec<u8>,
    /// DER content of the curve's object identifier, for EC keys.
    pub(crate) curve: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads DER. `number` is for the error.
    pub(crate) fn parse(der: &[u8], number: usize) -> Result<Self, X509Error> {
        Self::read(der).ok_or(X509Error::Certificate { number })
    }

    fn read(mut der: &[u8]) -> Option<Self> {
        let mut outer = take(&mut der, SEQUENCE)?;
        let mut fields = take(&mut outer, SEQUENCE)?;
        // The signature is the service's to judge.
        Algorithm::take(&mut outer)?;
        bits(&mut outer)?;
        nothing(outer)?;
        nothing(der)?;

        if let Some(mut version) = take(&mut fields, explicit(0)) {
            take(&mut version, INTEGER).filter(|number| matches!(number, [0..=2]))?;
            nothing(version)?;
        }
        take(&mut fields, INTEGER).filter(|serial_number| !serial_number.is_empty())?;
        Algorithm::take(&mut fields)?;
        let issuer = Name::read(take(&mut fields, SEQUENCE)?)?;
        let mut validity = take(&mut fields, SEQUENCE)?;
        let not_before = Date::take(&mut validity)?;
        let not_after = Date::take(&mut validity)?;
        nothing(validity)?;
        let subject = Name::read(take(&mut fields, SEQUENCE)?)?;
        let mut key = take(&mut fields, SEQUENCE)?;
        let algorithm = Algorithm::take(&mut key)?;
        let public_key = bits(&mut key)?.to_vec();
        nothing(key)?;
        check_extensions(fields)?;
        Some(Self {
            subject,
            issuer,
            not_before,
            not_after,
            key_algorithm: algorithm.kind.to_vec(),
            public_key,
            curve: algorithm.curve.map(<[u8]>::to_vec),
        })
    }

    /// By name; signatures are the service's to check.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer.is(&issuer.subject)
    }

    pub(crate) fn check_validity(&self, unix_seconds: u64) -> Result<(), X509Error> {
        let now = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        let subject = || self.subject.text.clone();
        if now > self.not_after.unix_seconds() {
            return Err(X509Error::Expired {
                subject: subject(),
                not_after: self.not_after.to_string(),
            });
        }
        if now < self.not_before.unix_seconds() {
            return Err(X509Error::NotYetValid {
                subject: subject(),
                not_before: self.not_before.to_string(),
            });
        }
        Ok(())
    }
}

/// An AlgorithmIdentifier.
struct Algorithm<'a> {
    kind: &'a [u8],
    /// The parameter, if that is an object identifier.
    curve: Option<&'a [u8]>,
}

impl<'a> Algorithm<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let mut fields = take(input, SEQUENCE)?;
        let kind = take(&mut fields, OBJECT_IDENTIFIER)?;
        let curve = match fields {
            [] => None,
            _ => {
                let (tag, parameter) = take_any(&mut fields)?;
                (tag == OBJECT_IDENTIFIER).then_some(parameter)
            }
        };
        nothing(fields)?;
        Some(Self { kind, curve })
    }
}

/// Takes a BIT STRING of whole bytes, which keys and signatures are.
fn bits<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    // The first byte says how many bits of the last one are not in use.
    take(input, BIT_STRING)?.strip_prefix(&[0])
}

/// Looks whether what follows the public key has its proper form: two unique identifiers that
/// nobody uses, and the extensions. What these say is the service's to judge.
fn check_extensions(mut fields: &[u8]) -> Option<()> {
    /// The implicit tags [1] and [2] of bit strings.
    const UNIQUE_IDENTIFIERS: [u8; 2] = [0x81, 0x82];
    /// Whether the extension is critical.
    const BOOLEAN: u8 = 0x01;

    for tag in UNIQUE_IDENTIFIERS {
        let _ = take(&mut fields, tag);
    }
    if fields.is_empty() {
        return Some(());
    }
    let mut tagged = take(&mut fields, explicit(3))?;
    let mut extensions = take(&mut tagged, SEQUENCE)?;
    while !extensions.is_empty() {
        let mut extension = take(&mut extensions, SEQUENCE)?;
        take(&mut extension, OBJECT_IDENTIFIER)?;
        let _ = take(&mut extension, BOOLEAN);
        take(&mut extension, OCTET_STRING)?;
        nothing(extension)?;
    }
    nothing(tagged)?;
    nothing(fields)
}

fn nothing(rest: &[u8]) -> Option<()> {
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests;
