//! C programs that CMake builds against libdps, run against the local service, natively and
//! under valgrind.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "c_api/contracts.rs"]
mod contracts;
#[path = "c_api/matrix.rs"]
mod matrix;
#[path = "c_api/sanitizers.rs"]
mod sanitizers;

use dps_client::dps_core::sas::{HexCase, UnsignedToken};
use dps_client::{RegistrationId, SymmetricKey};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_tests::{
    Authority, Fault, FaultyService, Finished, KeyKind, RunningProxy, Swtpm, c_build, root, run,
    self_signed, valgrind,
};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long DoWork and Destroy may take under valgrind or a sanitizer, on a machine with too much to do.
const SLOW_WORK: &str = "60000";
/// Had while a test runs many programs at once.
static BUSY: Mutex<()> = Mutex::new(());
const CONFIG: &str = "
mqttPort: 0
httpsPort: 0
amqpPort: 0
retryAfterSeconds: 1
assignmentDelaySeconds: 0
enrollmentGroups:
  - enrollmentGroupId: fleet
    attestation: {type: symmetricKey}
";

const SAMPLES: [&str; 2] = ["prov_dev_client_sample", "prov_dev_client_ll_sample"];
const X509_SAMPLE: &str = "prov_dev_client_ll_x509_sample";
const HSM_SAMPLE: &str = "custom_hsm_example";

/// How a device proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Key,
    /// Of a group.
    Certificate,
}

/// The transports that C programs can name, as the samples call them.
const TRANSPORTS: [&str; 5] = ["mqtt", "mqtt-ws", "http", "amqp", "amqp-ws"];

fn sample(name: &str) -> PathBuf {
    c_build().join("provisioning_client/samples").join(name).join(name)
}

/// A service, and devices it knows.
struct Rig {
    emulator: Emulator,
    authority: Authority,
    /// For the scenario about payloads.
    echo: FaultyService,
    folder: PathBuf,
}

impl Rig {
    fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    fn with(name: &str, change: impl FnOnce(&mut EmulatorConfig)) -> Self {
        let authority = Authority::root("factory root");
        let mut config = EmulatorConfig::from_yaml(CONFIG).unwrap();
        let mut group = EnrollmentGroupConfig::new("certified");
        group.attestation = AttestationConfig::with_signing_certificate(authority.pem());
        config.enrollment_groups.push(group);
        change(&mut config);
        let emulator = Emulator::start(config).unwrap();
        let folder = std::env::temp_dir().join(format!("dps-c-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
        fs::write(folder.join("device-key.pem"), KeyKind::P256.pem()).unwrap();
        let echo = FaultyService::start(|_| Fault::EchoPayload);
        fs::write(folder.join("echo.pem"), echo.ca_pem()).unwrap();
        Self { emulator, authority, echo, folder }
    }

    fn key(&self, id: &str) -> SymmetricKey {
        let groups = self.emulator.groups();
        let group = groups.iter().find(|group| group.symmetric_keys().is_some()).unwrap();
        group.symmetric_keys().unwrap().primary.derive(&RegistrationId::new(id).unwrap())
    }

    fn address(&self, transport: &str) -> SocketAddr {
        match transport {
            "mqtt" => self.emulator.mqtt_address(),
            "mqtt-ws" | "http" | "amqp-ws" => self.emulator.https_address(),
            "amqp" => self.emulator.amqp_address(),
            other => panic!("the service has no door for {other}"),
        }
    }

    /// A certificate of the group, in a file.
    fn certificate(&self, id: &str) -> PathBuf {
        static WRITING: Mutex<()> = Mutex::new(());
        let file = self.folder.join(format!("{id}.pem"));
        // Not while another scenario of the same name reads it.
        let _alone = WRITING.lock();
        if !file.exists() {
            fs::write(&file, self.authority.device(id, KeyKind::P256)).unwrap();
        }
        file
    }

    /// The arguments that every sample needs.
    fn sample(&self, name: &str, transport: &str) -> Command {
        let mut command = Command::new(sample(name));
        command
            .args(["--endpoint", &self.address(transport).to_string(), "--transport", transport])
            .args(["--id-scope", self.emulator.id_scope(), "--trusted-cert"])
            .arg(self.folder.join("ca.pem"));
        command
    }

    fn keyed_sample(&self, name: &str, transport: &str, id: &str, key: &SymmetricKey) -> Finished {
        let key_file = self.folder.join("device.key");
        fs::write(&key_file, key.to_base64().as_bytes()).unwrap();
        let mut command = self.sample(name, transport);
        command.args(["--registration-id", id]).arg("--key-file").arg(key_file);
        run(&mut command, Duration::from_secs(60))
    }

    fn certified_sample(&self, name: &str, transport: &str, certificate: &PathBuf) -> Finished {
        let mut command = self.sample(name, transport);
        command.arg("--cert").arg(certificate);
        command.arg("--cert-key").arg(self.folder.join("device-key.pem"));
        run(&mut command, Duration::from_secs(60))
    }

    fn scenario(
        &self,
        through: &[&str],
        kind: &str,
        scenario: &str,
        transport: &str,
        proof: Option<Proof>,
    ) -> Finished {
        let program = c_build().join("tests/c/dps_c_scenarios");
        let program = program.to_str().unwrap();
        let line: Vec<&str> = through.iter().copied().chain([program]).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]);
        if !through.is_empty() {
            command.env("DPS_TEST_LIMIT_MS", SLOW_WORK);
        }
        self.scenario_with(command, kind, scenario, transport, proof)
    }

