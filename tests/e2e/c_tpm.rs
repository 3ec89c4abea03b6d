//! C programs against a libdps that drives a TPM by itself; swtpm is the TPM.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::dps_core::sas::{HexCase, UnsignedToken};
use dps_client::{RegistrationId, Transport};
use dps_emulator::{AttestationConfig, IndividualEnrollmentConfig};
use dps_tests::{Answer, Fate, Finished, Fleet, Folder, Swtpm, TamperingRelay, root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const TRANSPORTS: [Transport; 3] = [Transport::Http, Transport::Amqp, Transport::AmqpWs];

/// `PROV_DEVICE_RESULT`s, as programs print them.
const TRANSPORT: &str = "5";
const KEY_ERROR: &str = "9";

/// Two at once would write the same library.
static BUILDING: Mutex<()> = Mutex::new(());

fn configure(folder: &Path, settings: &[&str]) -> Command {
    let tests = std::env::current_exe().unwrap();
    let cargo = tests.ancestors().nth(3).unwrap();
    let mut configure = Command::new("cmake");
    configure
        .args(["-DDPS_SHARED=OFF", "-DDPS_CARGO_PROFILE=dev", "-DDPS_CARGO_FLAGS=--locked"])
        .arg(format!("-DDPS_CARGO_TARGET_DIR={}", cargo.display()))
        .args(settings)
        .arg("-S")
        .arg(root())
        .arg("-B")
        .arg(folder);
    configure
}

/// Programs linked with a library that has the TPM. Unoptimised, so that it shares what cargo has
/// built for the tests.
fn build(folder: &Path, target: &str, settings: &[&str]) {
    let _alone = BUILDING.lock();
    run(&mut configure(folder, settings), Duration::from_secs(120)).success();
    let mut build = Command::new("cmake");
    build.arg("--build").arg(folder).args(["--target", target]);
    run(&mut build, Duration::from_secs(1800)).success();
}

/// Linked once: not while another test runs it.
fn scenarios() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = root().join("target/c-tpm/scenarios");
        let settings = [
            "-Dhsm_type_sastoken=ON",
            "-Dbuild_c_tests=ON",
            "-Dskip_samples=ON",
            "-DDPS_INSTALL=OFF",
        ];
        build(&folder, "dps_c_scenarios", &settings);
        folder.join("tests/c/dps_c_scenarios")
    });
    built.clone()
}

/// A service that knows this key.
fn fleet(key: &[u8]) -> Fleet {
    let mut enrollment = IndividualEnrollmentConfig::new(RegistrationId::from_endorsement_key(key));
    enrollment.attestation = AttestationConfig::with_endorsement_key(key);
    enrollment.device_id = Some("tpm-device".to_owned());
    Fleet::start_with(|config| config.enrollments.push(enrollment))
}

/// What stands behind these words in the output.
fn told<'a>(finished: &'a Finished, words: &str) -> &'a str {
    let line = finished.stdout.lines().find_map(|line| line.strip_prefix(words));
    line.unwrap_or_else(|| panic!("no {words:?}: {finished:?}"))
}

