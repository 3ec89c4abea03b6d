//! Microsoft's Node.js client, unmodified, against the local service, by each of its transports.
//! Its WebSockets and HTTPS know no port but 443 (`wire-protocol.md` section 0), so all its runs
//! share one service at the usual ports of an address of this machine that nothing else uses.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::RegistrationId;
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_tests::{Authority, KeyKind, root, run, self_signed};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The Python peer has 127.0.0.1.
const HOST: &str = "127.0.0.2";

/// The service, and who knows its devices.
struct Service {
    emulator: Emulator,
    /// The group's intermediate: the service knows only the root above it.
    line: Authority,
    stranger: Authority,
    folder: PathBuf,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let yaml = "
hubs: [contoso-hub.localhost]
retryAfterSeconds: 1
assignmentDelaySeconds: 0.5
enrollments:
  - registrationId: my-symkey-device
    deviceId: my-hub-device
    attestation: {type: symmetricKey}
";
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    config.address = HOST.parse().unwrap();
    let authority = Authority::root("root");
    let mut enrollment =
        IndividualEnrollmentConfig::new(RegistrationId::new("my-x509-device").unwrap());
    enrollment.attestation = AttestationConfig::with_client_certificate(OWN.as_str());
    config.enrollments.push(enrollment);
    let mut group = EnrollmentGroupConfig::new("myx509devices");
    group.attestation = AttestationConfig::with_signing_certificate(authority.pem());
    config.enrollment_groups.push(group);
    let emulator = Emulator::start(config).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("interop-node");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
    let line = authority.intermediate("line 7");
    Service { emulator, line, stranger: Authority::root("root"), folder }
});

/// The certificate of `my-x509-device`, which it issued to itself.
static OWN: LazyLock<String> = LazyLock::new(|| self_signed("my-x509-device", KeyKind::Rsa));

impl Service {
    /// Runs the peer; gives its exit code and what it said.
    fn register(&self, transport: &str, id: &str, proof: &[(&str, &str)]) -> (Option<i32>, Value) {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let files: Vec<PathBuf> = proof
            .iter()
            .map(|(name, content)| {
                let path = self.folder.join(format!("{number}.{name}"));
                fs::write(&path, content).unwrap();
                path
            })
            .collect();
        let attestation = if files.len() == 2 { "x509" } else { "symmetric" };
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/interop/node/register.js"))
            .args([transport, HOST, self.emulator.id_scope(), id, attestation])
            .args(files)
            .arg(r#"{"model": "x"}"#)
            .env("NODE_EXTRA_CA_CERTS", self.folder.join("ca.pem"));
        for name in ["https_proxy", "HTTPS_PROXY", "NODE_OPTIONS"] {
            command.env_remove(name);
        }
        let finished = run(&mut command, Duration::from_secs(60));
        let last = finished.stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
        (finished.code, value)
    }

    fn symmetric(&self, transport: &str, id: &str, key: &str) -> (Option<i32>, Value) {
        self.register(transport, id, &[("key", key)])
    }

    fn x509(&self, transport: &str, id: &str, chain: &str, key: KeyKind) -> (Option<i32>, Value) {
        self.register(transport, id, &[("pem", chain), ("key", key.pem())])
    }

    fn device_key(&self) -> String {
        let enrollments = self.emulator.enrollments();
        let keys = enrollments.iter().find_map(|enrollment| enrollment.symmetric_keys());
        keys.unwrap().primary.to_base64().to_string()
    }
}

#[track_caller]
fn assert_assigned((code, value): &(Option<i32>, Value), device: &str) {
    assert_eq!(*code, Some(0), "{value}");
    assert_eq!(value["status"], "assigned", "{value}");
    assert_eq!(value["assignedHub"], "contoso-hub.localhost", "{value}");
    assert_eq!(value["deviceId"], device, "{value}");
}

/// What the client calls a refusal: its own name for the error, or by AMQP the condition.
fn kind(transport: &str, error_code: u64) -> &'static str {
    match (transport, error_code / 1000) {
        ("amqp" | "amqp-ws", 401) => "amqp:unauthorized-access",
        ("amqp" | "amqp-ws", 404) => "amqp:not-found",
        (_, 401) => "UnauthorizedError",
        // It has no name of its own for the status by HTTP.
        ("http", 404) => "Error",
        (_, 404) => "DeviceNotFoundError",
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_refused(
    (code, value): &(Option<i32>, Value),
    transport: &str,
    error_code: u64,
    text: &str,
) {
    assert_eq!(*code, Some(3), "{value}");
    assert_eq!(value["kind"], kind(transport, error_code), "{value}");
    assert_eq!(value["service"]["errorCode"], error_code, "{value}");
    assert_eq!(value["service"]["message"], text, "{value}");
    assert_eq!(value["service"]["trackingId"].as_str().map(str::len), Some(36), "{value}");
}

macro_rules! scenarios {
    ($($module:ident: $transport:literal,)*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn a_device_with_its_key_is_assigned() {
                let key = SERVICE.device_key();
                let done = SERVICE.symmetric($transport, "my-symkey-device", &key);
                assert_assigned(&done, "my-hub-device");
            }

            #[test]
            fn a_device_with_its_enrolled_certificate_is_assigned() {
                let done = SERVICE.x509($transport, "my-x509-device", &OWN, KeyKind::Rsa);
                assert_assigned(&done, "my-x509-device");
            }

            #[test]
            fn a_device_of_a_group_with_its_chain_is_assigned() {
                let id = concat!("sn-", $transport);
                let chain = SERVICE.line.device(id, KeyKind::P256) + &SERVICE.line.pem();
                assert_assigned(&SERVICE.x509($transport, id, &chain, KeyKind::P256), id);
            }

            #[test]
            fn a_wrong_key_is_refused() {
                let wrong = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
                let refused = SERVICE.symmetric($transport, "my-symkey-device", wrong);
                assert_refused(&refused, $transport, 401_000, "Unauthorized");
            }

            #[test]
            fn an_unknown_registration_id_is_refused() {
                let refused = SERVICE.symmetric($transport, "nobody", &SERVICE.device_key());
                assert_refused(&refused, $transport, 404_201, "Enrollment not found.");
            }

            #[test]
            fn a_stranger_s_certificate_is_refused() {
                let chain = SERVICE.stranger.device("sn-8", KeyKind::P256);
                let refused = SERVICE.x509($transport, "sn-8", &chain, KeyKind::P256);
                assert_refused(&refused, $transport, 401_002, "Invalid certificate.");
            }
        }
    )*};
}

scenarios! {
    mqtt: "mqtt",
    mqtt_ws: "mqtt-ws",
    http: "http",
    amqp: "amqp",
    amqp_ws: "amqp-ws",
}
