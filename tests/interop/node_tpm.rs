//! Microsoft's Node.js clients with a TPM, unmodified, against the local service and its hub
//! (`wire-protocol.md` sections 3.5, 4.5 and 5). Its HTTPS, its WebSockets and its MQTT know no
//! ports but the usual ones, so each service here has an address of this machine for itself.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_client::RegistrationId;
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, IndividualEnrollmentConfig, ProvisioningStatus,
};
use dps_tests::NodeTpm;
use serde_json::{Value, json};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What the client's AMQP says of itself when it goes on after SASL.
const GOES_ON: &str = "-> attach#";

/// What the client prints: how it ended, and the outcome.
fn outcome(tpm: &NodeTpm, ca: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let finished = tpm.run(ca, arguments);
    let last = finished.stdout.lines().last().unwrap_or_default();
    let value = serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
    if let (Some(0), ["register", "amqp" | "amqp-ws", ..]) = (finished.code, arguments) {
        assert!(finished.stderr.contains(GOES_ON), "{finished:?}");
    }
    (finished.code, value)
}

/// The registration id and the endorsement key, as the client itself has them.
fn show(tpm: &NodeTpm) -> (RegistrationId, Vec<u8>) {
    let (code, shown) = outcome(tpm, "", &["show"]);
    assert_eq!(code, Some(0), "{shown}");
    let key = STANDARD.decode(shown["endorsementKey"].as_str().unwrap()).unwrap();
    let id = RegistrationId::new(shown["registrationId"].as_str().unwrap()).unwrap();
    assert_eq!(RegistrationId::from_endorsement_key(&key), id);
    (id, key)
}

fn enrollment(id: RegistrationId, endorsement_key: &[u8]) -> IndividualEnrollmentConfig {
    let mut enrollment = IndividualEnrollmentConfig::new(id);
    enrollment.attestation = AttestationConfig::with_endorsement_key(endorsement_key);
    enrollment.device_id = Some("tpm-device".to_owned());
    enrollment
}

/// A service at the usual ports of `host` that knows one TPM.
fn service(host: &str, enrollment: IndividualEnrollmentConfig) -> Emulator {
    let yaml = "{hubs: [contoso-hub.localhost], retryAfterSeconds: 1, assignmentDelaySeconds: 0.5}";
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    config.address = host.parse().unwrap();
    config.enrollments = vec![enrollment];
    Emulator::start(config).unwrap()
}

/// Registers, and again, and works at the hub.
fn works(transport: &str, host: &str) {
    let tpm = NodeTpm::start();
    let (id, key) = show(&tpm);
    let emulator = service(host, enrollment(id.clone(), &key));
    let run = |what: &str, text: &str| {
        let arguments = [what, transport, host, emulator.id_scope(), text];
        outcome(&tpm, emulator.ca_pem(), &arguments)
    };
    let hub_key = || {
        let records = emulator.registrations();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].hub_key.clone().expect("a key for the hub")
    };

    let text = "contoso-hub.localhost%2fdevices%2ftpm-device\n1893456000";
    let expected = |text: &str| {
        json!({
            "status": "assigned",
            "registrationId": id.as_str(),
            "assignedHub": "contoso-hub.localhost",
            "deviceId": "tpm-device",
            "signature": STANDARD.encode(hub_key().hmac_sha256(text.as_bytes())),
        })
    };
    let done = run("register", text);
    assert_eq!(done, (Some(0), expected(text)));
    let first = hub_key();
    // More than goes into one command of the TPM.
    let long = "x".repeat(2500);
    let done = run("register", &long);
    assert_eq!(done, (Some(0), expected(&long)));
    assert_eq!(hub_key().to_base64(), first.to_base64(), "a device keeps its key");

    let done = run("hub", "");
    let at_hub = json!({"assignedHub": "contoso-hub.localhost", "deviceId": "tpm-device"});
    assert_eq!(done, (Some(0), at_hub));
    let hub = emulator.hub("contoso-hub.localhost").unwrap();
    let kept = hub.telemetry("tpm-device").unwrap();
    let bodies: Vec<Value> =
        kept.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect();
    assert_eq!(bodies, [json!({"temperature": 21.5})]);
    let twin = hub.twin("tpm-device").unwrap();
    assert_eq!(Value::Object(twin.reported), json!({"tpm": true}));

    // Without its storage root key and its identity key it is the same device.
    let mut clear = Command::new("tpm2_clear");
    clear.args(["-T", &tpm.swtpm().tcti(), "-c", "platform"]);
    dps_tests::run(&mut clear, Duration::from_secs(30)).success();
    assert_eq!(run("register", text), (Some(0), expected(text)));
    assert_eq!(hub_key().to_base64(), first.to_base64());
    emulator.stop();
}