fn endorsement_key(finished: &Finished) -> Vec<u8> {
    let hex = told(finished, "Endorsement Key: ");
    let bytes = (0..hex.len()).step_by(2);
    bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The token that the hub expects of the device.
fn hub_token(fleet: &Fleet) -> String {
    let records = fleet.emulator.registrations();
    let record = records.iter().find(|record| record.hub_key.is_some()).unwrap();
    let token = UnsignedToken::new("hub%2fdevices%2fdevice", 1_893_456_000);
    let token = token.hex_case(HexCase::Lower).sign(record.hub_key.as_ref().unwrap());
    token.as_str().to_owned()
}

/// Runs scenarios with a TPM.
struct Runner {
    program: PathBuf,
    tcti: String,
    folder: Folder,
}

impl Runner {
    fn run(&self, kind: &str, name: &str, change: impl FnOnce(&mut Command)) -> Finished {
        let mut command = Command::new(&self.program);
        command
            .args([kind, name])
            .env("DPS_TCTI", &self.tcti)
            .env("TPM2TOOLS_TCTI", "device:/not/asked")
            // tpm2-tss would say of each key that is not there yet that it is not there.
            .env("TSS2_LOG", "all+none");
        change(&mut command);
        run(&mut command, Duration::from_secs(60))
    }

    fn with_service(&self, kind: &str, name: &str, fleet: &Fleet, by: Transport) -> Finished {
        let ca = self.folder.path().join("ca.pem");
        fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
        self.run(kind, name, |command| {
            command
                .args(["--endpoint", &fleet.endpoint(by).to_string()])
                .args(["--id-scope", fleet.emulator.id_scope(), "--transport", by.as_str()])
                .arg("--ca")
                .arg(ca);
        })
    }
}

#[test]
fn c_programs_register_with_the_librarys_own_tpm() {
    let mut tpm = Swtpm::start();
    let runner = Runner { program: scenarios(), tcti: tpm.tcti(), folder: Folder::new("c-tpm") };
    let shown = runner.run("ll", "tpm_module", |_| {}).success();
    let key = endorsement_key(&shown);
    let id = told(&shown, "Registration Id: ");
    assert_eq!(RegistrationId::from_endorsement_key(&key).as_str(), id);
    let fleet = fleet(&key);
    for kind in ["ll", "threaded"] {
        for transport in TRANSPORTS {
            let registered = runner.with_service(kind, "tpm_register", &fleet, transport).success();
            assert_eq!(told(&registered, "Hub token: "), hub_token(&fleet), "{transport}");
            // Another process, after a power cut, by the same keys.
            tpm.restart();
            let later = runner.run(kind, "tpm_hub_token", |_| {}).success();
            assert_eq!(told(&later, "Hub token: "), hub_token(&fleet), "{transport}");
        }
        for transport in [Transport::Mqtt, Transport::MqttWs] {
            runner.with_service(kind, "tpm_without_mqtt", &fleet, transport).success();
        }
    }
    // The tools' variable, when ours is not there.
    let by_tools_variable = runner.run("ll", "tpm_hub_token", |command| {
        command.env_remove("DPS_TCTI").env("TPM2TOOLS_TCTI", tpm.tcti());
    });
    assert_eq!(told(&by_tools_variable.success(), "Hub token: "), hub_token(&fleet));
    let lost = runner.run("ll", "tpm_hub_token", |command| {
        command.env("DPS_TCTI", "swtpm:path=/run/tpm");
    });
    assert_ne!(lost.code, Some(0), "{lost:?}");
    assert!(format!("{lost:?}").contains("DPS_TCTI: "), "{lost:?}");
}

#[test]
fn the_librarys_own_tpm_that_cannot_be_used_says_why() {
    let tpm = Swtpm::start();
    let runner =
        Runner { program: scenarios(), tcti: tpm.tcti(), folder: Folder::new("c-tpm-refused") };
    let by_http = |command: &mut Command| {
        command.args(["--transport", "http"]);
    };
    for kind in ["ll", "threaded"] {
        runner.run(kind, "tpm_unreachable", by_http).success();
    }
    let key = endorsement_key(&runner.run("ll", "tpm_module", |_| {}).success());
    // Another TPM is enrolled under this id.
    let mut other = key.clone();
    *other.last_mut().unwrap() ^= 2;
    let mut enrollment =
        IndividualEnrollmentConfig::new(RegistrationId::from_endorsement_key(&key));
    enrollment.attestation = AttestationConfig::with_endorsement_key(&other);
    let fleet = Fleet::start_with(|config| config.enrollments.push(enrollment));
    for transport in TRANSPORTS {
        runner.with_service("ll", "tpm_refused", &fleet, transport).success();
    }
}

/// What goes wrong with a key that the service sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It is not for this TPM.
    Tampered,
    /// The TPM loses its power just before.
    TpmLost,
}

