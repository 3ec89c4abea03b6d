//! `dps hub` against `dps emulator`: hubs that are linked while the service runs, and devices that
//! land there.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey};
use dps_service::ServiceClient;
use dps_service::local::HubSettings;
use dps_tests::{Finished, RunningService, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const HOME: &str = "contoso-hub.localhost";
const LATE: &str = "late-hub.localhost";

fn dps(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(arguments);
    for name in ["HOST", "IDSCOPE", "REGISTRATION_ID", "SYMMETRIC_KEY"] {
        command.env_remove(format!("PROVISIONING_{name}"));
    }
    for name in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "DPS_CONNECTION_STRING"] {
        command.env_remove(name);
    }
    command
}

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("dps-hub-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A running `dps emulator`, and its folder, which goes with it.
struct Service {
    running: RunningService,
    folder: PathBuf,
}

impl Service {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let running = RunningService::start(dps(&[]), folder, &[more, &["-vvv"]].concat());
        Self { running, folder: folder.to_owned() }
    }

    fn ca(&self) -> &Path {
        self.running.ca()
    }

    fn connection_string(&self) -> &str {
        self.running.connection_string()
    }

    fn port(&self, door: &str) -> u64 {
        self.running.ready()[door]["port"].as_u64().unwrap()
    }

    /// `dps hub` with its arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = dps(&["hub"]);
        command.args(arguments).arg("--trusted-cert").arg(self.ca());
        command.env("DPS_CONNECTION_STRING", self.connection_string());
        command
    }

    fn hub(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments), Duration::from_secs(60))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.hub(&[arguments, &["--json"]].concat()).success();
        serde_json::from_str(&finished.stdout).unwrap()
    }

    fn client(&self) -> ServiceClient {
        ServiceClient::builder(self.connection_string().parse().unwrap())
            .trusted_certificates(fs::read_to_string(self.ca()).unwrap())
            .build()
            .unwrap()
    }

    /// `dps simulate` for a device of the built-in group.
    fn simulate(&self, id: &str, more: &[&str]) -> Command {
        let key = self.running.ready()["enrollmentGroups"][0]["primaryKey"].as_str().unwrap();
        let id_of = RegistrationId::new(id).unwrap();
        let key = SymmetricKey::from_base64(key).unwrap().derive(&id_of);
        let file = self.folder.join(format!("{id}.key"));
        let text: Zeroizing<String> = Zeroizing::new(key.to_base64().to_string());
        fs::write(&file, text.as_bytes()).unwrap();
        let mut command = dps(&["simulate", "--registration-id", id, "--timeout", "20"]);
        command
            .args(["--endpoint", &format!("127.0.0.1:{}", self.port("mqtt"))])
            .args(["--id-scope", self.running.ready()["idScope"].as_str().unwrap()])
            .args(["--key-file", file.to_str().unwrap()])
            .args(["--trusted-cert", self.ca().to_str().unwrap()])
            .args(more);
        command
    }

    fn simulated(&self, id: &str, more: &[&str]) -> Finished {
        run(&mut self.simulate(id, more), Duration::from_secs(60)).success()
    }

    /// A request as curl makes it; gives the status and the body.
    fn curl(&self, target: &str, more: &[&str]) -> (String, Value) {
        let url = format!("https://localhost:{}{target}", self.port("https"));
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "40", "--noproxy", "*"]);
        command.args(["--write-out", "\n%{http_code}", "--cacert"]).arg(self.ca());
        let finished = run(command.args(more).arg(url), Duration::from_secs(50)).success();
        let (body, status) = finished.stdout.rsplit_once('\n').unwrap();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (status.to_owned(), body)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.running.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_device_lands_in_a_hub_that_was_linked_a_moment_ago() {
    let service = Service::start(&folder("lands"), &[]);
    service.simulated("first", &["--messages", "1"]);
    let linked = service.json(&["link", "--hub-name", LATE, "--location", "westus2"]);
    assert_eq!((&linked["hostName"], &linked["region"]), (&json!(LATE), &json!("westus2")));
    let linked = service.json(&["link", "--hub-name", LATE, "--no-region"]);
    assert_eq!(linked.get("region"), None);
    let linked = service.json(&["link", "--hub-name", LATE, "--region", "westus2"]);
    assert_eq!(linked["region"], "westus2");
    // From now on everybody goes there; who is in the other hub stays in it.
    let text = service.hub(&["unlink", "--linked-hub", HOME]).success().stdout;
    assert_eq!(text, format!("The hub {HOME} is unlinked: it gets no more devices.\n"));

    let out = service.simulated("second", &["--messages", "3", "--interval", "0.01"]).stdout;
    assert!(out.contains(&format!("{LATE}, deviceId: second\n")), "{out}");
    let text = service.hub(&["list"]).success().stdout;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], [LATE, "true", "1", "true", "westus2", "1", "0"], "{text}");
    assert_eq!(rows[2], [HOME, "false", "-", "-", "-", "1", "0"], "{text}");
    let devices = service.json(&["devices", "--hub-name", LATE]);
    assert_eq!(devices[0]["deviceId"], "second");
    assert_eq!(devices[0]["telemetryCount"], 3);

    let messages = service.json(&["messages", "--hub-name", LATE, "--device-id", "second"]);
    assert_eq!(messages.as_array().unwrap().len(), 3);
    let body: Value = serde_json::from_str(messages[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"temperature": 28.0, "humidity": 66.7}));
    assert_eq!(messages[2]["properties"]["$.mid"], "3");
    let text = service
        .hub(&[
            "messages",
            "--hub-name",
            LATE,
            "--device-id",
            "second",
            "--after",
            "1",
            "--count",
            "1",
        ])
        .success()
        .stdout;
    assert!(text.starts_with("2  20") && text.lines().count() == 1, "{text}");
    let all = service.json(&["messages", "--hub-name", HOME, "--device-id", "first"]);
    assert_eq!(all.as_array().unwrap().len(), 1, "a hub that is not linked has its devices yet");
}

