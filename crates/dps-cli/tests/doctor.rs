//! `dps doctor` against what stands between a device and the service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{
    Authority, Finished, Fleet, KeyKind, RunningProxy, ServerKind, run, self_signed_server,
};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// A file that is gone when its test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("dps-doctor-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn doctor(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.arg("doctor").args(arguments);
    for name in ["PROVISIONING_HOST", "PROVISIONING_IDSCOPE"] {
        command.env_remove(name);
    }
    for name in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    run(&mut command, Duration::from_secs(60))
}

/// The options that lead to the fleet's doors.
fn ports(fleet: &Fleet) -> [String; 6] {
    let emulator = &fleet.emulator;
    let port = |address: SocketAddr| address.port().to_string();
    [
        "--mqtt-port".into(),
        port(emulator.mqtt_address()),
        "--amqp-port".into(),
        port(emulator.amqp_address()),
        "--https-port".into(),
        port(emulator.https_address()),
    ]
}

fn look(fleet: &Fleet, arguments: &[&str]) -> Finished {
    let ports = ports(fleet);
    let mut all = vec!["--endpoint", "127.0.0.1"];
    all.extend(ports.iter().map(String::as_str));
    all.extend(arguments);
    doctor(&all)
}

/// The one line that begins so.
fn line<'a>(finished: &'a Finished, begin: &str) -> &'a str {
    let mut lines = finished.stdout.lines().filter(|line| line.starts_with(begin));
    match (lines.next(), lines.next()) {
        (Some(line), None) => line,
        _ => panic!("not one line {begin:?} in:\n{}\n{}", finished.stdout, finished.stderr),
    }
}

#[test]
fn a_service_without_obstacles_is_seen_through_every_transport() {
    let fleet = Fleet::start();
    let ca = Scratch::new("good.pem", fleet.emulator.ca_pem());
    let finished = look(&fleet, &["--trusted-cert", ca.path()]).success();
    for transport in ["mqtt ", "mqtt-ws ", "http ", "amqp ", "amqp-ws "] {
        let line = line(&finished, transport);
        assert!(line.contains(" ok ") && line.contains("made-up device"), "{line}");
    }
    assert!(line(&finished, "Clock").contains("within 1 s"), "{}", finished.stdout);
    assert!(line(&finished, "Summary").contains("nothing is in the way"));
    // The chain is the same at all doors and is shown once, with the anchor it leads to.
    assert!(finished.stdout.contains("server   CN=dps emulator, until"));
    assert!(line(&finished, "           anchor").contains("CN=dps emulator CA"));
}

#[test]
fn json_holds_the_same_findings() {
    let fleet = Fleet::start();
    let ca = Scratch::new("json.pem", fleet.emulator.ca_pem());
    let finished = look(&fleet, &["--trusted-cert", ca.path(), "--output", "json"]).success();
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found["ok"], true);
    assert_eq!(found["transports"].as_array().unwrap().len(), 5);
    assert_eq!(found["ports"].as_array().unwrap().len(), 3);
    let port = &found["ports"][0];
    assert_eq!(port["port"], fleet.emulator.mqtt_address().port());
    assert_eq!(port["tlsVersion"], "TLS 1.3");
    assert_eq!(port["chain"][0]["subject"], "CN=dps emulator");
    assert!(port["anchor"].as_str().unwrap().starts_with("CN=dps emulator CA"));
    assert!(found["clock"]["aheadSeconds"].as_i64().unwrap().abs() <= 2);

    let other = Scratch::new("other.pem", &Authority::root("Other").pem());
    let finished = look(&fleet, &["--trusted-cert", other.path(), "--output", "json"]);
    assert_eq!(finished.code, Some(5));
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found["ok"], false);
    assert_eq!(found["summary"], "no transport works");
    assert_eq!(found["ports"][0]["anchor"], Value::Null);
    assert!(found["ports"][0]["hint"].as_str().unwrap().contains("--trusted-cert"));
}

#[test]
fn only_the_transport_that_is_blocked_is_blamed() {
    let fleet = Fleet::start();
    let ca = Scratch::new("part.pem", fleet.emulator.ca_pem());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let https = fleet.emulator.https_address().port().to_string();
    let mqtt = fleet.emulator.mqtt_address().port().to_string();
    let finished = doctor(&[
        "--endpoint",
        "127.0.0.1",
        "--trusted-cert",
        ca.path(),
        "--mqtt-port",
        &mqtt,
        "--https-port",
        &https,
        "--amqp-port",
        &gone,
    ]);
    assert_eq!(finished.code, Some(4));
    assert!(
        line(&finished, "Summary").contains("amqp blocked; use mqtt or mqtt-ws or http or amqp-ws")
    );
    assert!(line(&finished, &format!("Port {gone}")).contains("FAILED"));
    // One alone.
    let endpoint = format!("127.0.0.1:{mqtt}");
    let one = ["--endpoint", &endpoint, "--trusted-cert", ca.path(), "--transport", "mqtt"];
    assert!(!doctor(&one).success().stdout.contains("amqp"));
    // A port cannot be all transports'.
    let all = doctor(&["--endpoint", &endpoint, "--trusted-cert", ca.path()]);
    assert_eq!(all.code, Some(2));
    assert!(all.stderr.contains("--mqtt-port"), "{}", all.stderr);
}

