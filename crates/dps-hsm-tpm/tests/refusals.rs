//! What a TPM refuses for reasons of its owner's: the error names the command, says the code in words,
//! and what to do. On swtpm.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_core::{ClientKey as _, Hsm as _, SignatureScheme};
use dps_emulator::Random;
use dps_emulator::tpm::{ActivationKey, PublicKey};
use dps_hsm_tpm::{Tpm, TpmHsm, TpmSigningKey};
use dps_tests::Swtpm;

fn tpm(swtpm: &Swtpm) -> Tpm {
    Tpm::new(swtpm.tcti().parse().unwrap())
}

/// A TPM with an identity key, as after a registration, and another such key that is sent to it.
fn registered(swtpm: &Swtpm) -> (TpmHsm, ActivationKey) {
    let mut hsm = TpmHsm::open(tpm(swtpm)).unwrap();
    let keys = hsm.keys().unwrap();
    let endorsement_key = PublicKey::parse(keys.endorsement_key()).unwrap();
    let storage_root_key = PublicKey::parse(keys.storage_root_key()).unwrap();
    let mut random = Random::from_os().unwrap();
    let mut make = || {
        ActivationKey::generate(
            &endorsement_key,
            &storage_root_key,
            "uri of the device",
            &mut random,
        )
    };
    hsm.activate(make().blob()).unwrap();
    (hsm, make())
}

fn assert_says(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "{words:?}: {text}");
    }
}

#[test]
fn a_tpm_that_is_locked_after_wrong_guesses_still_registers() {
    let swtpm = Swtpm::start();
    let (mut hsm, next) = registered(&swtpm);
    // One wrong guess is one too many; the lock lasts.
    swtpm.tool(
        "tpm2_dictionarylockout",
        &[
            "--setup-parameters",
            "--max-tries=1",
            "--recovery-time=1000",
            "--lockout-recovery-time=1000",
        ],
    );
    let folder = std::env::temp_dir().join(format!("dps-locked-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (public, private, context) = (file("pub"), file("priv"), file("ctx"));
    let create = ["-C", "0x81000001", "-G", "ecc256:ecdsa-sha256", "-p", "secret", "-u", &public];
    swtpm.tool("tpm2_create", &[&create[..], &["-r", &private]].concat());
    let load = ["-C", "0x81000001", "-u", &public, "-r", &private, "-c", &context];
    swtpm.tool("tpm2_load", &load);
    swtpm.tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, "0x81000200"]);
    swtpm.tool("tpm2_flushcontext", &["-t"]);
    std::fs::remove_dir_all(&folder).unwrap();
    let key = TpmSigningKey::at(tpm(&swtpm), 0x8100_0200).unwrap();
    let sign = || key.sign(SignatureScheme::EcdsaP256Sha256, b"text").unwrap_err().to_string();
    assert_says(&sign(), &["TPM2_Sign", "TPM_RC_AUTH_FAIL", "counts towards the lockout"]);
    let locked =
        ["TPM2_Sign", "TPM_RC_LOCKOUT", "is locked", "tpm2_dictionarylockout --clear-lockout"];
    assert_says(&sign(), &locked);
    // What a registration needs is not under that lock.
    assert!(hsm.tpm_keys().is_ok());
    hsm.activate(next.blob()).unwrap();
    assert_eq!(*hsm.sign(b"text").unwrap().as_bytes(), next.key().hmac_sha256(b"text"));
}

#[test]
fn a_tpm_that_was_cleared_after_the_registration_says_that_the_key_is_gone() {
    let swtpm = Swtpm::start();
    let (mut hsm, next) = registered(&swtpm);
    let key = TpmSigningKey::create(tpm(&swtpm), 0x8100_0200).unwrap();
    swtpm.tool("tpm2_clear", &[]);
    let text = hsm.sign(b"text").unwrap_err().to_string();
    assert_says(
        &text,
        &[
            "does not have a key for HMAC-SHA256",
            "0x81000100",
            "comes with a registration",
            "cleared",
        ],
    );
    let text = key.sign(SignatureScheme::EcdsaP256Sha256, b"text").unwrap_err().to_string();
    assert_says(&text, &["0x81000200", "cleared"]);
    let text = hsm.activate(next.blob()).unwrap_err().to_string();
    assert_says(&text, &["TPM2_ActivateCredential", "before it was cleared", "register again"]);
    // The next registration makes what is missing.
    assert!(hsm.tpm_keys().is_ok());
}

#[test]
fn a_hierarchy_that_is_switched_off_is_named_with_where_to_switch_it_on() {
    for hierarchy in ["shEnable", "ehEnable"] {
        let swtpm = Swtpm::start();
        let (mut hsm, next) = registered(&swtpm);
        swtpm.tool("tpm2_hierarchycontrol", &["-C", "p", hierarchy, "clear"]);
        for text in [
            hsm.tpm_keys().map(drop).unwrap_err().to_string(),
            hsm.activate(next.blob()).unwrap_err().to_string(),
            TpmHsm::open(tpm(&swtpm))
                .map(drop)
                .map_err(|error| format!("{error}; {}", error.hint()))
                .unwrap_err(),
        ] {
            assert_says(&text, &["TPM2_", "hierarch", "disabled", "firmware's settings"]);
        }
    }
}

#[test]
fn an_endorsement_hierarchy_with_a_secret_is_told_from_a_wrong_one_by_what_to_give() {
    let swtpm = Swtpm::start();
    let (mut hsm, next) = registered(&swtpm);
    swtpm.tool("tpm2_changeauth", &["-c", "endorsement", "end"]);
    // The keys are there already, and can be read.
    assert!(hsm.tpm_keys().is_ok());
    let wrong = tpm(&swtpm).with_endorsement_auth(b"other").unwrap();
    for mut hsm in [hsm, TpmHsm::open(wrong).unwrap()] {
        let text = hsm.activate(next.blob()).unwrap_err().to_string();
        assert_says(
            &text,
            &["TPM2_PolicySecret", "TPM_RC_BAD_AUTH", "authorization value is wrong"],
        );
        assert_says(&text, &["endorsement hierarchies"]);
        assert!(!text.contains("other\"") && !text.contains("end\""), "{text}");
    }
}