#[test]
fn a_device_gets_messages_and_desired_properties() {
    let service = Service::start(&folder("talks"), &[]);
    service.simulated("line-1", &["--messages", "0"]);
    // The only hub need not be named.
    let to = ["--device-id", "line-1"];
    let text = service
        .hub(&[&["send", "--data", "open the door", "--properties", "a=1;b=x=y"], &to[..]].concat())
        .success()
        .stdout;
    assert_eq!(text, "The message waits for the device.\n");
    let sent = service.json(&[&["send", "--data", "and close it"], &to[..]].concat());
    assert_eq!(sent, json!({"waitingMessages": 2}));
    let patch = [&["twin", "--desired", r#"{"interval":5}"#, "--tags", r#"{"hall":7}"#], &to[..]];
    let device = service.json(&patch.concat());
    assert_eq!(device["twin"]["tags"], json!({"hall": 7}));
    assert_eq!(device["twin"]["properties"]["desired"], json!({"interval": 5, "$version": 2}));
    assert_eq!(device["waitingMessages"], 2);

    let out = service.simulated("line-1", &["--messages", "2", "--interval", "0.5"]).stdout;
    assert!(out.contains("From the hub: open the door\n"), "{out}");
    assert!(out.contains("From the hub: and close it\n"), "{out}");
    assert!(out.contains(r#""interval":5"#), "{out}");
    let text = service.hub(&[&["twin"], &to[..]].concat()).success().stdout;
    assert!(text.contains("waitingMessages     0\n"), "{text}");
    assert!(text.contains("desired: {\"$version\":2,\"interval\":5}\n"), "{text}");
}

#[test]
fn a_device_is_deleted_from_its_hub_and_may_come_again() {
    let service = Service::start(&folder("deletes"), &[]);
    for id in ["line-1", "line-2"] {
        service.simulated(id, &["--messages", "1"]);
    }
    let table = service.hub(&["devices"]).success().stdout;
    assert!(table.lines().next().unwrap().contains("connected"), "{table}");
    let columns = service.hub(&["devices", "--help"]).success().stdout;
    assert!(columns.contains("whether it is connected"), "{columns}");

    let gone = ["delete-device", "--device-id", "line-1"];
    let text = service.hub(&gone).success().stdout;
    assert_eq!(text, format!("The device line-1 is deleted from the hub {HOME}.\n"));
    let devices = service.json(&["devices"]);
    assert_eq!(devices.as_array().unwrap().len(), 1, "{devices}");
    assert_eq!(devices[0]["deviceId"], "line-2");
    let finished = service.hub(&gone);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(7), ""));
    assert!(finished.stderr.contains("no such device"), "{}", finished.stderr);
    assert!(finished.stderr.contains("dps hub devices"), "{}", finished.stderr);
    let elsewhere = ["--hub-name", "no.localhost"];
    let finished = service.hub(&[&gone[..], &elsewhere].concat());
    assert_eq!(finished.code, Some(7), "{}", finished.stderr);
    assert!(finished.stderr.contains(HOME), "{}", finished.stderr);

    let text = service.hub(&["delete-device", "--device-id", "line-2", "--json"]).success().stdout;
    assert_eq!(text, "");
    // What lets it register is still there.
    service.simulated("line-1", &["--messages", "1"]);
    assert_eq!(service.json(&["devices"])[0]["telemetryCount"], 1, "a new one to its hub");
}

#[test]
fn messages_are_followed_until_there_are_enough_or_time_is_over() {
    let service = Service::start(&folder("follows"), &[]);
    service.simulated("dev-1", &["--messages", "1"]);
    let follow = ["messages", "--device-id", "dev-1", "--after", "1", "--follow", "--json"];
    let mut watching =
        service.command(&[&follow[..], &["--count", "3", "--timeout", "40"]].concat());
    let watcher = thread::spawn(move || run(&mut watching, Duration::from_secs(60)));
    thread::sleep(Duration::from_millis(300));
    service.simulated("dev-1", &["--messages", "4", "--interval", "0.2"]);
    let seen = watcher.join().unwrap().success().stdout;
    let numbers: Vec<u64> = seen
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 3, 4]);

    let late = ["messages", "--device-id", "dev-1", "--after", "5", "--follow", "--timeout", "1"];
    let begun = Instant::now();
    assert_eq!(service.hub(&late).success().stdout, "");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let finished = service.hub(&[&late[..], &["--count", "1"]].concat());
    assert_eq!(finished.code, Some(8), "{}", finished.stderr);
    assert!(finished.stderr.contains("0 of 1 messages came"), "{}", finished.stderr);
    let beyond = ["messages", "--device-id", "dev-1", "--after", "9", "--follow"];
    let finished = service.hub(&beyond);
    assert_eq!(finished.code, Some(7), "{}", finished.stderr);
    assert!(finished.stderr.contains("it has sent 5"), "{}", finished.stderr);
}

