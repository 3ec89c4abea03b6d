//! C programs against a libdps with the simulated device, `hsm_type_riot`.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, Transport};
use dps_emulator::{AttestationConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig};
use dps_tests::{Finished, Fleet, root, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn configure(folder: &str, more: &[&str]) -> Finished {
    let tests = std::env::current_exe().unwrap();
    let cargo = tests.ancestors().nth(3).unwrap();
    let mut configure = Command::new("cmake");
    configure
        .args(["-Dhsm_type_riot=ON", "-Dbuild_c_tests=ON", "-DDPS_SHARED=OFF"])
        .args(["-DDPS_INSTALL=OFF", "-DDPS_CARGO_PROFILE=dev", "-DDPS_CARGO_FLAGS=--locked"])
        .arg(format!("-DDPS_CARGO_TARGET_DIR={}", cargo.display()))
        .args(more)
        .arg("-S")
        .arg(root())
        .arg("-B")
        .arg(root().join("target").join(folder));
    run(&mut configure, Duration::from_secs(120))
}

fn build() -> PathBuf {
    let folder = root().join("target/c-riot");
    // Twice: the second time all options are in the cache.
    configure("c-riot", &[]).success();
    configure("c-riot", &[]).success();
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder).args(["--target", "dps_c_riot", "dice_device_enrollment"]);
    run(&mut build, Duration::from_secs(1800)).success();
    folder
}

#[test]
fn the_simulated_device_registers_with_what_the_tool_prints() {
    let folder = build();
    let program = folder.join("tests/c/dps_c_riot");
    let finish = |command: &mut Command| run(command, Duration::from_secs(60));
    finish(Command::new(&program).arg("contract")).success();

    let name = "dice_device_enrollment";
    let tool = folder.join("provisioning_client/tools").join(name).join(name);
    let tool = |arguments: &[&str]| finish(Command::new(&tool).args(arguments));
    let root_pem = tool(&["--group"]).success().stdout;
    let own = tool(&["--individual", "--registration-id", "single"]).success().stdout;
    let proof = tool(&["--verify", "0123-code"]).success().stdout;
    for pem in [&root_pem, &own, &proof] {
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 1, "{pem}");
    }
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-CAfile"]).arg(file("root.pem", &root_pem));
    finish(verify.arg(file("proof.pem", &proof))).success();
    let seed = file("seed", "a seed of our own\n");
    let other = tool(&["--group", "--seed-file", seed.to_str().unwrap()]).success().stdout;
    assert_ne!(other, root_pem);
    assert_eq!(tool(&[]).code, Some(2));
    assert_eq!(tool(&["--group", "--individual"]).code, Some(2));
    assert_eq!(tool(&["--individual", "--registration-id", "no id"]).code, Some(1));

    let fleet = Fleet::start_with(|config| {
        let mut group = EnrollmentGroupConfig::new("simulated");
        group.attestation = AttestationConfig::with_signing_certificate(root_pem.as_str());
        config.enrollment_groups.push(group);
        let mut single = IndividualEnrollmentConfig::new(RegistrationId::new("single").unwrap());
        single.attestation = AttestationConfig::with_client_certificate(own.as_str());
        config.enrollments.push(single);
    });
    let ca = file("ca.pem", fleet.emulator.ca_pem());
    let register = |transport: Transport, name: Option<&str>, variable: Option<&str>| {
        let mut command = Command::new(&program);
        command.args(["register", &fleet.endpoint(transport).to_string()]);
        command.arg(fleet.emulator.id_scope()).arg(&ca).arg(transport.as_str()).args(name);
        command.env_remove("DPS_RIOT_COMMON_NAME");
        command.envs(variable.map(|name| ("DPS_RIOT_COMMON_NAME", name)));
        finish(&mut command).success()
    };
    for transport in [Transport::Mqtt, Transport::Http] {
        for (name, variable, id) in [
            (None, None, "riot-device-cert"),
            (None, Some("by-variable"), "by-variable"),
            (Some("by-call"), Some("by-variable"), "by-call"),
            (Some("single"), None, "single"),
        ] {
            let finished = register(transport, name, variable);
            let line = format!("contoso-hub.localhost {id}\n");
            assert_eq!(finished.stdout, line, "{transport:?}: {}", finished.stderr);
        }
    }
}

#[test]
fn riot_and_certificates_asked_for_together_are_refused() {
    let refused = configure("c-riot-refused", &["-Dhsm_type_x509=ON"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("hsm_type_x509"), "{}", refused.stderr);
}
