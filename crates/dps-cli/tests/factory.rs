//! What a factory does, and what its devices do with it: derived keys for one device or for many,
//! the files that carry them, and the configuration of IoT Edge.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey, Transport};
use dps_tests::{Finished, Fleet, run};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

// Of the service's documentation (wire-protocol.md section 1.5).
const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const ID: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
const DEVICE_KEY: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";
const OTHER_KEY: &str = "c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmU=";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dps-factory-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn dps(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
        command.args(arguments).current_dir(&self.0);
        for name in ["HOST", "REGISTRATION_ID", "SYMMETRIC_KEY"] {
            command.env_remove(format!("PROVISIONING_{name}"));
        }
        // A file that is named goes before variables.
        command.env("PROVISIONING_IDSCOPE", "0ne00of-nobody");
        run(&mut command, Duration::from_secs(60))
    }

    fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A service, whose CA is in the folder, and its group's two keys.
fn service(folder: &Folder) -> (Fleet, [String; 2]) {
    let fleet = Fleet::start();
    folder.write("ca.pem", fleet.emulator.ca_pem());
    let keys = fleet.group_keys().map(|key| key.to_base64().to_string());
    (fleet, keys)
}

/// Makes secrets.json for a device from these two keys of its group.
fn derive(folder: &Folder, fleet: &Fleet, keys: [&str; 2]) {
    folder.write("primary", keys[0]);
    folder.write("secondary", keys[1]);
    let endpoint = fleet.endpoint(Transport::Mqtt).to_string();
    let made = folder.dps(&[
        "derive-key",
        "--registration-id",
        "dev-1",
        "--endpoint",
        &endpoint,
        "--id-scope",
        fleet.emulator.id_scope(),
        "--primary-file",
        "primary",
        "--secondary-file",
        "secondary",
        "--out",
        "secrets.json",
        "--force",
    ]);
    made.success();
}

const REGISTER: [&str; 7] = [
    "register",
    "--secrets",
    "secrets.json",
    "--settings",
    "settings.json",
    "--trusted-cert",
    "ca.pem",
];

#[test]
fn secrets_from_the_factory_give_settings_on_the_device() {
    let folder = Folder::new("secrets");
    let (fleet, [primary, secondary]) = service(&folder);
    derive(&folder, &fleet, [&primary, &secondary]);
    let secrets: Value = serde_json::from_str(&folder.read("secrets.json")).unwrap();
    let id = RegistrationId::new("dev-1").unwrap();
    let derived = |key: &str| SymmetricKey::from_base64(key).unwrap().derive(&id).to_base64();
    let (one, other) = (derived(&primary), derived(&secondary));
    assert_eq!(
        secrets,
        serde_json::json!({
            "endpoint": fleet.endpoint(Transport::Mqtt).to_string(),
            "idScope": fleet.emulator.id_scope(),
            "registrationId": "dev-1",
            "primaryKey": one.as_str(),
            "secondaryKey": other.as_str(),
        })
    );

    let told = folder.dps(&REGISTER).success();
    assert!(told.stdout.contains("contoso-hub.localhost, deviceId: dev-1"), "{}", told.stdout);
    let settings: Value = serde_json::from_str(&folder.read("settings.json")).unwrap();
    let string =
        |key: &str| format!("HostName=contoso-hub.localhost;DeviceId=dev-1;SharedAccessKey={key}");
    assert_eq!(
        settings,
        serde_json::json!({
            "primaryConnectionString": string(&one),
            "secondaryConnectionString": string(&other),
        })
    );
    assert_eq!([folder.mode("secrets.json"), folder.mode("settings.json")], [0o600; 2]);
    for told in [&told.stdout, &told.stderr] {
        assert!(!told.contains(one.as_str()) && !told.contains(other.as_str()), "{told}");
    }
    // And again: a device registers at each boot.
    folder.dps(&REGISTER).success();
}

