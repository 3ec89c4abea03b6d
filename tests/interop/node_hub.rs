//! Microsoft's Node.js client, unmodified, at the hub that the local service has assigned it to,
//! over MQTT with and without WebSockets; at the usual ports of an address of this machine that
//! nothing else uses.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::RegistrationId;
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, Hub, Message,
};
use dps_tests::{Authority, KeyKind, run};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The Python peer has 127.0.0.1, the other tests of this one 127.0.0.2.
const HOST: &str = "127.0.0.3";

#[test]
fn azure_iot_device_works_at_its_hub_with_a_key_and_with_a_certificate() {
    let mut config = EmulatorConfig::default();
    config.address = HOST.parse().unwrap();
    config.https_port = Some(443);
    let root = Authority::root("root");
    let mut group = EnrollmentGroupConfig::new("certified");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem());
    config.enrollment_groups = vec![EnrollmentGroupConfig::new("keyed"), group];
    let emulator = Emulator::start(config).unwrap();
    let hub = emulator.hub("contoso-hub.localhost").unwrap();
    let folder = std::env::temp_dir().join(format!("dps-node-hub-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    let trusted = write("ca.pem", emulator.ca_pem());
    let groups = emulator.groups();
    let keyed = groups.iter().find_map(|group| group.symmetric_keys()).unwrap();
    for transport in ["mqtt", "mqtt-ws"] {
        let peer = |id: &str| {
            let mut command = Command::new("node");
            command
                .arg(dps_tests::root().join("tests/interop/node/hub.js"))
                .args([transport, HOST, emulator.id_scope(), id])
                .env("NODE_EXTRA_CA_CERTS", &trusted);
            for name in ["https_proxy", "HTTPS_PROXY", "NODE_OPTIONS"] {
                command.env_remove(name);
            }
            command
        };
        let id = format!("Js:device.{transport}");
        let key = keyed.primary.derive(&RegistrationId::new(id.as_str()).unwrap());
        let mut command = peer(&id);
        command.arg("symmetric").arg(write("key", key.to_base64().as_str()));
        check(&hub, &id, command);

        let id = format!("js-x509-{transport}");
        let mut command = peer(&id);
        command
            .arg("x509")
            .arg(write("chain.pem", &root.device(&id, KeyKind::P256)))
            .arg(write("key.pem", KeyKind::P256.pem()));
        check(&hub, &id, command);
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Runs the peer, and the cloud's side meanwhile.
fn check(hub: &Hub, device: &str, mut command: Command) {
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
            "twin": {"desired": {"$version": 1}, "reported": 1},
            "message": {"data": "hello", "id": "m 1", "color": "50 % red"},
            "desired": {"interval": 5, "old": null, "$version": 2},
            "method": {"name": "blink", "payload": {"times": 3}},
        })
    );
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, answer), (207, json!({"done": true})));
    let kept = hub.telemetry(device).unwrap();
    assert_eq!(kept.len(), 1);
    let body: Value = serde_json::from_slice(&kept[0].body).unwrap();
    assert_eq!(body, json!({"temperature": 21.5}));
    let property = |name: &str| kept[0].properties.get(name).cloned().flatten();
    assert_eq!(property("$.ct").as_deref(), Some("application/json"));
    assert_eq!(property("$.ce").as_deref(), Some("utf-8"));
    assert_eq!(property("alert level").as_deref(), Some("50 %"));
    assert_eq!(Value::Object(hub.twin(device).unwrap().reported), json!({"listening": true}));
    assert_eq!(hub.waiting(device), Ok(0), "the message was acknowledged");
}
