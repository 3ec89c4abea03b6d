//! The TPM's own keys, and what stands in the way to them, on swtpm.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_core::{Attestation, Hsm, HsmError};
use dps_hsm_tpm::{Tcti, Tpm, TpmError, TpmHsm, TpmSigningKey};
use dps_tests::Swtpm;

fn tpm(swtpm: &Swtpm) -> Tpm {
    Tpm::new(swtpm.tcti().parse().unwrap())
}

#[test]
fn keys_are_made_once_and_outlive_a_restart() {
    let mut swtpm = Swtpm::start();
    assert_eq!(swtpm.tool("tpm2_getcap", &["handles-persistent"]), "");
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let keys = hsm.keys().unwrap();
    assert_eq!(keys.endorsement_key().len(), 316);
    assert_eq!(keys.storage_root_key().len(), 284);
    assert_eq!(swtpm.tool("tpm2_getcap", &["handles-persistent"]), "- 0x81000001\n- 0x81010001\n");
    let id = hsm.registration_id().unwrap().unwrap();
    assert_eq!((hsm.attestation(), id.as_str().len()), (Attestation::Tpm, 52));
    assert_eq!(id, keys.registration_id());
    swtpm.restart();
    // The same module as before, and one that is opened anew.
    assert_eq!(hsm.keys().unwrap(), keys);
    assert_eq!(TpmHsm::open(tpm(&swtpm)).unwrap().keys().unwrap(), keys);
}

#[test]
fn clearing_the_tpm_changes_the_storage_root_key_and_not_the_identity() {
    let swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let before = hsm.keys().unwrap();
    swtpm.tool("tpm2_clear", &[]);
    let after = hsm.keys().unwrap();
    assert_eq!(after.registration_id(), before.registration_id());
    assert_ne!(after.storage_root_key(), before.storage_root_key());
}

#[test]
fn keys_are_the_ones_that_other_programs_derive_from_the_templates() {
    // tpm2-tools know the standard endorsement key's template by themselves.
    let swtpm = Swtpm::start();
    swtpm.tool("tpm2_createek", &["-c", "0x81010001", "-G", "rsa"]);
    let read = |name: &str, handle: &str| {
        let file = std::env::temp_dir().join(format!("dps-{name}-{}", std::process::id()));
        swtpm.tool("tpm2_readpublic", &["-c", handle, "-o", file.to_str().unwrap()]);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        bytes
    };
    let theirs = read("ek", "0x81010001");
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    assert_eq!(hsm.keys().unwrap().endorsement_key(), theirs);
    assert_eq!(hsm.keys().unwrap().storage_root_key(), read("srk", "0x81000001"));
}

#[test]
fn each_key_can_be_had_without_the_other() {
    let swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let keys = hsm.keys().unwrap();
    // The storage root key is gone, and making it anew wants the owner's authorization value.
    swtpm.tool("tpm2_evictcontrol", &["-C", "o", "-c", "0x81000001"]);
    swtpm.tool("tpm2_changeauth", &["-c", "owner", "own"]);
    assert!(hsm.tpm_keys().is_err());
    assert_eq!(hsm.endorsement_key().unwrap(), keys.endorsement_key());
    assert_eq!(hsm.registration_id().unwrap().unwrap(), keys.registration_id());
    let text = hsm.storage_root_key().unwrap_err().to_string();
    assert!(text.contains("storage root key") && text.contains("TPM2_CreatePrimary"), "{text}");
    // The other way round.
    swtpm.tool("tpm2_changeauth", &["-c", "owner", "-p", "own"]);
    assert_eq!(hsm.storage_root_key().unwrap(), keys.storage_root_key());
    swtpm.tool("tpm2_evictcontrol", &["-C", "o", "-c", "0x81010001"]);
    swtpm.tool("tpm2_changeauth", &["-c", "endorsement", "end"]);
    assert_eq!(hsm.storage_root_key().unwrap(), keys.storage_root_key());
    assert!(hsm.endorsement_key().is_err() && hsm.registration_id().is_err());
}

#[test]
fn a_simulator_that_nobody_has_started_up_is_started_up() {
    let mut swtpm = Swtpm::start_without_startup();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    swtpm.restart();
    assert!(hsm.keys().is_ok());
}

#[test]
fn other_programs_keys_are_named_and_left_alone() {
    let swtpm = Swtpm::start();
    swtpm.tool("tpm2_createek", &["-c", "0x81010001", "-G", "ecc"]);
    let error = TpmHsm::open(tpm(&swtpm)).unwrap_err();
    assert!(matches!(error, TpmError::OtherKey { handle: 0x8101_0001, .. }), "{error}");
    assert!(error.to_string().contains("an EC key"), "{error}");
    assert!(error.hint().contains("tpm2_evictcontrol"), "{}", error.hint());
    // An identity key's place may be taken, too.
    let swtpm = Swtpm::start();
    TpmSigningKey::create(tpm(&swtpm), 0x8100_0100).unwrap();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let error = hsm.clear_identity().unwrap_err();
    assert!(matches!(error, TpmError::OtherKey { handle: 0x8100_0100, .. }), "{error}");
    assert!(hsm.sign(b"text").unwrap_err().to_string().contains("an EC key"));
    assert!(swtpm.tool("tpm2_getcap", &["handles-persistent"]).contains("0x81000100"));
}

#[test]
fn authorization_values_of_the_hierarchies_are_asked_for_and_used() {
    let swtpm = Swtpm::start();
    swtpm.tool("tpm2_changeauth", &["-c", "owner", "own"]);
    swtpm.tool("tpm2_changeauth", &["-c", "endorsement", "end"]);
    let refused = |tpm: Tpm, command: &str| {
        let error = TpmHsm::open(tpm).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(command) && text.contains("TPM_RC_BAD_AUTH"), "{text}");
        assert!(error.hint().contains("authorization values"), "{}", error.hint());
        assert!(!text.contains("own\"") && !format!("{error:?}").contains("end\""));
    };
    refused(tpm(&swtpm), "TPM2_CreatePrimary");
    refused(tpm(&swtpm).with_endorsement_auth(b"end").unwrap(), "TPM2_EvictControl");
    let with_both =
        tpm(&swtpm).with_endorsement_auth(b"end").unwrap().with_owner_auth(b"own").unwrap();
    assert!(TpmHsm::open(with_both).is_ok());
    // Once the keys are there, they can be read without.
    assert!(TpmHsm::open(tpm(&swtpm)).is_ok());
}

#[test]
fn a_tpm_that_is_not_there_is_told_with_what_to_do() {
    let mut swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    swtpm.stop();
    let error = hsm.tpm_keys().unwrap_err();
    assert!(matches!(error, HsmError::Failed { .. }));
    let text = error.to_string();
    assert!(text.contains(&swtpm.tcti()) && text.contains("simulator runs"), "{text}");
    swtpm.restart();
    assert!(hsm.tpm_keys().is_ok(), "and is found again");

    let missing = TpmHsm::open(Tpm::new(Tcti::device("/nonexistent/tpm0"))).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/tpm0 cannot be opened"), "{missing}");
    assert!(missing.hint().contains("/dev/tpmrm0"), "{}", missing.hint());
}

#[test]
fn without_an_identity_key_nothing_is_signed() {
    let swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    assert!(!hsm.has_identity().unwrap());
    assert!(!hsm.clear_identity().unwrap());
    let text = hsm.sign(b"text").unwrap_err().to_string();
    assert!(text.contains("0x81000100") && text.contains("registration"), "{text}");
}