/// What a relay does to an answer: `of_hub` tells the hub's key from the challenge.
fn spoil(answer: &Answer<'_>, of_hub: bool, trouble: Trouble, tpm: &Mutex<Swtpm>) -> Fate {
    /// A key's public area in a challenge of SASL, which has no document, and another one.
    const AREA: &[u8] = b"\x00\x08\x00\x0b\x00\x04\x04\x40";
    const OTHER: &[u8] = b"\x00\x08\x00\x0b\x00\x04\x04\x41";
    let text = answer.document.map_or("", |(_, text)| text);
    let begin = text.find("\"authenticationKey\":\"").map(|at| at + 21);
    let is_it = match begin {
        Some(_) => of_hub == text.contains("registrationState"),
        None => !of_hub && text.is_empty(),
    };
    match (trouble, begin) {
        _ if !is_it => Fate::Pass,
        (Trouble::TpmLost, _) => {
            tpm.lock().unwrap().stop();
            Fate::Pass
        }
        (Trouble::Tampered, None) => Fate::Replace(AREA, OTHER),
        (Trouble::Tampered, Some(begin)) => {
            let mut text = text.to_owned();
            let at = begin + 480;
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            text.replace_range(at..=at, other);
            Fate::Become(if of_hub { 200 } else { 401 }, text)
        }
    }
}

/// `c-abi.md` section 3.4: a challenge that the TPM cannot answer is TRANSPORT, a key for the hub that
/// it cannot take KEY_ERROR.
#[test]
fn keys_that_the_tpm_cannot_take_end_it_with_their_own_reasons() {
    let tpm = Swtpm::start();
    let runner =
        Runner { program: scenarios(), tcti: tpm.tcti(), folder: Folder::new("c-tpm-keys") };
    let key = endorsement_key(&runner.run("ll", "tpm_module", |_| {}).success());
    let tpm = Arc::new(Mutex::new(tpm));
    let fleet = fleet(&key);
    for kind in ["ll", "threaded"] {
        for transport in [Transport::Http, Transport::Amqp] {
            for (of_hub, trouble) in [
                (false, Trouble::Tampered),
                (true, Trouble::Tampered),
                (false, Trouble::TpmLost),
                (true, Trouble::TpmLost),
            ] {
                let case = format!("{kind}, {transport}, {trouble:?}, of the hub: {of_hub}");
                tpm.lock().unwrap().restart();
                let address = match transport {
                    Transport::Http => fleet.emulator.https_address(),
                    _ => fleet.emulator.amqp_address(),
                };
                let shared = tpm.clone();
                let relay =
                    TamperingRelay::start(address, fleet.emulator.ca_pem(), move |answer| {
                        spoil(answer, of_hub, trouble, &shared)
                    });
                let ca = runner.folder.path().join("relay.pem");
                fs::write(&ca, relay.ca_pem()).unwrap();
                let done = runner.run(kind, "tpm_outcome", |command| {
                    command
                        .args(["--endpoint", &relay.address().to_string()])
                        .args(["--id-scope", fleet.emulator.id_scope()])
                        .args(["--transport", transport.as_str(), "--ca"])
                        .arg(&ca);
                });
                let done = done.success();
                let expected = if of_hub { KEY_ERROR } else { TRANSPORT };
                assert_eq!(told(&done, "Result: "), expected, "{case}: {done:?}");
                let reason = told(&done, "Reason: ");
                let words = match trouble {
                    Trouble::Tampered => "does not accept the activation blob",
                    Trouble::TpmLost => "cannot be reached",
                };
                assert!(reason.contains(words), "{case}: {reason}");
                let where_to = "assigned to contoso-hub.localhost as tpm-device";
                assert_eq!(reason.contains(where_to), of_hub, "{case}: {reason}");
                assert_eq!(relay.connections(), 1, "{case}: nothing is tried again");
            }
        }
    }
    // The same program without anybody in between: the TPM is as good as before.
    tpm.lock().unwrap().restart();
    let good = runner.with_service("ll", "tpm_outcome", &fleet, Transport::Amqp).success();
    assert_eq!(told(&good, "Result: "), "0", "{good:?}");
}

