//! One TPM, used by Microsoft's Node.js client and by this crate in turn.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_client::{Hsm as _, Transport};
use dps_emulator::{AttestationConfig, IndividualEnrollmentConfig};
use dps_hsm_tpm::{Tpm, TpmHsm};
use dps_tests::{Finished, Fleet, NodeTpm};
use serde_json::{Value, json};

fn hsm(node: &NodeTpm) -> TpmHsm {
    TpmHsm::open(Tpm::new(node.swtpm().tcti().parse().unwrap())).unwrap()
}

fn said(finished: Finished) -> Value {
    serde_json::from_str(finished.success().stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn whichever_client_comes_first_both_have_the_same_keys() {
    for is_ours_first in [true, false] {
        let node = NodeTpm::start();
        let ours = is_ours_first.then(|| hsm(&node).keys().unwrap());
        let theirs = said(node.run("", &["show"]));
        let keys = hsm(&node).keys().unwrap();
        assert!(ours.is_none_or(|ours| ours == keys));
        let expected = json!({
            "endorsementKey": STANDARD.encode(keys.endorsement_key()),
            "storageRootKey": STANDARD.encode(keys.storage_root_key()),
            "registrationId": keys.registration_id().as_str(),
        });
        assert_eq!(theirs, expected, "{is_ours_first}");
        let stored = node.swtpm().tool("tpm2_getcap", &["handles-persistent"]);
        assert_eq!(stored, "- 0x81000001\n- 0x81010001\n", "neither stores keys of its own");
    }
}

#[test]
fn a_device_changes_its_client_and_keeps_its_hub_key() {
    let node = NodeTpm::start();
    let mut hsm = hsm(&node);
    let keys = hsm.keys().unwrap();
    let fleet = Fleet::start_with(|config| {
        let mut enrollment = IndividualEnrollmentConfig::new(keys.registration_id());
        enrollment.attestation = AttestationConfig::with_endorsement_key(keys.endorsement_key());
        config.enrollments.push(enrollment);
    });
    let address = fleet.endpoint(Transport::Amqp).to_string();
    let (ca, scope) = (fleet.emulator.ca_pem(), fleet.emulator.id_scope());
    let theirs = || said(node.run(ca, &["register", "amqp", &address, scope, "hub\n1"]));

    let first = theirs()["signature"].clone();
    // No registration in between: the key that their client has stored is where ours looks for it.
    assert_eq!(STANDARD.encode(hsm.sign(b"hub\n1").unwrap().as_bytes()), first.as_str().unwrap());
    let mut client = fleet.client(Transport::Amqp, hsm.clone()).build().unwrap();
    client.register().unwrap();
    assert_eq!(STANDARD.encode(hsm.sign(b"hub\n1").unwrap().as_bytes()), first.as_str().unwrap());
    // And theirs takes the place of the key that ours has stored.
    assert_eq!(theirs()["signature"], first);
    let records = fleet.emulator.registrations();
    let hub_key = records[0].hub_key.as_ref().unwrap();
    assert_eq!(STANDARD.encode(hub_key.hmac_sha256(b"hub\n1")), first.as_str().unwrap());
}
