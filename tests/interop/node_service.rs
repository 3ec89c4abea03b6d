//! Microsoft's Node.js service client, unmodified, manages the local service; then devices register
//! with what it has created (`wire-protocol.md` section 7). It knows no port but 443.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Endpoint, IdScope, ProvisioningClient, RegistrationId, SymmetricKey, Transport,
    TrustAnchors,
};
use dps_emulator::{Emulator, EmulatorConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_tests::{Authority, root, run};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The device clients as peers have 127.0.0.1 and 127.0.0.2.
const HOST: &str = "127.0.0.3";

/// Runs the peer; gives the outcome of each step.
fn manage(folder: &Path, connection_string: &str, argument: &Path) -> BTreeMap<String, Value> {
    let mut command = Command::new("node");
    command
        .arg(root().join("tests/interop/node/manage.js"))
        .arg(argument)
        .env("NODE_EXTRA_CA_CERTS", folder.join("ca.pem"))
        .env("DPS_CONNECTION_STRING", connection_string);
    for name in ["https_proxy", "HTTPS_PROXY", "NODE_OPTIONS"] {
        command.env_remove(name);
    }
    let finished = run(&mut command, Duration::from_secs(60)).success();
    let lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["step"].as_str().unwrap().to_owned(), line["outcome"].clone())).collect()
}

#[track_caller]
fn assert_refused(outcome: &Value, status: u64, code: u64) {
    assert_eq!(outcome["status"], status, "{outcome}");
    assert_eq!(outcome["service"]["errorCode"], code, "{outcome}");
    assert_eq!(outcome["service"]["trackingId"].as_str().unwrap().len(), 36, "{outcome}");
}

fn register(emulator: &Emulator, id: &str, key: SymmetricKey) -> Assignment {
    ProvisioningClient::builder()
        .transport(Transport::Mqtt)
        .endpoint(Endpoint::parse(&emulator.mqtt_address().to_string()).unwrap())
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .hsm(SymmetricKeyHsm::new(RegistrationId::new(id).unwrap(), key))
        .build()
        .unwrap()
        .register()
        .unwrap()
}

fn names(pages: &Value, member: &str) -> Vec<Vec<String>> {
    let name = |item: &Value| item[member].as_str().unwrap().to_owned();
    let page = |page: &Value| page.as_array().unwrap().iter().map(name).collect();
    pages["ok"].as_array().unwrap().iter().map(page).collect()
}

#[test]
fn the_nodejs_service_client_manages_enrollments_that_devices_register_with() {
    let yaml = "{hubs: [one.localhost, two.localhost], enrollments: [], assignmentDelaySeconds: 0}";
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    config.address = HOST.parse().unwrap();
    config.https_port = Some(443);
    config.mqtt_port = 0;
    let emulator = Emulator::start(config).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-node-service");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
    fs::write(folder.join("authority.pem"), Authority::root("line").pem()).unwrap();
    let connection = emulator.connection_string();
    assert!(connection.starts_with(&format!("HostName={HOST};")), "the usual port");

    let done = manage(&folder, &connection, &folder.join("authority.pem"));
    let created = &done["create"]["ok"];
    assert_eq!(created["initialTwin"]["properties"]["desired"]["speed"], "slow", "{created}");
    assert_eq!(created["capabilities"]["iotEdge"], true);
    assert_refused(&done["create again"], 409, 409_000);
    assert_eq!(&done["get"]["ok"], created);
    assert_eq!(done["get"]["ok"]["attestation"], json!({"type": "symmetricKey"}));
    let key = done["keys"]["ok"]["symmetricKey"]["primaryKey"].as_str().unwrap().to_owned();
    assert_eq!(done["update"]["ok"]["deviceId"], "renamed");
    assert_refused(&done["update what was changed"], 412, 412_000);
    assert_refused(&done["get nothing"], 404, 404_201);

    let certificates = &done["get group"]["ok"]["attestation"]["x509"]["signingCertificates"];
    assert_eq!(certificates["primary"]["info"]["subjectName"], "CN=line", "{certificates}");
    assert_eq!(done["update group"]["ok"]["provisioningStatus"], "disabled");
    assert_refused(&done["update group again"], 412, 412_000);
    let group_key = done["group keys"]["ok"]["symmetricKey"]["secondaryKey"].as_str().unwrap();

    assert_eq!(done["bulk create"]["ok"], json!({"isSuccessful": true, "errors": []}));
    let pages = names(&done["query"], "registrationId");
    assert_eq!(pages, [["bulk-a", "bulk-b"], ["bulk-c", "bulk-d"], ["bulk-e", "node-device"]]);
    let groups = names(&done["group query"], "enrollmentGroupId");
    assert_eq!(groups, [["node-group", "node-x509"]]);
    let deleted = &done["bulk delete"]["ok"];
    assert_eq!(deleted["isSuccessful"], false);
    assert_eq!(deleted["errors"][0]["registrationId"], "bulk-nobody", "{deleted}");
    assert_eq!(names(&done["query the rest"], "registrationId"), [["node-device"]]);
    assert_eq!(done["delete group"]["ok"], Value::Null);
    assert_refused(&done["delete with a wrong etag"], 412, 412_000);

    // The keys are still those of the creation, after updates without any.
    let assigned = register(&emulator, "node-device", SymmetricKey::from_base64(&key).unwrap());
    assert_eq!(assigned.hub, "two.localhost");
    assert_eq!(assigned.device_id, "renamed");
    let group_key = SymmetricKey::from_base64(group_key).unwrap();
    for id in ["sn-1", "sn-2"] {
        register(&emulator, id, group_key.derive(&RegistrationId::new(id).unwrap()));
    }

    let done = manage(&folder, &connection, Path::new("registrations"));
    let state = &done["registration"]["ok"];
    assert_eq!((&state["status"], &state["deviceId"]), (&json!("assigned"), &json!("renamed")));
    assert_eq!(names(&done["of group"], "registrationId"), [["sn-1"], ["sn-2"]]);
    assert_eq!(done["delete registration"]["ok"], Value::Null);
    assert_refused(&done["no registration"], 404, 404_201);
    assert_eq!(done["delete"]["ok"], Value::Null);
    assert!(emulator.enrollments().is_empty());
    assert_eq!(emulator.groups().len(), 1);
}
