//! The local service's page in a real browser: Chromium, which a script of Node.js uses as a person
//! would. What a device or another program does meanwhile, the script asks of this test.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_client::hub::{HubClient, Incoming, Message};
use dps_client::{
    Assignment, Builder, Endpoint, RegistrationId, SymmetricKey, Transport, TrustAnchors,
};
use dps_emulator::IndividualEnrollmentConfig;
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, Fleet, Folder, KeyKind, SoftwareTpm, root};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that a script may take.
const PATIENCE: Duration = Duration::from_secs(240);
const SECONDS_10: Duration = Duration::from_secs(10);

/// A script with its browser. Both end with it.
struct Script {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    errors: Option<thread::JoinHandle<String>>,
    _profile: Folder,
    _turn: MutexGuard<'static, ()>,
}

/// Where the pictures of the views are put.
fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn chromium() -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)))
        .find(|path| path.is_file());
    found.expect("there is no chromium on the PATH; tests/run installs what the tests need")
}

impl Script {
    fn start(name: &str, fleet: &Fleet, more: Value) -> Self {
        // A browser keeps the machine busy: one at a time.
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = root().join("tests/web");
        assert!(
            folder.join("node_modules").is_dir(),
            "tests/web lacks its packages; tests/run installs what the tests need"
        );
        let profile = Folder::new("web");
        let ca = profile.path().join("ca.pem");
        fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
        let port = fleet.emulator.https_address().port();
        let mut settings = json!({
            "executable": chromium(),
            "url": format!("https://localhost:{port}/"),
            "port": port,
            "ca": ca,
            "profile": profile.path().join("profile"),
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let mut child = Command::new("node")
            .arg(folder.join(name))
            .env_remove("NODE_OPTIONS")
            // Chromium keeps files there.
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node cannot be started; tests/run installs what the tests need");
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{settings}").unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut output = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { child, input, lines, errors: Some(errors), _profile: profile, _turn: turn }
    }

    /// Does what the script asks for until it is through. Fails when it fails or takes too long.
    fn play(mut self, mut device: Device<'_>) {
        let started = Instant::now();
        let mut is_through = false;
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else { break };
            let asked: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if asked["do"] == "end" {
                is_through = true;
                continue;
            }
            let answer = device.does(&asked).unwrap_or_else(|error| json!({"error": error}));
            if writeln!(self.input, "{answer}").is_err() {
                break;
            }
        }
        let too_long = started.elapsed() >= PATIENCE;
        self.end();
        let errors = self.errors.take().unwrap().join().unwrap();
        assert!(is_through, "the script has failed (too long: {too_long})\n{errors}");
    }
}

impl Script {
    /// The browser listens to the script by a pipe, and ends with it.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.end();
    }
}

/// A device, and what else happens away from the page.
struct Device<'a> {
    fleet: &'a Fleet,
    line: Authority,
    tpm: SoftwareTpm,
    hub: Option<HubClient>,
}

impl<'a> Device<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        let tpm = SoftwareTpm::new(7).named("tpm-device");
        Self { fleet, line: Authority::root("Line 7"), tpm, hub: None }
    }

    fn does(&mut self, asked: &Value) -> Result<Value, String> {
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        match text("do") {
            "register" => Ok(registered(self.fleet.client(Transport::Mqtt, hsm(asked)))),
            "registerCertified" => {
                let pem = self.line.device(text("id"), KeyKind::P256);
                let key = KeyKind::P256.pem();
                let hsm = X509Hsm::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
                Ok(registered(self.fleet.client(Transport::Amqp, hsm)))
            }
            "registerTpm" => Ok(registered(self.fleet.client(Transport::Http, self.tpm.clone()))),
            "connect" => {
                let mut hub = self.client(asked)?;
                hub.connect().map_err(|error| error.to_string())?;
                self.hub = Some(hub);
                Ok(json!({}))
            }
            "knock" => match self.client(asked)?.connect() {
                Ok(()) => Err("the hub has let it in".to_owned()),
                Err(error) => Ok(json!({"refused": error.to_string()})),
            },
            "send" => {
                let mut message = match asked["bytes"].as_array() {
                    Some(bytes) => {
                        let bytes = bytes.iter().map(|byte| byte.as_u64().unwrap() as u8);
                        Message::new(bytes.collect::<Vec<u8>>())
                    }
                    None => Message::new(text("body").as_bytes().to_vec()),
                };
                for (name, value) in asked["properties"].as_object().into_iter().flatten() {
                    message = message.property(name, value.as_str().unwrap());
                }
                self.at_hub().send(&message).map_err(|error| error.to_string())?;
                Ok(json!({}))
            }
            "report" => {
                let reported = self.at_hub().report(text("patch"));
                reported.map_err(|error| error.to_string()).map(|version| json!(version))?;
                Ok(json!({}))
            }
            "desired" => match self.at_hub().receive(SECONDS_10).unwrap() {
                Some(Incoming::Desired(update)) => Ok(json!({"desired": update.patch})),
                other => Err(format!("no desired properties but {other:?}")),
            },
            "message" => match self.at_hub().receive(SECONDS_10).unwrap() {
                Some(Incoming::Message(message)) => {
                    Ok(json!({"body": String::from_utf8(message.body).unwrap()}))
                }
                other => Err(format!("no message but {other:?}")),
            },
            "disconnect" => {
                self.at_hub().disconnect();
                Ok(json!({}))
            }
            "group" => {
                let groups = self.fleet.emulator.groups();
                let group = groups.iter().find(|group| group.enrollment_group_id == text("id"));
                let group = group.map(|group| {
                    let keys = group.symmetric_keys().unwrap();
                    json!({
                        "status": group.provisioning_status,
                        "edge": group.placement.capabilities.iot_edge,
                        "primary": keys.primary.to_base64().as_str(),
                        "secondary": keys.secondary.to_base64().as_str(),
                    })
                });
                Ok(json!({"group": group}))
            }
            other => Err(format!("{other} is nothing that this test can do")),
        }
    }

    /// The client of a device at its hub.
    fn client(&self, asked: &Value) -> Result<HubClient, String> {
        let text = |name: &str| asked[name].as_str().unwrap();
        let port = self.fleet.endpoint(Transport::Mqtt).port().unwrap();
        HubClient::builder(text("hub"), text("deviceId"))
            .connect_to(Endpoint::parse(text("hub")).unwrap().at(port))
            .trust_anchors(TrustAnchors::pem(self.fleet.emulator.ca_pem()))
            .request_timeout(SECONDS_10)
            .hsm(hsm(asked))
            .build()
            .map_err(|error| error.to_string())
    }

    fn at_hub(&mut self) -> &mut HubClient {
        self.hub.as_mut().expect("the script connects first")
    }
}

