//! The API of 2017 (`c-abi.md` section 11): its CMake options, its program, security modules of its
//! kind, and its archives installed.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, Transport};
use dps_emulator::{AttestationConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig};
use dps_tests::{Authority, Finished, Fleet, KeyKind, Swtpm, c_build, root, run, valgrind};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(600);

/// By the names that the sample has for them.
const TRANSPORTS: [(&str, Transport); 5] = [
    ("mqtt", Transport::Mqtt),
    ("mqtt-ws", Transport::MqttWs),
    ("http", Transport::Http),
    ("amqp", Transport::Amqp),
    ("amqp-ws", Transport::AmqpWs),
];

/// The scenarios of `tests/c/legacy/x509_scenarios.c`.
const OFFLINE: [&str; 9] = [
    "names",
    "factory",
    "never_initialised",
    "hub",
    "creation",
    "options",
    "refused_tcp",
    "tools",
    "destroy_elsewhere",
];
const WITH_SERVICE: [&str; 2] = ["success", "refused_certificate"];

fn empty(name: &str) -> PathBuf {
    let folder = root().join("target/c-legacy").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn cmake(source: &Path, folder: &Path, settings: &[String]) -> Finished {
    let mut configure = Command::new("cmake");
    run(configure.arg("-S").arg(source).arg("-B").arg(folder).args(settings), BUILD)
}

fn build(folder: &Path, target: &str) {
    let mut build = Command::new("cmake");
    run(build.arg("--build").arg(folder).args(["--target", target]), BUILD).success();
}

fn library() -> String {
    format!("-DDPS_LIBRARY={}", c_build().join("cargo/release-lib/libdps.a").display())
}

/// The example's library, as its own project builds it.
fn module(folder: &str, flags: &str) -> PathBuf {
    let folder = empty(folder);
    let settings = [format!("-DCMAKE_C_FLAGS={flags}")];
    cmake(&root().join("ffi-samples/custom_hsm_2017"), &folder, &settings).success();
    build(&folder, "custom_hsm_x509");
    folder.join("libcustom_hsm_x509.a")
}

/// The sample, linked as the settings say.
fn sample(folder: &str, settings: &[String]) -> PathBuf {
    let folder = empty(folder);
    let all: Vec<String> = settings.iter().cloned().chain([library()]).collect();
    cmake(&root(), &folder, &all).success();
    build(&folder, "dps_client_sample");
    folder.join("dps_client/samples/dps_client_sample/dps_client_sample")
}

fn custom(module: &Path) -> [String; 2] {
    ["-Ddps_auth_type=x509".into(), format!("-Ddps_hsm_custom_lib={}", module.display())]
}

/// The sample with the example module.
fn custom_sample() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| sample("custom", &custom(&module("module", ""))))
}

/// A service, and a device with a certificate that it knows.
struct Rig {
    fleet: Fleet,
    folder: PathBuf,
}

impl Rig {
    fn new(name: &str, id: &str) -> Self {
        let authority = Authority::root("factory of 2017");
        let fleet = Fleet::start_with(|config| {
            let mut group = EnrollmentGroupConfig::new("of-2017");
            group.attestation = AttestationConfig::with_signing_certificate(authority.pem());
            config.enrollment_groups.push(group);
        });
        let folder = empty(&format!("rig-{name}"));
        fs::write(folder.join("ca.pem"), fleet.emulator.ca_pem()).unwrap();
        fs::write(folder.join("device.pem"), authority.device(id, KeyKind::P256)).unwrap();
        fs::write(folder.join("device.key"), KeyKind::P256.pem()).unwrap();
        let stranger = Authority::root("another factory").device(id, KeyKind::P256);
        fs::write(folder.join("stranger.pem"), stranger).unwrap();
        Self { fleet, folder }
    }

    fn sample(&self, program: &Path, name: &str, transport: Transport) -> Command {
        let mut command = Command::new(program);
        command
            .args([name, self.fleet.emulator.id_scope()])
            .arg(self.fleet.endpoint(transport).to_string())
            .arg(self.folder.join("ca.pem"));
        command
    }

    /// The environment that the example module reads.
    fn with_module(&self, mut command: Command, id: &str, certificate: &str) -> Command {
        command
            .env("CUSTOM_HSM_ID", id)
            .env("CUSTOM_HSM_CERTIFICATE", self.folder.join(certificate))
            .env("CUSTOM_HSM_PRIVATE_KEY", self.folder.join("device.key"));
        command
    }
}

