//! C programs that CMake builds against libdps, run against the local service, natively and
//! under valgrind.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey};
use dps_emulator::{Emulator, EmulatorConfig};
use dps_tests::{Fault, FaultyService, Finished, root, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const CONFIG: &str = "
mqttPort: 0
retryAfterSeconds: 1
assignmentDelaySeconds: 0
enrollmentGroups:
  - enrollmentGroupId: fleet
    attestation: {type: symmetricKey}
";

/// The build folder, after the README's commands.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = root().join("target/c-api");
        let mut configure = Command::new("cmake");
        configure
            .args(["-Dhsm_type_symm_key:BOOL=ON", "-Duse_prov_client:BOOL=ON"])
            .args(["-Dbuild_c_tests=ON", "-DDPS_CARGO_FLAGS=--locked", "-S"])
            .arg(root())
            .arg("-B")
            .arg(&folder);
        run(&mut configure, Duration::from_secs(120)).success();
        for target in ["prov_dev_client_sample", "prov_dev_client_ll_sample", "dps_c_tests"] {
            let mut build = Command::new("cmake");
            build.arg("--build").arg(&folder).args(["--target", target]);
            run(&mut build, Duration::from_secs(1200)).success();
        }
        folder
    })
}

fn sample(name: &str) -> PathBuf {
    built().join("provisioning_client/samples").join(name).join(name)
}

/// A service, and a device it knows.
struct Rig {
    emulator: Emulator,
    /// For the scenario about payloads.
    echo: FaultyService,
    folder: PathBuf,
}

impl Rig {
    fn new(name: &str) -> Self {
        let emulator = Emulator::start(EmulatorConfig::from_yaml(CONFIG).unwrap()).unwrap();
        let folder = std::env::temp_dir().join(format!("dps-c-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), emulator.ca_pem()).unwrap();
        let echo = FaultyService::start(|_| Fault::EchoPayload);
        fs::write(folder.join("echo.pem"), echo.ca_pem()).unwrap();
        Self { emulator, echo, folder }
    }

    fn key(&self, id: &str) -> SymmetricKey {
        let group = self.emulator.groups()[0].symmetric_keys().unwrap();
        group.primary.derive(&RegistrationId::new(id).unwrap())
    }

    fn sample(&self, name: &str, id: &str, key: &SymmetricKey) -> Finished {
        let key_file = self.folder.join("device.key");
        fs::write(&key_file, key.to_base64().as_bytes()).unwrap();
        let mut command = Command::new(sample(name));
        command
            .args(["--endpoint", &self.emulator.mqtt_address().to_string()])
            .args(["--id-scope", self.emulator.id_scope(), "--registration-id", id])
            .arg("--key-file")
            .arg(key_file)
            .arg("--trusted-cert")
            .arg(self.folder.join("ca.pem"));
        run(&mut command, Duration::from_secs(60))
    }

    fn scenario(&self, through: &[&str], kind: &str, scenario: &str) -> Finished {
        let id = format!("{kind}-{}", scenario.replace('_', "-"));
        let program = built().join("tests/c/dps_c_scenarios");
        let program = program.to_str().unwrap();
        let line: Vec<&str> = through.iter().copied().chain([program]).collect();
        let mut command = Command::new(line[0]);
        let (address, ca) = match scenario {
            "payload" => (self.echo.address(), "echo.pem"),
            _ => (self.emulator.mqtt_address(), "ca.pem"),
        };
        command
            .args(&line[1..])
            .args([kind, scenario, "--endpoint", &address.to_string()])
            .args(["--id-scope", self.emulator.id_scope(), "--registration-id", &id])
            .args(["--key", self.key(&id).to_base64().as_str(), "--ca"])
            .arg(self.folder.join(ca));
        run(&mut command, Duration::from_secs(180))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn scenarios() -> Vec<String> {
    let mut list = Command::new(built().join("tests/c/dps_c_scenarios"));
    list.arg("--list");
    let listed = run(&mut list, Duration::from_secs(10)).success().stdout;
    let names: Vec<String> =
        listed.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert!(names.len() >= 17, "{names:?}");
    names
}

#[test]
fn both_samples_print_what_the_tutorials_show() {
    let rig = Rig::new("samples");
    let id = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
    for name in ["prov_dev_client_sample", "prov_dev_client_ll_sample"] {
        let finished = rig.sample(name, id, &rig.key(id)).success();
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
    for name in ["prov_dev_client_sample", "prov_dev_client_ll_sample"] {
        let finished = rig.sample(name, "device", &key);
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
        for name in scenarios() {
            rig.scenario(&[], kind, &name).success();
        }
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
        for name in scenarios() {
            let finished = rig.scenario(&valgrind, kind, &name);
            assert_eq!(
                finished.code,
                Some(0),
                "{kind} {name}\n{}\n{}",
                finished.stdout,
                finished.stderr
            );
        }
    }
}

#[test]
fn the_programs_that_need_no_service_pass_under_ctest() {
    let mut ctest = Command::new("ctest");
    ctest.args(["--output-on-failure", "--test-dir"]).arg(built());
    let finished = run(&mut ctest, Duration::from_secs(300)).success();
    assert!(finished.stdout.contains("100% tests passed"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("No tests were found"), "{}", finished.stdout);
}

#[test]
fn another_project_takes_it_in_and_keeps_its_own_settings() {
    let library = built().join("cargo/release-lib/libdps.a");
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
fn the_archive_defines_no_name_that_could_clash() {
    let mut symbols = Command::new("nm");
    symbols
        .args(["--defined-only", "--extern-only", "--format=posix"])
        .arg(built().join("cargo/release-lib/libdps.a"));
    let listed = run(&mut symbols, Duration::from_secs(60)).success().stdout;
    // "name type value size"; nm prints other lines too.
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (name, kind) = (fields.next()?, fields.next()?);
            (kind.len() == 1).then_some(name)
        })
        .collect();
    assert!(names.contains(&"Prov_Device_LL_Create"), "{} names", names.len());
    // The C API; ring under its own prefix; Rust's mangled names; and compiler-builtins' helpers
    // for arithmetic, whose names begin with the two underscores of the implementation.
    let prefixes = [
        "Prov_Device_",
        "prov_dev_",
        "dps_",
        "ring_core_",
        "_ZN",
        "_R",
        "__",
        "rust_",
        "anon.",
        "DW.ref.",
    ];
    let strange: Vec<&&str> = names
        .iter()
        .filter(|name| !prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn a_stripped_sample_is_smaller_than_two_and_a_half_megabytes() {
    for name in ["prov_dev_client_sample", "prov_dev_client_ll_sample"] {
        let stripped = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&stripped).arg(sample(name));
        run(&mut strip, Duration::from_secs(30)).success();
        let size = fs::metadata(&stripped).unwrap().len();
        fs::remove_file(&stripped).unwrap();
        println!("{name}: {size} bytes stripped");
        assert!(size < 2_500_000, "{name} has {size} bytes");
        // Of tokio, which the MQTT codec's manifest pulls in, nothing is linked.
        let mut symbols = Command::new("nm");
        symbols.arg("-C").arg(sample(name));
        let listed = run(&mut symbols, Duration::from_secs(30)).success().stdout;
        assert!(listed.contains("Prov_Device"), "nm shows no symbols");
        assert!(!listed.contains("tokio"), "tokio is linked into {name}");
    }
}
