//! Chains and keys in all forms. Every signature is checked against the certificate.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::{SignatureScheme, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData,
    date_time_ymd,
};
use ring::signature::{self as verify, UnparsedPublicKey, VerificationAlgorithm};

const RSA_PKCS8: &str = include_str!("../test-keys/rsa2048.pkcs8.pem");
const RSA_PKCS1: &str = include_str!("../test-keys/rsa2048.pkcs1.pem");
const P256_PKCS8: &str = include_str!("../test-keys/p256.pkcs8.pem");
/// With "EC PARAMETERS" in front, as openssl writes it.
const P256_SEC1: &str = include_str!("../test-keys/p256.sec1.pem");
/// Without the public point.
const P256_SHORT: &str = include_str!("../test-keys/p256.sec1.short.pem");
const P384_PKCS8: &str = include_str!("../test-keys/p384.pkcs8.pem");
const P384_SEC1: &str = include_str!("../test-keys/p384.sec1.pem");

/// 2030-06-01.
const MIDDAY: u64 = 1_906_545_600;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}

/// A certificate that the key in `pkcs8` issued to itself.
fn certificate(pkcs8: &str, name: &str) -> String {
    params(name).self_signed(&KeyPair::from_pem(pkcs8).unwrap()).unwrap().pem()
}

struct Chain {
    root: String,
    intermediate: String,
    leaf: String,
}

