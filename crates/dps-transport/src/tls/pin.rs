//! Public keys by their hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use ring::digest::{SHA256, digest};

/// The SHA-256 hash of a public key (of the certificate's SubjectPublicKeyInfo in DER), as RFC
/// 7469 section 2.4 defines pins. A key keeps its pin when its certificate is renewed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKeyPin([u8; 32]);

/// The text is not a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is sha256/ and the base64 of 32 bytes")]
pub struct PinError;

impl PublicKeyPin {
    /// The pin of a SubjectPublicKeyInfo in DER.
    pub fn of_public_key(spki: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest(&SHA256, spki).as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}

/// Reads `sha256/BASE64`, also in curl's form with two slashes.
impl FromStr for PublicKeyPin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let encoded = text.trim().strip_prefix("sha256/").ok_or(PinError)?;
        let encoded = encoded.strip_prefix('/').unwrap_or(encoded);
        // The base64 of a hash may begin with a slash of its own.
        [encoded.to_owned(), format!("/{encoded}")]
            .iter()
            .filter_map(|encoded| STANDARD.decode(encoded).ok()?.try_into().ok())
            .map(Self)
            .next()
            .ok_or(PinError)
    }
}

impl fmt::Display for PublicKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_they_are_shown() {
        for seed in 0..=255_u8 {
            let pin = PublicKeyPin::of_public_key(&[seed]);
            let shown = pin.to_string();
            assert_eq!(shown.parse(), Ok(pin));
            assert_eq!(shown.replace("sha256/", "sha256//").parse(), Ok(pin));
        }
        // The hash of nothing.
        assert_eq!(
            PublicKeyPin::of_public_key(b"").to_string(),
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "sha256/", "sha256/AAAA", "sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
        {
            assert_eq!(text.parse::<PublicKeyPin>(), Err(PinError), "{text}");
        }
    }
}
