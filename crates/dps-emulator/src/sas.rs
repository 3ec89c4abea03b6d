//! Verification of SAS tokens, as `wire-protocol.md` section 1.4 says the service does it.
//!
//! Clients encode the resource in many ways, and some not at all, so the signature is checked
//! over the text as it came and only then is the text decoded and compared. Nothing here is
//! shared with the code that makes tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::time::Duration;
use dps_core::SymmetricKey;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Longer texts are not tokens. Ids of 128 characters, all escaped, fit several times.
const MAX_TOKEN_BYTES: usize = 4096;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SasError {
    /// The text does not have the form of a token.
    #[error("the SAS token is malformed: {0}")]
    Malformed(&'static str),
    /// No key gives the token's signature.
    #[error("no key of the enrollment gives the SAS token's signature")]
    Signature,
    /// It was signed, but for another resource.
    #[error("the SAS token is for another resource than the one it is used for")]
    Audience,
    /// Its time is over.
    #[error("the SAS token has expired")]
    Expired,
}

/// A token taken apart. Holds no key; `Debug` leaves out the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken {
    /// `sr` as it came: the signature covers this text.
    resource: String,
    /// `se` as it came, likewise.
    expiry: String,
    /// `se` as a number.
    expires_at: Duration,
    /// `sig` after percent-decoding: base64 text, if the token is good.
    signature: Vec<u8>,
    /// `skn` after percent-decoding.
    key_name: Option<String>,
}

impl SasToken {
    /// Takes a token apart. Order and unknown parameters do not matter, nor does `skn` for a
    /// device's token.
    ///
    /// # Errors
    ///
    /// [`SasError::Malformed`] when the prefix or one of `sr`, `sig`, `se` is missing, one of
    /// these is there twice, an escape is broken, or `se` is not a number of seconds.
    pub fn parse(token: &str) -> Result<Self, SasError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SasError::Malformed("it is longer than 4096 bytes"));
        }
        let parameters = token
            .strip_prefix("SharedAccessSignature ")
            .ok_or(SasError::Malformed("it does not start with \"SharedAccessSignature \""))?;
        let (mut resource, mut signature, mut expiry) = (None, None, None);
        let mut key_name = None;
        for parameter in parameters.split('&') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let seen = match name {
                "sr" => resource.replace(value),
                "sig" => signature.replace(value),
                "se" => expiry.replace(value),
                "skn" => {
                    key_name = percent_decode(value).and_then(|name| String::from_utf8(name).ok());
                    None
                }
                _ => None,
            };
            if seen.is_some() {
                return Err(SasError::Malformed("sr, sig or se is there twice"));
            }
        }
        let resource = resource.ok_or(SasError::Malformed("sr is missing"))?;
        let signature = signature.ok_or(SasError::Malformed("sig is missing"))?;
        let expiry = expiry.ok_or(SasError::Malformed("se is missing"))?;
        if !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SasError::Malformed("se is not a number of seconds since 1970"));
        }
        let seconds = expiry
            .parse()
            .map_err(|_| SasError::Malformed("se is not a number of seconds since 1970"))?;
        Ok(Self {
            resource: resource.to_owned(),
            expiry: expiry.to_owned(),
            expires_at: Duration::from_secs(seconds),
            signature: percent_decode(signature)
                .ok_or(SasError::Malformed("sig has a broken % escape"))?,
            key_name,
        })
    }

    /// Whether `key` signed this token. Takes the same time wherever the signatures differ.
    ///
    /// # Errors
    ///
    /// [`SasError::Signature`] when it did not.
    pub fn verify_signature(&self, key: &SymmetricKey) -> Result<(), SasError> {
        let text = format!("{}\n{}", self.resource, self.expiry);
        let mac = Zeroizing::new(key.hmac_sha256(text.as_bytes()));
        let expected = Zeroizing::new(STANDARD.encode(mac.as_slice()));
        match expected.as_bytes().ct_eq(&self.signature).into() {
            true => Ok(()),
            false => Err(SasError::Signature),
        }
    }

    /// Whether this token is for the device `registration_id` of `id_scope`. Case does not
    /// matter: iot-identity-service lower-cases both.
    ///
    /// # Errors
    ///
    /// [`SasError::Audience`] when it is not.
    pub fn verify_device(&self, id_scope: &str, registration_id: &str) -> Result<(), SasError> {
        let expected = format!("{id_scope}/registrations/{registration_id}");
        match percent_decode(&self.resource) {
            Some(resource) if resource.eq_ignore_ascii_case(expected.as_bytes()) => Ok(()),
            _ => Err(SasError::Audience),
        }
    }

    /// The shared access policy whose key is said to have signed it (`skn`).
    pub fn key_name(&self) -> Option<&str> {
        self.key_name.as_deref()
    }

    /// Whether this token is for the service API of `host` (section 7.1). Case does not matter, nor
    /// does a port.
    ///
    /// # Errors
    ///
    /// [`SasError::Audience`] when it is not.
    pub fn verify_host(&self, host: &str) -> Result<(), SasError> {
        let resource = percent_decode(&self.resource).ok_or(SasError::Audience)?;
        let bare = |host: &[u8]| -> Vec<u8> {
            let port = host.iter().rposition(|byte| *byte == b':');
            let digits = |at: usize| host.iter().skip(at + 1).all(u8::is_ascii_digit);
            host.get(..port.filter(|at| digits(*at)).unwrap_or(host.len()))
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        match bare(&resource) == bare(host.as_bytes()) && !resource.is_empty() {
            true => Ok(()),
            false => Err(SasError::Audience),
        }
    }

    /// Whether this token is for the device `device_id` of `hub` (`wire-protocol.md` section
    /// 1.3). The case of the host name does not matter, that of the device id does. The C client
    /// encodes nothing, so a `%` may be the device id's own.
    ///
    /// # Errors
    ///
    /// [`SasError::Audience`] when it is not.
    pub fn verify_hub_device(&self, hub: &str, device_id: &str) -> Result<(), SasError> {
        let is_named = |resource: &str| {
            resource
                .split_once("/devices/")
                .is_some_and(|(host, id)| host.eq_ignore_ascii_case(hub) && id == device_id)
        };
        let decoded = percent_decode(&self.resource).and_then(|text| String::from_utf8(text).ok());
        match is_named(&self.resource) || decoded.as_deref().is_some_and(is_named) {
            true => Ok(()),
            false => Err(SasError::Audience),
        }
    }

    /// When it expires, since 1970-01-01T00:00:00Z.
    pub fn expires_at(&self) -> Duration {
        self.expires_at
    }

    /// Whether this token is still good at `now` (since 1970-01-01T00:00:00Z), or was within
    /// the last `skew`.
    ///
    /// # Errors
    ///
    /// [`SasError::Expired`] when it is not.
    pub fn verify_expiry(&self, now: Duration, skew: Duration) -> Result<(), SasError> {
        match self.expires_at.saturating_add(skew) > now {
            true => Ok(()),
            false => Err(SasError::Expired),
        }
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasToken")
            .field("resource", &self.resource)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// Undoes percent-encoding with hex digits of either case. A `+` stays one: base64 has it, and
/// a client that failed to encode sends it raw. `None` when an escape is broken.
pub(crate) fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            byte => byte,
        });
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "sas_tests.rs"]
mod tests;
