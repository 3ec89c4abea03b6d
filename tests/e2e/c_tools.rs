//! The tools in C under the names that they have in the C SDK: what they print is what a service
//! takes. Built apart and unoptimised, so that they share what cargo has built for the tests.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dps_client::RegistrationId;
use dps_tests::{Finished, Swtpm, root, run};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const TOOLS: [&str; 2] = ["symm_key_provision", "tpm_device_provision"];
/// `wire-protocol.md` section 1.5, K2.
const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const DEVICE_KEY: &str = "MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4=";

fn build() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = root().join("target/c-tools");
        let tests = std::env::current_exe().unwrap();
        let cargo = tests.ancestors().nth(3).unwrap();
        let mut configure = Command::new("cmake");
        configure
            .args(["-DDPS_SHARED=OFF", "-DDPS_INSTALL=OFF", "-DDPS_CARGO_PROFILE=dev"])
            .arg("-DDPS_CARGO_FLAGS=--locked")
            .arg(format!("-DDPS_CARGO_TARGET_DIR={}", cargo.display()))
            .arg("-S")
            .arg(root())
            .arg("-B")
            .arg(&folder);
        run(&mut configure, Duration::from_secs(120)).success();
        let mut build = Command::new("cmake");
        build.arg("--build").arg(&folder).arg("--target").args(TOOLS);
        run(&mut build, Duration::from_secs(1800)).success();
        folder
    })
}

fn tool(name: &str) -> Command {
    Command::new(build().join("provisioning_client/tools").join(name).join(name))
}

fn finish(command: &mut Command) -> Finished {
    run(command, Duration::from_secs(60))
}

fn value<'a>(output: &'a str, name: &str) -> &'a str {
    let line = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name:?}: {output}"))
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = build().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_individual_device_gets_a_random_key_and_a_name() {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..4 {
        let told = finish(&mut tool("symm_key_provision")).success().stdout;
        names.insert(RegistrationId::new(value(&told, "Registration id")).unwrap().to_string());
        let key = BASE64.decode(value(&told, "Symmetric key")).unwrap();
        assert_eq!(key.len(), 32);
        keys.insert(key);
    }
    assert_eq!((names.len(), keys.len()), (4, 4), "each time others");
    let mut named = tool("symm_key_provision");
    let told = finish(named.args(["--registration-id", "dev-1", "--key-only"])).success().stdout;
    assert_eq!(BASE64.decode(told.trim_end()).unwrap().len(), 32);
}

#[test]
fn a_device_of_a_group_gets_its_key_from_the_groups() {
    let group = file("group.key", &format!("  {GROUP_KEY}\r\n"));
    let derive = |file: &Path, id: &str| {
        let mut command = tool("symm_key_provision");
        finish(command.arg("--registration-id").arg(id).arg("--group-key-file").arg(file))
    };
    let told = derive(&group, "contoso-simdevice").success().stdout;
    assert_eq!(value(&told, "Registration id"), "contoso-simdevice");
    assert_eq!(value(&told, "Device key"), DEVICE_KEY);

    // From standard input, as a pipe of the shell gives it.
    let mut piped = Command::new("sh");
    piped.arg("-c").arg("\"$0\" --group-key-file=- --registration-id=contoso-simdevice < \"$1\"");
    piped.arg(tool("symm_key_provision").get_program()).arg(&group);
    assert_eq!(value(&finish(&mut piped).success().stdout, "Device key"), DEVICE_KEY);

    for (text, id, reason) in [
        ("hidden, no base64", "device", "base64"),
        ("", "device", "holds nothing"),
        (GROUP_KEY, "a device", "registration id"),
    ] {
        let refused = derive(&file("wrong.key", text), id);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        assert!(!refused.stderr.contains("hidden") && !refused.stderr.contains(GROUP_KEY));
    }
    let missing = derive(Path::new("/no/such.key"), "device");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("/no/such.key"), "{}", missing.stderr);
}

#[test]
fn every_tool_explains_itself_and_repeats_no_misplaced_secret() {
    for name in TOOLS {
        let help = finish(tool(name).arg("--help")).success();
        assert!(help.stdout.contains("Usage: ") && help.stdout.contains("Exit codes:"));
        assert_eq!(help.stderr, "");
        for wrong in ["secret", "--registration-id"] {
            let refused = finish(tool(name).arg(wrong));
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{name} {wrong}");
            assert!(refused.stderr.contains("--help") && !refused.stderr.contains("secret"));
        }
    }
}

/// The example's modules, which drive a TPM by tss2, as a library to be loaded.
fn example_library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_example_library)
}

fn build_example_library() -> PathBuf {
    let library = build().join("example_library.so");
    let mut flags = Command::new("pkg-config");
    flags.args(["--cflags", "--libs", "tss2-esys", "tss2-mu", "tss2-tctildr"]);
    let flags = finish(&mut flags).success().stdout;
    let example = root().join("ffi-samples/custom_hsm_example");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-shared", "-fPIC", "-DCUSTOM_HSM_HAS_TPM", "-I"])
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("include/compat"))
        .arg("-I")
        .arg(&example)
        .arg("-I")
        .arg(root().join("ffi-samples/common"))
        .arg(root().join("tests/consumers/tools/example_library.c"))
        .arg(example.join("custom_hsm_example.c"))
        .arg(example.join("custom_hsm_tpm.c"))
        .arg(root().join("ffi-samples/common/text.c"))
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&library);
    run(&mut cc, Duration::from_secs(120)).success();
    library
}

#[test]
fn a_tpm_tells_its_key_and_the_id_that_is_made_of_it() {
    let library = example_library();
    let tpm = Swtpm::start();
    let ask = |more: &[&str]| {
        let mut command = tool("tpm_device_provision");
        command.arg("--hsm").arg(library).args(more).env("CUSTOM_HSM_TCTI", tpm.tcti());
        finish(&mut command)
    };
    let told = ask(&[]).success().stdout;
    let key = BASE64.decode(value(&told, "Endorsement key")).unwrap();
    // A public area: its length, then RSA and SHA-256.
    assert_eq!(key[2..6], [0, 1, 0, 0x0b]);
    assert_eq!(usize::from(key[0]) * 256 + usize::from(key[1]), key.len() - 2);
    let id = RegistrationId::from_endorsement_key(&key);
    assert_eq!(value(&told, "Registration id"), id.as_str());
    assert_eq!(ask(&[]).success().stdout, told, "the same again");
    let named = ask(&["--registration-id", "my-tpm"]).success().stdout;
    assert_eq!(value(&named, "Registration id"), "my-tpm");
    assert_eq!(value(&named, "Endorsement key"), value(&told, "Endorsement key"));
}

#[test]
fn without_a_tpm_it_is_said_what_is_missing() {
    let library = example_library();
    let unreachable = Swtpm::start();
    let tcti = unreachable.tcti();
    drop(unreachable);
    let alone = finish(&mut tool("tpm_device_provision"));
    let absent = finish(tool("tpm_device_provision").args(["--hsm", "/no/such.so"]));
    let mut silent = tool("tpm_device_provision");
    let silent = finish(silent.arg("--hsm").arg(library).env("CUSTOM_HSM_TCTI", tcti));
    for (finished, reason) in
        [(alone, "dps_hsm_register_tpm"), (absent, "/no/such.so"), (silent, "cannot be used")]
    {
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        assert!(finished.stderr.contains(reason), "{}", finished.stderr);
    }
}
