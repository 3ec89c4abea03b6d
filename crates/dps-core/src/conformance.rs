//! What every [`Hsm`] must keep to, as a check that its own tests run (feature `conformance`).
//!
//! Make the feature a part of the development dependencies, and call [`check`] with a module that
//! is ready to be used:
//!
//! ```toml
//! [dev-dependencies]
//! dps-core = { version = "...", features = ["conformance"] }
//! ```
//!
//! ```
//! use dps_core::conformance::{Expectations, check};
//! # use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, SymmetricKey};
//! # struct MyHsm(SymmetricKey);
//! # impl Hsm for MyHsm {
//! #     fn attestation(&self) -> Attestation { Attestation::SymmetricKey }
//! #     fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> { Ok(None) }
//! #     fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
//! #         Ok(Mac::new(self.0.hmac_sha256(data)))
//! #     }
//! # }
//! # let key = SymmetricKey::from_bytes(&[1; 32]).unwrap();
//! # let mut my_hsm = MyHsm(key.clone());
//! // In a test: the key is known to it, and the module holds the same one.
//! check(&mut my_hsm, &Expectations::default().with_key(key)).unwrap();
//! ```
//!
//! A module for TPMs is checked after the test has activated a key in it, since only then it can
//! sign; [`check`] then tries blobs that are none, and that the key outlives them.

use crate::{
    Attestation, ClientIdentity, Hsm, HsmError, Mac, Now, RegistrationId, SignatureScheme,
    SymmetricKey, Timestamp,
};
use core::time::Duration;

/// What the test knows about the module. Whatever is not given is not compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Expectations {
    /// The id that the module must give.
    pub registration_id: Option<RegistrationId>,
    /// The key that the module signs with.
    pub key: Option<SymmetricKey>,
    /// Bytes that no error may show, as bytes, base64 or hexadecimal: passphrases, and of
    /// private keys the parts that are not public as well.
    pub secrets: Vec<Vec<u8>>,
    /// The time at which its certificate is valid, in seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: u64,
}

impl Default for Expectations {
    /// Nothing is known; the time is in May 2033.
    fn default() -> Self {
        Self { registration_id: None, key: None, secrets: Vec::new(), unix_seconds: 2_000_000_000 }
    }
}

impl Expectations {
    /// Expects this id.
    #[must_use]
    pub fn with_registration_id(self, id: RegistrationId) -> Self {
        Self { registration_id: Some(id), ..self }
    }

