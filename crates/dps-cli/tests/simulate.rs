//! `dps simulate` and `dps emulator hosts` as their users run them.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::Transport;
use dps_emulator::Message;
use dps_tests::{Finished, Fleet, Proof, run};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const HUB: &str = "contoso-hub.localhost";

fn dps(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(arguments);
    for name in ["HOST", "IDSCOPE", "REGISTRATION_ID", "SYMMETRIC_KEY"] {
        command.env_remove(format!("PROVISIONING_{name}"));
    }
    for name in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn finish(mut command: Command) -> Finished {
    run(&mut command, Duration::from_secs(30))
}

/// A local service in this process, and the files that its devices need.
struct Line {
    fleet: Fleet,
    folder: PathBuf,
}

impl Line {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dps-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let fleet = Fleet::start();
        fs::write(folder.join("ca.pem"), fleet.emulator.ca_pem()).unwrap();
        Self { fleet, folder }
    }

    fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.folder.join(name), content).unwrap();
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// The command for a device of the group with keys.
    fn simulate(&self, transport: Transport, id: &str, more: &[&str]) -> Command {
        let key = self.file(&format!("{id}.key"), &self.fleet.derived_key(id).to_base64());
        let mut command = self.command(transport, more);
        command.args(["--registration-id", id, "--key-file", &key]);
        command
    }

    fn command(&self, transport: Transport, more: &[&str]) -> Command {
        let endpoint = self.fleet.endpoint(transport).to_string();
        let mut command = dps(&["simulate", "--transport", transport.as_str()]);
        command
            .args(["--endpoint", &endpoint, "--id-scope", self.fleet.emulator.id_scope()])
            .args(["--trusted-cert", self.folder.join("ca.pem").to_str().unwrap()])
            .args(["--timeout", "20", "--interval", "0.01"])
            .args(more);
        command
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_device_registers_and_sends_what_the_hub_then_has() {
    let line = Line::start("simulate");
    let hub = line.fleet.emulator.hub(HUB).unwrap();
    // Over each transport of the service that has its hub behind the same door.
    for transport in [Transport::Mqtt, Transport::MqttWs, Transport::Http, Transport::AmqpWs] {
        let id = format!("device-{transport}");
        let command = line.simulate(transport, &id, &["--messages", "3"]);
        let out = finish(command).success().stdout;
        assert!(out.contains(&format!("{HUB}, deviceId: {id}\n")), "{out}");
        assert!(out.contains("Connected to the hub\n"), "{out}");
        let kept = hub.telemetry(&id).unwrap();
        assert_eq!(kept.len(), 3);
        for telemetry in &kept {
            let body: Value = serde_json::from_slice(&telemetry.body).unwrap();
            let (temperature, humidity) = (&body["temperature"], &body["humidity"]);
            assert!((20.0..=32.0).contains(&temperature.as_f64().unwrap()), "{body}");
            assert!((60.0..=80.0).contains(&humidity.as_f64().unwrap()), "{body}");
            let alert = temperature.as_f64().unwrap() > 30.0;
            let said = telemetry.properties["temperatureAlert"].clone();
            assert_eq!(said, Some(alert.to_string()));
            assert_eq!(telemetry.properties["$.ct"].as_deref(), Some("application/json"));
            assert!(out.contains(&String::from_utf8(telemetry.body.clone()).unwrap()), "{out}");
        }
        assert!(
            out.ends_with("Twin: {\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}\n"),
            "{out}"
        );
    }
}

#[test]
fn a_device_with_a_certificate_prints_one_json_document() {
    let line = Line::start("simulate-json");
    let pem = line.file("sn-7.pem", &line.fleet.certified("sn-7"));
    // AMQP's door has no hubs behind it: the way to them is given.
    let door = line.fleet.endpoint(Transport::MqttWs).to_string();
    let command = line.command(
        Transport::Amqp,
        &["--cert", &pem, "--cert-key", &pem, "--messages", "2", "--output", "json"],
    );
    let mut command = command;
    command.args(["--hub-transport", "mqtt-ws", "--hub-endpoint", &door]);
    let out = finish(command).success().stdout;
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["status"], "assigned");
    assert_eq!((&value["deviceId"], &value["assignedHub"]), (&json!("sn-7"), &json!(HUB)));
    assert_eq!((&value["hubTransport"], &value["messagesSent"]), (&json!("mqtt-ws"), &json!(2)));
    assert_eq!(value["twin"]["desired"], json!({"$version": 1}));
    assert_eq!(line.fleet.emulator.hub(HUB).unwrap().telemetry_count("sn-7"), Ok(2));
}