/// A device that sends without a pause until this is dropped.
struct Chatter(Child);

impl Drop for Chatter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn messages_end_although_the_device_sends_without_a_pause() {
    let service = Service::start(&folder("chatter"), &[]);
    service.simulated("dev-1", &["--messages", "1"]);
    let sent = || service.json(&["devices"])[0]["telemetryCount"].as_u64().unwrap();
    let mut chatter = service.simulate("dev-1", &["--messages", "4000000", "--interval", "0"]);
    let chatter = chatter.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _chatter = Chatter(chatter);
    let started = Instant::now();
    while sent() < 50 {
        assert!(started.elapsed() < Duration::from_secs(20), "the device is silent");
    }
    let prompt = |arguments: &[&str], limit: u64| {
        let before = sent();
        let begun = Instant::now();
        let command = [&["messages", "--device-id", "dev-1"][..], arguments].concat();
        let finished = run(&mut service.command(&command), Duration::from_secs(limit)).success();
        assert!(sent() > before, "the device has sent on");
        (finished.stdout, begun.elapsed())
    };
    // Only what there was when it looked.
    let before = sent();
    let (text, _) = prompt(&[], 20);
    let last: u64 = text.lines().last().unwrap().split_once(' ').unwrap().0.parse().unwrap();
    assert!((before..=sent()).contains(&last), "{before} {last}");