/// Root, intermediate, and a leaf for the key in P256_PKCS8.
fn chain() -> Chain {
    let ca = |name| {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = ca("root");
    let (intermediate, intermediate_key) = ca("line 7");
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let intermediate_pem = intermediate.signed_by(&intermediate_key, &root).unwrap().pem();
    let issuer = Issuer::new(intermediate, intermediate_key);
    let leaf = params("dev1").signed_by(&KeyPair::from_pem(P256_PKCS8).unwrap(), &issuer).unwrap();
    Chain { root: root_pem, intermediate: intermediate_pem, leaf: leaf.pem() }
}

fn load(certificates: &str, key: &str) -> Result<X509Hsm, X509Error> {
    X509Hsm::from_pem(certificates.as_bytes(), key.as_bytes())
}

fn now(unix_seconds: u64) -> Now {
    Now::new(Timestamp::default(), unix_seconds)
}

/// Signs under every scheme of the key and verifies with the public key.
fn schemes_that_verify(certificate: &str, key: &str, pkcs8: &str) -> Vec<SignatureScheme> {
    let mut hsm = load(certificate, key).unwrap();
    let public = KeyPair::from_pem(pkcs8).unwrap();
    let public = public.der_bytes();
    let identity = hsm.client_identity(now(MIDDAY)).unwrap();
    let schemes = identity.key().schemes();
    for scheme in &schemes {
        let signature = identity.key().sign(*scheme, b"message").unwrap();
        let algorithm: &dyn VerificationAlgorithm = match scheme {
            SignatureScheme::RsaPkcs1Sha256 => &verify::RSA_PKCS1_2048_8192_SHA256,
            SignatureScheme::RsaPkcs1Sha384 => &verify::RSA_PKCS1_2048_8192_SHA384,
            SignatureScheme::RsaPkcs1Sha512 => &verify::RSA_PKCS1_2048_8192_SHA512,
            SignatureScheme::RsaPssSha256 => &verify::RSA_PSS_2048_8192_SHA256,
            SignatureScheme::RsaPssSha384 => &verify::RSA_PSS_2048_8192_SHA384,
            SignatureScheme::RsaPssSha512 => &verify::RSA_PSS_2048_8192_SHA512,
            SignatureScheme::EcdsaP256Sha256 => &verify::ECDSA_P256_SHA256_ASN1,
            SignatureScheme::EcdsaP384Sha384 => &verify::ECDSA_P384_SHA384_ASN1,
            other => panic!("{other:?}"),
        };
        UnparsedPublicKey::new(algorithm, public).verify(b"message", &signature).unwrap();
    }
    schemes
}

#[test]
fn keys_of_every_form_sign_for_their_certificate() {
    for (pkcs8, forms, count) in [
        (RSA_PKCS8, vec![RSA_PKCS8, RSA_PKCS1], 6),
        (P256_PKCS8, vec![P256_PKCS8, P256_SEC1, P256_SHORT], 1),
        (P384_PKCS8, vec![P384_PKCS8, P384_SEC1], 1),
    ] {
        let certificate = certificate(pkcs8, "dev1");
        for form in forms {
            assert_eq!(schemes_that_verify(&certificate, form, pkcs8).len(), count, "{form}");
        }
    }
}

#[test]
fn a_key_elsewhere_is_told_the_schemes_of_its_certificate() {
    for pkcs8 in [RSA_PKCS8, P256_PKCS8, P384_PKCS8] {
        let certificate = certificate(pkcs8, "device");
        let own = load(&certificate, pkcs8).unwrap();
        let mut told = Vec::new();
        let elsewhere = X509Hsm::from_pem_with_key(certificate.as_bytes(), |schemes| {
            told = schemes;
            own.identity.key().clone()
        })
        .unwrap();
        assert_eq!(told, own.identity.key().schemes());
        assert_eq!(elsewhere.identity.chain(), own.identity.chain());
        assert_eq!(elsewhere.common_name(), Some("device"));
    }
    let none = X509Hsm::from_pem_with_key(b"", |_| unreachable!("there is no certificate"));
    assert_eq!(none.unwrap_err(), X509Error::NoCertificate);
}

#[test]
fn a_scheme_of_another_kind_of_key_is_not_supported() {
    let mut hsm = load(&certificate(P256_PKCS8, "dev1"), P256_PKCS8).unwrap();
    let identity = hsm.client_identity(now(MIDDAY)).unwrap();
    let result = identity.key().sign(SignatureScheme::EcdsaP384Sha384, b"x");
    assert!(matches!(result, Err(HsmError::NotSupported { .. })));
    assert!(matches!(hsm.sign(b"x"), Err(HsmError::NotSupported { .. })));
}

#[test]
fn the_common_name_is_the_registration_id() {
    let mut hsm = load(&certificate(P256_PKCS8, "Dev:1.a"), P256_PKCS8).unwrap();
    assert_eq!(hsm.registration_id().unwrap().unwrap().as_str(), "Dev:1.a");
    assert_eq!(hsm.attestation(), Attestation::X509);
    let mut hsm = load(&certificate(P256_PKCS8, "not an id"), P256_PKCS8).unwrap();
    let text = hsm.registration_id().unwrap_err().to_string();
    assert!(text.contains("common name"), "{text}");
}

#[test]
fn the_whole_chain_is_given_in_order() {
    let chain = chain();
    // One file with everything, text between the blocks, and the key first.
    let bundle = format!("{P256_SEC1}subject=dev1\n{}\r\n{}", chain.leaf, chain.intermediate);
    let mut hsm = load(&bundle, &bundle).unwrap();
    assert_eq!(hsm.client_identity(now(MIDDAY)).unwrap().chain().len(), 2);
    assert_eq!(hsm.missing_issuer(), Some("CN=root"));
    let whole = format!("{}{}{}", chain.leaf, chain.intermediate, chain.root);
    assert_eq!(load(&whole, P256_PKCS8).unwrap().missing_issuer(), None);
}

#[test]
fn a_gap_in_the_chain_names_what_is_missing() {
    let chain = chain();
    assert_eq!(load(&chain.leaf, P256_PKCS8).unwrap().missing_issuer(), Some("CN=line 7"));
    let error = load(&format!("{}{}", chain.leaf, chain.root), P256_PKCS8).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate of \"CN=line 7\", which issued the one of \"CN=dev1\", is missing in the chain: \"CN=root\" follows"
    );
}

#[test]
fn a_foreign_key_is_refused() {
    let other = KeyPair::generate().unwrap().serialize_pem();
    let mismatch = X509Error::KeyMismatch { subject: "CN=dev1".into() };
    for (pkcs8, key) in [
        (P256_PKCS8, other.as_str()),
        (P256_PKCS8, RSA_PKCS8),
        (P256_PKCS8, P384_SEC1),
        (P384_PKCS8, P256_SHORT),
        (RSA_PKCS8, P256_SEC1),
    ] {
        assert_eq!(load(&certificate(pkcs8, "dev1"), key).unwrap_err(), mismatch);
    }
}

