//! The arrows between crates (docs/architecture.md) and what they pull in.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{root, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(root());
    run(&mut command, Duration::from_secs(120)).success().stdout
}

fn metadata(arguments: &[&str]) -> Value {
    let mut all = vec!["metadata", "--format-version", "1", "--locked", "--all-features"];
    all.extend_from_slice(arguments);
    serde_json::from_str(&cargo(&all)).unwrap()
}

/// The workspace's own crates that `package` needs outside its tests.
fn own_dependencies(package: &Value) -> BTreeSet<&str> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .filter(|name| name.starts_with("dps-"))
        .collect()
}

#[test]
fn arrows_run_as_designed() {
    let allowed: &[(&str, &[&str])] = &[
        ("dps-core", &[]),
        ("dps-transport", &["dps-core"]),
        ("dps-transport-amqp", &["dps-core"]),
        ("dps-transport-http", &["dps-core"]),
        ("dps-transport-mqtt", &["dps-core"]),
        ("dps-hub-mqtt", &["dps-core"]),
        ("dps-hsm-custom", &["dps-core", "dps-hsm-x509"]),
        ("dps-hsm-openssl", &["dps-core", "dps-hsm-x509"]),
        ("dps-hsm-pkcs11", &["dps-core", "dps-hsm-x509"]),
        ("dps-hsm-dice", &["dps-core", "dps-hsm-x509"]),
        ("dps-hsm-symm-key", &["dps-core"]),
        ("dps-hsm-tpm", &["dps-core"]),
        ("dps-hsm-x509", &["dps-core"]),
        (
            "dps-client",
            &[
                "dps-core",
                "dps-hub-mqtt",
                "dps-transport",
                "dps-transport-amqp",
                "dps-transport-http",
                "dps-transport-mqtt",
            ],
        ),
        ("dps-emulator", &["dps-core"]),
        ("dps-service", &["dps-core"]),
        (
            "dps-ffi",
            &[
                "dps-client",
                "dps-hsm-custom",
                "dps-hsm-dice",
                "dps-hsm-pkcs11",
                "dps-hsm-symm-key",
                "dps-hsm-tpm",
                "dps-hsm-x509",
            ],
        ),
        (
            "dps-cli",
            &[
                "dps-client",
                "dps-emulator",
                "dps-hsm-dice",
                "dps-hsm-openssl",
                "dps-hsm-pkcs11",
                "dps-hsm-symm-key",
                "dps-hsm-tpm",
                "dps-hsm-x509",
                "dps-service",
            ],
        ),
        (
            "dps-tests",
            &[
                "dps-client",
                "dps-core",
                "dps-emulator",
                "dps-hsm-symm-key",
                "dps-hsm-x509",
                "dps-transport",
                "dps-transport-amqp",
                "dps-transport-http",
                "dps-transport-mqtt",
            ],
        ),
    ];
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), allowed.len(), "a crate is missing in this table");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, may) = allowed.iter().find(|(crate_name, _)| *crate_name == name).unwrap();
        let does = own_dependencies(package);
        assert!(does.iter().all(|needed| may.contains(needed)), "{name} needs {does:?}");
    }
}

#[test]
fn only_one_crate_of_the_device_side_names_rustls() {
    let metadata = metadata(&["--no-deps"]);
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let uses = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["name"] == "rustls" && d["kind"].is_null());
        let may = ["dps-transport", "dps-emulator", "dps-service", "dps-tests"].contains(&name);
        assert!(!uses || may, "{name} depends on rustls");
    }
}

#[test]
fn the_client_has_no_tokio_of_its_own() {
    // Direct dependants of tokio in the client's tree without features.
    let tree = cargo(&[
        "tree",
        "--locked",
        "-e",
        "normal",
        "-p",
        "dps-client",
        "-i",
        "tokio",
        "--prefix",
        "depth",
    ]);
    let direct: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.strip_prefix('1'))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(direct.contains("rumqttc"), "{tree}");
    let from_rumqttc = ["rumqttc", "tokio-stream", "tokio-util"];
    assert!(direct.iter().all(|name| from_rumqttc.contains(name)), "{direct:?}\n{tree}");
}

#[test]
fn the_c_library_has_no_session_with_the_hub() {
    let tree = cargo(&["tree", "--locked", "-e", "normal", "-p", "dps-ffi", "--prefix", "none"]);
    assert!(tree.contains("dps-transport-mqtt"), "{tree}");
    assert!(!tree.contains("dps-hub-mqtt"), "{tree}");
}

#[test]
fn only_a_feature_links_the_systems_tss2() {
    for package in ["dps-cli", "dps-client", "dps-ffi", "dps-emulator"] {
        let tree = cargo(&["tree", "--locked", "-e", "normal,build", "-p", package]);
        assert!(!tree.contains("tss-esapi"), "{package}:\n{tree}");
    }
    for package in ["dps-cli", "dps-ffi"] {
        let tree = cargo(&["tree", "--locked", "-e", "normal", "-p", package, "--features", "tpm"]);
        assert!(tree.contains("tss-esapi"), "{package}:\n{tree}");
    }
}

#[test]
fn no_dependency_needs_a_newer_rust_than_we_state() {
    let version = |text: &str| -> Vec<u32> {
        let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
        parts.resize(3, 0);
        parts
    };
    let metadata = metadata(&[]);
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|p| p["name"] == "dps-core").unwrap();
    let stated = version(ours["rust_version"].as_str().unwrap());
    let newer: Vec<String> = packages
        .iter()
        .filter(|p| p["rust_version"].as_str().is_some_and(|v| version(v) > stated))
        .map(|p| format!("{} needs {}", p["name"], p["rust_version"]))
        .collect();
    assert!(newer.is_empty(), "{newer:?}");
}
