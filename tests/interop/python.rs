//! Microsoft's Python client, unmodified, against the local service, over MQTT with and without
//! WebSockets. It knows no ports but 8883 and 443, so its tests take turns.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_tests::{Authority, Finished, KeyKind, root, run, self_signed};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

struct Peer {
    folder: PathBuf,
    scope: String,
    /// MQTT in WebSockets.
    web_sockets: bool,
}

impl Peer {
    fn register(&self, id: &str, key: &SymmetricKey, payload: Option<&str>) -> (Finished, Value) {
        self.run(id, key.to_base64().as_bytes(), payload.as_slice())
    }

    /// With a certificate, its issuers' behind it, and its key.
    fn register_x509(&self, id: &str, chain: &str, key: KeyKind) -> (Finished, Value) {
        let chain_file = self.folder.join("chain.pem");
        fs::write(&chain_file, chain).unwrap();
        self.run(id, key.pem().as_bytes(), &["--x509", chain_file.to_str().unwrap()])
    }

    fn run(&self, id: &str, key: &[u8], more: &[&str]) -> (Finished, Value) {
        let key_file = self.folder.join("key");
        fs::write(&key_file, key).unwrap();
        let root = root();
        let mut command = Command::new(root.join("tests/.venv/bin/python"));
        command
            .arg(root.join("tests/interop/python/register.py"))
            .args(["127.0.0.1", &self.scope, id])
            .args([key_file, self.folder.join("ca.pem")])
            .args(self.web_sockets.then_some("--websockets"))
            .args(more);
        let finished = run(&mut command, Duration::from_secs(60));
        let last = finished.stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
        (finished, value)
    }
}

/// There is one port 8883.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn azure_iot_device_registers_and_is_refused_over_mqtt() {
    registers_and_is_refused(false);
}

#[test]
fn azure_iot_device_registers_and_is_refused_over_mqtt_in_web_sockets() {
    registers_and_is_refused(true);
}

fn registers_and_is_refused(web_sockets: bool) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let yaml = "
hubs: [contoso-hub.localhost]
enrollments:
  - registrationId: my-symkey-device
    deviceId: my-hub-device
    attestation: {type: symmetricKey}
  - registrationId: disabled-device
    provisioningStatus: disabled
    attestation: {type: symmetricKey}
enrollmentGroups:
  - enrollmentGroupId: mylegacydevices
    attestation: {type: symmetricKey}
disabledReply: failed
";
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    let (authority, stranger) = (Authority::root("root"), Authority::root("root"));
    let line = authority.intermediate("line 7");
    let own = self_signed("my-x509-device", KeyKind::Rsa);
    let mut enrollment =
        IndividualEnrollmentConfig::new(RegistrationId::new("my-x509-device").unwrap());
    enrollment.attestation = AttestationConfig::with_client_certificate(own.as_str());
    config.enrollments.push(enrollment);
    let mut group = EnrollmentGroupConfig::new("myx509devices");
    group.attestation = AttestationConfig::with_signing_certificate(authority.pem());
    config.enrollment_groups.push(group);
    assert_eq!(config.mqtt_port, 8883, "the peer's only port but 443");
    if web_sockets {
        // Nobody is at 8883.
        config.mqtt_port = 0;
        config.https_port = Some(443);
    }
    let emulator = Emulator::start(config).unwrap();
    let folder = std::env::temp_dir().join(format!("dps-python-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
    let scope = emulator.id_scope().to_owned();
    let peer = Peer { folder: folder.clone(), scope, web_sockets };
    let enrolled = |id: &str| {
        let all = emulator.enrollments();
        let found = all.iter().find(|found| found.registration_id.as_str() == id);
        found.unwrap().symmetric_keys().unwrap().clone()
    };

    // An individual enrollment, with either of its keys.
    for key in [enrolled("my-symkey-device").primary, enrolled("my-symkey-device").secondary] {
        let (finished, value) = peer.register("my-symkey-device", &key, None);
        finished.success();
        assert_eq!(value["status"], "assigned");
        assert_eq!(value["assignedHub"], "contoso-hub.localhost");
        assert_eq!(value["deviceId"], "my-hub-device");
        assert_eq!(value["subStatus"], "initialAssignment");
    }

    // A device of a group, with its derived key and a payload.
    let group = emulator.groups()[0].symmetric_keys().unwrap().clone();
    let id = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
    let derived = group.primary.derive(&RegistrationId::new(id).unwrap());
    let (finished, value) = peer.register(id, &derived, Some(r#"{"model": "x"}"#));
    finished.success();
    assert_eq!(value["status"], "assigned");
    assert_eq!(value["deviceId"], id);

    // Refused: another device's key, and the group's own key.
    for wrong in [&derived, &group.primary] {
        let (finished, value) = peer.register("my-symkey-device", wrong, None);
        assert_eq!(finished.code, Some(3));
        assert_eq!(value["status"], "error");
        let chain = value["chain"].to_string();
        assert!(chain.contains("401"), "{chain}");
    }

    // Disabled, in the form that this client can understand: it raises an error.
    let (finished, value) =
        peer.register("disabled-device", &enrolled("disabled-device").primary, None);
    assert_eq!(finished.code, Some(3));
    let chain = value["chain"].to_string();
    assert!(chain.contains("failed registration status"), "{chain}");

    // X.509: an enrolled certificate, and one of a group through an intermediate.
    let chain = line.device("sn-7", KeyKind::P256) + &line.pem();
    for (id, chain, key) in
        [("my-x509-device", &own, KeyKind::Rsa), ("sn-7", &chain, KeyKind::P256)]
    {
        let (finished, value) = peer.register_x509(id, chain, key);
        finished.success();
        assert_eq!(
            (value["status"].as_str(), value["deviceId"].as_str()),
            (Some("assigned"), Some(id))
        );
    }
    // Refused: a stranger's certificate, a chain without its intermediate, another's name.
    for (id, chain) in [
        ("sn-8", stranger.device("sn-8", KeyKind::P256)),
        ("sn-8", line.device("sn-8", KeyKind::P256)),
        ("sn-8", authority.device("sn-9", KeyKind::P256)),
    ] {
        let (finished, value) = peer.register_x509(id, &chain, KeyKind::P256);
        assert_eq!(finished.code, Some(3));
        let refusal = value["chain"].to_string();
        assert!(refusal.contains("401"), "{refusal}");
    }

    let assigned: Vec<String> = emulator
        .registrations()
        .iter()
        .filter(|record| record.assigned_hub.is_some())
        .map(|record| record.registration_id.to_string())
        .collect();
    assert_eq!(assigned, ["my-symkey-device", "my-x509-device", id, "sn-7"]);
    fs::remove_dir_all(folder).unwrap();
}