#[test]
fn validity_is_judged_by_the_given_time() {
    let mut hsm = load(&certificate(P256_PKCS8, "dev1"), P256_PKCS8).unwrap();
    assert!(hsm.client_identity(now(MIDDAY)).is_ok());
    // A year later, and a year before.
    let late = hsm.client_identity(now(MIDDAY + 31_536_000)).unwrap_err().to_string();
    assert!(late.contains("\"CN=dev1\" expired on Jan  1 00:00:00 2031"), "{late}");
    let early = hsm.client_identity(now(MIDDAY - 31_536_000)).unwrap_err().to_string();
    assert!(early.contains("only valid from Jan  1 00:00:00 2030"), "{early}");
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let certificate = certificate(P256_PKCS8, "dev1");
    let text = |key: &str| load(&certificate, key).unwrap_err().to_string();
    let encrypted = include_str!("../test-keys/encrypted.pkcs8.pem");
    assert!(text(encrypted).contains("is encrypted: give its passphrase"), "{}", text(encrypted));
    for (key, words) in [
        (include_str!("../test-keys/rsa1024.pem"), "less than 2048 bits is not supported"),
        (include_str!("../test-keys/p521.sec1.pem"), "P-521 is not supported"),
        (include_str!("../test-keys/ed25519.pem"), "Ed25519 key is not supported"),
        ("-----BEGIN DSA PRIVATE KEY-----\n-----END DSA PRIVATE KEY-----", "\"DSA PRIVATE KEY\""),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "malformed"),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", "it is not base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "it has no end"),
        ("", "no private key"),
        (&certificate, "no private key"),
    ] {
        assert!(text(key).contains(words), "{words}: {}", text(key));
    }
}

/// Of the keys below.
const PASSPHRASE: &str = "a long passphrase, ä";
const P256_AES256: &str = include_str!("../test-keys/p256.aes256.pem");

fn unlock(certificates: &str, key: &str, passphrase: &str) -> Result<X509Hsm, X509Error> {
    let [certificates, key] = [certificates, key].map(str::as_bytes);
    X509Hsm::from_pem_with_passphrase(certificates, key, passphrase.as_bytes())
}

#[test]
fn keys_under_a_passphrase_sign_for_their_certificate() {
    // PBKDF2 with SHA-256, SHA-512 and SHA-1.
    for (pkcs8, encrypted) in [
        (P256_PKCS8, P256_AES256),
        (P384_PKCS8, include_str!("../test-keys/p384.aes192.pem")),
        (RSA_PKCS8, include_str!("../test-keys/rsa2048.aes128.pem")),
    ] {
        // That the key is the certificate's is checked when it is read.
        let certificate = certificate(pkcs8, "dev1");
        let mut hsm = unlock(&certificate, encrypted, PASSPHRASE).unwrap();
        let identity = hsm.client_identity(now(MIDDAY)).unwrap();
        let scheme = identity.key().schemes()[0];
        assert!(!identity.key().sign(scheme, b"message").unwrap().is_empty());
        assert_eq!(load(&certificate, encrypted).unwrap_err(), X509Error::EncryptedKey);
    }
    // One that is not encrypted needs none.
    unlock(&certificate(P256_PKCS8, "dev1"), P256_SEC1, "anything").unwrap();
}

#[test]
fn a_wrong_passphrase_is_said_to_be_one() {
    let certificate = certificate(P256_PKCS8, "dev1");
    // Many: one in 256 gives a padding that looks right.
    for number in 0..400 {
        let error = unlock(&certificate, P256_AES256, &format!("wrong {number}")).unwrap_err();
        assert_eq!(error, X509Error::WrongPassphrase);
    }
    let error = unlock(&certificate, P256_AES256, "").unwrap_err();
    assert_eq!(error, X509Error::WrongPassphrase);
}

