//! C programs that CMake builds against libdps, run against the local service, natively and
//! under valgrind.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_tests::{
    Authority, Fault, FaultyService, Finished, KeyKind, RunningProxy, c_build, root, run,
    self_signed,
};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

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
        let group = &self.emulator.groups()[0];
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
        let file = self.folder.join(format!("{id}.pem"));
        fs::write(&file, self.authority.device(id, KeyKind::P256)).unwrap();
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
        let id = format!("{kind}-{}", scenario.replace('_', "-"));
        let program = c_build().join("tests/c/dps_c_scenarios");
        let program = program.to_str().unwrap();
        let line: Vec<&str> = through.iter().copied().chain([program]).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).args([kind, scenario]);
        let (address, ca) = match scenario {
            "payload" => (self.echo.address(), "echo.pem"),
            _ => (self.address(transport), "ca.pem"),
        };
        if let Some(proof) = proof {
            command
                .args(["--endpoint", &address.to_string(), "--transport", transport])
                .args(["--id-scope", self.emulator.id_scope(), "--registration-id", &id, "--ca"])
                .arg(self.folder.join(ca));
            match proof {
                Proof::Key => command.args(["--key", self.key(&id).to_base64().as_str()]),
                Proof::Certificate => command
                    .arg("--cert")
                    .arg(self.certificate(&id))
                    .arg("--cert-key")
                    .arg(self.folder.join("device-key.pem")),
            };
        }
        run(&mut command, Duration::from_secs(180))
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
                "either" => vec![Some(Proof::Key), Some(Proof::Certificate)],
                other => panic!("{other}"),
            };
            (name.to_owned(), proofs)
        })
        .collect();
    assert!(found.len() >= 32, "{found:?}");
    found
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
    for kind in ["ll", "threaded"] {
        for (name, proofs) in scenarios() {
            for proof in proofs {
                rig.scenario(&[], kind, &name, "mqtt", proof).success();
            }
        }
    }
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
    let suppressions = format!("--suppressions={}", root().join("tests/c/valgrind.supp").display());
    let valgrind = [
        "valgrind",
        &suppressions,
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible",
    ];
    for kind in ["ll", "threaded"] {
        for (name, proofs) in scenarios() {
            // The second proof of the same scenario only where it matters.
            let few = if ["success", "untrusted"].contains(&name.as_str()) { 2 } else { 1 };
            for proof in proofs.into_iter().take(few) {
                let finished = rig.scenario(&valgrind, kind, &name, "mqtt", proof);
                assert_eq!(finished.code, Some(0), "{kind} {name} {proof:?}\n{finished:?}");
            }
        }
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
