//! Keys that the service sends, on swtpm. The local service makes the blobs.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_core::conformance::{Expectations, check, check_debug};
use dps_core::{Hsm, HsmError};
use dps_emulator::Random;
use dps_emulator::tpm::{ActivationKey, PublicKey};
use dps_hsm_tpm::{Tpm, TpmHsm};
use dps_tests::Swtpm;

fn open(swtpm: &Swtpm) -> TpmHsm {
    TpmHsm::open(Tpm::new(swtpm.tcti().parse().unwrap())).unwrap()
}

/// A new key for this TPM.
fn key_for(hsm: &mut TpmHsm) -> ActivationKey {
    let keys = hsm.keys().unwrap();
    let endorsement_key = PublicKey::parse(keys.endorsement_key()).unwrap();
    let storage_root_key = PublicKey::parse(keys.storage_root_key()).unwrap();
    let mut random = Random::from_os().unwrap();
    ActivationKey::generate(&endorsement_key, &storage_root_key, "uri of the device", &mut random)
}

fn assert_signs_with(hsm: &mut TpmHsm, key: &ActivationKey) {
    let mac = hsm.sign(b"resource\n1").unwrap();
    assert_eq!(*mac.as_bytes(), key.key().hmac_sha256(b"resource\n1"));
}

fn assert_nothing_is_loaded(swtpm: &Swtpm) {
    for kind in ["handles-transient", "handles-loaded-session", "handles-saved-session"] {
        assert_eq!(swtpm.tool("tpm2_getcap", &[kind]), "", "{kind}");
    }
}

#[test]
fn it_keeps_to_the_contract() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let key = key_for(&mut hsm);
    hsm.activate(key.blob()).unwrap();
    let expected = Expectations::default()
        .with_key(key.key().clone())
        .with_registration_id(hsm.keys().unwrap().registration_id());
    check(&mut hsm, &expected).unwrap();
    check_debug(&hsm, &expected).unwrap();
    assert_nothing_is_loaded(&swtpm);
}

#[test]
fn texts_of_every_length_are_signed() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let key = key_for(&mut hsm);
    hsm.activate(key.blob()).unwrap();
    // One command takes 1024 bytes.
    for length in [1, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 5000, 100_000] {
        let text: Vec<u8> = (0..length).map(|index| (index % 253) as u8).collect();
        let mac = hsm.sign(&text).unwrap();
        assert_eq!(*mac.as_bytes(), key.key().hmac_sha256(&text), "{length}");
    }
    assert_nothing_is_loaded(&swtpm);
}

#[test]
fn an_activated_key_outlives_the_process_and_a_restart() {
    let mut swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let key = key_for(&mut hsm);
    hsm.activate(key.blob()).unwrap();
    assert!(hsm.has_identity().unwrap());
    swtpm.restart();
    assert_signs_with(&mut hsm, &key);
    assert_signs_with(&mut open(&swtpm), &key);
}

#[test]
fn a_second_key_takes_the_first_ones_place_with_the_same_keys_of_the_tpm() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let keys = hsm.keys().unwrap();
    let first = key_for(&mut hsm);
    hsm.activate(first.blob()).unwrap();
    let second = key_for(&mut hsm);
    hsm.activate(second.blob()).unwrap();
    assert_signs_with(&mut hsm, &second);
    // The same blob may come again.
    hsm.activate(first.blob()).unwrap();
    assert_signs_with(&mut hsm, &first);
    assert_eq!(hsm.keys().unwrap(), keys);
    assert!(hsm.clear_identity().unwrap());
    assert!(!hsm.has_identity().unwrap());
    assert!(hsm.sign(b"text").is_err());
    assert_nothing_is_loaded(&swtpm);
}

/// The sixth field is protected by nothing, and read by nobody: of it only the size counts.
#[test]
fn a_blob_with_any_byte_changed_is_refused_and_leaves_the_key() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let old = key_for(&mut hsm);
    hsm.activate(old.blob()).unwrap();
    let new = key_for(&mut hsm);
    let protected = 54 + 258 + 144 + 258 + 50 + 2;
    for index in 0..protected {
        let mut blob = new.blob().to_vec();
        blob[index] ^= 1 << (index % 8);
        let text = match hsm.activate(&blob) {
            Err(error @ HsmError::Failed { .. }) => error.to_string(),
            other => panic!("byte {index}: {other:?}"),
        };
        assert!(text.contains("activation blob") && text.contains("register again"), "{text}");
        assert_signs_with(&mut hsm, &old);
    }
    assert_nothing_is_loaded(&swtpm);
    hsm.activate(new.blob()).unwrap();
    assert_signs_with(&mut hsm, &new);
}

