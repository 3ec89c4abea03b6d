//! `dps tpm` and `dps register --tpm`, on swtpm.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{Finished, Folder, Swtpm, run};
use std::fs;
use std::process::Command;
use std::time::Duration;

fn dps(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    // tss2 would tell of its own troubles in between.
    command.args(arguments).env_remove("TPM2TOOLS_TCTI").env("TSS2_LOG", "all+none");
    run(&mut command, Duration::from_secs(60))
}

fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn info_tells_what_an_enrollment_needs() {
    let swtpm = Swtpm::start();
    let text = dps(&["tpm", "info", "--tcti", &swtpm.tcti()]).success().stdout;
    let json = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]).success().stdout;
    let (id, key) = (member(&json, "registrationId"), member(&json, "endorsementKey"));
    assert_eq!(id.len(), 52);
    assert!(
        key.starts_with("AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAg")
    );
    for words in [id, key, member(&json, "storageRootKey"), "service: none"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(json.contains("\"enrollment\":{") && json.contains("\"type\":\"tpm\""), "{json}");
    // The tss2 tools' own variable works, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(["tpm", "info"]).env("TPM2TOOLS_TCTI", swtpm.tcti());
    assert_eq!(run(&mut command, Duration::from_secs(60)).success().stdout, text);
}

#[test]
fn failures_say_what_to_do() {
    let mut swtpm = Swtpm::start();
    swtpm.stop();
    let finished = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stdout.contains("\"stage\":\"hsm\""), "{}", finished.stdout);
    assert!(finished.stderr.contains("simulator runs there"), "{}", finished.stderr);
    let finished = dps(&["tpm", "info", "--tcti", "swtpm:hots=x"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("host=... and port=..."), "{}", finished.stderr);
    let finished = dps(&["tpm", "info", "--tcti", "device:/nonexistent"]);
    assert!(finished.stderr.contains("/nonexistent cannot be opened"), "{}", finished.stderr);
}

#[test]
fn authorization_values_come_from_files() {
    let swtpm = Swtpm::start();
    let folder = Folder::new("cli-tpm");
    let file = folder.path().join("auth");
    fs::write(&file, "own\n").unwrap();
    let mut command = Command::new("tpm2_changeauth");
    command.args(["-T", &swtpm.tcti(), "-c", "owner", "own"]);
    run(&mut command, Duration::from_secs(30)).success();
    let without = dps(&["tpm", "info", "--tcti", &swtpm.tcti()]);
    assert_eq!(without.code, Some(3));
    assert!(without.stderr.contains("TPM_RC_BAD_AUTH"), "{}", without.stderr);
    let option = ["--tpm-owner-auth-file", file.to_str().unwrap()];
    dps(&[&["tpm", "info", "--tcti", &swtpm.tcti()], &option[..]].concat()).success();
}

#[test]
fn an_identity_key_that_is_not_there_can_be_removed() {
    let swtpm = Swtpm::start();
    let text = dps(&["tpm", "clear-identity", "--tcti", &swtpm.tcti()]).success().stdout;
    assert_eq!(text, "There was no identity key.\n");
}

#[test]
fn a_certificates_key_is_made_once_and_shown_as_openssl_does() {
    let swtpm = Swtpm::start();
    let create = || dps(&["tpm", "create-key", "--handle", "0x81000201", "--tcti", &swtpm.tcti()]);
    let pem = create().success().stdout;
    let folder = Folder::new("cli-tpm-key");
    let file = folder.path().join("public.pem");
    fs::write(&file, &pem).unwrap();
    let mut command = Command::new("openssl");
    command.args(["pkey", "-pubin", "-in"]).arg(&file);
    assert_eq!(run(&mut command, Duration::from_secs(30)).success().stdout, pem);
    let again = create();
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("0x81000201 is taken"), "{}", again.stderr);
}
