//! `dps cert` at its limits: names, dates, and files that cannot be written.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{Finished, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dps-cert-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `dps cert` in this folder.
    fn cert(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
        command.arg("cert").args(arguments).current_dir(&self.0);
        run(&mut command, Duration::from_secs(30))
    }

    /// A root with its key, valid for so many days.
    fn root(&self, days: &str) {
        let files = ["--out", "root.pem", "--key-out", "root.key"];
        let made = self.cert(&[&["ca", "--name", "root", "--days", days], &files[..]].concat());
        assert_eq!(made.success().stderr, "");
    }

    fn end_of(&self, certificate: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-enddate", "-in", certificate]).current_dir(&self.0);
        run(&mut command, Duration::from_secs(30)).success().stdout
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const BY_ROOT: [&str; 4] = ["--ca", "root.pem", "--ca-key", "root.key"];
const FILES: [&str; 4] = ["--out", "made.pem", "--key-out", "made.key"];

#[test]
fn nothing_is_valid_longer_than_its_authority() {
    let folder = Folder::new("dates");
    folder.root("30");
    let end = folder.end_of("root.pem");
    for (what, days, is_capped) in
        [("device", "29", false), ("device", "365", true), ("intermediate", "31", true)]
    {
        let options = [what, "--name", "sn-7", "--days", days, "--force"];
        let made = folder.cert(&[&options[..], &BY_ROOT, &FILES].concat());
        let stderr = made.success().stderr;
        assert_eq!(folder.end_of("made.pem") == end, is_capped, "{what} {days}");
        if is_capped {
            assert!(stderr.starts_with("note: "), "{stderr}");
            assert!(stderr.contains("root.pem") && stderr.contains("--days"), "{stderr}");
        } else {
            assert_eq!(stderr, "");
        }
    }
    let made = folder.cert(
        &[&["verify", "--code", "75B8", "--out", "v.pem", "--days", "99"], &BY_ROOT[..]].concat(),
    );
    assert!(made.success().stderr.starts_with("note: "));
    assert_eq!(folder.end_of("v.pem"), end);

    // With the same days the authority ends some moments earlier, which is nothing to speak of.
    let made = folder.cert(
        &[&["device", "--name", "x", "--days", "30", "--force"], &BY_ROOT[..], &FILES].concat(),
    );
    assert_eq!(made.success().stderr, "");
    assert_eq!(folder.end_of("made.pem"), end);
}

#[test]
fn a_common_name_has_1_to_64_characters() {
    let folder = Folder::new("names");
    folder.root("9");
    let (most, more) = ("a".repeat(64), "a".repeat(65));
    let wide = "\u{e4}".repeat(64);
    for name in ["", " ", more.as_str(), &"\u{e4}".repeat(65)] {
        for what in ["ca", "intermediate", "device"] {
            let issuer = if what == "ca" { &[][..] } else { &BY_ROOT[..] };
            let refused = folder.cert(&[&[what, "--name", name], issuer, &FILES].concat());
            assert_eq!(refused.code, Some(2), "{what} {name:?}: {refused:?}");
            assert!(refused.stderr.contains("to do:"), "{}", refused.stderr);
            assert_eq!(folder.names(), ["root.key", "root.pem"]);
        }
    }
    for (what, name) in [("ca", &most), ("ca", &wide), ("device", &most)] {
        let issuer = if what == "ca" { &[][..] } else { &BY_ROOT[..] };
        folder.cert(&[&[what, "--name", name, "--force"], issuer, &FILES].concat()).success();
    }
}

#[test]
fn a_certificate_and_its_key_are_both_written_or_neither() {
    let folder = Folder::new("files");
    folder.root("9");
    fs::create_dir(folder.path("folder")).unwrap();
    for (out, key_out) in [
        ("missing/made.pem", "made.key"),
        ("made.pem", "missing/made.key"),
        ("folder", "made.key"),
        ("made.pem", "folder"),
        ("made.pem", ""),
    ] {
        for force in [&[][..], &["--force"]] {
            let files = ["--out", out, "--key-out", key_out];
            let make = [&["device", "--name", "x"], &BY_ROOT[..], &files, force].concat();
            let failed = folder.cert(&make);
            assert_ne!(failed.code, Some(0), "{out} {key_out} {force:?}");
            assert!(failed.stderr.starts_with("error: "), "{}", failed.stderr);
            assert!(!failed.stderr.contains(".new"), "{}", failed.stderr);
            assert_eq!(folder.names(), ["folder", "root.key", "root.pem"], "{out} {key_out}");
        }
    }
    // What is there already stays as it is.
    fs::write(folder.path("made.key"), "precious").unwrap();
    fs::write(folder.path("made.pem"), "precious").unwrap();
    for (out, key_out) in
        [("missing/x", "made.key"), ("made.pem", "missing/x"), ("folder", "made.key")]
    {
        let files = ["--out", out, "--key-out", key_out, "--force"];
        let failed = folder.cert(&[&["device", "--name", "x"], &BY_ROOT[..], &files].concat());
        assert_ne!(failed.code, Some(0));
        for name in ["made.key", "made.pem"] {
            assert_eq!(fs::read_to_string(folder.path(name)).unwrap(), "precious", "{out}");
        }
    }
    folder.cert(&[&["device", "--name", "x", "--force"], &BY_ROOT[..], &FILES].concat()).success();
    assert_eq!(folder.names(), ["folder", "made.key", "made.pem", "root.key", "root.pem"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path("made.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// `dps x509 simulate` in this folder.
fn simulate(folder: &Folder, seed: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(["x509", "simulate", "--seed", seed]).args(arguments).current_dir(&folder.0);
    run(&mut command, Duration::from_secs(30))
}

#[test]
fn simulated_devices_register_through_the_group_of_their_root() {
    let folder = Folder::new("simulate");
    let seed = "a seed of this test";
    let made = simulate(
        &folder,
        seed,
        &[
            &["--registration-id", "sim-1", "--out", "sim.pem", "--key-out", "sim.key"][..],
            &["--root-out", "root.pem", "--root-key-out", "root.key"],
        ]
        .concat(),
    );
    assert_eq!(made.success().stdout.lines().count(), 4);
    let root = fs::read_to_string(folder.path("root.pem")).unwrap();
    let yaml = format!(
        "idScope: 0ne00111111\nhubs: [a-hub.localhost]\nmqttPort: 0\nhttpsPort: 0\namqpPort: 0\nenrollmentGroups:\n  - enrollmentGroupId: fleet\n    attestation:\n      type: x509\n      x509:\n        signingCertificates:\n          primary:\n            certificate: {}\n",
        serde_json::to_string(&root).unwrap()
    );
    let config = dps_emulator::EmulatorConfig::from_yaml(&yaml).unwrap();
    let emulator = dps_emulator::Emulator::start(config).unwrap();
    fs::write(folder.path("ca.pem"), emulator.ca_pem()).unwrap();
    let mut register = Command::new(env!("CARGO_BIN_EXE_dps"));
    register
        .args(["register", "--id-scope", "0ne00111111", "--trusted-cert", "ca.pem"])
        .args(["--cert", "sim.pem", "--cert-key", "sim.key", "--endpoint"])
        .arg(emulator.mqtt_address().to_string())
        .current_dir(&folder.0);
    let told = run(&mut register, Duration::from_secs(60)).success().stdout;
    assert!(told.contains("a-hub.localhost") && told.contains("sim-1"), "{told}");

    // The root's key makes the proof of possession.
    let verification = ["verify", "--code", "C0DE", "--out", "proof.pem"];
    folder.cert(&[&verification[..], &BY_ROOT[..]].concat()).success();
}

#[test]
fn a_simulated_device_is_the_same_on_the_next_day_and_another_with_another_seed() {
    let folder = Folder::new("simulate-again");
    let files = |number: &str| {
        simulate(
            &folder,
            if number == "3" { "another seed" } else { "one and the same" },
            &[
                &["--registration-id", "sim-1"][..],
                &["--out", &format!("{number}.pem"), "--key-out", &format!("{number}.key")],
            ]
            .concat(),
        )
        .success();
        let read = |kind: &str| fs::read(folder.path(&format!("{number}.{kind}"))).unwrap();
        (read("pem"), read("key"))
    };
    let (first, second, third) = (files("1"), files("2"), files("3"));
    assert_eq!(first, second);
    assert!(first.0 != third.0 && first.1 != third.1);
}

#[test]
fn a_simulation_with_wrong_arguments_leaves_no_file() {
    let folder = Folder::new("simulate-wrong");
    let files = ["--out", "sim.pem", "--key-out", "sim.key"];
    let long = "d".repeat(65);
    let twice = ["--out", "sim.pem", "--key-out", "sim.pem"];
    for (seed, id, files, words) in [
        ("short", "sim-1", files, "at least 8"),
        ("long enough", "sim 1", files, "registration id"),
        ("long enough", &long, files, "1 to 64"),
        ("long enough", "sim-1", twice, "named twice"),
    ] {
        let refused = simulate(&folder, seed, &[&["--registration-id", id], &files[..]].concat());
        assert_eq!(refused.code, Some(2), "{words}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(!refused.stderr.contains("long enough"), "{}", refused.stderr);
    }
    assert!(folder.names().is_empty());
}