#[test]
fn blobs_for_another_tpm_are_refused_and_leave_the_key() {
    let (swtpm, other) = (Swtpm::start(), Swtpm::start());
    let mut hsm = open(&swtpm);
    let old = key_for(&mut hsm);
    hsm.activate(old.blob()).unwrap();
    let foreign = key_for(&mut open(&other));
    let text = hsm.activate(foreign.blob()).unwrap_err().to_string();
    assert!(text.contains("TPM2_ActivateCredential"), "{text}");
    assert!(text.contains("the enrollment has this TPM's endorsement key"), "{text}");
    assert_signs_with(&mut hsm, &old);
    assert_nothing_is_loaded(&swtpm);
}

#[test]
fn a_cleared_tpm_refuses_older_blobs_and_takes_new_ones() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let old = key_for(&mut hsm);
    hsm.activate(old.blob()).unwrap();
    swtpm.tool("tpm2_clear", &[]);
    assert!(!hsm.has_identity().unwrap());
    let text = hsm.activate(old.blob()).unwrap_err().to_string();
    assert!(text.contains("before it was cleared"), "{text}");
    let new = key_for(&mut hsm);
    hsm.activate(new.blob()).unwrap();
    assert_signs_with(&mut hsm, &new);
}

#[test]
fn a_thousand_operations_leave_nothing_behind() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let keys = [key_for(&mut hsm), key_for(&mut hsm)];
    let mut broken = keys[0].blob().to_vec();
    // The wrapped key: found to be broken when a session has been used.
    broken[54 + 258 + 100] ^= 1;
    for round in 0..250 {
        let key = &keys[round % 2];
        hsm.activate(key.blob()).unwrap();
        assert_signs_with(&mut hsm, key);
        hsm.sign(&[7; 1500]).unwrap();
        assert!(hsm.activate(&broken).is_err());
    }
    assert_nothing_is_loaded(&swtpm);
}

#[test]
fn a_tpm_that_others_have_filled_up_is_told_with_what_to_do() {
    let swtpm = Swtpm::start();
    let mut hsm = open(&swtpm);
    let old = key_for(&mut hsm);
    hsm.activate(old.blob()).unwrap();
    let new = key_for(&mut hsm);
    // Without a resource manager, these stay loaded.
    for _ in 0..3 {
        swtpm.tool("tpm2_createprimary", &["-G", "ecc"]);
    }
    let text = hsm.activate(new.blob()).unwrap_err().to_string();
    assert!(text.contains("TPM_RC_OBJECT_MEMORY") && text.contains("/dev/tpmrm0"), "{text}");
    swtpm.tool("tpm2_flushcontext", &["-t"]);
    assert_signs_with(&mut hsm, &old);
    hsm.activate(new.blob()).unwrap();
    assert_signs_with(&mut hsm, &new);
}

#[test]
fn the_endorsement_hierarchys_authorization_value_is_needed_for_an_activation() {
    let swtpm = Swtpm::start();
    let mut without = open(&swtpm);
    let key = key_for(&mut without);
    swtpm.tool("tpm2_changeauth", &["-c", "owner", "own"]);
    swtpm.tool("tpm2_changeauth", &["-c", "endorsement", "end"]);
    let text = without.activate(key.blob()).unwrap_err().to_string();
    assert!(text.contains("TPM2_PolicySecret") && text.contains("authorization values"), "{text}");
    let tpm = || Tpm::new(swtpm.tcti().parse().unwrap()).with_endorsement_auth(b"end").unwrap();
    let text = TpmHsm::open(tpm()).unwrap().activate(key.blob()).unwrap_err().to_string();
    assert!(text.contains("TPM2_EvictControl"), "{text}");
    let mut with = TpmHsm::open(tpm().with_owner_auth(b"own").unwrap()).unwrap();
    with.activate(key.blob()).unwrap();
    assert_signs_with(&mut with, &key);
    // A failed owner's authorization leaves the key that is there.
    let other = key_for(&mut with);
    assert!(TpmHsm::open(tpm()).unwrap().activate(other.blob()).is_err());
    assert_signs_with(&mut with, &key);
    assert_nothing_is_loaded(&swtpm);
}