    let (text, elapsed) = prompt(&["--follow", "--timeout", "2"], 20);
    assert!(elapsed >= Duration::from_secs(2), "{elapsed:?}");
    let last: u64 = text.lines().last().unwrap().split_once(' ').unwrap().0.parse().unwrap();
    assert!(last > before, "it followed");
    // More seconds than any clock has.
    let longest = u64::MAX.to_string();
    let (text, _) = prompt(&["--follow", "--timeout", &longest, "--count", "2"], 20);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn what_was_linked_and_unlinked_outlives_kill_9() {
    let folder = folder("outlives");
    let state = folder.join("state.db");
    let state = ["--state", state.to_str().unwrap()];
    let mut service = Service::start(&folder, &state);
    // Enough writes that the last ones are not on the disk by chance.
    let client = service.client();
    for number in 0..20 {
        let name = format!("hub-{number}.localhost");
        client.local().link_hub(&name, &HubSettings::default()).unwrap();
    }
    for number in 0..19 {
        client.local().unlink_hub(&format!("hub-{number}.localhost")).unwrap();
    }
    client.local().unlink_hub(HOME).unwrap();
    service.running.kill();
    let mut service = Service::start(&folder, &state);
    let names = |service: &Service| -> Vec<String> {
        let hubs = service.json(&["list"]).as_array().unwrap().clone();
        hubs.iter().map(|hub| hub["hostName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&service), ["hub-19.localhost"]);
    // The service has a new certificate, which has the hub's name, too.
    let out = service.simulated("dev-1", &["--messages", "1"]).stdout;
    assert!(out.contains("hub-19.localhost, deviceId: dev-1\n"), "{out}");
    service.json(&["twin", "--device-id", "dev-1", "--desired", r#"{"interval":5}"#]);
    service.json(&["link", "--hub-name", HOME]);
    service.hub(&["unlink", "--hub-name", "hub-19.localhost"]).success();
    service.running.kill();

    // A hub that is only there for its device is in the certificate as well.
    let service = Service::start(&folder, &state);
    assert_eq!(names(&service), [HOME, "hub-19.localhost"]);
    let device = service.json(&["twin", "--hub-name", "hub-19.localhost", "--device-id", "dev-1"]);
    assert_eq!(device["twin"]["properties"]["desired"], json!({"interval": 5, "$version": 2}));
    let mut stays = Command::new("openssl");
    stays
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", service.port("mqtt"))])
        .args(["-servername", "hub-19.localhost", "-verify_hostname", "hub-19.localhost"])
        .args(["-verify_return_error", "-CAfile"])
        .arg(service.ca())
        .stdin(Stdio::null());
    run(&mut stays, Duration::from_secs(20)).success();
}

#[test]
fn a_mistake_is_answered_with_what_to_do() {
    let poor = folder("poor");
    let config = poor.join("config.yaml");
    fs::write(
        &config,
        "sharedAccessPolicies: [{keyName: reader, rights: [EnrollmentRead]}, {keyName: all}]",
    )
    .unwrap();
    let service = Service::start(&poor, &["--config", config.to_str().unwrap()]);
    let finished = service.hub(&["list"]);
    assert_eq!(finished.code, Some(6));
    assert!(finished.stderr.contains("lacks the right ServiceConfig"), "{}", finished.stderr);
    assert!(finished.stderr.contains("right ServiceConfig, for example"), "{}", finished.stderr);
    drop(service);

    let service = Service::start(&folder("mistakes"), &[]);
    service.json(&["link", "--hub-name", LATE]);
    let fails = |arguments: &[&str], code: i32, words: &[&str]| {
        let finished = service.hub(arguments);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        for word in words {
            assert!(finished.stderr.contains(word), "{arguments:?}: {}", finished.stderr);
        }
    };
    fails(&["show", "--hub-name", "no.localhost"], 7, &[HOME, LATE, "dps hub list"]);
    fails(&["unlink", "--hub-name", "no.localhost"], 7, &["there are:", HOME]);
    fails(&["devices"], 2, &["more than one hub", HOME, LATE]);
    fails(
        &["send", "--hub-name", HOME, "--device-id", "x", "--data", "y"],
        7,
        &["it must register first", "dps hub devices"],
    );
    fails(&["link", "--hub-name", "nodot"], 7, &["needs a dot", "for example"]);
    fails(&["link", "--hub-name", "a.b", "--location", ""], 7, &["1 to 64"]);
    fails(&["twin", "--device-id", "x", "--tags", "[1]"], 2, &["--tags is not a JSON object"]);
    fails(&["send", "--device-id", "x"], 2, &["--data"]);
    fails(&["send", "--device-id", "x", "--data", "y", "--properties", "z"], 2, &["NAME=VALUE"]);
    fails(&["messages", "--device-id", "x", "--timeout", "1"], 2, &["--follow"]);
    let finished = service.hub(&["show", "--hub-name", "no.localhost", "--json"]);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&told["status"], finished.code), (&json!("error"), Some(7)));
}

#[test]
fn the_page_gets_its_token_and_nobody_else_does() {
    let service = Service::start(&folder("token"), &[]);
    let token = service.running.ready()["pageToken"].as_str().unwrap();
    let page = format!("https://127.0.0.1:{}/", service.port("https"));
    assert_eq!(service.running.ready()["pageUrl"], page.as_str());
    let own = format!("Origin: https://localhost:{}", service.port("https"));
    for headers in [&[][..], &["-H", &own, "-H", "Sec-Fetch-Site: same-origin"]] {
        let (status, told) = service.curl("/admin/session", headers);
        assert_eq!((status.as_str(), &told["token"]), ("200", &json!(token)));
    }
    for header in [
        "Origin: https://evil.test",
        "Origin: http://localhost:3000",
        "Origin: null",
        "Host: evil.test",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "X-Forwarded-For: 192.0.2.1",
    ] {
        let (status, told) = service.curl("/admin/session", &["-H", header]);
        assert_eq!((status.as_str(), &told["errorCode"]), ("401", &json!(401_002)), "{header}");
        assert!(!told.to_string().contains(token));
    }

    let bearer = format!("Authorization: Bearer {token}");
    let (status, told) = service.curl("/admin/service", &["-H", &bearer]);
    assert_eq!((status.as_str(), &told["idScope"]), ("200", &service.running.ready()["idScope"]));
    assert_eq!(told["https"], service.running.ready()["https"]);
    assert_eq!(
        told["connectionStrings"][0]["connectionString"],
        service.running.ready()["connectionString"]
    );
    let query = "/enrollmentGroups/mylegacydevices?api-version=2021-10-01";
    assert_eq!(service.curl(query, &["-H", &bearer]).0, "200");
    for wrong in ["Authorization: Bearer x", "X-Nothing: x"] {
        for path in ["/admin/service", "/admin/hubs", "/admin/events", query] {
            assert_eq!(service.curl(path, &["-H", wrong]).0, "401", "{wrong} {path}");
        }
    }
    // A browser asks first whether another page may send the header, and is not told so.
    let preflight = ["-X", "OPTIONS", "-H", "Origin: https://evil.test", "-i"];
    let url = format!("https://localhost:{}/admin/hubs", service.port("https"));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--noproxy", "*", "--cacert"]).arg(service.ca()).args(preflight);
    let told = run(curl.arg(url), Duration::from_secs(20)).success().stdout;
    assert!(!told.to_ascii_lowercase().contains("access-control-allow"), "{told}");
    assert!(told.to_ascii_lowercase().contains("cache-control: no-store"), "{told}");
    let log = fs::read_to_string(service.folder.join("log.txt")).unwrap();
    assert!(log.contains("admin request refused"), "{log}");
    let key = service.connection_string().rsplit_once("SharedAccessKey=").unwrap().1;
    assert!(!log.contains(token) && !log.contains(key));
}

#[test]
fn events_are_told_when_they_happen() {
    let service = Service::start(&folder("events"), &[]);
    let client = service.client();
    let local = client.local();
    let before = local.events(0, Duration::ZERO).unwrap().last;
    let begun = Instant::now();
    assert!(local.events(before, Duration::from_secs(1)).unwrap().events.is_empty());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let (told, elapsed) = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let client = service.client();
            (client.local().events(before, Duration::from_secs(20)).unwrap(), Instant::now())
        });
        thread::sleep(Duration::from_millis(300));
        let linked = Instant::now();
        local.link_hub(LATE, &HubSettings::default()).unwrap();
        let (told, at) = waiting.join().unwrap();
        (told, at - linked)
    });
    assert_eq!(
        (told.events[0].kind.as_str(), &told.events[0].about["hub"]),
        ("hubLinked", &json!(LATE))
    );
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");

    service.simulated("dev-1", &["--messages", "1"]);
    let last = told.last;
    let kinds = |after| -> Vec<String> {
        let events = local.events(after, Duration::from_secs(5)).unwrap().events;
        events.into_iter().map(|event| event.kind).collect()
    };
    let expected =
        ["registrationRequested", "registrationAssigned", "deviceConnected", "deviceDisconnected"];
    let started = Instant::now();
    while kinds(last) != expected {
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", kinds(last));
        thread::sleep(Duration::from_millis(20));
    }
    let shown = format!("{:?}", local.events(0, Duration::ZERO).unwrap());
    for secret in ["pageToken", "connectionString"] {
        let secret = service.running.ready()[secret].as_str().unwrap();
        assert!(!shown.contains(secret));
    }
    assert!(!shown.contains("temperature") && !shown.contains("sig="), "{shown}");
}
