//! What the local service makes for TPMs, and a TPM in software that takes it.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_core::{Hsm as _, RegistrationId, SymmetricKey};
use dps_emulator::Random;
use dps_emulator::tpm::{ActivationKey, PublicKey};
use dps_tests::SoftwareTpm;

const URI: &str = "0ne00111111/registrations/device";

fn public_keys(tpm: &SoftwareTpm) -> (PublicKey, PublicKey) {
    let keys = tpm.keys();
    let parse = |bytes: &[u8]| PublicKey::parse(bytes).unwrap();
    (parse(&keys.endorsement_key), parse(&keys.storage_root_key))
}

fn made_for(tpm: &SoftwareTpm) -> ActivationKey {
    let (endorsement, storage) = public_keys(tpm);
    ActivationKey::generate(&endorsement, &storage, URI, &mut Random::from_seed([5; 32]))
}

#[test]
fn the_tpm_recovers_the_key_and_signs_with_it() {
    let mut tpm = SoftwareTpm::new(1);
    assert!(tpm.sign(b"text").is_err(), "no key yet");
    let made = made_for(&tpm);
    tpm.activate(made.blob()).unwrap();
    assert_eq!(tpm.sign(b"text").unwrap().as_bytes(), &made.key().hmac_sha256(b"text"));
    assert_eq!(tpm.keys().endorsement_key.len(), 316);
    assert_eq!(tpm.keys().storage_root_key.len(), 284);
    assert_eq!(tpm.id(), RegistrationId::from_endorsement_key(&tpm.keys().endorsement_key));
}

#[test]
fn keys_of_any_length_arrive() {
    let mut tpm = SoftwareTpm::new(1);
    let (endorsement, storage) = public_keys(&tpm);
    let mut random = Random::from_seed([6; 32]);
    for length in [16, 20, 32, 64] {
        let key = SymmetricKey::from_bytes(&vec![7; length]).unwrap();
        let made = ActivationKey::wrap(&key, &endorsement, &storage, URI, &mut random);
        tpm.activate(made.blob()).unwrap();
        assert_eq!(tpm.identity_key().unwrap().to_base64(), key.to_base64());
    }
}

#[test]
fn a_blob_is_for_one_tpm_and_one_storage_root_key() {
    let made = made_for(&SoftwareTpm::new(1));
    assert!(SoftwareTpm::new(2).activate(made.blob()).is_err());
    let mut cleared = SoftwareTpm::with_storage_root(1, 1);
    assert!(cleared.activate(made.blob()).is_err());
    assert_eq!(cleared.id(), SoftwareTpm::new(1).id());
    let fresh = made_for(&cleared);
    cleared.activate(fresh.blob()).unwrap();
}

#[test]
fn a_change_of_any_byte_is_noticed_and_leaves_the_old_key() {
    let mut tpm = SoftwareTpm::new(1);
    let old = made_for(&tpm);
    tpm.activate(old.blob()).unwrap();
    let (endorsement, storage) = public_keys(&tpm);
    let mut random = Random::from_seed([8; 32]);
    let good = ActivationKey::generate(&endorsement, &storage, URI, &mut random);
    let good = good.blob().to_vec();
    // Nothing vouches for the last field, which nobody uses.
    let vouched = good.len() - URI.len();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        if at < vouched {
            assert!(tpm.activate(&bad).is_err(), "byte {at}");
            assert_eq!(tpm.activations(), 1);
        } else {
            assert!(SoftwareTpm::new(1).activate(&bad).is_ok(), "byte {at}");
        }
    }
    for length in 0..good.len() {
        assert!(tpm.activate(&good[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(tpm.identity_key().unwrap().to_base64(), old.key().to_base64());
}