#[test]
fn a_tpm_registers_by_http_and_signs_for_its_hub() {
    works("http", "127.0.0.4");
}

#[test]
fn a_tpm_registers_by_amqp_and_signs_for_its_hub() {
    works("amqp", "127.0.0.5");
}

#[test]
fn a_tpm_registers_by_amqp_over_websocket_and_signs_for_its_hub() {
    works("amqp-ws", "127.0.0.6");
}

/// What the client says of a refusal by HTTP, where it expects a challenge and nothing else.
const NO_CHALLENGE: &str =
    "The server did NOT respond with an appropriately formatted authentication blob.";
const NOT_EVEN_401: &str = "The server did NOT respond with an unauthorized error.  For a TPM challenge this is incorrect.";

#[test]
fn another_tpm_is_refused() {
    let host = "127.0.0.7";
    let (enrolled, other) = (NodeTpm::start(), NodeTpm::start());
    let (id, key) = show(&enrolled);
    assert_ne!(show(&other), (id.clone(), key.clone()));
    let emulator = service(host, enrollment(id.clone(), &key));
    let (ca, scope) = (emulator.ca_pem(), emulator.id_scope());
    thread::scope(|scoped| {
        // In the enrolled one's name, and in its own, which nobody knows.
        for (name, by_http) in [(Some(id.as_str()), NO_CHALLENGE), (None, NOT_EVEN_401)] {
            for transport in ["http", "amqp", "amqp-ws"] {
                let mut arguments = vec!["register", transport, host, scope, "text"];
                arguments.extend(name);
                let other = &other;
                scoped.spawn(move || {
                    let finished = other.run(ca, &arguments);
                    if transport == "http" {
                        assert_eq!(finished.code, Some(3), "{finished:?}");
                        assert!(finished.stdout.contains(by_http), "{finished:?}");
                    } else {
                        // It gets the refusal, but does not tell its caller.
                        assert_eq!(finished.code, Some(4), "{finished:?}");
                        let told = "<- sasl_outcome#44 {\"code\":1}";
                        assert!(finished.stderr.contains(told), "{finished:?}");
                        assert!(!finished.stderr.contains(GOES_ON), "{finished:?}");
                    }
                });
            }
        }
    });
    assert_eq!(emulator.registrations().len(), 0);
    emulator.stop();
}

#[test]
fn a_tpm_whose_enrollment_is_disabled_is_told_so() {
    let host = "127.0.0.8";
    let tpm = NodeTpm::start();
    let (id, key) = show(&tpm);
    let mut disabled = enrollment(id, &key);
    disabled.provisioning_status = ProvisioningStatus::Disabled;
    let emulator = service(host, disabled);
    for transport in ["http", "amqp", "amqp-ws"] {
        let arguments = ["register", transport, host, emulator.id_scope(), "text"];
        let (code, said) = outcome(&tpm, emulator.ca_pem(), &arguments);
        assert_eq!(code, Some(3), "{transport}: {said}");
        assert_eq!(said["message"], "status is disabled", "{transport}");
    }
    assert!(emulator.registrations().iter().all(|record| record.hub_key.is_none()));
    emulator.stop();
}
