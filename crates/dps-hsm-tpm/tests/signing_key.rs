//! A certificate's key that never leaves the TPM, on swtpm.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_core::conformance::{Expectations, check};
use dps_core::{ClientKey, HsmError, RegistrationId, SignatureScheme};
use dps_hsm_tpm::{Tpm, TpmError, TpmSigningKey};
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, Folder, Swtpm};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::sync::Arc;
use std::thread;

const HANDLE: u32 = 0x8100_0200;
const SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;

fn tpm(swtpm: &Swtpm) -> Tpm {
    Tpm::new(swtpm.tcti().parse().unwrap())
}

fn verify(key: &TpmSigningKey, message: &[u8], signature: &[u8]) {
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_point());
    public.verify(message, signature).unwrap();
}

#[test]
fn signatures_are_those_of_the_public_key() {
    let mut swtpm = Swtpm::start();
    let made = TpmSigningKey::create(tpm(&swtpm), HANDLE).unwrap();
    assert_eq!(made.schemes(), [SCHEME]);
    // Enough for numbers of every length.
    for round in 0..40_u8 {
        verify(&made, &[round], &made.sign(SCHEME, &[round]).unwrap());
    }
    verify(&made, &[7; 100_000], &made.sign(SCHEME, &[7; 100_000]).unwrap());
    swtpm.restart();
    let found = TpmSigningKey::at(tpm(&swtpm), HANDLE).unwrap();
    assert_eq!(found.public_point(), made.public_point());
    verify(&made, b"text", &found.sign(SCHEME, b"text").unwrap());
    let other = found.sign(SignatureScheme::RsaPssSha256, b"text");
    assert!(matches!(other, Err(HsmError::NotSupported { .. })));
}

#[test]
fn several_threads_may_sign() {
    let swtpm = Swtpm::start();
    let key = TpmSigningKey::create(tpm(&swtpm), HANDLE).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| verify(&key, b"text", &key.sign(SCHEME, b"text").unwrap()));
        }
    });
}

#[test]
fn a_chain_with_its_key_in_the_tpm_keeps_to_the_contract() {
    let swtpm = Swtpm::start();
    let key = TpmSigningKey::create(tpm(&swtpm), HANDLE).unwrap();
    let certificate = Authority::root("Root").certify("tpm-device", key.public_point());
    let mut hsm = X509Hsm::from_pem_with_key(certificate.as_bytes(), |schemes| {
        assert_eq!(schemes, [SCHEME]);
        Arc::new(key)
    })
    .unwrap();
    let expected = Expectations::default()
        .with_registration_id(RegistrationId::new("tpm-device").unwrap())
        .at(1_800_000_000);
    check(&mut hsm, &expected).unwrap();
}

#[test]
fn a_keys_own_authorization_value_is_used_and_guessing_locks_the_tpm() {
    let swtpm = Swtpm::start();
    let folder = Folder::new("tpm-key");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tool = |name: &str, arguments: &[&str]| drop(swtpm.tool(name, arguments));
    let flush = || tool("tpm2_flushcontext", &["-t"]);
    tool("tpm2_dictionarylockout", &["-s", "-n", "3", "-t", "1000", "-l", "1000"]);
    tool("tpm2_createprimary", &["-C", "o", "-G", "ecc", "-c", &file("parent")]);
    flush();
    let made = ["-C", &file("parent"), "-G", "ecc256:ecdsa", "-p", "secret", "-u", &file("public")];
    tool("tpm2_create", &[&made[..], &["-r", &file("private"), "-c", &file("key")]].concat());
    flush();
    tool("tpm2_evictcontrol", &["-c", &file("key"), "0x81000300"]);
    flush();
    let key = || TpmSigningKey::at(tpm(&swtpm), 0x8100_0300).unwrap();
    let signed = |auth: &[u8]| key().with_auth(auth).unwrap().sign(SCHEME, b"text");
    verify(&key(), b"text", &signed(b"secret").unwrap());
    let mut last = String::new();
    for _ in 0..5 {
        last = signed(b"guess").unwrap_err().to_string();
        let is_told = last.contains("TPM_RC_AUTH_FAIL") || last.contains("TPM_RC_LOCKOUT");
        assert!(is_told && !last.contains("guess"), "{last}");
    }
    assert!(last.contains("TPM_RC_LOCKOUT") && last.contains("--clear-lockout"), "{last}");
    assert!(signed(b"secret").is_err());
    tool("tpm2_dictionarylockout", &["-c"]);
    verify(&key(), b"text", &signed(b"secret").unwrap());
}

#[test]
fn handles_are_checked() {
    let swtpm = Swtpm::start();
    let at = |handle| TpmSigningKey::at(tpm(&swtpm), handle).unwrap_err();
    assert!(matches!(at(HANDLE), TpmError::NoKey { handle: HANDLE, .. }));
    for handle in [0, 0x8000_0000, 0x80ff_ffff, 0x8180_0000, u32::MAX] {
        assert_eq!(at(handle), TpmError::BadHandle { handle });
    }
    TpmSigningKey::create(tpm(&swtpm), HANDLE).unwrap();
    let again = TpmSigningKey::create(tpm(&swtpm), HANDLE).unwrap_err();
    assert!(matches!(again, TpmError::Occupied { handle: HANDLE, .. }), "{again}");
    // A storage root key does not sign.
    let other = at(0x8100_0001);
    assert!(matches!(other, TpmError::OtherKey { .. }), "{other}");
}

#[test]
fn a_key_that_is_bound_to_another_hash_than_its_curves_is_refused() {
    let swtpm = Swtpm::start();
    let folder = Folder::new("tpm-hash");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tool = |name: &str, arguments: &[&str]| drop(swtpm.tool(name, arguments));
    let flush = || tool("tpm2_flushcontext", &["-t"]);
    tool("tpm2_createprimary", &["-C", "o", "-G", "ecc", "-c", &file("parent")]);
    flush();
    let make = |algorithm: &str, handle: &str| {
        let made = ["-C", &file("parent"), "-G", algorithm, "-u", &file("public")];
        tool("tpm2_create", &[&made[..], &["-r", &file("private"), "-c", &file("key")]].concat());
        flush();
        tool("tpm2_evictcontrol", &["-c", &file("key"), handle]);
        flush();
    };
    make("ecc384:ecdsa-sha256", "0x81000300");
    make("ecc384:ecdsa-sha384", "0x81000301");
    let other = TpmSigningKey::at(tpm(&swtpm), 0x8100_0300).unwrap_err().to_string();
    assert!(other.contains("signs with SHA-256 only"), "{other}");
    assert!(other.contains("ecc384:ecdsa-sha384"), "{other}");
    let good = TpmSigningKey::at(tpm(&swtpm), 0x8100_0301).unwrap();
    good.sign(SignatureScheme::EcdsaP384Sha384, b"text").unwrap();
}