fn registered(client: Builder) -> Value {
    match client.build().unwrap().register() {
        Ok(Assignment { hub, device_id, .. }) => {
            json!({"assignedHub": hub, "deviceId": device_id})
        }
        Err(error) => json!({"refused": error.to_string()}),
    }
}

fn hsm(asked: &Value) -> SymmetricKeyHsm {
    let id = RegistrationId::new(asked["id"].as_str().unwrap()).unwrap();
    SymmetricKeyHsm::new(id, SymmetricKey::from_base64(asked["key"].as_str().unwrap()).unwrap())
}

/// The key of the device that every fleet has.
fn with_key(fleet: &Fleet) -> Value {
    let enrollments = fleet.emulator.enrollments();
    let mut found = enrollments.iter();
    let found = found.find(|one| one.registration_id.as_str() == "key-device").unwrap();
    json!({"key": found.symmetric_keys().unwrap().primary.to_base64().as_str()})
}

#[test]
fn an_operator_does_everything_with_the_page_and_sees_devices_arrive() {
    let fleet = Fleet::start();
    Script::start("operate.mjs", &fleet, json!({})).play(Device::of(&fleet));
}

#[test]
fn an_operator_enrolls_devices_with_keys_certificates_and_a_tpm() {
    let fleet = Fleet::start_with(|config| {
        let ids = (0..150).map(|number| RegistrationId::new(format!("sn-{number:03}")).unwrap());
        config.enrollments.extend(ids.map(IndividualEnrollmentConfig::new));
    });
    let device = Device::of(&fleet);
    let folder = Folder::new("web-authority");
    let authority = folder.path().join("line-7.pem");
    fs::write(&authority, device.line.pem()).unwrap();
    let settings = json!({
        "authority": authority,
        "endorsementKey": STANDARD.encode(&device.tpm.keys().endorsement_key),
        "key": STANDARD.encode([7; 64]),
    });
    Script::start("enroll.mjs", &fleet, settings).play(device);
}

#[test]
fn an_operator_lets_the_service_misbehave() {
    let fleet = Fleet::start();
    Script::start("faults.mjs", &fleet, with_key(&fleet)).play(Device::of(&fleet));
}

#[test]
fn nothing_gets_lost_neither_what_was_typed_nor_the_place_nor_what_comes_later() {
    let fleet = Fleet::start_with(|config| {
        let ids = (0..120).map(|number| RegistrationId::new(format!("sn-{number:03}")).unwrap());
        config.enrollments.extend(ids.map(IndividualEnrollmentConfig::new));
    });
    let mut settings = with_key(&fleet);
    settings["enrollments"] = json!(fleet.emulator.enrollments().len());
    Script::start("patient.mjs", &fleet, settings).play(Device::of(&fleet));
}

#[test]
fn a_page_that_others_can_open_wants_the_token() {
    let fleet = Fleet::start_with(|config| config.address = "0.0.0.0".parse().unwrap());
    let token = fleet.emulator.summary().page_token;
    Script::start("login.mjs", &fleet, json!({"pictures": pictures(), "token": token}))
        .play(Device::of(&fleet));
}

#[test]
fn what_devices_send_stays_text() {
    let fleet = Fleet::start();
    Script::start("hostile.mjs", &fleet, json!({})).play(Device::of(&fleet));
}

#[test]
fn every_view_is_accessible_in_light_and_dark_and_fits_a_narrow_screen() {
    let fleet = Fleet::start();
    let mut settings = with_key(&fleet);
    settings["pictures"] = json!(pictures());
    Script::start("accessible.mjs", &fleet, settings).play(Device::of(&fleet));
}