#[test]
fn the_program_of_2017_needs_no_module_for_a_tpm() {
    let tpm = Swtpm::start();
    let folder = root().join("target/c-tpm/of-2017");
    let settings = ["-Ddps_auth_type=tpm_simulator", "-DDPS_INSTALL=OFF"];
    build(&folder, "dps_client_sample", &settings);
    let runner = Runner {
        program: folder.join("dps_client/samples/dps_client_sample/dps_client_sample"),
        tcti: tpm.tcti(),
        folder: Folder::new("c-tpm-2017"),
    };
    // It makes the keys when they are not there.
    let start = |arguments: &[&str]| {
        let mut command = Command::new(&runner.program);
        command.args(arguments).env("DPS_TCTI", &runner.tcti).env("TSS2_LOG", "all+none");
        run(&mut command, Duration::from_secs(60))
    };
    let nobody = start(&["http", "0ne00000000", "127.0.0.1:1"]);
    assert!(nobody.stderr.contains("DPS_ERROR_TRANSPORT"), "{nobody:?}");
    let file = runner.folder.path().join("ek.tpm2b");
    let mut read = Command::new("tpm2_readpublic");
    read.args(["-T", &tpm.tcti(), "-Q", "-c", "0x81010001", "-f", "tss", "-o"]).arg(&file);
    run(&mut read, Duration::from_secs(60)).success();
    let fleet = fleet(&fs::read(file).unwrap());
    let ca = runner.folder.path().join("ca.pem");
    fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
    for (name, transport) in [("http", Transport::Http), ("amqp", Transport::Amqp)] {
        let endpoint = fleet.endpoint(transport).to_string();
        let arguments = [name, fleet.emulator.id_scope(), &endpoint, ca.to_str().unwrap()];
        let finished = start(&arguments).success();
        assert!(finished.stdout.contains("deviceId: tpm-device\n"), "{finished:?}");
    }
}

#[test]
fn an_installed_library_with_a_tpm_brings_what_it_is_linked_with() {
    let folder = root().join("target/c-tpm/installed");
    let prefix = Folder::new("c-tpm-prefix");
    {
        let settings = ["-Dhsm_type_sastoken=ON", "-DDPS_INSTALL=ON", "-Dskip_samples=ON"];
        build(&folder, "all", &settings);
        let _alone = BUILDING.lock();
        let mut install = Command::new("cmake");
        install.arg("--install").arg(&folder).arg("--prefix").arg(prefix.path());
        install.env_remove("DESTDIR");
        run(&mut install, Duration::from_secs(60)).success();
    }
    let consumer = root().join("target/c-tpm/consumer");
    let _ = fs::remove_dir_all(&consumer);
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("tests/consumers/dps_client_2017")).arg("-B");
    configure.arg(&consumer).arg("-Ddps_auth_type=tpm");
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.path().display()));
    run(&mut configure, Duration::from_secs(60)).success();
    let mut link = Command::new("cmake");
    run(link.arg("--build").arg(&consumer), Duration::from_secs(120)).success();
    // By pkg-config, the archive.
    let pc = prefix.path().join("lib/pkgconfig");
    let mut flags = Command::new("pkg-config");
    flags.args(["--static", "--libs", "dps"]).env("PKG_CONFIG_PATH", pc);
    let flags = run(&mut flags, Duration::from_secs(10)).success().stdout;
    for library in ["-ltss2-esys", "-ltss2-sys", "-ltss2-mu", "-ltss2-tctildr"] {
        assert!(flags.split_whitespace().any(|flag| flag == library), "{flags}");
    }
}

#[test]
fn cmake_says_what_to_install_when_tss2_is_missing() {
    for setting in ["-Dhsm_type_sastoken=ON", "-Duse_tpm_simulator=ON", "-Ddps_auth_type=tpm"] {
        let folder = Folder::new("c-tpm-missing");
        let mut command = configure(folder.path(), &[setting]);
        command.env("PKG_CONFIG_LIBDIR", "/nonexistent").env_remove("PKG_CONFIG_PATH");
        let refused = run(&mut command, Duration::from_secs(60));
        assert_ne!(refused.code, Some(0), "{setting}: {refused:?}");
        let words: Vec<_> = refused.stderr.split_whitespace().collect();
        assert!(words.join(" ").contains("apt-get install pkg-config libtss2-dev"), "{refused:?}");
    }
}
