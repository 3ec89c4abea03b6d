use super::*;
use dps_core::{Attestation, Hsm as _, Now, SignatureScheme};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const SEED: &[u8] = b"a factory for tests";

fn device(seed: &[u8], id: &str) -> Device {
    Factory::new(seed).unwrap().device(&RegistrationId::new(id).unwrap()).unwrap()
}

fn blocks(pem: &str) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(pem.as_bytes()).map(|block| block.unwrap().contents).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_again() {
    let (one, other) = (device(SEED, "dev-1"), device(SEED, "dev-1"));
    assert_eq!(one.chain(), other.chain());
    assert_eq!(one.alias_key(), other.alias_key());
    let factory = Factory::new(SEED).unwrap();
    assert_eq!(factory.root_certificate(), Factory::new(SEED).unwrap().root_certificate());
    assert_eq!(factory.root_key(), Factory::new(SEED).unwrap().root_key());
}

#[test]
fn bytes_stay_the_same_from_one_version_to_the_next() {
    use sha2::{Digest as _, Sha256};
    let hash = |pem: &str| -> Vec<String> {
        let hex = |der: &Vec<u8>| Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect();
        blocks(pem).iter().map(hex).collect()
    };
    let chain = device(SEED, "dev-1").chain() + Factory::new(SEED).unwrap().root_certificate();
    assert_eq!(
        hash(&chain),
        [
            "8373175093b466b84d53270739be357971135c91c5628f261ee24c552e066a12",
            "51212bc847a3f432a2d09bc04164c480d07f6051fe1ad352890d0cae84981316",
            "285d84b412be8bd49b68c88d034535eb59910d06ba350e653fce738cd4c49a8c",
        ]
    );
}

#[test]
fn each_is_signed_by_the_next_and_may_be() {
    let root = Factory::new(SEED).unwrap().root_certificate().to_owned();
    let chain = blocks(&(device(SEED, "dev-1").chain() + &root));
    let certificates: Vec<X509Certificate<'_>> =
        chain.iter().map(|der| X509Certificate::from_der(der).unwrap().1).collect();
    let [alias, signer, root] = certificates.as_slice() else { panic!("three certificates") };
    for (below, above) in [(alias, signer), (signer, root), (root, root)] {
        below.verify_signature(Some(above.public_key())).unwrap();
        assert_eq!(below.issuer(), above.subject());
    }
    let common_name = |certificate: &X509Certificate<'_>| {
        let name = certificate.subject().iter_common_name().next().unwrap();
        name.as_str().unwrap().to_owned()
    };
    assert_eq!(common_name(alias), "dev-1");
    assert!(common_name(signer).starts_with("dice-signer-"));
    let limits = certificates.iter().map(|certificate| {
        let constraints = certificate.basic_constraints().unwrap();
        constraints.map(|found| (found.value.ca, found.value.path_len_constraint))
    });
    assert_eq!(limits.collect::<Vec<_>>(), [None, Some((true, Some(0))), Some((true, Some(1)))]);
    for certificate in &certificates {
        let serial = certificate.raw_serial();
        assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:02x?}");
    }
}

#[test]
fn other_devices_and_other_seeds_have_other_keys() {
    let keys = [
        device(SEED, "dev-1").alias_key(),
        device(SEED, "dev-2").alias_key(),
        device(b"another factory", "dev-1").alias_key(),
        Factory::new(SEED).unwrap().root_key(),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(keys.iter().skip(index + 1).all(|other| other != key));
    }
    assert_ne!(
        device(SEED, "dev-1").signer_certificate(),
        device(SEED, "dev-2").signer_certificate()
    );
}

#[test]
fn the_chain_proves_the_device() {
    let mut hsm = device(SEED, "dev-1").hsm().unwrap();
    assert_eq!(hsm.attestation(), Attestation::X509);
    assert_eq!(hsm.registration_id().unwrap().unwrap().as_str(), "dev-1");
    let now = Now { at: dps_core::Timestamp::default(), unix_seconds: 1_893_456_000 };
    let identity = hsm.client_identity(now).unwrap();
    assert_eq!(identity.chain().len(), 2);
    let scheme = SignatureScheme::EcdsaP256Sha256;
    assert!(!identity.key().sign(scheme, b"message").unwrap().is_empty());
}

#[test]
fn a_code_is_certified_under_the_root() {
    let factory = Factory::new(SEED).unwrap();
    let pem = factory.leaf_certificate("1234ABCD").unwrap();
    let (leaf, root) = (blocks(&pem), blocks(factory.root_certificate()));
    let (_, leaf) = X509Certificate::from_der(&leaf[0]).unwrap();
    let (_, root) = X509Certificate::from_der(&root[0]).unwrap();
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=1234ABCD");
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(Factory::new(b"").unwrap_err(), DiceError::SeedTooShort { bytes: 0 });
    assert_eq!(Factory::new(b"1234567").unwrap_err(), DiceError::SeedTooShort { bytes: 7 });
    let factory = Factory::new(SEED).unwrap();
    let long = RegistrationId::new("d".repeat(65)).unwrap();
    let refused = factory.device(&long).unwrap_err();
    assert_eq!(refused, DiceError::NameLength { characters: 65 });
    assert_eq!(factory.leaf_certificate("").unwrap_err(), DiceError::NameLength { characters: 0 });
}

#[test]
fn debug_shows_no_key() {
    let factory = Factory::new(SEED).unwrap();
    let device = device(SEED, "dev-1");
    assert_eq!(format!("{factory:?} {device:?}"), "Factory { .. } Device { .. }");
}

#[test]
fn a_device_keeps_to_the_contract_of_security_modules() {
    use dps_core::conformance::{Expectations, check, check_debug};
    let device = device(SEED, "dev-1");
    let der = blocks(&device.alias_key()).remove(0);
    // Within PKCS#8, EC's number: 32 bytes behind version 1.
    let from = der.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
    let expected = Expectations::default()
        .with_registration_id(RegistrationId::new("dev-1").unwrap())
        .with_secret(&der[from..][..32]);
    let mut hsm = device.hsm().unwrap();
    check(&mut hsm, &expected).unwrap();
    check_debug(&hsm, &expected).unwrap();
    check_debug(&device, &expected).unwrap();
}
