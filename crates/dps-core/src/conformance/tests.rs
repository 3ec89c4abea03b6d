//! The check finds what it is there to find.

use super::*;
use crate::{ClientKey, TpmKeys};
use std::sync::Arc;

/// A module of any kind, with one fault.
struct Module {
    attestation: Attestation,
    fault: &'static str,
    calls: u8,
}

const KEY: [u8; 32] = *b"an HMAC key of thirty-two bytes.";

fn key() -> SymmetricKey {
    SymmetricKey::from_bytes(&KEY).unwrap()
}

#[derive(Debug)]
struct Key(&'static str);

impl ClientKey for Key {
    fn schemes(&self) -> Vec<SignatureScheme> {
        if self.0 == "no scheme" { vec![] } else { vec![SignatureScheme::EcdsaP256Sha256] }
    }
    fn sign(&self, scheme: SignatureScheme, _: &[u8]) -> Result<Vec<u8>, HsmError> {
        if scheme == SignatureScheme::EcdsaP256Sha256 || self.0 == "any scheme" {
            return Ok(if self.0 == "empty signature" { vec![] } else { vec![0x30] });
        }
        Err(HsmError::NotSupported { operation: "sign under this scheme" })
    }
}

impl Hsm for Module {
    fn attestation(&self) -> Attestation {
        match self.fault {
            "changing kind" if self.calls > 1 => Attestation::X509,
            _ => self.attestation,
        }
    }
    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.calls += 1;
        let id = match (self.fault, self.attestation) {
            ("changing id", _) => format!("device-{}", self.calls),
            ("foreign id", _) => "other".into(),
            (_, Attestation::Tpm) => {
                return Ok(Some(RegistrationId::from_endorsement_key(&[0, 2, 1, 2])));
            }
            _ => "device".into(),
        };
        Ok(Some(RegistrationId::new(id).unwrap()))
    }
    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        self.calls = self.calls.wrapping_add(1);
        if self.attestation == Attestation::X509 && self.fault != "foreign operation" {
            return Err(HsmError::NotSupported { operation: "sign" });
        }
        Ok(Mac::new(match self.fault {
            "changing HMAC" => [self.calls; 32],
            "constant HMAC" => [1; 32],
            "cut text" => key().hmac_sha256(data.get(..1024).unwrap_or(data)),
            "other key" => SymmetricKey::from_bytes(&[9; 32]).unwrap().hmac_sha256(data),
            _ => key().hmac_sha256(data),
        }))
    }
    fn client_identity(&mut self, _: Now) -> Result<ClientIdentity, HsmError> {
        if self.attestation != Attestation::X509 && self.fault != "foreign operation" {
            return Err(HsmError::NotSupported { operation: "present a certificate" });
        }
        let chain = match self.fault {
            "no certificate" => vec![],
            "PEM" => vec![b"-----BEGIN".to_vec()],
            _ => vec![vec![0x30, 0x82, 1, 1]],
        };
        Ok(ClientIdentity::new(chain, Arc::new(Key(self.fault))))
    }
    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        if self.attestation != Attestation::Tpm {
            return Err(HsmError::NotSupported { operation: "present the keys of a TPM" });
        }
        let endorsement_key = vec![0, if self.fault == "no size" { 9 } else { 2 }, 1, 2];
        Ok(TpmKeys { endorsement_key, storage_root_key: vec![0, 1, 1] })
    }
    fn activate(&mut self, _: &[u8]) -> Result<(), HsmError> {
        match (self.attestation, self.fault) {
            (Attestation::Tpm, "any blob") => Ok(()),
            (Attestation::Tpm, "lost key") => {
                self.fault = "other key";
                Err(HsmError::Failed { operation: "activate", reason: "no blob".into() })
            }
            (Attestation::Tpm, "telling error") => Err(HsmError::Failed {
                operation: "activate",
                reason: format!("after {}", key().to_base64().as_str()),
            }),
            (Attestation::Tpm, _) => {
                Err(HsmError::Failed { operation: "activate", reason: "no blob".into() })
            }
            _ => Err(HsmError::NotSupported { operation: "activate" }),
        }
    }
}

fn checked(attestation: Attestation, fault: &'static str) -> Result<(), Violation> {
    let mut expected = Expectations::default().with_key(key());
    if attestation != Attestation::Tpm {
        expected = expected.with_registration_id(RegistrationId::new("device").unwrap());
    }
    check(&mut Module { attestation, fault, calls: 0 }, &expected)
}

#[test]
fn sound_modules_pass() {
    for attestation in [Attestation::SymmetricKey, Attestation::X509, Attestation::Tpm] {
        assert_eq!(checked(attestation, ""), Ok(()));
    }
}

#[test]
fn every_fault_is_found_by_its_rule() {
    use Attestation::{SymmetricKey, Tpm, X509};
    for (attestation, fault, rule) in [
        (SymmetricKey, "changing kind", "kind of attestation never changes"),
        (SymmetricKey, "changing id", "registration id never changes"),
        (SymmetricKey, "foreign id", "expected one"),
        (SymmetricKey, "changing HMAC", "same text"),
        (SymmetricKey, "constant HMAC", "expected key"),
        (SymmetricKey, "cut text", "other texts"),
        (SymmetricKey, "other key", "expected key"),
        (SymmetricKey, "foreign operation", "NotSupported"),
        (X509, "foreign operation", "NotSupported"),
        (X509, "no certificate", "there is a certificate"),
        (X509, "PEM", "in DER"),
        (X509, "no scheme", "has a scheme"),
        (X509, "any scheme", "NotSupported"),
        (X509, "empty signature", "not empty"),
        (Tpm, "foreign id", "follows from the endorsement key"),
        (Tpm, "no size", "TPM2B_PUBLIC"),
        (Tpm, "any blob", "no activation blob is refused"),
        (Tpm, "lost key", "expected key"),
        (Tpm, "telling error", "errors show no secret"),
    ] {
        let found = checked(attestation, fault).unwrap_err();
        assert!(found.rule.contains(rule), "{fault}: {found}");
        assert!(!found.to_string().contains(key().to_base64().as_str()));
    }
}

#[test]
fn without_a_known_key_texts_must_still_differ() {
    let mut module =
        Module { attestation: Attestation::SymmetricKey, fault: "constant HMAC", calls: 0 };
    let found = check(&mut module, &Expectations::default()).unwrap_err();
    assert_eq!(found.rule, "other texts have other HMACs");
}

#[test]
fn secrets_are_found_however_they_are_written() {
    let expected = Expectations::default().with_key(key()).with_secret(*b"passphrase");
    assert_eq!(check_debug(&"nothing", &expected), Ok(()));
    let hex: String = KEY.iter().map(|byte| format!("{byte:02X}")).collect();
    for shown in [format!("{KEY:?}"), format!("{KEY:#?}"), hex, "my passphrase".into()] {
        assert!(check_debug(&format_args!("{shown}"), &expected).is_err(), "{shown}");
    }
    assert!(check_debug(&KEY, &expected).is_err());
    assert!(check_debug(&key().to_base64().as_str(), &expected).is_err());
}