#[test]
fn a_regenerated_primary_key_leaves_the_secondary_and_two_leave_a_clear_error() {
    let folder = Folder::new("regenerated");
    let (fleet, [_, secondary]) = service(&folder);
    derive(&folder, &fleet, [OTHER_KEY, &secondary]);
    let told = folder.dps(&REGISTER).success();
    assert!(told.stderr.contains("refused the primary key"), "{}", told.stderr);
    assert!(told.stderr.contains("trying the secondary"), "{}", told.stderr);
    assert!(folder.read("settings.json").contains("secondaryConnectionString"));

    fs::remove_file(folder.0.join("settings.json")).unwrap();
    derive(&folder, &fleet, [OTHER_KEY, GROUP_KEY]);
    let refused = folder.dps(&REGISTER);
    assert_eq!(refused.code, Some(6));
    assert!(refused.stderr.contains("both the primary and the secondary"), "{}", refused.stderr);
    assert!(refused.stderr.contains("regenerated"), "{}", refused.stderr);
    assert!(!folder.names().contains(&"settings.json".to_owned()));

    // One document for scripts, of the last error.
    let json = folder.dps(&[&REGISTER[..], &["--output", "json"]].concat());
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["service"]["status"], 401);
}

#[test]
fn another_failure_than_a_refused_key_does_not_cost_a_second_try() {
    let folder = Folder::new("unreachable");
    let (fleet, [primary, secondary]) = service(&folder);
    derive(&folder, &fleet, [&primary, &secondary]);
    let failed =
        folder.dps(&[&REGISTER[..], &["--endpoint", "127.0.0.1:1", "--timeout", "2"]].concat());
    assert_eq!(failed.code, Some(4), "{}", failed.stderr);
    assert!(!failed.stderr.contains("secondary"), "{}", failed.stderr);
}

