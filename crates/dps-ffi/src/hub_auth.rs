//! What the hub client asks for when it connects (`c-abi.md` section 1.6): SAS tokens, or the
//! certificate and its key.
//!
//! Tokens have the form of `wire-protocol.md` section 1.4 for hubs: the resource is signed as it is
//! given, and there is no `skn` unless a key's name is given.

use crate::abi::DEVICE_AUTH_TYPE;
use crate::proof::Proof;
use crate::secret::SecretText;
use core::ffi::c_char;
use core::ptr;
use dps_client::dps_core::sas::{HexCase, UnsignedToken};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a token is for.
pub(crate) struct TokenRequest {
    /// Stands in the token as it is.
    pub(crate) scope: String,
    /// Seconds since 1970.
    pub(crate) expiry: u64,
    /// Left out when empty.
    pub(crate) key_name: String,
}

/// What `generate_credentials` gives: texts of C that live until the next call on the handle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The token, or the certificate.
    pub(crate) first: *const c_char,
    /// NULL, or the certificate's key.
    pub(crate) second: *const c_char,
}

/// The object behind an `IOTHUB_SECURITY_HANDLE`.
#[derive(Debug)]
pub(crate) struct HubAuth {
    proof: Proof,
    /// What C may be reading.
    shown: Mutex<[Option<SecretText>; 2]>,
}

impl HubAuth {
    /// Takes a copy of the key.
    pub(crate) fn new(proof: Proof) -> Self {
        Self { proof, shown: Mutex::default() }
    }

    pub(crate) fn kind(&self) -> DEVICE_AUTH_TYPE {
        match self.proof {
            Proof::SymmetricKey { .. } | Proof::KeyPlugin(_) => DEVICE_AUTH_TYPE::SYMM_KEY,
            Proof::X509 | Proof::X509Plugin(_) => DEVICE_AUTH_TYPE::X509,
            Proof::Tpm(_) => DEVICE_AUTH_TYPE::SAS,
        }
    }

    /// Whether [`sas_token`](Self::sas_token) is the one to ask.
    pub(crate) fn gives_tokens(&self) -> bool {
        self.kind() != DEVICE_AUTH_TYPE::X509
    }

    /// A token. On refusal tells why, without any part of the key.
    pub(crate) fn sas_token(&self, request: &TokenRequest) -> Result<Credentials, String> {
        let mut token =
            UnsignedToken::new(request.scope.as_str(), request.expiry).hex_case(HexCase::Lower);
        if !request.key_name.is_empty() {
            token = token.key_name(request.key_name.as_str());
        }
        let mac = self.proof.mac(&token.string_to_sign())?;
        let token = token.finish(&mac);
        Ok(self.show([Some(SecretText::of_bytes(token.as_str().as_bytes())), None]))
    }

    /// The certificate and its key: the plug-in's, or what the options of a provisioning client gave.
    pub(crate) fn certificate(&self) -> Result<Credentials, String> {
        let certificate = self.proof.certificate()?;
        Ok(self.show([Some(certificate), Some(self.proof.certificate_key()?)]))
    }

    fn show(&self, texts: [Option<SecretText>; 2]) -> Credentials {
        let mut shown: MutexGuard<'_, _> =
            self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = texts;
        let [first, second] =
            shown.each_ref().map(|text| text.as_ref().map_or(ptr::null(), SecretText::as_ptr));
        Credentials { first, second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn with_key(key: &str) -> HubAuth {
        HubAuth::new(Proof::SymmetricKey {
            registration_name: "device".into(),
            key: SecretText::new(&Zeroizing::new(key.into())),
        })
    }

    fn token(auth: &HubAuth, scope: &str, expiry: u64, key_name: &str) -> String {
        let request = TokenRequest { scope: scope.into(), expiry, key_name: key_name.into() };
        let given = auth.sas_token(&request).unwrap();
        let shown = auth.shown.lock().unwrap();
        let text = shown[0].as_ref().unwrap();
        assert_eq!(given, Credentials { first: text.as_ptr(), second: ptr::null() });
        text.expose().to_owned()
    }

    /// `wire-protocol.md` section 1.5, the hub's vectors, with escapes as the C client writes them;
    /// and the golden vector of `c-abi.md` section 1.6.
    #[test]
    fn hub_tokens_are_the_originals() {
        let auth = with_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(auth.kind(), DEVICE_AUTH_TYPE::SYMM_KEY);
        for (scope, signature) in [
            (
                "contoso-hub.azure-devices.net/devices/my-symkey-device",
                "qZAwITtXVZgiCwcrehr6EWAepajIrYr7wmwi2pvDI3o%3d",
            ),
            (
                "contoso-hub.azure-devices.net%2fdevices%2fmy-symkey-device",
                "MDJw4pxR%2fc3opXEFlBoXGh62x73UPkS7u9zSzC7oMfc%3d",
            ),
        ] {
            let expected =
                format!("SharedAccessSignature sr={scope}&sig={signature}&se=1893456000");
            assert_eq!(token(&auth, scope, 1_893_456_000, ""), expected);
            assert_eq!(token(&auth, scope, 1_893_456_000, "device"), expected + "&skn=device");
        }
        let golden = with_key("c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmU=");
        assert_eq!(
            token(&golden, "hub.azure-devices.net%2Fdevices%2Fd", 1_700_000_000, ""),
            "SharedAccessSignature sr=hub.azure-devices.net%2Fdevices%2Fd&sig=q9fFOch%2b0IEwX49%2fmUlQFDRx3DyU2e5yI1K7%2fqz3DPQ%3d&se=1700000000"
        );
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused_without_showing_it() {
        let request = TokenRequest { scope: "s".into(), expiry: 1, key_name: String::new() };
        let refusal = with_key("secret!").sas_token(&request).unwrap_err();
        assert!(refusal.contains("not valid base64") && !refusal.contains("secret"), "{refusal}");
        let refusal = HubAuth::new(Proof::X509).sas_token(&request).unwrap_err();
        assert!(refusal.contains("no tokens"), "{refusal}");
    }
}
