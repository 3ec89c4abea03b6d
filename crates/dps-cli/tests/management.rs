//! The commands that manage a service, and a service whose state outlives it.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_service::{AttestationMechanism, IndividualEnrollment, ServiceClient};
use dps_tests::{Finished, RunningService, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn dps(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(arguments);
    for name in ["https_proxy", "HTTPS_PROXY", "DPS_CONNECTION_STRING", "PROVISIONING_IDSCOPE"] {
        command.env_remove(name);
    }
    command
}

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("dps-management-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A running `dps emulator`, and the commands that manage it.
struct Service(RunningService);

impl Service {
    fn start(folder: &Path, more: &[&str]) -> Self {
        Self(RunningService::start(dps(&[]), folder, more))
    }

    /// Runs a command that manages it.
    fn manage(&self, arguments: &[&str]) -> Finished {
        let mut command = dps(arguments);
        command.env("DPS_CONNECTION_STRING", self.0.connection_string());
        run(command.arg("--trusted-cert").arg(self.0.ca()), Duration::from_secs(30))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.manage(&[arguments, &["--json"]].concat()).success();
        serde_json::from_str(&finished.stdout).unwrap()
    }

    fn client(&self) -> ServiceClient {
        ServiceClient::builder(self.0.connection_string().parse().unwrap())
            .trusted_certificates(fs::read_to_string(self.0.ca()).unwrap())
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap()
    }
}

#[test]
fn an_enrollment_is_managed_as_with_az() {
    let folder = folder("enrollment");
    let service = Service::start(&folder, &[]);
    let created = service.json(&[
        "enrollment",
        "create",
        "--enrollment-id",
        "dev1",
        "--device-id",
        "line-1",
        "--iot-hubs",
        "contoso-hub.localhost",
        "--allocation-policy",
        "static",
        "--initial-twin-tags",
        r#"{"a":1}"#,
        "--initial-twin-properties",
        r#"{"speed":2}"#,
        "--edge-enabled",
        "true",
        "--device-information",
        r#"{"made":"here"}"#,
    ]);
    assert_eq!(created["initialTwin"]["properties"]["desired"]["speed"], 2);
    assert_eq!(created["iotHubs"][0], "contoso-hub.localhost");
    assert_eq!(
        (&created["allocationPolicy"], &created["capabilities"]["iotEdge"]),
        (&"static".into(), &true.into())
    );
    let shown = service.json(&["enrollment", "show", "--enrollment-id", "DEV1"]);
    assert_eq!(shown, created);
    let show_keys = ["enrollment", "show", "--enrollment-id", "dev1", "--show-keys"];
    let keys = service.json(&show_keys)["attestation"].clone();

    let updated = service.json(&[
        "enrollment",
        "update",
        "--enrollment-id",
        "dev1",
        "--provisioning-status",
        "disabled",
        "--reprovision-policy",
        "reprovisionandresetdata",
    ]);
    assert_eq!(updated["reprovisionPolicy"]["migrateDeviceData"], false);
    assert_eq!(updated["initialTwin"], created["initialTwin"], "what is not named stays");
    assert_eq!(service.json(&show_keys)["attestation"], keys);
    let new_key = folder.join("key");
    fs::write(&new_key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    service.json(&[
        "enrollment",
        "update",
        "--enrollment-id",
        "dev1",
        "--primary-key-file",
        new_key.to_str().unwrap(),
    ]);
    let changed = &service.json(&show_keys)["attestation"]["symmetricKey"];
    assert_eq!(changed["primaryKey"], "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_eq!(changed["secondaryKey"], keys["symmetricKey"]["secondaryKey"]);

    let late = service.manage(&[
        "enrollment",
        "delete",
        "--enrollment-id",
        "dev1",
        "--etag",
        created["etag"].as_str().unwrap(),
    ]);
    assert_eq!(late.code, Some(7), "{}", late.stderr);
    assert!(
        late.stderr.contains("code 412000") && late.stderr.contains("to do:"),
        "{}",
        late.stderr
    );
    let listed = service.manage(&["enrollment", "list"]).success().stdout;
    assert!(listed.starts_with("dev1  disabled  symmetricKey"), "{listed}");
    service.manage(&["enrollment", "delete", "--enrollment-id", "dev1"]).success();
    assert_eq!(service.json(&["enrollment", "list"]), serde_json::json!([]));
    let missing = service.manage(&["enrollment", "show", "--enrollment-id", "dev1", "--json"]);
    assert_eq!(missing.code, Some(7));
    let said: Value = serde_json::from_str(&missing.stdout).unwrap();
    assert!(said["message"].as_str().unwrap().contains("404201"), "{said}");
}

#[test]
fn a_group_s_device_registers_with_the_key_that_is_computed_for_it() {
    let folder = folder("group");
    let service = Service::start(&folder, &[]);
    service.json(&["enrollment-group", "create", "--enrollment-id", "line-7"]);
    let key = service.manage(&[
        "enrollment-group",
        "compute-device-key",
        "--enrollment-id",
        "line-7",
        "--registration-id",
        "sn-1",
    ]);
    let key_file = folder.join("key");
    fs::write(&key_file, key.success().stdout).unwrap();
    let endpoint = format!("127.0.0.1:{}", service.0.ready()["mqtt"]["port"]);
    let registered = run(
        dps(&["register", "--endpoint", &endpoint, "--registration-id", "sn-1"])
            .args(["--id-scope", service.0.ready()["idScope"].as_str().unwrap(), "--key-file"])
            .arg(&key_file)
            .arg("--trusted-cert")
            .arg(service.0.ca()),
        Duration::from_secs(30),
    );
    registered.success();
    let listed = service.json(&["registration", "list", "--enrollment-id", "line-7"]);
    assert_eq!(listed[0]["registrationId"], "sn-1", "{listed}");
    let shown = service.json(&["registration", "show", "--registration-id", "sn-1"]);
    assert_eq!((&shown["status"], &shown), (&"assigned".into(), &listed[0]));
    service.manage(&["registration", "delete", "--registration-id", "sn-1"]).success();
    service.manage(&["enrollment-group", "delete", "--enrollment-id", "line-7"]).success();
    let left = service.json(&["enrollment-group", "list", "--top", "5"]);
    assert_eq!(left.as_array().unwrap().len(), 1, "the one from the start");
}

#[test]
fn what_makes_no_sense_is_told_without_the_key() {
    let key = "c2VjcmV0c2VjcmV0c2VjcmV0";
    let bad = format!("HostName=a/b;SharedAccessKeyName=x;SharedAccessKey={key}");
    for (arguments, words) in [
        (vec!["enrollment", "list"], "DPS_CONNECTION_STRING"),
        (vec!["enrollment", "list", "--login", &bad], "HostName"),
        (
            vec!["enrollment", "create", "--enrollment-id", "a", "--attestation-type", "x509"],
            "--certificate-path",
        ),
        (
            vec!["enrollment-group", "create", "--enrollment-id", "a", "--attestation-type", "tpm"],
            "one by one",
        ),
        (
            vec!["enrollment", "create", "--enrollment-id", "a", "--initial-twin-tags", "[1]"],
            "--initial-twin-tags",
        ),
    ] {
        let finished = run(&mut dps(&arguments), Duration::from_secs(30));
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
        assert!(!finished.stderr.contains(key), "{}", finished.stderr);
    }
}

/// How many enrollments are written, and how often the service is killed meanwhile.
const WRITES: usize = 1000;
const KILLS: usize = 4;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let folder = folder("kill");
    let state = folder.join("state.db");
    let more = ["--state", state.to_str().unwrap()];
    let acknowledged = Mutex::new(BTreeSet::new());
    let next = AtomicUsize::new(0);
    for round in 1..=KILLS + 1 {
        let mut service = Service::start(&folder, &more);
        let goal = WRITES * round / (KILLS + 1);
        thread::scope(|scope| {
            let mut writers = Vec::new();
            for _ in 0..4 {
                let client = service.client();
                let (acknowledged, next) = (&acknowledged, &next);
                writers.push(scope.spawn(move || {
                    while next.load(Ordering::Relaxed) < WRITES {
                        let name = format!("dev-{}", next.fetch_add(1, Ordering::Relaxed));
                        let item = IndividualEnrollment::new(
                            name.as_str(),
                            AttestationMechanism::symmetric_key(),
                        );
                        match client.enrollments().create(&item) {
                            Ok(created) => {
                                let etag = created.etag.unwrap();
                                acknowledged.lock().unwrap().insert((name, etag));
                            }
                            // Killed while it was at it: nothing was promised.
                            Err(_) => return,
                        }
                    }
                }));
            }
            // Killed in the middle of writing, but for the last time.
            let started = Instant::now();
            while round <= KILLS && acknowledged.lock().unwrap().len() < goal {
                assert!(started.elapsed() < Duration::from_secs(120), "too slow");
                thread::sleep(Duration::from_millis(1));
            }
            if round <= KILLS {
                service.0.kill();
            }
        });
        service.0.kill();
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > WRITES - 10 * KILLS, "{}", acknowledged.len());
    let service = Service::start(&folder, &more);
    let found: BTreeSet<(String, String)> = service
        .client()
        .enrollments()
        .list(None)
        .map(|item| item.map(|item| (item.registration_id, item.etag.unwrap())).unwrap())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // A second service must not write to the same file.
    let mut second = dps(&["emulator", "--mqtt-port", "0"]);
    let refused = run(second.args(more), Duration::from_secs(20));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
}