#[test]
fn encryption_that_is_not_supported_is_named_with_the_way_out() {
    let certificate = certificate(P256_PKCS8, "dev1");
    for (key, words) in [
        (include_str!("../test-keys/encrypted.scrypt.pem"), "with scrypt"),
        (include_str!("../test-keys/encrypted.des3.pem"), "with triple DES"),
        (include_str!("../test-keys/encrypted.pkcs12.pem"), "with a scheme of PKCS#12"),
        (include_str!("../test-keys/encrypted.aria.pem"), "with another cipher than AES"),
        (include_str!("../test-keys/encrypted.pkcs1.pem"), "(Proc-Type: 4,ENCRYPTED)"),
    ] {
        let text = unlock(&certificate, key, PASSPHRASE).unwrap_err().to_string();
        assert!(text.contains(words) && text.contains("openssl pkcs8 -topk8"), "{words}: {text}");
    }
}

#[test]
fn a_damaged_encrypted_key_is_refused_without_a_panic() {
    let certificate = certificate(P256_PKCS8, "dev1");
    let (begin, end) =
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----");
    let body: String = P256_AES256.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    let mut harmless = Vec::new();
    // Up to the ciphertext: from there on it is a wrong passphrase, seen above.
    for position in 0..110 {
        let mut damaged = der.clone();
        damaged[position] ^= 0x41;
        let pem = format!("{begin}\n{}\n{end}", STANDARD.encode(&damaged));
        if unlock(&certificate, &pem, PASSPHRASE).is_ok() {
            harmless.push(position);
        }
        let short = format!("{begin}\n{}\n{end}", STANDARD.encode(&der[..position]));
        let error = unlock(&certificate, &short, PASSPHRASE).unwrap_err();
        assert_eq!(error, X509Error::MalformedKey);
    }
    // The HMAC's parameter, which is a NULL, and, by the initialization vector, the version of
    // the key: neither says anything.
    assert_eq!(harmless, [59, 60, 81]);
}

#[test]
fn bytes_that_are_not_text_are_named() {
    let certificate = certificate(P256_PKCS8, "dev1");
    let error = X509Hsm::from_pem(b"\x30\x82\x01", P256_PKCS8.as_bytes()).unwrap_err();
    assert_eq!(error, X509Error::NotText { what: "text with the certificates", position: 2 });
    let error = X509Hsm::from_pem(certificate.as_bytes(), b"ab\xff").unwrap_err().to_string();
    for words in ["the text with the private key is not PEM", "position 3", "-inform DER"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn certificates_that_cannot_be_used_say_why() {
    assert_eq!(load(P256_PKCS8, P256_PKCS8).unwrap_err(), X509Error::NoCertificate);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = load(&format!("{}{broken}", certificate(P256_PKCS8, "d")), P256_PKCS8);
    assert_eq!(error.unwrap_err(), X509Error::Certificate { number: 2 });
}

#[test]
fn every_prefix_of_a_key_is_refused_without_a_panic() {
    let certificate = certificate(P256_PKCS8, "dev1");
    for key in [P256_PKCS8, P256_SEC1, RSA_PKCS1] {
        for length in 0..=key.rfind("-----END").unwrap() {
            assert!(load(&certificate, &key[..length]).is_err());
        }
    }
}

#[test]
fn debug_shows_no_key() {
    for key in [P256_PKCS8, RSA_PKCS8] {
        let hsm = load(&certificate(key, "dev1"), key).unwrap();
        let debug = format!("{hsm:?}");
        assert!(debug.contains("secret"), "{debug}");
    }
}

#[test]
fn it_keeps_to_the_contract() {
    use dps_core::conformance::{Expectations, check, check_debug};
    for key in [RSA_PKCS8, P256_PKCS8, P384_PKCS8] {
        let der: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(der).unwrap();
        // Only what is private: RSA's primes and what follows them, EC's number.
        let (from, length) = match der.windows(4).position(|part| part == [2, 1, 1, 4]) {
            Some(at) => (at + 5, usize::from(der[at + 4])),
            None => (der.len() - 600, 600),
        };
        let secret = &der[from..][..length];
        let expected = Expectations::default()
            .with_registration_id(RegistrationId::new("dev1").unwrap())
            .with_secret(secret)
            .at(MIDDAY);
        let certificate = certificate(key, "dev1");
        let mut hsm = X509Hsm::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        check(&mut hsm, &expected).unwrap();
        check_debug(&hsm, &expected).unwrap();
    }
}