#[test]
fn what_the_hub_says_is_printed() {
    let line = Line::start("simulate-listens");
    let device = line.fleet.device(Transport::Mqtt, Proof::KeyGroup, "listener");
    device.build().unwrap().register().unwrap();
    let hub = line.fleet.emulator.hub(HUB).unwrap();
    hub.send("listener", Message::new("wake\u{1b}[31m up")).unwrap();
    let out = finish(line.simulate(Transport::Mqtt, "listener", &[])).success().stdout;
    assert!(out.contains("From the hub: wake\\u{1b}[31m up\n"), "{out}");
    assert_eq!((hub.telemetry_count("listener"), hub.waiting("listener")), (Ok(5), Ok(0)));
}

#[test]
fn a_hub_that_cannot_be_reached_is_told_from_a_registration_that_failed() {
    let line = Line::start("simulate-fails");
    // Nobody listens at port 1.
    let nowhere = ["--hub-endpoint", "127.0.0.1:1"];
    let finished = finish(line.simulate(Transport::Mqtt, "lost", &nowhere));
    assert_eq!(finished.code, Some(4));
    assert!(
        finished.stderr.contains("registered, but could not work with its hub"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("stage:   connect"), "{}", finished.stderr);
    let more = [&nowhere[..], &["--output", "json"]].concat();
    let finished = finish(line.simulate(Transport::Mqtt, "lost", &more));
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((finished.code, &value["stage"]), (Some(4), &json!("connect")));

    let key = line.file("wrong.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let mut command = line.command(Transport::Mqtt, &["--registration-id", "lost"]);
    command.args(["--key-file", &key]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(6));
    assert!(finished.stderr.contains("the device is not registered"), "{}", finished.stderr);

    for wrong in
        [["--interval", "-1"], ["--hub-endpoint", "https://x"], ["--hub-transport", "http"]]
    {
        let finished = finish(line.simulate(Transport::Mqtt, "lost", &wrong));
        assert_eq!(finished.code, Some(2), "{wrong:?} {}", finished.stderr);
    }
}

#[test]
fn hosts_names_the_service_and_its_hubs() {
    let out = finish(dps(&["emulator", "hosts"])).success().stdout;
    let lines: Vec<&str> = out.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        ["127.0.0.1\tglobal.azure-devices-provisioning.net", "127.0.0.1\tcontoso-hub.localhost",]
    );
    let line = Line::start("hosts");
    let config = line.file(
        "config.yaml",
        "{address: 0.0.0.0, hubs: [east.test, west.test], serverNames: [my-dps.test, 192.0.2.7]}",
    );
    let out = finish(dps(&["emulator", "hosts", "--config", &config])).success().stdout;
    assert!(
        out.contains("127.0.0.1\teast.test\n127.0.0.1\twest.test\n127.0.0.1\tmy-dps.test\n"),
        "{out}"
    );
    assert!(!out.contains("192.0.2.7"));
    let with = ["emulator", "hosts", "--config", &config, "--address", "192.0.2.7"];
    let out = finish(dps(&with)).success().stdout;
    assert!(out.contains("192.0.2.7\twest.test\n"), "{out}");
}