    fn scenario_with(
        &self,
        mut command: Command,
        kind: &str,
        scenario: &str,
        transport: &str,
        proof: Option<Proof>,
    ) -> Finished {
        let id = format!("{kind}-{}", scenario.replace('_', "-"));
        command.args([kind, scenario]);
        let (address, ca) = match scenario {
            "payload" => (self.echo.address(), "echo.pem"),
            _ => (self.address(transport), "ca.pem"),
        };
        if let Some(proof) = proof {
            command
                .args(["--endpoint", &address.to_string(), "--transport", transport])
                .args(["--id-scope", self.emulator.id_scope(), "--registration-id", &id, "--ca"])
                .arg(self.folder.join(ca));
            self.prove(&mut command, &id, proof);
        }
        run(&mut command, Duration::from_secs(180))
    }

    /// Registers through somebody else's address, and has the callbacks told.
    #[allow(clippy::too_many_arguments)]
    fn outcome(
        &self,
        through: &[String],
        transport: &str,
        address: SocketAddr,
        trusted: &str,
        id_scope: &str,
        proof: Proof,
        timeout: u8,
        rounds: usize,
    ) -> Finished {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let id = format!("outcome-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let ca = self.folder.join(format!("{id}-ca.pem"));
        fs::write(&ca, trusted).unwrap();
        let program = c_build().join("tests/c/dps_c_scenarios");
        let line = [through, &[program.display().to_string()]].concat();
        let mut command = Command::new(&line[0]);
        if !through.is_empty() {
            command.env("DPS_TEST_LIMIT_MS", SLOW_WORK);
        }
        command
            .args(&line[1..])
            .args(["ll", "outcome", "--endpoint", &address.to_string(), "--transport", transport])
            .args(["--id-scope", id_scope, "--registration-id", &id, "--ca"])
            .arg(ca)
            .args(["--timeout", &timeout.to_string(), "--rounds", &rounds.to_string()]);
        self.prove(&mut command, &id, proof);
        run(&mut command, Duration::from_secs(180))
    }

    /// The arguments for the device's proof.
    fn prove(&self, command: &mut Command, id: &str, proof: Proof) {
        match proof {
            Proof::Key => command.args(["--key", self.key(id).to_base64().as_str()]),
            Proof::Certificate => command
                .arg("--cert")
                .arg(self.certificate(id))
                .arg("--cert-key")
                .arg(self.folder.join("device-key.pem")),
        };
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The scenarios' names, each with the proofs that it wants to be run with.
fn scenarios() -> Vec<(String, Vec<Option<Proof>>)> {
    let mut list = Command::new(c_build().join("tests/c/dps_c_scenarios"));
    list.arg("--list");
    let listed = run(&mut list, Duration::from_secs(10)).success().stdout;
    let found: Vec<_> = listed
        .lines()
        .map(|line| {
            let (name, needs) = line.split_once(' ').unwrap();
            let proofs = match needs {
                "offline" => vec![None],
                "key" => vec![Some(Proof::Key)],
                "certificate" => vec![Some(Proof::Certificate)],
                // c_pkcs11.rs and c_tpm.rs have them.
                "token" | "tpm" => vec![],
                "either" => vec![Some(Proof::Key), Some(Proof::Certificate)],
                other => panic!("{other}"),
            };
            (name.to_owned(), proofs)
        })
        .collect();
    assert!(found.len() >= 32, "{found:?}");
    found
}

/// A scenario with its kind of client and its proof.
type Cell = (&'static str, String, Option<Proof>);

/// Both kinds of clients, all scenarios, each with the first `proofs` of its proofs.
fn cells(proofs: usize) -> Vec<Cell> {
    let scenarios = scenarios();
    let of_kind = |kind: &'static str| {
        scenarios.iter().flat_map(move |(name, all)| {
            all.iter().take(proofs).map(move |proof| (kind, name.clone(), *proof))
        })
    };
    of_kind("threaded").chain(of_kind("ll")).collect()
}

/// Checks all of them, so many at a time; at the end all that is wrong is told.
fn in_parallel<T: Sync>(
    all: &[T],
    at_once: usize,
    check: impl Fn(&T) -> Result<(), String> + Sync,
) {
    let _alone = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(message) = check(one) {
                        wrong.lock().unwrap().push(message);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

/// What a program that failed has told.
fn expect_success(finished: Finished) -> Result<(), String> {
    match finished.code {
        Some(0) => Ok(()),
        code => Err(format!("{code:?}\n{}{}", finished.stdout, finished.stderr)),
    }
}

#[test]
fn both_samples_print_what_the_tutorials_show() {
    let rig = Rig::new("samples");
    let id = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
    for name in SAMPLES {
        let finished = rig.keyed_sample(name, "mqtt", id, &rig.key(id)).success();
        let expected = [
            "Provisioning API Version: 1.15.0",
            "Registering Device",
            "Provisioning Status: PROV_DEVICE_REG_STATUS_CONNECTED",
            "Provisioning Status: PROV_DEVICE_REG_STATUS_ASSIGNING",
            "Registration Information received from service: contoso-hub.localhost, deviceId: sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
        ];
        let mut rest = finished.stdout.as_str();
        for line in expected {
            let at = rest.find(line).unwrap_or_else(|| panic!("no {line:?}: {}", finished.stdout));
            rest = &rest[at + line.len()..];
        }
    }
}

#[test]
fn both_samples_say_why_a_wrong_key_is_refused() {
    let rig = Rig::new("wrong-key");
    let key = rig.key("somebody-else");
    for name in SAMPLES {
        let finished = rig.keyed_sample(name, "mqtt", "device", &key);
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        assert!(finished.stdout.contains("PROV_DEVICE_REG_STATUS_CONNECTED"), "{finished:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        for part in ["DEV_AUTH_ERROR", "401", "401000", "derived key"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains(key.to_base64().as_str()), "{told}");
    }
}

#[test]
fn every_scenario_goes_as_expected() {
    let rig = Rig::new("scenarios");
    // Most of it is waiting.
    in_parallel(&cells(2), 8, |(kind, name, proof)| {
        expect_success(rig.scenario(&[], kind, name, "mqtt", *proof))
    });
}

/// What a program can choose at run time, all combined: client, transport and proof.
#[test]
fn every_transport_takes_every_proof_from_c() {
    let rig = Rig::new("matrix");
    let cells = ["ll", "threaded"].into_iter().flat_map(|kind| {
        [(kind, Proof::Key, "wrong_key"), (kind, Proof::Certificate, "x509_refused")]
    });
    for transport in TRANSPORTS {
        // At the same time: most of it is waiting for the service's retry-after.
        std::thread::scope(|scope| {
            for (kind, proof, refusal) in cells.clone() {
                let rig = &rig;
                scope.spawn(move || {
                    for scenario in ["success", "register_again", "destroy_midway", refusal] {
                        rig.scenario(&[], kind, scenario, transport, Some(proof)).success();
                    }
                });
            }
        });
        for name in SAMPLES {
            rig.keyed_sample(name, transport, "keyed", &rig.key("keyed")).success();
            let certified = rig.certified_sample(name, transport, &rig.certificate("certified"));
            let expected = "service: contoso-hub.localhost, deviceId: certified\n";
            assert!(certified.success().stdout.contains(expected));
        }
    }
}

/// Of the scenarios that are run with MQTT, those that the original fails at over others.
fn over_each_transport(scenario: &str, proof: Option<Proof>) {
    let rig = Rig::new(scenario);
    for transport in TRANSPORTS {
        for kind in ["ll", "threaded"] {
            rig.scenario(&[], kind, scenario, transport, proof).success();
        }
    }
}

#[test]
fn every_transport_takes_every_option() {
    for scenario in ["options_table", "x509_options"] {
        for transport in TRANSPORTS {
            let mut command = Command::new(c_build().join("tests/c/dps_c_scenarios"));
            command.args(["ll", scenario, "--transport", transport]);
            run(&mut command, Duration::from_secs(60)).success();
        }
    }
}

#[test]
fn every_refusal_has_one_code_on_demand() {
    over_each_transport("uniform_results", Some(Proof::Key));
}

/// Each situation of the table that ends in a failure, over a transport that it can happen on.
#[test]
fn no_failure_leaks_over_any_transport() {
    let rig = Rig::new("leaks");
    matrix::leaks(&rig, &valgrind());
}

#[test]
fn the_samples_go_through_a_proxy_that_wants_a_password() {
    let rig = Rig::new("proxy");
    let proxy = RunningProxy::start(Some(("user", "secret")));
    let through = |name: &str, transport: &str, password: &str| {
        let mut command = rig.sample(name, transport);
        command
            .args(["--cert"])
            .arg(rig.certificate("certified"))
            .arg("--cert-key")
            .arg(rig.folder.join("device-key.pem"))
            .args(["--proxy", &proxy.address().to_string()])
            .env("PROVISIONING_PROXY_USER", "user")
            .env("PROVISIONING_PROXY_PASSWORD", password);
        run(&mut command, Duration::from_secs(60))
    };
    for (number, transport) in TRANSPORTS.into_iter().enumerate() {
        through(SAMPLES[number % 2], transport, "secret").success();
        assert_eq!(proxy.tunnels(), number + 1, "{transport}");
    }
    let refused = through(SAMPLES[0], "mqtt", "wrong");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["RESULT_TRANSPORT", "proxy: ", "refused the tunnel"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
}

#[test]
fn the_x509_sample_takes_chains_and_says_what_is_wrong_with_them() {
    let (single, line) = (self_signed("single", KeyKind::P256), "line-7");
    let rig = Rig::with("x509-sample", |config| {
        let id = RegistrationId::new("single").unwrap();
        let mut enrollment = IndividualEnrollmentConfig::new(id);
        enrollment.attestation = AttestationConfig::with_client_certificate(&single);
        config.enrollments.push(enrollment);
    });
    let factory = rig.authority.intermediate("factory");
    let device = factory.device(line, KeyKind::P256);
    let register = |chain: &str, key: &str| {
        let (chain_file, key_file) = (rig.folder.join("chain.pem"), rig.folder.join("key.pem"));
        fs::write(&chain_file, chain).unwrap();
        fs::write(&key_file, key).unwrap();
        let mut command = Command::new(sample(X509_SAMPLE));
        command.arg(rig.emulator.id_scope()).args([chain_file, key_file]);
        command.arg(rig.address("mqtt").to_string()).arg(rig.folder.join("ca.pem"));
        run(&mut command, Duration::from_secs(60))
    };
    let key = KeyKind::P256.pem();
    // The individual enrollment, and the group by way of an intermediate.
    for (chain, id) in [(single.clone(), "single"), (device.clone() + &factory.pem(), line)] {
        let finished = register(&chain, key).success();
        assert!(finished.stdout.contains(&format!("deviceId: {id}\n")), "{finished:?}");
    }
    for (chain, key, words) in [
        (device, key, ["DEV_AUTH_ERROR", "401002"]),
        (single.clone(), KeyKind::P384.pem(), ["ERROR", "does not belong to the certificate"]),
        (rig.authority.expired_device("old", KeyKind::P256), key, ["DEV_AUTH_ERROR", "expired on"]),
    ] {
        let finished = register(&chain, key);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(words.iter().all(|part| finished.stderr.contains(part)), "{finished:?}");
    }
}

/// The example's TPM is driven by tss2; swtpm is the TPM.
#[test]
fn a_tpm_of_ones_own_registers_and_signs_for_the_hub() {
    let tpm = Swtpm::start();
    let example = |arguments: &[&str], change: &dyn Fn(&mut Command)| {
        let mut command = Command::new(sample(HSM_SAMPLE));
        command.arg("tpm").args(arguments).env("CUSTOM_HSM_TCTI", tpm.tcti());
        change(&mut command);
        run(&mut command, Duration::from_secs(60))
    };
    // As an operator does: the program tells what the enrollment needs.
    let told = example(&[], &|_| {}).success().stdout;
    let after = |words: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(words));
        line.unwrap_or_else(|| panic!("no {words:?}: {told}")).to_owned()
    };
    let (id, hex) = (after("Registration Id: "), after("Endorsement Key: "));
    let bytes = (0..hex.len()).step_by(2);
    let key: Vec<u8> = bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    assert_eq!(RegistrationId::from_endorsement_key(&key).as_str(), id);
    let rig = Rig::with("custom-tpm", |config| {
        let id = RegistrationId::new(id.as_str()).unwrap();
        let mut enrollment = IndividualEnrollmentConfig::new(id);
        enrollment.attestation = AttestationConfig::with_endorsement_key(&key);
        config.enrollments.push(enrollment);
    });
    let ca = rig.folder.join("ca.pem");
    let register = |transport: &str, change: &dyn Fn(&mut Command)| {
        let address = rig.address(transport).to_string();
        let ca = ca.to_str().unwrap();
        example(&[transport, rig.emulator.id_scope(), &address, ca], change)
    };
    for transport in ["http", "amqp", "amqp-ws"] {
        let finished = register(transport, &|_| {}).success();
        let expected = format!("service: contoso-hub.localhost, deviceId: {id}\n");
        assert!(finished.stdout.contains(&expected), "{finished:?}");
        // What the hub client is given is signed with the key that the service has sent.
        let records = rig.emulator.registrations();
        let record = records.iter().find(|record| record.registration_id.as_str() == id).unwrap();
        let token = UnsignedToken::new("hub%2fdevices%2fdevice", 1_893_456_000);
        let token = token.hex_case(HexCase::Lower).sign(record.hub_key.as_ref().unwrap());
        let expected = format!("Hub token: {}\n", token.as_str());
        assert!(finished.stdout.contains(&expected), "{transport}: {finished:?}");
    }
    for (transport, reason) in [("mqtt", "not over MQTT"), ("mqtt-ws", "not over MQTT")] {
        let refused = register(transport, &|_| {});
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(reason), "{refused:?}");
    }
    // A TPM that is not there, and one that is not enrolled.
    let lost = |command: &mut Command| {
        command.env("CUSTOM_HSM_TCTI", "device:/nonexistent");
    };
    let refused = register("http", &lost);
    assert!(
        refused.stderr.contains("hsm_client_tpm_create of the plug-in returned NULL"),
        "{refused:?}"
    );
    let other = Swtpm::start();
    let refused = register("http", &|command: &mut Command| {
        command.env("CUSTOM_HSM_TCTI", other.tcti());
    });
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("enrollment of type TPM"), "{refused:?}");
}

#[test]
fn a_module_of_ones_own_registers_and_its_failures_are_named() {
    let rig = Rig::new("custom-hsm");
    let key_file = rig.folder.join("module.key");
    fs::write(&key_file, rig.key("from-module").to_base64().as_bytes()).unwrap();
    let certificate = rig.certificate("from-module");
    let example = |proof: &str, transport: &str, change: &dyn Fn(&mut Command)| {
        let mut command = Command::new(sample(HSM_SAMPLE));
        command
            .args([proof, transport, rig.emulator.id_scope()])
            .arg(rig.address(transport).to_string())
            .arg(rig.folder.join("ca.pem"))
            .env("CUSTOM_HSM_ID", "from-module")
            .env("CUSTOM_HSM_KEY", &key_file)
            .env("CUSTOM_HSM_CERTIFICATE", &certificate)
            .env("CUSTOM_HSM_PRIVATE_KEY", rig.folder.join("device-key.pem"));
        change(&mut command);
        run(&mut command, Duration::from_secs(60))
    };
    for proof in ["symmetric-key", "x509"] {
        for transport in ["mqtt", "http"] {
            let finished = example(proof, transport, &|_| {}).success();
            let expected = "service: contoso-hub.localhost, deviceId: from-module\n";
            assert!(finished.stdout.contains(expected), "{finished:?}");
        }
    }
    for (proof, variable, words) in [
        ("symmetric-key", "CUSTOM_HSM_ID", "hsm_client_key_create of the plug-in returned NULL"),
        ("symmetric-key", "CUSTOM_HSM_KEY", "hsm_client_get_symm_key of the plug-in returned NULL"),
        ("x509", "CUSTOM_HSM_PRIVATE_KEY", "hsm_client_get_key of the plug-in returned NULL"),
    ] {
        let finished = example(proof, "mqtt", &|command| {
            command.env_remove(variable);
        });
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let told = &finished.stderr;
        assert!(told.starts_with("hsm: ") && told.contains(words), "{finished:?}");
    }
}

#[test]
fn no_scenario_leaks_or_errs_under_valgrind() {
    let rig = Rig::new("valgrind");
    let valgrind = valgrind();
    let valgrind: Vec<&str> = valgrind.iter().map(String::as_str).collect();
    // The second proof of the same scenario only where it matters.
    in_parallel(&cells(1), 3, |(kind, name, proof)| {
        expect_success(rig.scenario(&valgrind, kind, name, "mqtt", *proof))
    });
    for (kind, name) in [("ll", "success"), ("threaded", "success"), ("ll", "untrusted")] {
        rig.scenario(&valgrind, kind, name, "mqtt", Some(Proof::Certificate)).success();
    }
    for transport in &TRANSPORTS[1..] {
        for proof in [Proof::Key, Proof::Certificate] {
            let finished = rig.scenario(&valgrind, "ll", "success", transport, Some(proof));
            assert_eq!(finished.code, Some(0), "{transport} {proof:?}\n{finished:?}");
        }
    }
}

#[test]
fn the_programs_that_need_no_service_pass_under_ctest() {
    let mut ctest = Command::new("ctest");
    ctest.args(["--output-on-failure", "--test-dir"]).arg(c_build());
    let finished = run(&mut ctest, Duration::from_secs(300)).success();
    assert!(finished.stdout.contains("100% tests passed"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("No tests were found"), "{}", finished.stdout);
}

#[test]
fn another_project_takes_it_in_and_keeps_its_own_settings() {
    let library = c_build().join("cargo/release-lib/libdps.a");
    assert!(library.exists(), "{}", library.display());
    // A folder with a space, as people have them.
    let folder = root().join("target/c consumer");
    let _ = fs::remove_dir_all(&folder);
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(root().join("tests/consumers/add_subdirectory"))
        .arg("-B")
        .arg(&folder)
        .arg(format!("-DDPS_SOURCE={}", root().display()))
        .arg(format!("-DDPS_LIBRARY={}", library.display()));
    run(&mut configure, Duration::from_secs(120)).success();
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder);
    run(&mut build, Duration::from_secs(120)).success();
    let finished = run(&mut Command::new(folder.join("consumer")), Duration::from_secs(10));
    assert!(finished.success().stdout.contains("consumer works"));
}

#[test]
fn a_stripped_sample_is_smaller_than_two_megabytes() {
    for name in SAMPLES {
        let stripped = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&stripped).arg(sample(name));
        run(&mut strip, Duration::from_secs(30)).success();
        let size = fs::metadata(&stripped).unwrap().len();
        fs::remove_file(&stripped).unwrap();
        println!("{name}: {size} bytes stripped");
        assert!(size < 2_000_000, "{name} has {size} bytes");
        // Of tokio, which the MQTT codec's manifest pulls in, nothing is linked.
        let mut symbols = Command::new("nm");
        symbols.arg("-C").arg(sample(name));
        let listed = run(&mut symbols, Duration::from_secs(30)).success().stdout;
        assert!(listed.contains("Prov_Device"), "nm shows no symbols");
        assert!(!listed.contains("tokio"), "tokio is linked into {name}");
    }
}
