//! Keys that OpenSSL's own provider finds by `file:` URIs, which take the same way as those of
//! hardware.

// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used)]

use dps_core::conformance::{Expectations, check};
use dps_core::{Hsm as _, Now, RegistrationId};
use dps_hsm_openssl::{OpensslError, Providers, x509};
use dps_hsm_x509::X509Hsm;
use rcgen::{CertificateParams, KeyPair};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dps-hsm-x509/test-keys/");
const KINDS: [(&str, usize); 3] = [("p256", 1), ("p384", 1), ("rsa2048", 6)];

fn certificate(kind: &str) -> String {
    let key = std::fs::read_to_string(format!("{KEYS}{kind}.pkcs8.pem")).unwrap();
    let params = CertificateParams::new(vec!["device".to_owned()]).unwrap();
    params.self_signed(&KeyPair::from_pem(&key).unwrap()).unwrap().pem()
}

fn load(certificate: &str, kind: &str) -> Result<X509Hsm, OpensslError> {
    x509(certificate.as_bytes(), &format!("file:{KEYS}{kind}.pkcs8.pem"), "provider=default")
}

#[test]
fn a_key_that_a_provider_finds_signs_under_all_its_schemes() {
    for (kind, count) in KINDS {
        let mut hsm = load(&certificate(kind), kind).unwrap();
        let identity = hsm.client_identity(Now::new(Default::default(), 1_900_000_000)).unwrap();
        let schemes = identity.key().schemes();
        // Each was tried, and verified by the certificate, when the key was found.
        assert_eq!(schemes.len(), count, "{kind}");
        for scheme in schemes {
            assert!(!identity.key().sign(scheme, b"message").unwrap().is_empty());
        }
        assert!(!format!("{:?}", identity.key()).contains("PRIVATE"));
    }
}

#[test]
fn modules_keep_to_the_contract() {
    for (kind, _) in KINDS {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "openssl-device");
        let pem = std::fs::read_to_string(format!("{KEYS}{kind}.pkcs8.pem")).unwrap();
        let key = KeyPair::from_pem(&pem).unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        let expected = Expectations::default()
            .with_registration_id(RegistrationId::new("openssl-device").unwrap())
            .with_secret(key.serialize_der());
        check(&mut load(&chain, kind).unwrap(), &expected).unwrap();
    }
}

#[test]
fn what_does_not_fit_or_is_not_there_is_told_apart() {
    let chain = certificate("p256");
    let foreign = load(&chain, "p384").unwrap_err();
    assert!(matches!(foreign, OpensslError::KeyMismatch { count: 1, .. }), "{foreign}");
    let missing = x509(chain.as_bytes(), "file:/no/such.pem", "").unwrap_err();
    assert!(missing.to_string().contains("no private key"), "{missing}");
    let scheme = x509(chain.as_bytes(), "handle:0x81000001", "").unwrap_err();
    assert!(matches!(scheme, OpensslError::NoKey { .. }), "{scheme}");
    let provider = Providers::load(&["default", "no-such-provider"]).unwrap_err();
    assert!(provider.to_string().contains("\"no-such-provider\" cannot be loaded"), "{provider}");
    assert!(Providers::load(&["default"]).is_ok());
    assert!(matches!(x509(chain.as_bytes(), "file:\0", ""), Err(OpensslError::Nul)));
    let nothing = x509(b"", "file:x", "").unwrap_err();
    assert!(matches!(nothing, OpensslError::Certificate(_)), "{nothing}");
}