    /// Expects HMACs by this key, and the key in no error.
    #[must_use]
    pub fn with_key(self, key: SymmetricKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Expects these bytes in no error.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Takes this for the time, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(self, unix_seconds: u64) -> Self {
        Self { unix_seconds, ..self }
    }
}

/// The rule that a module has broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {found}")]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

/// Checks the contract of [`Hsm`]: the kind of attestation never changes; the id is always the
/// same; operations of other kinds answer [`HsmError::NotSupported`]; HMACs are those of the
/// identity's key, also of long texts; certificates come with keys that sign; errors show no
/// secret; a failure leaves the module as it was.
///
/// # Errors
///
/// The first [`Violation`].
pub fn check(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let attestation = hsm.attestation();
    check_id(hsm, expected)?;
    match attestation {
        Attestation::SymmetricKey => {
            check_macs(hsm, expected)?;
            no_certificate(hsm, expected)?;
            no_tpm(hsm, expected)?;
        }
        Attestation::X509 => {
            check_certificate(hsm, expected)?;
            not_supported("sign", hsm.sign(b"text"), expected)?;
            no_tpm(hsm, expected)?;
        }
        Attestation::Tpm => {
            check_tpm(hsm, expected)?;
            no_certificate(hsm, expected)?;
        }
    }
    holds("the kind of attestation never changes", hsm.attestation() == attestation, || {
        format!("{attestation:?} became {:?}", hsm.attestation())
    })?;
    check_id(hsm, expected)
}

/// Checks that what the module shows of itself in `Debug` has no secret.
///
/// # Errors
///
/// The [`Violation`].
pub fn check_debug(hsm: &dyn core::fmt::Debug, expected: &Expectations) -> Result<(), Violation> {
    for text in [format!("{hsm:?}"), format!("{hsm:#?}")] {
        no_secret("Debug shows no secret", &text, expected)?;
    }
    Ok(())
}

fn holds(rule: &'static str, it: bool, found: impl FnOnce() -> String) -> Result<(), Violation> {
    if it { Ok(()) } else { Err(Violation { rule, found: found() }) }
}

fn succeeds<T>(rule: &'static str, result: Result<T, HsmError>) -> Result<T, Violation> {
    result.map_err(|error| Violation { rule, found: error.to_string() })
}

fn check_id(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let first = succeeds("the registration id can be read", hsm.registration_id())?;
    let second = succeeds("the registration id can be read again", hsm.registration_id())?;
    holds("the registration id never changes", first == second, || {
        format!("{first:?}, {second:?}")
    })?;
    if let Some(wanted) = &expected.registration_id {
        holds("the registration id is the expected one", first.as_ref() == Some(wanted), || {
            format!("{first:?} instead of {wanted:?}")
        })?;
    }
    Ok(())
}

/// Lengths around the sizes of hash blocks and of what hardware takes at a time.
const LENGTHS: [usize; 12] = [0, 1, 55, 63, 64, 65, 300, 1023, 1024, 1025, 2049, 5000];

fn check_macs(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let mut seen: Vec<[u8; 32]> = Vec::new();
    for length in LENGTHS {
        let text: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let sign = |hsm: &mut dyn Hsm| -> Result<Mac, Violation> {
            succeeds("texts of any length are signed", hsm.sign(&text))
        };
        let (first, second) = (*sign(hsm)?.as_bytes(), *sign(hsm)?.as_bytes());
        let at = || format!("with {length} bytes");
        holds("the same text has the same HMAC", first == second, at)?;
        holds("other texts have other HMACs", !seen.contains(&first), at)?;
        if let Some(key) = &expected.key {
            let wanted = key.hmac_sha256(&text);
            holds("HMACs are HMAC-SHA256 by the expected key", first == wanted, at)?;
        }
        seen.push(first);
    }
    Ok(())
}

fn check_certificate(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let mut ask = || -> Result<ClientIdentity, Violation> {
        let now = Now::new(Timestamp::new(Duration::ZERO), expected.unix_seconds);
        succeeds("a certificate can be presented", hsm.client_identity(now))
    };
    let (identity, again) = (ask()?, ask()?);
    holds("the chain never changes", identity.chain() == again.chain(), || "it did".into())?;
    holds("there is a certificate", !identity.chain().is_empty(), || "the chain is empty".into())?;
    // A DER sequence with a length of two bytes, as any certificate's.
    let is_der = |der: &Vec<u8>| der.starts_with(&[0x30, 0x82]) || der.starts_with(&[0x30, 0x81]);
    holds("the chain is in DER", identity.chain().iter().all(is_der), || "it is not".into())?;
    let key = identity.key();
    let schemes = key.schemes();
    holds("the key has a scheme", !schemes.is_empty(), || "it has none".into())?;
    holds("the schemes never change", schemes == again.key().schemes(), || format!("{schemes:?}"))?;
    for scheme in ALL_SCHEMES {
        let result = key.sign(scheme, b"message");
        if schemes.contains(&scheme) {
            let signature = succeeds("the key signs under its schemes", result)?;
            holds("a signature is not empty", !signature.is_empty(), || format!("{scheme:?}"))?;
        } else {
            not_supported("sign under another scheme", result, expected)?;
        }
    }
    no_secret("Debug of the key shows no secret", &format!("{key:?}"), expected)
}

const ALL_SCHEMES: [SignatureScheme; 8] = [
    SignatureScheme::RsaPkcs1Sha256,
    SignatureScheme::RsaPkcs1Sha384,
    SignatureScheme::RsaPkcs1Sha512,
    SignatureScheme::RsaPssSha256,
    SignatureScheme::RsaPssSha384,
    SignatureScheme::RsaPssSha512,
    SignatureScheme::EcdsaP256Sha256,
    SignatureScheme::EcdsaP384Sha384,
];

fn check_tpm(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let keys = succeeds("the TPM's keys can be read", hsm.tpm_keys())?;
    let again = succeeds("the TPM's keys can be read again", hsm.tpm_keys())?;
    holds("the TPM's keys never change", keys == again, || "they did".into())?;
    for (rule, key) in [
        ("the endorsement key is a TPM2B_PUBLIC", &keys.endorsement_key),
        ("the storage root key is a TPM2B_PUBLIC", &keys.storage_root_key),
    ] {
        let size = key.first_chunk::<2>().map(|size| usize::from(u16::from_be_bytes(*size)));
        holds(rule, size.is_some_and(|size| size > 0 && size + 2 == key.len()), || {
            format!("{} bytes, of which the first say {size:?}", key.len())
        })?;
    }
    let id = succeeds("the registration id can be read", hsm.registration_id())?;
    let derived = RegistrationId::from_endorsement_key(&keys.endorsement_key);
    if expected.registration_id.is_none() {
        holds(
            "the registration id follows from the endorsement key",
            id.as_ref() == Some(&derived),
            || format!("{id:?} instead of {derived:?}"),
        )?;
    }
    check_macs(hsm, expected)?;
    for blob in [&[][..], &[0; 10], &[0xff; 874]] {
        match hsm.activate(blob) {
            Err(error @ HsmError::Failed { .. }) => {
                no_secret("errors show no secret", &error.to_string(), expected)?;
            }
            other => {
                let rule = "what is no activation blob is refused with HsmError::Failed";
                return Err(Violation { rule, found: format!("{other:?}") });
            }
        }
    }
    // A refused blob must not have cost the key before it.
    check_macs(hsm, expected)
}

fn no_certificate(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    let now = Now::new(Timestamp::new(Duration::ZERO), expected.unix_seconds);
    not_supported("present a certificate", hsm.client_identity(now), expected)
}

fn no_tpm(hsm: &mut dyn Hsm, expected: &Expectations) -> Result<(), Violation> {
    not_supported("present the keys of a TPM", hsm.tpm_keys(), expected)?;
    not_supported("activate a key", hsm.activate(&[0; 10]), expected)
}

fn not_supported<T>(
    operation: &str,
    result: Result<T, HsmError>,
    expected: &Expectations,
) -> Result<(), Violation> {
    const RULE: &str = "operations of other kinds answer NotSupported";
    match result {
        Err(error @ HsmError::NotSupported { .. }) => {
            no_secret("errors show no secret", &error.to_string(), expected)
        }
        Err(error) => Err(Violation { rule: RULE, found: format!("{operation}: {error}") }),
        Ok(_) => Err(Violation { rule: RULE, found: format!("{operation}: it succeeded") }),
    }
}

/// The secret as text, and any eight of its bytes in a row in base64, hexadecimal, or as `Debug`
/// shows bytes.
fn no_secret(rule: &'static str, text: &str, expected: &Expectations) -> Result<(), Violation> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let key = expected.key.as_ref().and_then(|key| {
        base64::engine::general_purpose::STANDARD.decode(key.to_base64().as_bytes()).ok()
    });
    let lower = text.to_lowercase();
    for secret in expected.secrets.iter().chain(&key) {
        let plain = core::str::from_utf8(secret).is_ok_and(|plain| text.contains(plain));
        let shown = secret.chunks_exact(9).any(|part| {
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let list: Vec<String> = part.iter().map(ToString::to_string).collect();
            text.contains(&STANDARD_NO_PAD.encode(part))
                || lower.contains(&hex)
                || lower.replace(['\n', ' '], "").contains(&list.join(","))
        });
        // What it is must not be repeated here.
        holds(rule, !plain && !shown, || "there is one".into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
