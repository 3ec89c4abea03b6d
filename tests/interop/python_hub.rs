//! Microsoft's Python client, unmodified, at the hub that the local service has assigned it to,
//! over MQTT with and without WebSockets. It knows no ports but 8883 and 443, so its tests take
//! turns.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::RegistrationId;
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, Hub, Message,
};
use dps_tests::{Authority, KeyKind, root, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// There is one port 8883.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn azure_iot_device_works_at_its_hub_over_mqtt() {
    works_at_its_hub(false);
}

#[test]
fn azure_iot_device_works_at_its_hub_over_mqtt_in_web_sockets() {
    works_at_its_hub(true);
}

fn works_at_its_hub(web_sockets: bool) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut config = EmulatorConfig::default();
    let root = Authority::root("root");
    let mut group = EnrollmentGroupConfig::new("certified");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem());
    config.enrollment_groups = vec![EnrollmentGroupConfig::new("keyed"), group];
    if web_sockets {
        // Nobody is at 8883.
        config.mqtt_port = 0;
        config.https_port = Some(443);
    }
    let emulator = Emulator::start(config).unwrap();
    let hub = emulator.hub("contoso-hub.localhost").unwrap();
    let folder = std::env::temp_dir().join(format!("dps-python-hub-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };

    let groups = emulator.groups();
    let keyed = groups.iter().find_map(|group| group.symmetric_keys()).unwrap();
    let group = keyed.primary.clone();
    let key = group.derive(&RegistrationId::new("Py:device.1").unwrap());
    let key = write("key", key.to_base64().as_str());
    check(
        &emulator,
        &hub,
        "Py:device.1",
        peer(&emulator, &folder, "Py:device.1", &key, web_sockets),
    );

    let chain = write("chain.pem", &root.device("py-x509", KeyKind::P256));
    let key = write("key.pem", KeyKind::P256.pem());
    let mut command = peer(&emulator, &folder, "py-x509", &key, web_sockets);
    command.arg("--x509").arg(chain);
    check(&emulator, &hub, "py-x509", command);
    fs::remove_dir_all(folder).unwrap();
}

fn peer(emulator: &Emulator, folder: &Path, id: &str, key: &PathBuf, web_sockets: bool) -> Command {
    let mut command = Command::new(root().join("tests/.venv/bin/python"));
    command
        .arg(root().join("tests/interop/python/hub.py"))
        .args(["127.0.0.1", emulator.id_scope(), id])
        .args([key, &folder.join("ca.pem")])
        .args(web_sockets.then_some("--websockets"));
    command
}

/// Runs the peer, and the cloud's side meanwhile.
fn check(emulator: &Emulator, hub: &Hub, device: &str, mut command: Command) {
    let cloud = thread::spawn({
        let (hub, device) = (hub.clone(), device.to_owned());
        move || {
            let end = Instant::now() + Duration::from_secs(40);
            while !hub.twin(&device).is_ok_and(|twin| twin.reported.contains_key("listening")) {
                assert!(Instant::now() < end, "the peer does not listen");
                thread::sleep(Duration::from_millis(20));
            }
            let message = Message::new("hello").with("$.mid", "m 1").with("color", "50 % red");
            hub.send(&device, message).unwrap();
            hub.update_desired(&device, &json!({"interval": 5, "old": null})).unwrap();
            let payload = r#"{"times":3}"#;
            hub.invoke(&device, "blink", payload, Duration::from_secs(30)).unwrap()
        }
    });
    let finished = run(&mut command, Duration::from_secs(60));
    let last = finished.stdout.lines().last().unwrap_or_default();
    let seen: Value = serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
    let reply = cloud.join().unwrap();
    assert_eq!(
        seen,
        json!({
            "hub": "contoso-hub.localhost",
            "deviceId": device,
            "twin": {"desired": {"$version": 1}, "reported": {"$version": 1}},
            "message": {"data": "hello", "id": "m 1", "properties": {"color": "50 % red"}},
            "desired": {"interval": 5, "old": null, "$version": 2},
            "method": {"name": "blink", "payload": {"times": 3}},
        })
    );
    assert_eq!(
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap()),
        (207, json!({"done": true}))
    );
    let kept = hub.telemetry(device).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        serde_json::from_slice::<Value>(&kept[0].body).unwrap(),
        json!({"temperature": 21.5})
    );
    let property = |name: &str| kept[0].properties.get(name).cloned().flatten();
    assert_eq!(property("$.ct").as_deref(), Some("application/json"));
    assert_eq!(property("$.ce").as_deref(), Some("utf-8"));
    assert_eq!(property("alert level").as_deref(), Some("50 %"));
    let twin = hub.twin(device).unwrap();
    assert_eq!(Value::Object(twin.reported), json!({"listening": true}));
    assert_eq!(hub.waiting(device), Ok(0), "the message was acknowledged");
    assert!(emulator.is_serving());
}
