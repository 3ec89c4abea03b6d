//! What matters of a certificate.

use crate::X509Error;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;

/// The parts of a certificate that a device needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) common_name: Option<String>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    not_before: ASN1Time,
    not_after: ASN1Time,
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
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| X509Error::Certificate { number })?;
        if !rest.is_empty() {
            return Err(X509Error::Certificate { number });
        }
        let key = parsed.public_key();
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        Ok(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            common_name: parsed
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            not_before: parsed.validity().not_before,
            not_after: parsed.validity().not_after,
            key_algorithm: key.algorithm.algorithm.as_bytes().to_vec(),
            public_key: key.subject_public_key.data.to_vec(),
            curve: curve.map(|oid| oid.as_bytes().to_vec()),
        })
    }

    /// By name; signatures are the service's to check.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    pub(crate) fn check_validity(&self, unix_seconds: u64) -> Result<(), X509Error> {
        let now = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        let subject = || self.subject.clone();
        if now > self.not_after.timestamp() {
            return Err(X509Error::Expired {
                subject: subject(),
                not_after: self.not_after.to_string(),
            });
        }
        if now < self.not_before.timestamp() {
            return Err(X509Error::NotYetValid {
                subject: subject(),
                not_before: self.not_before.to_string(),
            });
        }
        Ok(())
    }
}
