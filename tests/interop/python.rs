//! Microsoft's Python client, unmodified, against the local service. It knows no port but 8883,
//! so all its runs share one service and one test.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey};
use dps_emulator::{Emulator, EmulatorConfig};
use dps_tests::{Finished, root, run};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

struct Peer {
    folder: PathBuf,
    scope: String,
}

impl Peer {
    fn register(&self, id: &str, key: &SymmetricKey, payload: Option<&str>) -> (Finished, Value) {
        let key_file = self.folder.join("key");
        fs::write(&key_file, key.to_base64().as_bytes()).unwrap();
        let root = root();
        let mut command = Command::new(root.join("tests/.venv/bin/python"));
        command
            .arg(root.join("tests/interop/python/register.py"))
            .args(["127.0.0.1", &self.scope, id])
            .args([key_file, self.folder.join("ca.pem")])
            .args(payload);
        let finished = run(&mut command, Duration::from_secs(60));
        let last = finished.stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
        (finished, value)
    }
}

#[test]
fn azure_iot_device_registers_and_is_refused() {
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
    let config = EmulatorConfig::from_yaml(yaml).unwrap();
    assert_eq!(config.mqtt_port, 8883, "the peer's only port");
    let emulator = Emulator::start(config).unwrap();
    let folder = std::env::temp_dir().join(format!("dps-python-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
    let peer = Peer { folder: folder.clone(), scope: emulator.id_scope().to_owned() };
    let enrolled = |index: usize| emulator.enrollments()[index].symmetric_keys().unwrap().clone();

    // An individual enrollment, with either of its keys.
    for key in [enrolled(0).primary, enrolled(0).secondary] {
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
    let (finished, value) = peer.register("disabled-device", &enrolled(1).primary, None);
    assert_eq!(finished.code, Some(3));
    let chain = value["chain"].to_string();
    assert!(chain.contains("failed registration status"), "{chain}");

    let assigned: Vec<String> = emulator
        .registrations()
        .iter()
        .filter(|record| record.assigned_hub.is_some())
        .map(|record| record.registration_id.to_string())
        .collect();
    assert_eq!(assigned, ["my-symkey-device", id]);
    fs::remove_dir_all(folder).unwrap();
}