fn is_told(finished: &Finished, id: &str) {
    let expected = format!(
        "Registration Information received from service: contoso-hub.localhost, deviceId: {id}\n"
    );
    assert!(finished.stdout.contains(&expected), "{finished:?}");
}

fn finish(mut command: Command) -> Finished {
    run(&mut command, Duration::from_secs(120))
}

#[test]
fn the_program_of_2017_registers_over_every_transport_with_a_module_of_its_own() {
    let rig = Rig::new("transports", "line-7");
    // At the same time: most of it is waiting for the service's retry-after.
    std::thread::scope(|scope| {
        for (name, transport) in TRANSPORTS {
            let rig = &rig;
            scope.spawn(move || {
                let command = rig.sample(custom_sample(), name, transport);
                let finished = finish(rig.with_module(command, "line-7", "device.pem")).success();
                assert!(finished.stdout.starts_with("Provisioning API Version: 1.1.01\n"));
                let mut rest = finished.stdout.as_str();
                for status in ["CONNECTED", "ASSIGNING"] {
                    let line = format!("Provisioning Status: DPS_REGISTRATION_STATUS_{status}\n");
                    rest = &rest[rest.find(&line).expect(status) + line.len()..];
                }
                is_told(&finished, "line-7");
            });
        }
    });
}

#[test]
fn failures_are_told_once_with_the_code_of_2017_and_the_reason() {
    let rig = Rig::new("failures", "line-7");
    let attempt = |change: &dyn Fn(&mut Command)| {
        let command = rig.sample(custom_sample(), "mqtt", Transport::Mqtt);
        let mut command = rig.with_module(command, "line-7", "stranger.pem");
        change(&mut command);
        let finished = finish(command);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(!finished.stdout.contains("Registration Information"), "{finished:?}");
        finished.stderr
    };
    let told = attempt(&|_| {});
    let code = "Failure in registration: DPS_ERROR_DEV_AUTH_ERROR\n";
    assert!(told.starts_with(code) && told.contains("401002"), "{told}");
    assert_eq!(told.matches("Failure in registration").count(), 1, "{told}");
    // What is found out before anything is sent.
    let told = attempt(&|command| {
        command.env_remove("CUSTOM_HSM_ID");
    });
    assert!(told.contains("hsm: ") && told.contains("hsm_client_get_common_name"), "{told}");
    let told = attempt(&|command| {
        command.env_remove("CUSTOM_HSM_PRIVATE_KEY");
    });
    assert!(told.starts_with("hsm: ") && told.contains("hsm_client_get_key"), "{told}");
    let told = attempt(&|command| {
        command.env("CUSTOM_HSM_BROKEN", "1");
    });
    assert!(told.contains("initialize_hsm_system of the custom security module failed"), "{told}");
}

/// An archive that was built with the original's header defines `initialize_hsm_system` under that
/// name, as libdps does for programs of today.
#[test]
fn a_module_that_was_built_for_the_original_is_linked_and_started() {
    let old = module("old-module", "-DDPS_CUSTOM_HSM_KEEP_NAMES");
    let listed = run(Command::new("nm").arg(&old), BUILD).success().stdout;
    assert!(listed.contains(" T initialize_hsm_system"), "{listed}");
    let rig = Rig::new("old-module", "line-7");
    for program in [sample("old", &custom(&old)).as_path(), custom_sample()] {
        let command = rig.sample(program, "http", Transport::Http);
        let mut command = rig.with_module(command, "line-7", "device.pem");
        command.env("CUSTOM_HSM_TRACE", "1");
        let finished = finish(command).success();
        for words in ["custom module: started\n", "custom module: ended\n"] {
            assert_eq!(finished.stdout.matches(words).count(), 1, "{finished:?}");
        }
    }
}

