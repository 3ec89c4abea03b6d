//! C programs against a libdps with PKCS#11, and SoftHSM as the token.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dps_client::Transport;
use dps_tests::{Fleet, KeyKind, PIN, SoftHsm, root, run};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The C test programs, linked with a library that has PKCS#11. Unoptimised, so that it shares
/// what cargo has built for the tests.
fn build() -> PathBuf {
    let folder = root().join("target/c-pkcs11");
    let tests = std::env::current_exe().unwrap();
    let cargo = tests.ancestors().nth(3).unwrap();
    let mut configure = Command::new("cmake");
    configure
        .args(["-DDPS_PKCS11=ON", "-Dbuild_c_tests=ON", "-Dskip_samples=ON", "-DDPS_SHARED=OFF"])
        .args(["-DDPS_INSTALL=OFF", "-DDPS_CARGO_PROFILE=dev", "-DDPS_CARGO_FLAGS=--locked"])
        .arg(format!("-DDPS_CARGO_TARGET_DIR={}", cargo.display()))
        .arg("-S")
        .arg(root())
        .arg("-B")
        .arg(&folder);
    run(&mut configure, Duration::from_secs(120)).success();
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder).args(["--target", "dps_c_scenarios"]);
    run(&mut build, Duration::from_secs(1800)).success();
    folder.join("tests/c/dps_c_scenarios")
}

#[test]
fn c_programs_register_with_keys_in_a_token() {
    let program = build();
    let fleet = Fleet::start();
    let base64 = fleet.key_device().key().to_base64();
    let scenario = |hsm: &SoftHsm, kind: &str, name: &str, transport: Transport, more: &[&str]| {
        let ca = hsm.file("ca.pem", fleet.emulator.ca_pem());
        let mut command = hsm.command(&program);
        command
            .args([kind, name, "--endpoint", &fleet.endpoint(transport).to_string()])
            .args(["--id-scope", fleet.emulator.id_scope(), "--transport", transport.as_str()])
            .arg("--ca")
            .arg(&ca)
            .args(more)
            .env("DPS_TEST_MODULE", SoftHsm::module())
            .env("DPS_TEST_PIN", PIN)
            .env("DPS_TEST_KEY", base64.as_str())
            .env_remove("PKCS11_MODULE_PATH")
            .env_remove("PKCS11_PIN");
        run(&mut command, Duration::from_secs(60)).success();
    };
    // What the environment would say otherwise.
    let access = format!("module-path={}&pin-value={PIN}", SoftHsm::module().display());
    let key = format!("pkcs11:token=fleet;object=device?{access}");
    let with_keys = |hsm: &SoftHsm, kind: &str| {
        for transport in Transport::ALL {
            let device = ["--registration-id", "key-device", "--key", &key];
            scenario(hsm, kind, "success", transport, &device);
        }
        scenario(hsm, kind, "pkcs11_hub_tokens", Transport::Mqtt, &["--key", &key]);
        // Its PIN comes from a function.
        let device = ["--registration-id", "key-device", "--key", "pkcs11:object=device"];
        scenario(hsm, kind, "pkcs11_slow_token", Transport::Mqtt, &device);
    };
    let with_certificates = |hsm: &SoftHsm, kind: &str| {
        for transport in Transport::ALL {
            for (key, label) in [(KeyKind::P256, "p256"), (KeyKind::Rsa, "rsa")] {
                let name = format!("{kind}-{}-{label}", transport.as_str());
                let certificate = hsm.file(&name, fleet.chain(&name, key));
                let uri = format!("pkcs11:token=fleet;object={label}?{access}");
                let uri = hsm.file(&format!("{name}-key"), uri);
                let (certificate, uri) = (certificate.to_str().unwrap(), uri.to_str().unwrap());
                let device = ["--registration-id", &name, "--cert", certificate, "--cert-key", uri];
                scenario(hsm, kind, "success", transport, &device);
            }
        }
        let name = format!("{kind}-options");
        let certificate = hsm.file(&name, fleet.chain(&name, KeyKind::P384));
        let device = ["--registration-id", &name, "--cert", certificate.to_str().unwrap()];
        scenario(hsm, kind, "pkcs11_options", Transport::Mqtt, &device);
    };
    // At the same time: most of it is waiting. One device registers once at a time, and each has a token
    // of its own: SoftHSM rewrites one at each login, and has none while another process does that.
    thread::scope(|scope| {
        scope.spawn(|| {
            let hsm = SoftHsm::start(&["fleet"]);
            hsm.import_secret("fleet", "device", &BASE64.decode(base64.as_bytes()).unwrap());
            for kind in ["ll", "threaded"] {
                with_keys(&hsm, kind);
            }
        });
        for kind in ["ll", "threaded"] {
            let with_certificates = &with_certificates;
            scope.spawn(move || {
                let hsm = SoftHsm::start(&["fleet"]);
                hsm.import_pair("fleet", "p256", "01", KeyKind::P256.pem());
                hsm.import_pair("fleet", "rsa", "02", KeyKind::Rsa.pem());
                hsm.import_pair("fleet", "p384", "03", KeyKind::P384.pem());
                with_certificates(&hsm, kind);
            });
        }
    });
}
