//! SAS tokens (`wire-protocol.md` section 1.3).
//!
//! A token is built in two steps, because the key may sit in hardware: [`UnsignedToken`] gives
//! the text to sign, the holder of the key makes the MAC, [`UnsignedToken::finish`] joins both.

use crate::{IdScope, Mac, RegistrationId, SymmetricKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use zeroize::Zeroizing;

/// Which hexadecimal digits stand in percent escapes. Both are legal; the signature is over the
/// resource text as it stands in the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HexCase {
    /// `%2F`, as most clients write it.
    Upper,
    /// `%2f`, as the original C client writes it.
    Lower,
}

/// Percent-encodes everything but ASCII letters, digits and `- . _ ~`.
pub fn percent_encode(text: &str, case: HexCase) -> String {
    let digits: &[u8; 16] = match case {
        HexCase::Upper => b"0123456789ABCDEF",
        HexCase::Lower => b"0123456789abcdef",
    };
    let digit = |value: u8| char::from(digits.get(usize::from(value)).copied().unwrap_or(b'0'));
    // Room for all to be escaped, since a text that grows leaves copies behind.
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(digit(byte >> 4));
            encoded.push(digit(byte & 15));
        }
    }
    encoded
}

/// The `sr` value of a device's token for the provisioning service:
/// `{scope}/registrations/{registration id}`, percent-encoded.
pub fn registration_resource(id_scope: &IdScope, registration_id: &RegistrationId) -> String {
    percent_encode(&format!("{id_scope}/registrations/{registration_id}"), HexCase::Upper)
}

/// The `sr` value of a device's token for its hub: `{hub}/devices/{device id}`, percent-encoded.
pub fn hub_resource(hub_host: &str, device_id: &str) -> String {
    percent_encode(&format!("{hub_host}/devices/{device_id}"), HexCase::Upper)
}

/// A token that still lacks its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedToken {
    resource: String,
    expiry: u64,
    key_name: Option<String>,
    case: HexCase,
}

impl UnsignedToken {
    /// A token for `resource` (the `sr` text exactly as it is to stand in the token) that
    /// expires at `expiry` seconds since 1970.
    pub fn new(resource: impl Into<String>, expiry: u64) -> Self {
        Self { resource: resource.into(), expiry, key_name: None, case: HexCase::Upper }
    }

    /// Adds `&skn=`. Devices of the provisioning service use `registration`.
    #[must_use]
    pub fn key_name(mut self, name: impl Into<String>) -> Self {
        self.key_name = Some(name.into());
        self
    }

    /// Sets the case of the escapes in `sig`; upper unless set.
    #[must_use]
    pub fn hex_case(mut self, case: HexCase) -> Self {
        self.case = case;
        self
    }

    /// The text whose HMAC-SHA256 is the signature: resource, line feed, expiry.
    pub fn string_to_sign(&self) -> String {
        format!("{}\n{}", self.resource, self.expiry)
    }

    /// Adds the signature, the HMAC-SHA256 of [`string_to_sign`](Self::string_to_sign).
    pub fn finish(self, mac: &Mac) -> SasToken {
        let signature = Zeroizing::new(STANDARD.encode(mac.as_bytes()));
        let signature = Zeroizing::new(percent_encode(&signature, self.case));
        let expiry = self.expiry.to_string();
        let key_name = self.key_name.as_deref();
        let parts = [
            "SharedAccessSignature sr=",
            self.resource.as_str(),
            "&sig=",
            signature.as_str(),
            "&se=",
            expiry.as_str(),
            if key_name.is_some() { "&skn=" } else { "" },
            key_name.unwrap_or_default(),
        ];
        // Of the right size at once: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|p| p.len()).sum()));
        for part in parts {
            text.push_str(part);
        }
        SasToken { text, expiry: self.expiry }
    }

    /// Signs with a key in memory.
    pub fn sign(self, key: &SymmetricKey) -> SasToken {
        let mac = Mac::new(key.hmac_sha256(self.string_to_sign().as_bytes()));
        self.finish(&mac)
    }
}

/// A signed token. Whoever holds it can act as the device until it expires, so `Debug` hides it
/// and it is zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken {
    text: Zeroizing<String>,
    expiry: u64,
}

