//! The keys that the service sends to a TPM (`wire-protocol.md` sections 3.5, 4.5 and 5.3).

use crate::wire::object;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use serde::Deserialize;

/// An activation blob: a key that only the TPM can recover for which it was made
/// (`wire-protocol.md` section 5.3). `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationBlob(Vec<u8>);

/// Why something is not an activation blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationBlobError {
    /// The text is not base64.
    #[error("the key is not a text in base64")]
    NotBase64,
    /// There are no bytes, or more than [`ActivationBlob::MAX_BYTES`].
    #[error("the key has {length} bytes; those of the service have about 900")]
    Size {
        /// How many there are.
        length: usize,
    },
}

impl ActivationBlob {
    /// The largest taken, in bytes; real ones have 874 to about 948.
    pub const MAX_BYTES: usize = 4096;

    /// Takes 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes. Only the TPM can say more about them.
    ///
    /// # Errors
    ///
    /// [`ActivationBlobError::Size`] for another number.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ActivationBlobError> {
        match bytes.len() {
            1..=Self::MAX_BYTES => Ok(Self(bytes)),
            length => Err(ActivationBlobError::Size { length }),
        }
    }

    /// Reads one as it stands in JSON: standard base64 with padding.
    ///
    /// # Errors
    ///
    /// [`ActivationBlobError`] when the text is not base64, or of another size.
    pub fn from_base64(text: &str) -> Result<Self, ActivationBlobError> {
        let bytes = STANDARD.decode(text).map_err(|_| ActivationBlobError::NotBase64)?;
        Self::new(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ActivationBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivationBlob({} bytes)", self.0.len())
    }
}

/// What the service says to a TPM that has shown its public keys: prove that you are the one, by
/// signing a token with the key that only you can recover from this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The key to sign with.
    pub blob: ActivationBlob,
    /// The key's name, which goes into the token as `skn`.
    pub key_name: String,
}

impl Challenge {
    /// The name that the service gives to all such keys.
    pub const KEY_NAME: &str = "registration";
    /// The longest name taken.
    const MAX_NAME: usize = 128;

    /// A challenge in a protocol that has no place for a name.
    pub fn new(blob: ActivationBlob) -> Self {
        Self { blob, key_name: Self::KEY_NAME.to_owned() }
    }

    /// Reads the body of a reply (`wire-protocol.md` section 3.5). `None` when it is no challenge,
    /// which has a top-level member `authenticationKey`; else the challenge, or what is wrong
    /// with its key. The name may be missing.
    pub(crate) fn from_json(body: &[u8]) -> Option<Result<Self, ActivationBlobError>> {
        let document: ChallengeDocument = object(body).ok()?;
        let blob = ActivationBlob::from_base64(&document.authentication_key?);
        let name = document.key_name.filter(|name| (1..=Self::MAX_NAME).contains(&name.len()));
        Some(
            blob.map(|blob| Self {
                blob,
                key_name: name.unwrap_or_else(|| Self::KEY_NAME.to_owned()),
            }),
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeDocument {
    #[serde(default, deserialize_with = "crate::wire::lenient")]
    authentication_key: Option<String>,
    #[serde(default, deserialize_with = "crate::wire::lenient")]
    key_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form in `wire-protocol.md` section 3.5.
    #[test]
    fn the_services_challenge_is_read() {
        let body = br#"{"message":"Authorization required, resend request using supplied key","authenticationKey":"AAECAw==","unencryptedAuthenticationKey":null,"keyName":"registration"}"#;
        let challenge = Challenge::from_json(body).unwrap().unwrap();
        assert_eq!(challenge.blob.as_bytes(), [0, 1, 2, 3]);
        assert_eq!(challenge.key_name, "registration");
    }

    #[test]
    fn a_name_of_no_use_is_the_usual_one() {
        let long = "x".repeat(129);
        for name in ["null", "7", "\"\"", &format!("\"{long}\"")] {
            let body = format!(r#"{{"authenticationKey":"AAEC","keyName":{name}}}"#);
            let challenge = Challenge::from_json(body.as_bytes()).unwrap().unwrap();
            assert_eq!(challenge.key_name, "registration");
        }
        let other = Challenge::from_json(br#"{"authenticationKey":"AAEC","keyName":"n"}"#);
        assert_eq!(other.unwrap().unwrap().key_name, "n");
    }

    #[test]
    fn what_has_no_key_is_no_challenge_and_a_bad_key_is_a_bad_one() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"errorCode":401002,"message":"Unauthorized"}"#,
            r#"{"authenticationKey":null}"#,
            r#"{"authenticationKey":[1]}"#,
        ] {
            assert!(Challenge::from_json(body.as_bytes()).is_none(), "{body}");
        }
        let large = STANDARD.encode(vec![0; ActivationBlob::MAX_BYTES + 1]);
        for (key, error) in [
            ("\"\"", ActivationBlobError::Size { length: 0 }),
            ("\"A\"", ActivationBlobError::NotBase64),
            (&format!("{large:?}"), ActivationBlobError::Size { length: 4097 }),
        ] {
            let body = format!(r#"{{"authenticationKey":{key}}}"#);
            assert_eq!(Challenge::from_json(body.as_bytes()), Some(Err(error)), "{key}");
        }
    }

    #[test]
    fn debug_shows_only_the_size() {
        let challenge = Challenge::new(ActivationBlob::new(vec![0x5a; 9]).unwrap());
        let text = format!("{challenge:?}");
        assert!(text.contains("9 bytes") && !text.contains("90"), "{text}");
    }
}