#[test]
fn a_file_that_holds_no_secrets_is_refused_without_a_word_of_it() {
    let folder = Folder::new("no-secrets");
    folder.write("ca.pem", "");
    let whole = |key: &str| {
        format!(r#"{{"endpoint":"h","idScope":"s","registrationId":"d","primaryKey":"{key}"}}"#)
    };
    for (content, words) in [
        (String::new(), "not a secrets file"),
        (whole("bm9^zzz"), "primaryKey"),
        (whole(DEVICE_KEY).replace("primaryKey", "primary"), "unknown field"),
        (whole(&"A".repeat(20_000)), "more than 16384 bytes"),
        ("[]".to_owned(), "not a secrets file"),
    ] {
        folder.write("secrets.json", &content);
        let refused = folder.dps(&REGISTER);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(!refused.stderr.contains("zzz") && !refused.stderr.contains(DEVICE_KEY));
    }
}

#[test]
fn one_device_needs_its_scope_and_replaces_nothing() {
    let folder = Folder::new("one");
    folder.write("secrets.json", "precious");
    let derive = |more: &[&str]| {
        let start = ["derive-key", "--registration-id", ID, "--primary", GROUP_KEY];
        folder.dps(&[&start[..], more].concat())
    };
    let refused = derive(&["--out", "secrets.json"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("exists"), "{}", refused.stderr);
    assert_eq!(folder.read("secrets.json"), "precious");
    let refused = derive(&["--out", "other.json", "--id-scope", ""]);
    assert!(refused.stderr.contains("ID scope is missing"), "{}", refused.stderr);
    assert_eq!(derive(&[]).success().stdout.trim(), DEVICE_KEY);
    derive(&["--out", "secrets.json", "--force"]).success();
    assert!(folder.read("secrets.json").contains(DEVICE_KEY));
}

#[test]
fn many_devices_get_their_keys_in_the_order_of_the_file() {
    let folder = Folder::new("many");
    folder.write("group", GROUP_KEY);
    folder.write("ids.csv", &format!("serial,registrationId\n1,{ID}\n\"2\",\"dev-2\"\n"));
    let bulk = ["derive-key", "--ids", "ids.csv", "--key-file", "group", "--out", "keys.csv"];
    let told = folder.dps(&bulk).success();
    assert!(told.stdout.contains("Keys of 2 devices"), "{}", told.stdout);
    let second = SymmetricKey::from_base64(GROUP_KEY).unwrap();
    let second = second.derive(&RegistrationId::new("dev-2").unwrap()).to_base64();
    assert_eq!(
        folder.read("keys.csv"),
        format!("registrationId,primaryKey\n{ID},{DEVICE_KEY}\ndev-2,{}\n", second.as_str())
    );
    assert_eq!(folder.mode("keys.csv"), 0o600);

    folder.write("other", OTHER_KEY);
    folder.dps(&[&bulk[..], &["--secondary-file", "other", "--force"]].concat()).success();
    let lines = folder.read("keys.csv");
    assert_eq!(lines.lines().next(), Some("registrationId,primaryKey,secondaryKey"));
    assert!(lines.lines().skip(1).all(|line| line.split(',').count() == 3), "{lines}");
}

#[test]
fn an_id_that_cannot_be_stops_all_or_is_left_out_and_named() {
    let folder = Folder::new("bad-ids");
    folder.write("group", GROUP_KEY);
    folder.write("ids.txt", "dev-1\nnot an id\n\nDEV-1\ndev-3\n");
    let bulk = ["derive-key", "--ids", "ids.txt", "--key-file", "group", "--out", "keys.csv"];
    let refused = folder.dps(&bulk);
    assert!(refused.code == Some(2) && refused.stderr.contains("line 2"), "{}", refused.stderr);
    assert_eq!(folder.names(), ["group", "ids.txt"], "nothing is left behind");

    let told = folder.dps(&[&bulk[..], &["--keep-going"]].concat());
    assert_eq!(told.code, Some(2), "some are missing");
    assert!(told.stderr.contains("line 2") && told.stderr.contains("1 ids were left out"));
    assert!(told.stderr.contains("line 4: DEV-1 stands there twice"), "{}", told.stderr);
    assert_eq!(folder.read("keys.csv").lines().count(), 4);
}

#[test]
fn iot_edges_configuration_registers_with_a_key_and_with_a_certificate() {
    let folder = Folder::new("edge");
    let (fleet, _) = service(&folder);
    let head = |transport: Transport| {
        format!(
            "agent: {{name: edgeAgent}}\nprovisioning:\n  source: \"dps\"\n  global_endpoint: \"https://{}\"\n  scope_id: \"{}\"\n  attestation:\n",
            fleet.endpoint(transport),
            fleet.emulator.id_scope()
        )
    };
    let key = fleet.derived_key("edge-1").to_base64();
    folder.write("config.yaml", &format!(
        "{}    method: \"symmetric_key\"\n    registration_id: \"edge-1\"\n    symmetric_key: \"{}\"\n",
        head(Transport::Http), key.as_str()
    ));
    let register = ["register", "--config", "config.yaml", "--trusted-cert", "ca.pem"];
    let told = folder.dps(&[&register[..], &["--transport", "http"]].concat()).success();
    assert!(told.stdout.contains("deviceId: edge-1"), "{}", told.stdout);

    // The device's own certificate is in the service's group of certificates.
    let pem = fleet.certified("edge-2");
    folder.write("edge-2.pem", &pem);
    let file = folder.0.join("edge-2.pem");
    folder.write(
        "config.yaml",
        &format!(
            "{}    method: \"x509\"\n    identity_cert: \"file://{}\"\n    identity_pk: \"{}\"\n",
            head(Transport::Mqtt),
            file.display(),
            file.display()
        ),
    );
    let told = folder.dps(&register).success();
    assert!(told.stdout.contains("deviceId: edge-2"), "{}", told.stdout);

    folder.write("config.yaml", "provisioning:\n  source: dps\n  scope_id: \"{scope_id}\"\n");
    let refused = folder.dps(&register);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("still the placeholder"), "{}", refused.stderr);
}