/// Accepts one connection and answers the first bytes with these.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn what_listens_there_instead_is_told() {
    for (answer, stage, words, code) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "tls:", "speaks TLS", 5),
        (b"", "tls:", "does not answer", 4),
    ] {
        let endpoint = answering(answer).to_string();
        let finished = doctor(&["--endpoint", &endpoint, "--transport", "mqtt", "--timeout", "2"]);
        assert_eq!(finished.code, Some(code), "{}", finished.stdout);
        let line = line(&finished, "Port");
        assert!(line.contains("FAILED") && line.contains(stage), "{line}");
        assert!(finished.stdout.contains(words), "{}", finished.stdout);
    }
}

#[test]
fn bad_certificates_are_explained() {
    let root = Authority::root("Doctor root");
    let trusted = Scratch::new("root.pem", &root.pem());
    for (certificate, words) in [
        (root.server("other.example", KeyKind::P256, ServerKind::Valid), "for other.example"),
        (root.server("localhost", KeyKind::P256, ServerKind::Expired), "valid until Jan  1"),
        (self_signed_server("localhost", KeyKind::P256), "self-signed"),
    ] {
        // stunnel is a TLS server like any other.
        let server = RunningProxy::start_tls(None, &certificate, KeyKind::P256.pem());
        let endpoint = format!("localhost:{}", server.address().port());
        let finished = doctor(&[
            "--endpoint",
            &endpoint,
            "--transport",
            "http",
            "--trusted-cert",
            trusted.path(),
        ]);
        assert_eq!(finished.code, Some(5), "{}", finished.stdout);
        assert!(finished.stdout.contains(words), "{words}: {}", finished.stdout);
    }
}

#[test]
fn a_proxy_is_looked_through_and_its_password_is_never_shown() {
    let fleet = Fleet::start();
    let ca = Scratch::new("proxy.pem", fleet.emulator.ca_pem());
    let proxy = RunningProxy::start(Some(("operator", "s3cret")));
    let url = |password: &str| format!("http://operator:{password}@{}", proxy.address());
    let good = look(&fleet, &["--trusted-cert", ca.path(), "--proxy", &url("s3cret")]).success();
    assert!(line(&good, "Summary").contains("nothing is in the way"));
    assert!(proxy.tunnels() >= 5);
    let bad = look(&fleet, &["--trusted-cert", ca.path(), "--proxy", &url("wr0ng")]);
    assert_eq!(bad.code, Some(4));
    assert!(bad.stdout.contains("proxy: the proxy refused the tunnel"), "{}", bad.stdout);
    for finished in [good, bad] {
        let all = finished.stdout + &finished.stderr;
        assert!(!all.contains("s3cret") && !all.contains("wr0ng") && !all.contains("operator"));
    }
}

#[test]
fn a_login_page_is_not_taken_for_the_service() {
    let root = Authority::root("Portal root");
    let trusted = Scratch::new("portal.pem", &root.pem());
    let certificate = root.server("localhost", KeyKind::P256, ServerKind::Valid);
    for answer in [
        &b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ] {
        let server =
            RunningProxy::tls_in_front_of(answering(answer), &certificate, KeyKind::P256.pem());
        let endpoint = format!("localhost:{}", server.address().port());
        let finished = doctor(&[
            "--endpoint",
            &endpoint,
            "--transport",
            "http",
            "--trusted-cert",
            trusted.path(),
        ]);
        assert_eq!(finished.code, Some(10), "{}", finished.stdout);
        assert!(line(&finished, "http ").contains("FAILED"), "{}", finished.stdout);
        assert!(
            finished.stdout.contains("may not be a provisioning service"),
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn exceptions_from_the_proxy_count_port_by_port() {
    let fleet = Fleet::start();
    let ca = Scratch::new("exceptions.pem", fleet.emulator.ca_pem());
    let proxy = RunningProxy::start(None);
    // Names of this machine never go through a proxy of the environment, so another one is asked for.
    let mqtt = fleet.emulator.mqtt_address().port();
    let https = fleet.emulator.https_address().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(["doctor", "--endpoint", "dps.invalid", "--trusted-cert", ca.path()]);
    command.args(["--mqtt-port", &mqtt.to_string(), "--https-port", &https.to_string()]);
    command.env("HTTPS_PROXY", format!("http://{}", proxy.address()));
    command.env("NO_PROXY", format!("dps.invalid:{https}"));
    let finished = run(&mut command, Duration::from_secs(60));
    let after = |port: u16| {
        let begin = format!("Port {port}");
        let mut lines = finished.stdout.lines().skip_while(|line| !line.starts_with(&begin));
        lines.next().unwrap_or_else(|| panic!("{}{}", finished.stdout, finished.stderr)).to_owned()
    };
    assert!(after(mqtt).contains("proxy:"), "{}", finished.stdout);
    assert!(after(https).contains("resolve:"), "{}", finished.stdout);
}