impl SasToken {
    /// The token's text, `SharedAccessSignature sr=...`. A secret.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When it expires, in seconds since 1970.
    pub fn expiry(&self) -> u64 {
        self.expiry
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasToken").field("expiry", &self.expiry).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const EXPIRY: u64 = 1_893_456_000;

    fn signature(key: &str, resource: &str, expiry: u64) -> String {
        let key = SymmetricKey::from_base64(key).unwrap();
        let token = UnsignedToken::new(resource, expiry).sign(&key);
        let text = token.as_str();
        let start = text.find("&sig=").unwrap() + 5;
        let end = text.find("&se=").unwrap();
        text[start..end].to_owned()
    }

    /// `wire-protocol.md` section 1.5, S1 to S3 and the lines under the table.
    #[test]
    fn device_token_vectors() {
        let cases = [
            (
                "0ne00111111%2Fregistrations%2Fmy-symkey-device",
                "Gmhsw1xVyKiX%2B7bAvtP4wNHekGirhLqEo1WC6wDN0xc%3D",
            ),
            (
                "0ne00111111%2fregistrations%2fmy-symkey-device",
                "4%2FSgEGcImMiNW7%2FaqtxQUGkSuXNXAdWn1b%2FrF2yusvQ%3D",
            ),
            (
                "0ne00111111/registrations/my-symkey-device",
                "%2B98XUJckYlH5c%2BIYEtqM2puIo9QUpZlUpwhdxmsPOMo%3D",
            ),
            (
                "0ne00111111%2Fregistrations%2FDev%3A1.a_b-c",
                "m%2BUjDiCca1DR8eWN3oxHSBSOlwlKo1Er0wpLlxTyxNA%3D",
            ),
            (
                "0ne00111111%2fregistrations%2fDev%3a1.a_b-c",
                "tXMjoGm59F46eldmY957kYnCqrtbaFvqcmjuOtSovKs%3D",
            ),
            (
                "0ne00111111/registrations/Dev:1.a_b-c",
                "ijLoFYuJhCiVf%2FURNyJAtOVe2emf6eCiEGXmWlkvk9k%3D",
            ),
            (
                "0ne00111111/registrations/dev:1.a_b-c",
                "IphxHCsGo7ZHFC%2BqA9tH5g3oxHk6ZyWTgC7kBEd6SG4%3D",
            ),
        ];
        for (resource, expected) in cases {
            assert_eq!(signature(KEY, resource, EXPIRY), expected, "{resource}");
        }
    }

    #[test]
    fn hub_and_service_token_vectors() {
        let cases = [
            (
                "contoso-hub.azure-devices.net%2Fdevices%2Fmy-symkey-device",
                "qwtwi9qdlkfGL2fn6JOAy6KfihJ4%2BvHQEhWiAnZzMXE%3D",
            ),
            (
                "contoso-hub.azure-devices.net%2fdevices%2fmy-symkey-device",
                "MDJw4pxR%2Fc3opXEFlBoXGh62x73UPkS7u9zSzC7oMfc%3D",
            ),
            (
                "contoso-hub.azure-devices.net/devices/my-symkey-device",
                "qZAwITtXVZgiCwcrehr6EWAepajIrYr7wmwi2pvDI3o%3D",
            ),
            (
                "contosodps.azure-devices-provisioning.net",
                "Am%2FAiahIMDZ9Ptb6pgsmimgkJbtb4xdUu3esreMwzQY%3D",
            ),
        ];
        for (resource, expected) in cases {
            assert_eq!(signature(KEY, resource, EXPIRY), expected, "{resource}");
        }
        // The hub vector of the service's documentation.
        assert_eq!(
            signature(
                "18RQk/hOPJR9EbsJlk2j8WA6vWaj/yi+oaYg7zmxfQNdOyMSu+SJ8O7TSlZhDJCYmn4rzEiVKIzNiVAWjLxrGA==",
                "MyExampleHub.azure-devices.net%2Fdevices%2Fmy-symkey-device",
                1_663_119_026
            ),
            "f%2BwW8XOKeJOtiPc9Iwjc4OpExvPM7NlhM9qxN2a1aAM%3D"
        );
    }

    /// `c-abi.md` sections 1.6 and 1.7: the tokens of the C API, escapes in lower case.
    #[test]
    fn c_api_token_vectors() {
        let key =
            SymmetricKey::from_base64("c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmU=").unwrap();
        let token = UnsignedToken::new("hub.azure-devices.net%2Fdevices%2Fd", 1_700_000_000)
            .hex_case(HexCase::Lower)
            .sign(&key);
        assert_eq!(
            token.as_str(),
            "SharedAccessSignature sr=hub.azure-devices.net%2Fdevices%2Fd&sig=q9fFOch%2b0IEwX49%2fmUlQFDRx3DyU2e5yI1K7%2fqz3DPQ%3d&se=1700000000"
        );
        let token = UnsignedToken::new("0ne%2fregistrations%2fr", 1_700_000_000)
            .key_name("registration")
            .hex_case(HexCase::Lower)
            .sign(&key);
        assert_eq!(
            token.as_str(),
            "SharedAccessSignature sr=0ne%2fregistrations%2fr&sig=rY02NP7vKwTrC7hIYVbmXR2NGm52yjGBnsMUws3xLbg%3d&se=1700000000&skn=registration"
        );
    }

    #[test]
    fn resources_are_percent_encoded() {
        let scope = IdScope::new("0ne00111111").unwrap();
        let id = RegistrationId::new("Dev:1.a_b-c").unwrap();
        assert_eq!(
            registration_resource(&scope, &id),
            "0ne00111111%2Fregistrations%2FDev%3A1.a_b-c"
        );
        assert_eq!(hub_resource("h.example", "d 1"), "h.example%2Fdevices%2Fd%201");
    }

    #[test]
    fn debug_hides_the_signature() {
        let key = SymmetricKey::from_base64(KEY).unwrap();
        let token = UnsignedToken::new("r", EXPIRY).sign(&key);
        let debug = format!("{token:?}");
        assert!(debug.contains("1893456000") && !debug.contains("sig"), "{debug}");
    }
}