#[test]
fn without_a_module_the_environment_names_the_certificate() {
    let program = sample("files", &["-Ddps_auth_type=x509".into()]);
    let rig = Rig::new("files", "line-7");
    let attempt = |variables: &[(&str, &str)]| {
        let mut command = rig.sample(&program, "mqtt", Transport::Mqtt);
        for (name, file) in variables {
            command.env(name, rig.folder.join(file));
        }
        finish(command)
    };
    let certificate = ("DPS_X509_CERTIFICATE", "device.pem");
    let finished = attempt(&[certificate, ("DPS_X509_PRIVATE_KEY", "device.key")]).success();
    is_told(&finished, "line-7");
    for (variables, words) in [
        (&[][..], "set DPS_X509_CERTIFICATE"),
        (&[certificate][..], "set DPS_X509_PRIVATE_KEY"),
        (&[("DPS_X509_CERTIFICATE", "nothing")][..], "DPS_X509_CERTIFICATE names cannot be read"),
    ] {
        let finished = attempt(variables);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(words), "{finished:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_remedy() {
    for (settings, words) in [
        (&["-Ddps_auth_type=custom_hsm"][..], "say tpm, tpm_simulator or x509"),
        (&["-Duse_dps_client=ON"], "say -Ddps_auth_type=tpm, tpm_simulator or x509"),
        (&["-Ddps_auth_type=tpm"], "-Ddps_hsm_custom_lib=<library>"),
        (&["-Ddps_auth_type=tpm_simulator"], "-Ddps_hsm_custom_lib=<library>"),
        (&["-Ddps_hsm_custom_lib=/nothing.a"], "say -Ddps_auth_type=tpm or x509 beside it"),
        (&["-Ddps_auth_type=x509", "-Ddps_hsm_custom_lib=/nothing.a"], "/nothing.a, which is not"),
        (&["-Ddps_hsm_x509=ON", "-Ddps_hsm_sastoken=ON"], "one kind of security module"),
    ] {
        let all: Vec<String> =
            settings.iter().map(|&setting| setting.to_owned()).chain([library()]).collect();
        let finished = cmake(&root(), &empty("refused"), &all);
        assert_ne!(finished.code, Some(0), "{settings:?}");
        // CMake breaks the lines.
        let told = finished.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{settings:?}: {told}");
    }
}

#[test]
fn options_without_a_meaning_here_are_accepted_and_explained() {
    let settings =
        ["-Ddps_auth_type=x509", "-Ddps_hsm_custom_repo=a/b", "-DDPS_PROTOCOL_FEATURE=ON"];
    let all: Vec<String> =
        settings.iter().map(|&setting| setting.to_owned()).chain([library()]).collect();
    let told = cmake(&root(), &empty("accepted"), &all).success().stdout;
    assert!(told.contains("dps_hsm_custom_repo is accepted and not used"), "{told}");
    assert!(told.contains("DPS_PROTOCOL_FEATURE is accepted and changes nothing"), "{told}");
}

fn scenarios(through: &[String]) {
    let rig = Rig::new(if through.is_empty() { "native" } else { "valgrind" }, "line-7");
    let start = |program: &str| {
        let program = c_build().join("tests/c").join(program);
        let line = [through, &[program.to_str().unwrap().to_owned()]].concat();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        command
    };
    for name in OFFLINE {
        let mut command = start("dps_c_legacy_x509");
        command.arg(name);
        finish(command).success();
    }
    for name in WITH_SERVICE {
        let certificate = if name == "success" { "device.pem" } else { "stranger.pem" };
        let mut command = start("dps_c_legacy_x509");
        command.arg(name).arg(rig.fleet.endpoint(Transport::Mqtt).to_string());
        command.arg(rig.fleet.emulator.id_scope());
        command.args(["ca.pem", certificate, "device.key"].map(|file| rig.folder.join(file)));
        command.arg("line-7");
        finish(command).success();
    }
    finish(start("dps_c_legacy_tpm")).success();
}

#[test]
fn every_scenario_of_2017_goes_as_expected() {
    scenarios(&[]);
}

#[test]
fn no_scenario_of_2017_leaks_or_errs_under_valgrind() {
    // One thread works without a pause in one of them.
    scenarios(&[valgrind(), vec!["--fair-sched=yes".to_owned()]].concat());
}

/// What the example module for TPMs reads. tpm2-tss would say of each key that is not there yet that it
/// is not there.
fn environment(tpm: &Swtpm) -> [(&'static str, String); 2] {
    [("CUSTOM_HSM_TCTI", tpm.tcti()), ("TSS2_LOG", "all+none".into())]
}

/// The TPM's public endorsement key, once it is there.
fn endorsement_key(tpm: &Swtpm) -> Vec<u8> {
    let file = empty("ek").join("ek.tpm2b");
    let mut read = Command::new("tpm2_readpublic");
    read.args(["-T", &tpm.tcti(), "-Q", "-c", "0x81010001", "-f", "tss", "-o"]).arg(&file);
    run(&mut read, Duration::from_secs(60)).success();
    fs::read(file).unwrap()
}

/// With the example module of 2017 for TPMs, which drives a real TPM stack.
#[test]
fn the_program_of_2017_registers_with_a_tpm() {
    let folder = empty("tpm-module");
    cmake(&root().join("ffi-samples/custom_hsm_2017"), &folder, &[]).success();
    build(&folder, "custom_hsm_tpm");
    let module = folder.join("libcustom_hsm_tpm.a");
    let libraries = format!("{};tss2-esys;tss2-mu;tss2-tctildr", module.display());
    let settings = ["-Ddps_auth_type=tpm".into(), format!("-Ddps_hsm_custom_lib={libraries}")];
    let program = sample("tpm", &settings);

    // The module makes the keys when it is asked for them.
    let tpm = Swtpm::start();
    let mut first = Command::new(&program);
    first.args(["http", "0ne00000000", "127.0.0.1:1"]).envs(environment(&tpm));
    let finished = finish(first);
    assert!(
        finished.stderr.starts_with("Failure in registration: DPS_ERROR_TRANSPORT\n"),
        "{finished:?}"
    );
    let key = endorsement_key(&tpm);
    assert_eq!(key.len(), 316);
    let id = RegistrationId::from_endorsement_key(&key);

    let enrolled = |key: &[u8]| {
        let mut enrollment = IndividualEnrollmentConfig::new(id.clone());
        enrollment.attestation = AttestationConfig::with_endorsement_key(key);
        Fleet::start_with(|config| config.enrollments.push(enrollment))
    };
    let attempt = |fleet: &Fleet, name: &str, transport: Transport| {
        let ca = empty("tpm-rig").join("ca.pem");
        fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
        let mut command = Command::new(&program);
        command.args([name, fleet.emulator.id_scope()]);
        command.arg(fleet.endpoint(transport).to_string()).arg(&ca);
        command.envs(environment(&tpm));
        finish(command)
    };
    let fleet = enrolled(&key);
    for (name, transport) in [("http", Transport::Http), ("amqp", Transport::Amqp)] {
        is_told(&attempt(&fleet, name, transport).success(), id.as_str());
    }
    // Another TPM is enrolled under this id.
    let mut other = key.clone();
    *other.last_mut().unwrap() ^= 2;
    let refused = attempt(&enrolled(&other), "http", Transport::Http);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr.matches("Failure in registration").count(), 1, "{refused:?}");
    assert!(!refused.stdout.contains("Registration Information"), "{refused:?}");
}

/// Found by `find_package`, from a folder that it was moved to, by a project of 2017.
#[test]
fn an_installed_libdps_serves_projects_of_2017() {
    let staged = empty("staged");
    let mut install = Command::new("cmake");
    install.arg("--install").arg(c_build()).args(["--prefix", "/opt/dps"]);
    run(install.env("DESTDIR", &staged), BUILD).success();
    let prefix = empty("elsewhere").join("prefix");
    fs::rename(staged.join("opt/dps"), &prefix).unwrap();

    let headers = format!("-DDPS_CLIENT_ADAPTERS={}/include/dps_client/adapters", prefix.display());
    let folder = empty("installed-module");
    cmake(&root().join("ffi-samples/custom_hsm_2017"), &folder, &[headers]).success();
    build(&folder, "custom_hsm_x509");

    let consumer = root().join("tests/consumers/dps_client_2017");
    let found = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    let settings = custom(&folder.join("libcustom_hsm_x509.a"));
    let folder = empty("installed");
    let all: Vec<String> = settings.into_iter().chain([found.clone()]).collect();
    cmake(&consumer, &folder, &all).success();
    build(&folder, "device_of_2017");
    let rig = Rig::new("installed", "line-7");
    let command = rig.sample(&folder.join("device_of_2017"), "amqp", Transport::Amqp);
    is_told(&finish(rig.with_module(command, "line-7", "device.pem")).success(), "line-7");

    // The same words as in the tree.
    let refused = cmake(&consumer, &empty("installed-tpm"), &[found, "-Ddps_auth_type=tpm".into()]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("wants a TPM"), "{refused:?}");
}
