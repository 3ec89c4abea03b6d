//! The activation blob (`wire-protocol.md` section 5.3).

use crate::template;
use tss_esapi::structures::{EncryptedSecret, IdObject, Private, Public};
use tss_esapi::traits::UnMarshall as _;

/// What is wrong with an activation blob, before the TPM has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It ends within a field.
    #[error("it ends within field {field}, {name}")]
    TooShort {
        /// The field's number, from 1.
        field: usize,
        /// Its name.
        name: &'static str,
    },
    /// Something follows the last field.
    #[error("{bytes} bytes follow its last field")]
    Trailing {
        /// How many bytes.
        bytes: usize,
    },
    /// A field is larger than it can be.
    #[error("field {field}, {name}, is too large or not understood")]
    BadField {
        /// The field's number, from 1.
        field: usize,
        /// Its name.
        name: &'static str,
    },
    /// The key in it is none for HMAC-SHA256.
    #[error("the key in it is not one for HMAC-SHA256")]
    NotHmac,
}

const NAMES: [&str; 6] = [
    "the credential",
    "the credential's secret",
    "the wrapped key",
    "the wrapped key's secret",
    "the key's public area",
    "the URI data",
];

/// What the TPM is given. The sixth field, URI data, is for nobody on the device's side.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) credential: IdObject,
    pub(crate) credential_secret: EncryptedSecret,
    pub(crate) duplicate: Private,
    pub(crate) seed: EncryptedSecret,
    pub(crate) public: Public,
}

impl Blob {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BlobError> {
        let mut fields = Fields { rest: bytes, number: 0 };
        let blob = Self {
            credential: fields.next(IdObject::try_from)?,
            credential_secret: fields.next(EncryptedSecret::try_from)?,
            duplicate: fields.next(Private::try_from)?,
            seed: fields.next(EncryptedSecret::try_from)?,
            public: fields.next(|area| identity_key(&area))??,
        };
        // Without the URI data the key works as well.
        if !fields.rest.is_empty() {
            fields.next(Ok::<_, ()>)?;
        }
        match fields.rest.len() {
            0 => Ok(blob),
            bytes => Err(BlobError::Trailing { bytes }),
        }
    }
}

/// Reads the public area, which must be nothing but one of an HMAC key.
fn identity_key(area: &[u8]) -> Result<Result<Public, BlobError>, ()> {
    let public = Public::unmarshall(area).map_err(drop)?;
    let marshalled = template::marshalled(&public).map_err(drop)?;
    if marshalled.get(2..) != Some(area) {
        return Err(());
    }
    let parsed = template::Area::parse(&marshalled).ok_or(())?;
    Ok(if parsed.is_identity_key() { Ok(public) } else { Err(BlobError::NotHmac) })
}

struct Fields<'a> {
    rest: &'a [u8],
    number: usize,
}

impl Fields<'_> {
    /// Takes the next field, without its size.
    fn next<T, E>(&mut self, read: impl FnOnce(Vec<u8>) -> Result<T, E>) -> Result<T, BlobError> {
        self.number += 1;
        let field = self.number;
        let name = NAMES.get(field - 1).copied().unwrap_or_default();
        let parts = self
            .rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.split_at_checked(u16::from_be_bytes(*length).into()));
        let (content, rest) = parts.ok_or(BlobError::TooShort { field, name })?;
        self.rest = rest;
        read(content.to_vec()).map_err(|_| BlobError::BadField { field, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of the right sizes with the vectors' public area (section 5.6).
    fn blob(public: &[u8], uri: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [&[1; 52][..], &[2; 256], &[3; 142], &[4; 256], public, uri] {
            bytes.extend((field.len() as u16).to_be_bytes());
            bytes.extend(field);
        }
        bytes
    }

    fn public() -> Vec<u8> {
        let mut area = vec![0, 8, 0, 0xb, 0, 4, 4, 0x40, 0, 0, 0, 5, 0, 0xb, 0, 0x20];
        area.extend([7; 32]);
        area
    }

    #[test]
    fn a_blob_is_taken_apart() {
        let bytes = blob(&public(), &[9; 108]);
        assert_eq!(bytes.len(), 54 + 258 + 144 + 258 + 50 + 110);
        let parsed = Blob::parse(&bytes).unwrap();
        assert_eq!(parsed.credential.value(), [1; 52]);
        assert_eq!(parsed.duplicate.value(), [3; 142]);
        assert_eq!(parsed.seed.value(), [4; 256]);
        let without_uri = bytes.get(..bytes.len() - 110).unwrap();
        assert!(Blob::parse(without_uri).is_ok());
    }

    #[test]
    fn every_shortened_blob_is_refused_by_its_field() {
        let bytes = blob(&public(), &[9; 20]);
        for length in 0..bytes.len() {
            let result = Blob::parse(bytes.get(..length).unwrap());
            assert_eq!(result.is_ok(), length == bytes.len() - 22, "{length}");
        }
        let error = Blob::parse(&[]).unwrap_err();
        assert_eq!(error.to_string(), "it ends within field 1, the credential");
        let longer = [bytes, vec![0]].concat();
        assert_eq!(Blob::parse(&longer).unwrap_err(), BlobError::Trailing { bytes: 1 });
    }

    #[test]
    fn only_hmac_keys_are_taken() {
        let at = |index: usize, value: u8| {
            let mut area = public();
            *area.get_mut(index).unwrap() = value;
            Blob::parse(&blob(&area, &[9; 20])).unwrap_err()
        };
        // Attributes: decrypt and not sign; restricted too. The hash: SHA-384.
        assert_eq!(at(5, 2), BlobError::NotHmac);
        assert_eq!(at(5, 5), BlobError::NotHmac);
        assert_eq!(at(13, 0xc), BlobError::NotHmac);
        // No algorithm at all, and a size that does not fit.
        assert!(matches!(at(1, 0x77), BlobError::BadField { field: 5, .. }));
        assert!(matches!(at(15, 0x1f), BlobError::BadField { field: 5, .. }));
        let huge = blob(&[vec![0, 8], vec![0; 4000]].concat(), &[]);
        assert!(matches!(Blob::parse(&huge).unwrap_err(), BlobError::BadField { field: 5, .. }));
    }
}
