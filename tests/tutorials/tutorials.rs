//! The tutorials as somebody follows them: each script from its first step to its last. They also run
//! by hand; see README.md beside this file.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{root, run};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// For building, on a machine that has to compile everything.
const BUILD: Duration = Duration::from_secs(1800);
/// For a whole tutorial, with what CMake builds in it.
const TUTORIAL: Duration = Duration::from_secs(1500);

/// Where cargo has put this test, which is where it puts everything else.
fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    // Below it are debug, deps, and the test.
    test.ancestors().nth(3).unwrap().to_owned()
}

/// The command, built as it is for its own tests: nothing is compiled twice when all tests run.
fn command() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build
            .args([
                "test",
                "--locked",
                "--workspace",
                "--all-features",
                "--no-run",
                "--test",
                "cli",
            ])
            .arg("--target-dir")
            .arg(target())
            .current_dir(root());
        run(&mut build, BUILD).success();
        target().join("debug/dps")
    })
}

/// Follows the tutorial; a failure shows all it has said.
fn follow(name: &str) {
    // Asked first to stop, so that it takes along what it has started.
    let mut script = Command::new("timeout");
    script
        .args(["--kill-after=30", &TUTORIAL.as_secs().to_string()])
        .arg(root().join("tests/tutorials").join(name))
        .env("DPS", command())
        .env("CARGO_TARGET_DIR", target());
    let told = run(&mut script, TUTORIAL + Duration::from_secs(60)).success();
    // And it has come to its end, after more than a few steps.
    let end = told.stdout.lines().last().unwrap_or_default();
    let steps = end.strip_prefix(&format!("{name}: all ")).and_then(|rest| rest.split_once(' '));
    let (steps, rest) = steps.unwrap_or_else(|| panic!("{}", told.stdout));
    assert!(rest == "steps done" && steps.parse::<u32>().unwrap() >= 10, "{end}");
}

#[test]
fn geo_latency() {
    follow("geo-latency");
}

#[test]
fn enrollment_group() {
    follow("enrollment-group");
}

#[test]
fn iot_edge() {
    follow("iot-edge");
}

#[test]
fn dps_symmetric_keys() {
    follow("dps-symmetric-keys");
}

#[test]
fn set_up_device() {
    follow("set-up-device");
}

/// A tutorial that fails must not pass: here the command refuses everything.
#[test]
fn a_step_that_goes_wrong_ends_a_tutorial_with_its_name() {
    let mut script = Command::new(root().join("tests/tutorials/iot-edge"));
    let told = run(script.env("DPS", "/bin/false"), Duration::from_secs(60));
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stderr.contains("FAILED: iot-edge, step 1"), "{}", told.stderr);
    assert!(!told.stdout.contains("steps done"), "{}", told.stdout);
}
