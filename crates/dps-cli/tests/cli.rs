//! The `dps` command as its users run it.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{ConnectProxy, Finished, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const ID: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
const DEVICE_KEY: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";

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

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dps-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `dps emulator`, running.
struct Service {
    child: Child,
    ready: Value,
    ca: String,
    _folder: Folder,
}

impl Service {
    fn start(name: &str, config: &str) -> Self {
        let folder = Folder::new(name);
        let config = folder.file("config.yaml", config);
        let (ca, ready) = (folder.path("ca.pem"), folder.path("ready.json"));
        let mut child = dps(&["emulator", "--config", &config, "--mqtt-port", "0"])
            .args(["--ca-out", &ca, "--ready-file", &ready])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !Path::new(&ready).exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "the service is not ready");
            assert!(child.try_wait().unwrap().is_none(), "the service ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        let text = fs::read_to_string(&ready).unwrap();
        let ready = serde_json::from_str(&text).unwrap();
        Self { child, ready, ca, _folder: folder }
    }

    fn endpoint(&self) -> String {
        let mqtt = &self.ready["mqtt"];
        format!("{}:{}", mqtt["host"].as_str().unwrap(), mqtt["port"])
    }

    fn register(&self, arguments: &[&str]) -> Command {
        let scope = self.ready["idScope"].as_str().unwrap();
        let mut command = dps(&["register", "--endpoint", &self.endpoint()]);
        command.args(["--id-scope", scope, "--trusted-cert", &self.ca]).args(arguments);
        command
    }

    /// Asks it to stop; gives its exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        finish_kill(signal, &id);
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(10), "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn finish_kill(signal: &str, id: &str) {
    let mut kill = Command::new("kill");
    kill.args([signal, id]);
    run(&mut kill, Duration::from_secs(5)).success();
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config() -> String {
    format!(
        "
retryAfterSeconds: 1
assignmentDelaySeconds: 0
enrollmentGroups:
  - enrollmentGroupId: fleet
    attestation:
      type: symmetricKey
      symmetricKey: {{primaryKey: {GROUP_KEY}}}
"
    )
}

/// Most people see the command on a terminal, and no other test has one.
#[test]
fn on_a_terminal_it_says_the_same_and_nothing_besides() {
    let folder = Folder::new("terminal");
    let key = folder.file("group.key", GROUP_KEY);
    let typed = format!(
        "'{}' derive-key --key-file '{key}' --registration-id {ID}",
        env!("CARGO_BIN_EXE_dps")
    );
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &typed, "/dev/null"]);
    let told = finish(script).success();
    assert_eq!(told.stdout, format!("{DEVICE_KEY}\r\n"));
}

#[test]
fn demo_registers_a_device_and_prints_each_step() {
    let started = Instant::now();
    let finished = finish(dps(&["demo"])).success();
    let mut rest = finished.stdout.as_str();
    for line in [
        "Provisioning Status: CONNECTED",
        "Provisioning Status: ASSIGNING",
        "Registration Information received from service: contoso-hub.localhost, deviceId: sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("no {line:?} in {}", finished.stdout));
        rest = &rest[at..];
    }
    assert_eq!(finished.stderr, "");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn demo_prints_one_json_document() {
    let finished = finish(dps(&["demo", "--json", "--registration-id", "my-device"])).success();
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(value["result"]["status"], "assigned");
    assert_eq!(value["result"]["deviceId"], "my-device");
    assert_eq!(value["statuses"], serde_json::json!(["CONNECTED", "ASSIGNING"]));
}

const TRANSPORTS: [&str; 5] = ["mqtt", "mqtt-ws", "http", "amqp", "amqp-ws"];

#[test]
fn demo_registers_by_each_transport() {
    for transport in TRANSPORTS {
        let finished = finish(dps(&["demo", "--json", "--transport", transport])).success();
        let value: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(value["result"]["status"], "assigned", "{transport}: {value}");
        assert_eq!(value["transport"], transport);
    }
    let refused = finish(dps(&["demo", "--transport", "coap"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("mqtt, mqtt-ws, http, amqp, amqp-ws"), "{}", refused.stderr);
}

#[test]
fn demo_with_a_corrupt_key_is_refused_with_the_reason() {
    let finished = finish(dps(&["demo", "--corrupt-key"]));
    assert_eq!(finished.code, Some(6), "{finished:?}");
    assert!(!finished.stdout.contains("ASSIGNING"));
    for part in ["stage:   register", "401", "error code 401000", "tracking id", "to do:"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    let finished = finish(dps(&["demo", "--corrupt-key", "--json"]));
    assert_eq!(finished.code, Some(6));
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(value["result"]["status"], "error");
    assert_eq!(value["result"]["service"]["errorCode"], 401_000);
}

#[test]
fn derive_key_gives_the_documented_key_from_every_source() {
    let folder = Folder::new("derive");
    let expected = format!("{DEVICE_KEY}\n");
    let finished = finish(dps(&["derive-key", "--key", GROUP_KEY, "--registration-id", ID]));
    assert_eq!(finished.success().stdout, expected);

    let file = folder.file("group.key", &format!("{GROUP_KEY}\n"));
    let finished = finish(dps(&["derive-key", "--key-file", &file, "--registration-id", ID]));
    assert_eq!(finished.success().stdout, expected);

    for arguments in [vec!["--key-file", "-"], vec![]] {
        let mut child = dps(&["derive-key", "--registration-id", ID])
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(GROUP_KEY.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn wrong_input_is_named_and_keys_are_not_shown() {
    let folder = Folder::new("wrong");
    let missing = folder.path("no-such-file");
    let binary = folder.0.join("binary");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    let binary = binary.to_str().unwrap();
    let secret = "c2VjcmV0c2VjcmV0c2Vj!!";
    let cases: [(&[&str], i32, &str); 6] = [
        (&["derive-key", "--key", secret, "--registration-id", ID], 2, "not valid base64"),
        (&["derive-key", "--key", GROUP_KEY, "--registration-id", "a b"], 2, "position 2"),
        (&["derive-key", "--key-file", &missing, "--registration-id", ID], 1, "no-such-file"),
        (&["derive-key", "--key-file", binary, "--registration-id", ID], 2, "not text"),
        (&["register", "--id-scope", "s", "--registration-id", ID], 2, "--key-file"),
        (&["emulator", "--config", &missing], 1, "no-such-file"),
    ];
    for (arguments, code, words) in cases {
        let finished = finish(dps(arguments));
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stderr.contains("c2Vjc"), "{}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
    let help = finish(dps(&["--help"])).success().stdout;
    assert!(help.contains("Exit codes:"), "{help}");
}

#[test]
fn register_talks_to_an_emulator_started_from_the_command_line() {
    let service = Service::start("register", &config());
    let folder = Folder::new("register-keys");
    let device = folder.file("device.key", DEVICE_KEY);
    let group = folder.file("group.key", GROUP_KEY);
    let payload = folder.file("payload.json", "{\"model\": \"x\"}");

    let common = ["--registration-id", ID];
    let mut command = service.register(&common);
    command.args(["--key-file", &device, "--payload", &format!("@{payload}")]);
    let finished = finish(command).success();
    assert!(
        finished.stdout.contains("received from service: contoso-hub.localhost, deviceId: sn-007"),
        "{}",
        finished.stdout
    );

    let mut command = service.register(&common);
    command.args(["--group-key-file", &group, "--output", "json", "--conservative"]);
    let value: Value = serde_json::from_str(&finish(command).success().stdout).unwrap();
    assert_eq!(value["assignedHub"], "contoso-hub.localhost");
    assert_eq!(value["enrollmentGroupId"], "fleet");
    assert!(value.get("connectionString").is_none(), "the key is shown on request only");

    // All from the environment.
    let mut command = dps(&["register", "--trusted-cert", &service.ca, "--show-connection-string"]);
    command
        .env("PROVISIONING_HOST", service.endpoint())
        .env("PROVISIONING_IDSCOPE", service.ready["idScope"].as_str().unwrap())
        .env("PROVISIONING_REGISTRATION_ID", ID)
        .env("PROVISIONING_SYMMETRIC_KEY", DEVICE_KEY);
    let finished = finish(command).success();
    let expected =
        format!("HostName=contoso-hub.localhost;DeviceId={ID};SharedAccessKey={DEVICE_KEY}");
    assert!(finished.stdout.contains(&expected), "{}", finished.stdout);

    // A wrong key, an untrusted service, no service at all.
    let wrong = folder.file("wrong.key", GROUP_KEY);
    let mut command = service.register(&common);
    command.args(["--key-file", &wrong, "--output", "json"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(6));
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(value["stage"], "register");
    assert!(!finished.stderr.contains(&GROUP_KEY[..10]));

    let mut command = dps(&["register", "--endpoint", &service.endpoint(), "--id-scope", "s"]);
    command.args(common).args(["--key-file", &device]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    assert!(finished.stderr.contains("trust"), "{}", finished.stderr);

    let endpoint = service.endpoint();
    assert_eq!(service.stop("-TERM"), Some(0));
    let mut command = dps(&["register", "--endpoint", &endpoint, "--id-scope", "s"]);
    command.args(common).args(["--key-file", &device, "--timeout", "1"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(4), "{}", finished.stderr);
    assert!(finished.stderr.contains("refused"), "{}", finished.stderr);
    assert!(finished.stderr.contains("stage:   deadline"), "{}", finished.stderr);
}

#[test]
fn register_takes_each_transport_with_a_key_and_with_a_certificate() {
    let folder = Folder::new("transports");
    let (root, root_key) = root_authority(&folder);
    let (device, device_key) = (folder.path("device.pem"), folder.path("device.key"));
    let mut make = dps(&["cert", "device", "--name", "sn-7", "--ca", &root]);
    make.args(["--ca-key", &root_key, "--out", &device, "--key-out", &device_key]);
    finish(make).success();
    let key = folder.file("key", DEVICE_KEY);
    let both = x509_config(&root)
        + &format!(
            "enrollments: [{{registrationId: {ID}, attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {DEVICE_KEY}}}}}}}]"
        );
    let service = Service::start("transports-service", &both);
    for transport in TRANSPORTS {
        let door = match transport {
            "mqtt" | "amqp" => &service.ready[transport],
            _ => &service.ready["https"],
        };
        let endpoint = format!("{}:{}", door["host"].as_str().unwrap(), door["port"]);
        let register = |more: &[&str]| {
            let mut command = dps(&["register", "--transport", transport, "--output", "json"]);
            command.args(["--endpoint", &endpoint, "--trusted-cert", &service.ca]);
            command.args(["--id-scope", service.ready["idScope"].as_str().unwrap()]).args(more);
            let finished = finish(command);
            let value: Value = serde_json::from_str(&finished.stdout).unwrap();
            (finished.code, value)
        };
        let (code, value) = register(&["--registration-id", ID, "--key-file", &key]);
        assert_eq!((code, &value["deviceId"]), (Some(0), &Value::from(ID)), "{transport}: {value}");
        let (code, value) = register(&["--cert", &device, "--cert-key", &device_key]);
        assert_eq!((code, &value["deviceId"]), (Some(0), &"sn-7".into()), "{transport}: {value}");
        let (code, value) = register(&["--registration-id", "nobody", "--key-file", &key]);
        assert_eq!(code, Some(7), "{transport}: {value}");
        assert_eq!(value["service"]["errorCode"], 404_201, "{transport}: {value}");
    }
}

#[test]
fn a_proxy_comes_from_the_option_or_from_the_environment() {
    let service = Service::start("proxy", &config());
    let folder = Folder::new("proxy-key");
    let key = folder.file("group.key", GROUP_KEY);
    let target = service.endpoint().parse().unwrap();
    let open = ConnectProxy::start(target, None);
    // "user:open sesame"
    let closed = ConnectProxy::start(target, Some("Basic dXNlcjpvcGVuIHNlc2FtZQ=="));
    let (open_url, closed_at) = (format!("http://{}", open.address()), closed.address());
    let device = ["--registration-id", "sn-1", "--group-key-file", &key, "--timeout", "20"];
    let scope = service.ready["idScope"].as_str().unwrap();
    // A name that is in the service's certificate, and that only the proxy can lead here.
    let name = "global.azure-devices-provisioning.net";
    let register = |more: &[&str]| {
        let mut command = dps(&["register", "--endpoint", name, "--id-scope", scope]);
        command.args(["--trusted-cert", &service.ca]).args(device).args(more);
        command
    };

    finish(register(&["--proxy", &open_url])).success();
    finish(register(&["--proxy", &format!("http://user:open%20sesame@{closed_at}")])).success();
    let mut command = register(&[]);
    command.env("HTTPS_PROXY", &open_url).env("NO_PROXY", "example.com,10.0.0.0/8");
    finish(command).success();
    assert_eq!(open.requests(), vec![format!("CONNECT {name}:8883 HTTP/1.1"); 2]);

    let refused = finish(register(&["--proxy", &format!("http://user:no@{closed_at}")]));
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    for words in ["stage:   proxy", "407"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    let refused = finish(register(&["--proxy", "ftp://user:secret@x"]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--proxy is not a proxy"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    let both = finish(register(&["--proxy", &open_url, "--no-proxy"]));
    assert_eq!(both.code, Some(2), "{}", both.stderr);

    // This machine is reached directly, whatever the environment says; the option is obeyed.
    let seen = open.requests().len();
    let mut command = service.register(&device);
    command.env("HTTPS_PROXY", &open_url);
    finish(command).success();
    let mut command = service.register(&device);
    command.env("https_proxy", "http://127.0.0.1:1").arg("--no-proxy");
    finish(command).success();
    assert_eq!(open.requests().len(), seen);
    let mut command = service.register(&device);
    command.args(["--proxy", &open_url]);
    finish(command).success();
    assert_eq!(open.requests().len(), seen + 1);
}

#[test]
fn doctor_looks_at_the_way_that_register_takes() {
    let examine = |more: &[&str]| {
        let mut command = dps(&["doctor", "--endpoint", "dps.invalid", "--transport", "mqtt"]);
        command.args(["--timeout", "5"]).args(more).env("HTTPS_PROXY", "http://127.0.0.1:1");
        finish(command)
    };
    let through = examine(&[]);
    assert_eq!(through.code, Some(4), "{through:?}");
    assert!(through.stdout.contains("http://127.0.0.1:1"), "{through:?}");
    let direct = examine(&["--no-proxy"]);
    assert_eq!(direct.code, Some(4), "{direct:?}");
    assert!(!direct.stdout.contains("127.0.0.1"), "{direct:?}");
    assert!(direct.stdout.contains("could not be resolved"), "{direct:?}");
}

/// `openssl s_server` that speaks one version of TLS; says nothing above it.
struct OneVersion(Child, String);

impl OneVersion {
    fn start(folder: &Folder, version: &str) -> Self {
        let (root, key) = root_authority(folder);
        let mut child = Command::new("openssl")
            .args(["s_server", version, "-accept", "127.0.0.1:0", "-cert", &root, "-key", &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let line = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(str::to_owned));
        Self(child, line.unwrap())
    }
}

impl Drop for OneVersion {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_versions_of_tls_are_those_asked_for() {
    for (spoken, other, option) in
        [("-tls1_2", "1.3", "--tls-min"), ("-tls1_3", "1.2", "--tls-max")]
    {
        let folder = Folder::new(&format!("tls{spoken}"));
        let key = folder.file("key", DEVICE_KEY);
        let server = OneVersion::start(&folder, spoken);
        let mut command = dps(&["register", "--endpoint", &server.1, "--id-scope", "s"]);
        command.args(["--registration-id", "x", "--key-file", &key, "--timeout", "5"]);
        command.args([option, other]);
        let refused = finish(command);
        assert_eq!(refused.code, Some(5), "{spoken}: {}", refused.stderr);
        assert!(refused.stderr.contains("the TLS handshake failed"), "{}", refused.stderr);
    }
    let service = Service::start("tls", &config());
    let folder = Folder::new("tls-key");
    let key = folder.file("key", DEVICE_KEY);
    for versions in [["--tls-min", "1.3"], ["--tls-max", "1.2"]] {
        let mut command = service.register(&["--registration-id", ID, "--key-file", &key]);
        command.args(versions);
        finish(command).success();
    }
    let mut command = service.register(&["--registration-id", ID, "--key-file", &key]);
    command.args(["--tls-min", "1.3", "--tls-max", "1.2"]);
    let refused = finish(command);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--tls-min is newer than --tls-max"), "{}", refused.stderr);
}

#[test]
fn the_emulator_stops_on_interrupt_and_keeps_its_keys_private() {
    let service = Service::start("stop", &config());
    let ready = service._folder.path("ready.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&ready).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(service.ready["enrollmentGroups"][0]["primaryKey"], GROUP_KEY);
    assert!(fs::read_to_string(&service.ca).unwrap().contains("BEGIN CERTIFICATE"));
    assert_eq!(service.stop("-INT"), Some(0));
}

#[test]
fn a_taken_port_and_a_bad_configuration_are_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let finished = finish(dps(&["emulator", "--mqtt-port", &port]));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);

    let folder = Folder::new("config");
    let bad = folder.file("bad.yaml", "hubs: [a.localhost]\nenrolments: []\n");
    let finished = finish(dps(&["emulator", "--config", &bad]));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("enrolments"), "{}", finished.stderr);
}

#[test]
fn certificates_are_made_and_register_their_device() {
    let folder = Folder::new("x509");
    let file = |name: &str| folder.path(name);
    let make = |arguments: &[&str]| finish(dps(arguments));
    let (root, root_key) = (file("root.pem"), file("root.key"));
    make(&["cert", "ca", "--name", "root", "--out", &root, "--key-out", &root_key]).success();
    let (line, line_key) = (file("line.pem"), file("line.key"));
    let intermediate =
        ["--ca", &root, "--ca-key", &root_key, "--out", &line, "--key-out", &line_key];
    make(&[&["cert", "intermediate", "--name", "line 7"], &intermediate[..]].concat()).success();
    let (device, device_key) = (file("device.pem"), file("device.key"));
    let outputs = ["--out", &device, "--key-out", &device_key];
    let issuer = ["--ca", &line, "--ca-key", &line_key];
    let arguments = [&["cert", "device", "--name", "sn-7"], &issuer[..], &outputs[..]].concat();
    make(&arguments).success();

    // The device's own and the intermediate's; the root stays with the service.
    let chain = fs::read_to_string(&device).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    #[cfg(unix)]
    for key in [&root_key, &line_key, &device_key] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    // Nothing is overwritten unless asked for.
    let again = make(&arguments);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&device).unwrap(), chain);
    make(&[&arguments[..], &["--force"]].concat()).success();
    // A key that is not the authority's.
    let wrong = ["--ca", &root, "--ca-key", &line_key, "--out", "x", "--key-out", "y"];
    let refused = make(&[&["cert", "device", "--name", "sn-8"], &wrong[..]].concat());
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("does not belong"), "{}", refused.stderr);

    let service = Service::start("x509-service", &x509_config(&root));
    let group = &service.ready["enrollmentGroups"][0];
    assert_eq!(group["signingCertificates"][0]["subjectName"], "CN=root", "{group}");
    assert!(group.get("primaryKey").is_none(), "{group}");
    let done = finish(service.register(&["--cert", &device, "--cert-key", &device_key]));
    let done = done.success();
    assert!(done.stdout.contains("Registering device sn-7"), "{}", done.stdout);
    assert!(done.stdout.contains("deviceId: sn-7"), "{}", done.stdout);

    // Without the intermediate the service only says "invalid"; the command knows more.
    let whole = fs::read_to_string(&device).unwrap();
    let second = whole.rfind("-----BEGIN CERTIFICATE-----").unwrap();
    let short = folder.file("short.pem", &whole[..second]);
    let refused = finish(service.register(&["--cert", &short, "--cert-key", &device_key]));
    assert_eq!(refused.code, Some(6), "{}", refused.stderr);
    for words in ["Invalid certificate.", "unless \"CN=line 7\" is enrolled itself"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    let refused = finish(service.register(&["--cert", &device, "--cert-key", &root_key]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("does not belong"), "{}", refused.stderr);
}

/// OpenSSL's own command, as a witness from outside.
fn openssl(arguments: &[&str]) -> Finished {
    run(Command::new("openssl").args(arguments), Duration::from_secs(30))
}

/// A configuration with one group, whose devices have certificates below this one.
fn x509_config(signing_certificate: &str) -> String {
    let pem = fs::read_to_string(signing_certificate).unwrap();
    let indented = pem.trim_end().replace('\n', "\n              ");
    format!(
        "
retryAfterSeconds: 1
assignmentDelaySeconds: 0
enrollmentGroups:
  - enrollmentGroupId: fleet
    attestation:
      type: x509
      x509:
        signingCertificates:
          primary:
            certificate: |
              {indented}
"
    )
}

/// A root by `dps cert ca`; its certificate and key.
fn root_authority(folder: &Folder) -> (String, String) {
    let (root, key) = (folder.path("root.pem"), folder.path("root.key"));
    let make = ["cert", "ca", "--name", "root", "--out", &root, "--key-out", &key];
    finish(dps(&make)).success();
    (root, key)
}

#[test]
fn openssl_verifies_what_is_made_with_either_kind_of_key() {
    let folder = Folder::new("key-types");
    let file = |name: &str| folder.path(name);
    for (kind, curve) in [("p256", "prime256v1"), ("p384", "secp384r1")] {
        let names = ["root.pem", "root.key", "line.pem", "line.key", "device.pem", "device.key"];
        let [root, root_key, line, line_key, device, device_key] =
            names.map(|name| file(&format!("{kind}-{name}")));
        let make = |what: &str, more: &[&str]| {
            let mut command = dps(&["cert", what, "--key-type", kind, "--days", "7"]);
            command.args(more);
            finish(command).success()
        };
        make("ca", &["--name", "root", "--out", &root, "--key-out", &root_key]);
        let by_root = ["--ca", &root, "--ca-key", &root_key];
        let outputs = ["--name", "line 7", "--out", &line, "--key-out", &line_key];
        make("intermediate", &[&by_root[..], &outputs].concat());
        let by_line = ["--ca", &line, "--ca-key", &line_key];
        let outputs = ["--name", "sn-7", "--out", &device, "--key-out", &device_key];
        make("device", &[&by_line[..], &outputs].concat());

        let strict = ["verify", "-x509_strict", "-purpose", "sslclient"];
        let chain = ["-CAfile", &root, "-untrusted", &line, &device];
        let verified = openssl(&[&strict[..], &chain].concat()).success();
        assert!(verified.stdout.contains(": OK"), "{verified:?}");
        let text = openssl(&["x509", "-in", &device, "-noout", "-text"]).success().stdout;
        assert!(text.contains("Subject: CN = sn-7"), "{text}");
        assert!(text.contains(&format!("ASN1 OID: {curve}")), "{text}");
        // A week, give or take the hour that clocks may differ.
        let expires =
            |seconds: &str| openssl(&["x509", "-in", &device, "-noout", "-checkend", seconds]).code;
        assert_eq!((expires("600000"), expires("610000")), (Some(0), Some(1)));
        openssl(&["pkey", "-in", &device_key, "-check", "-noout"]).success();
    }
    let outputs = ["--out", "x", "--key-out", "y"];
    let refused =
        finish(dps(&[&["cert", "ca", "--name", "r", "--key-type", "dsa"], &outputs[..]].concat()));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("[possible values: p256, p384]"), "{}", refused.stderr);
}

#[test]
fn a_verification_certificate_proves_possession_of_the_authority_s_key() {
    let folder = Folder::new("possession");
    let (root, root_key) = root_authority(&folder);
    let by_root = ["--ca", &root, "--ca-key", &root_key];
    let code = "75B86466DA34D2B04C0C4C9557A119687ADAE7D4732BDDB3";
    let out = folder.path("verification.pem");
    let verify = |code: &str, more: &[&str]| {
        let mut command = dps(&["cert", "verify", "--code", code]);
        command.args(by_root).args(more);
        finish(command)
    };
    let done = verify(code, &["--out", &out]).success();
    assert!(done.stdout.contains("verification.pem"), "{}", done.stdout);
    let verified = openssl(&["verify", "-x509_strict", "-CAfile", &root, &out]).success();
    assert!(verified.stdout.contains(": OK"), "{verified:?}");
    let subject = openssl(&["x509", "-in", &out, "-noout", "-subject", "-ext", "basicConstraints"]);
    assert!(subject.stdout.contains(&format!("CN = {code}")), "{subject:?}");
    assert!(!subject.stdout.contains("CA:TRUE"), "{subject:?}");
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text.matches("-----BEGIN").count(), 1, "{text}");

    let again = verify(code, &["--out", &out]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    verify(code, &["--out", &out, "--force"]).success();
    for (code, out, words) in [
        ("", "x", "not a verification code"),
        ("two words", "x", "without spaces"),
        (&"7".repeat(65), "x", "1 to 64"),
        ("75B8", root.as_str(), "would replace"),
    ] {
        let refused = verify(code, &["--out", out, "--force"]);
        assert_eq!(refused.code, Some(2), "{code}: {refused:?}");
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
}

#[test]
fn authorities_made_by_openssl_sign_and_others_are_refused() {
    let folder = Folder::new("openssl-ca");
    let file = |name: &str| folder.path(name);
    let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
    let subject = "/C=DE/O=Contoso GmbH/CN=Contoso root";
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", subject];
    openssl(&[&make[..], &["-out", &ca, "-keyout", &ca_key]].concat()).success();
    let (device, device_key) = (file("device.pem"), file("device.key"));
    let issue = |what: &str, ca: &str, ca_key: &str| {
        let mut command = dps(&["cert", what, "--name", "sn-7", "--ca", ca, "--ca-key", ca_key]);
        command.args(["--out", &device, "--key-out", &device_key, "--force"]);
        finish(command)
    };
    issue("device", &ca, &ca_key).success();
    openssl(&["verify", "-CAfile", &ca, &device]).success();
    let service = Service::start("openssl-ca-service", &x509_config(&ca));
    finish(service.register(&["--cert", &device, "--cert-key", &device_key])).success();

    // A device's certificate, an authority that may have none below it, one that has expired,
    // and a key in the form that openssl wrote before PKCS#8.
    let (leaf, leaf_key) = (file("leaf.pem"), file("leaf.key"));
    fs::rename(&device, &leaf).unwrap();
    fs::rename(&device_key, &leaf_key).unwrap();
    let (last, last_key) = (file("last.pem"), file("last.key"));
    let curve = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let named = ["-subj", "/CN=last", "-out", &last, "-keyout", &last_key];
    let limit = ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"];
    openssl(&[&curve[..], &named, &limit].concat()).success();
    let (old, old_key) = (file("old.pem"), file("old.key"));
    let request = file("old.csr");
    let named = ["-subj", "/CN=old", "-out", &request, "-keyout", &old_key];
    openssl(&[&["req", "-new", "-newkey", "rsa:2048", "-nodes"], &named[..]].concat()).success();
    let sign = ["x509", "-req", "-in", &request, "-signkey", &old_key, "-out", &old, "-days", "-1"];
    openssl(&sign).success();
    let sec1 = file("sec1.key");
    openssl(&["ec", "-in", &last_key, "-out", &sec1]).success();
    issue("device", &last, &last_key).success();
    for (what, ca, key, words) in [
        ("device", &leaf, &leaf_key, "not a certificate authority's"),
        ("intermediate", &leaf, &leaf_key, "not a certificate authority's"),
        ("intermediate", &last, &last_key, "allows no authority below it"),
        ("device", &old, &old_key, "expired"),
        ("device", &last, &sec1, "openssl pkcs8 -topk8 -nocrypt"),
        ("device", &last, &leaf_key, "does not belong"),
        ("device", &last, &last, "no private key"),
    ] {
        fs::remove_file(&device).unwrap_or_default();
        let refused = issue(what, ca, key);
        assert_eq!(refused.code, Some(2), "{what} {ca}: {refused:?}");
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        assert!(!Path::new(&device).exists());
    }
}

#[test]
fn an_encrypted_key_registers_with_its_passphrase_from_a_file_or_standard_input() {
    let folder = Folder::new("passphrase");
    let file = |name: &str| folder.path(name);
    let (root, root_key) = (file("root.pem"), file("root.key"));
    let ca = ["cert", "ca", "--name", "root", "--out", &root, "--key-out", &root_key];
    finish(dps(&ca)).success();
    let (device, plain) = (file("device.pem"), file("plain.key"));
    let mut make = dps(&["cert", "device", "--name", "sn-7", "--ca", &root]);
    make.args(["--ca-key", &root_key, "--out", &device, "--key-out", &plain]);
    finish(make).success();
    let passphrase = folder.file("passphrase", "correct horse\n");
    let encrypted = file("device.key");
    let pass = format!("file:{passphrase}");
    openssl(&["pkcs8", "-topk8", "-in", &plain, "-out", &encrypted, "-passout", &pass]).success();

    let service = Service::start("passphrase-service", &x509_config(&root));
    let register = |more: &[&str]| {
        let mut command = service.register(&["--cert", &device, "--cert-key", &encrypted]);
        command.args(more);
        command
    };
    let option = "--cert-key-passphrase-file";
    let done = finish(register(&[option, &passphrase])).success();
    assert!(done.stdout.contains("deviceId: sn-7"), "{}", done.stdout);
    let mut child =
        register(&[option, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\r\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());

    let wrong = folder.file("wrong", "incorrect horse\n");
    let empty = folder.file("empty", "\n");
    let missing = file("no-such-file");
    for (more, code, words) in [
        (vec![], 2, "--cert-key-passphrase-file"),
        (vec![option, wrong.as_str()], 2, "does not decrypt"),
        (vec![option, &empty], 2, "no passphrase"),
        (vec![option, &missing], 1, "no-such-file"),
    ] {
        let refused = finish(register(&more));
        assert_eq!(refused.code, Some(code), "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        assert!(!refused.stderr.contains("horse"), "{}", refused.stderr);
    }
    // In DER by mistake.
    let der = file("device.der");
    openssl(&["x509", "-in", &device, "-outform", "DER", "-out", &der]).success();
    let refused = finish(service.register(&["--cert", &der, "--cert-key", &plain]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("-inform DER"), "{}", refused.stderr);
}

/// Runs a command line in a shell, with `dps` in its path.
fn shell(line: &str) -> Finished {
    let folder = Path::new(env!("CARGO_BIN_EXE_dps")).parent().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", line])
        .env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    run(&mut command, Duration::from_secs(30))
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_work() {
    // The pipe's reader closes it at once; what counts is dps's own exit code.
    let finished = shell("dps demo | true; exit ${PIPESTATUS[0]}");
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let key = format!("dps derive-key --registration-id x --key {GROUP_KEY}");
    let finished = shell(&format!("{key} | true; exit ${{PIPESTATUS[0]}}"));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    // A full disk is an error with a name.
    let finished = shell(&format!("{key} > /dev/full"));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("standard output could not be written"), "{finished:?}");
}

#[test]
fn the_emulator_lives_on_when_nobody_reads_what_it_prints() {
    let folder = Folder::new("deaf");
    let (ca, ready) = (folder.path("ca.pem"), folder.path("ready.json"));
    fs::write(&ready, "of an earlier run").unwrap();
    // Both of its outputs are pipes without a reader.
    let line = format!(
        "(dps -vvv emulator --mqtt-port 0 --ca-out {ca} --ready-file {ready} & echo $! >&3) 3> {pid} 2> >(true) | true",
        pid = folder.path("pid"),
    );
    let mut child = Command::new("bash");
    child.args(["-c", &line]).env(
        "PATH",
        format!(
            "{}:{}",
            Path::new(env!("CARGO_BIN_EXE_dps")).parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        ),
    );
    run(&mut child, Duration::from_secs(10));
    let started = Instant::now();
    let summary: Value = loop {
        assert!(started.elapsed() < Duration::from_secs(20), "the service is not ready");
        let text = fs::read_to_string(&ready).unwrap_or_default();
        if let Ok(summary) = serde_json::from_str(&text) {
            break summary;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let endpoint = format!("127.0.0.1:{}", summary["mqtt"]["port"]);
    let group =
        folder.file("group.key", summary["enrollmentGroups"][0]["primaryKey"].as_str().unwrap());
    for _ in 0..2 {
        let mut command = dps(&["register", "--endpoint", &endpoint, "--trusted-cert", &ca]);
        command.args(["--id-scope", summary["idScope"].as_str().unwrap()]);
        command.args(["--registration-id", "x", "--group-key-file", &group, "--timeout", "10"]);
        finish(command).success();
    }
    let pid = fs::read_to_string(folder.path("pid")).unwrap();
    finish_kill("-TERM", pid.trim());
}

#[test]
fn output_files_that_are_no_files_are_written_to_and_links_are_kept() {
    let folder = Folder::new("special");
    let link = folder.path("link.pem");
    let target = folder.file("target.pem", "old");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let fifo = folder.path("fifo");
    run(Command::new("mkfifo").arg(&fifo), Duration::from_secs(5)).success();
    let reader = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::read_to_string(fifo).unwrap())
    };
    let mut child = dps(&["emulator", "--mqtt-port", "0", "--ca-out", &link])
        .args(["--ready-file", &fifo])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let summary: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert!(summary["mqtt"]["port"].is_number());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("BEGIN CERTIFICATE"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn settings_that_contradict_each_other_or_cannot_work_are_refused_at_once() {
    let folder = Folder::new("contradict");
    let key = folder.file("key", DEVICE_KEY);
    let empty = folder.file("empty.pem", "");
    let common = ["register", "--id-scope", "s", "--registration-id", "x"];
    let with = |more: &[&str]| {
        let mut command = dps(&common);
        command.args(more);
        finish(command)
    };
    for more in [
        ["--key", DEVICE_KEY, "--key-file", &key],
        ["--group-key-file", "/nonexistent", "--key-file", &key],
    ] {
        let finished = with(&more);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("more than one key"), "{finished:?}");
    }
    let finished = with(&["--key-file", &key, "--trusted-cert", &empty]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("empty.pem"), "{finished:?}");

    // A key in the environment gives way to a file; a variable set to nothing is not set.
    let mut command = dps(&common);
    command
        .args(["--key-file", &key, "--timeout", "1"])
        .env("PROVISIONING_SYMMETRIC_KEY", "not a key")
        .env("PROVISIONING_HOST", "127.0.0.1:1");
    assert_eq!(finish(command).code, Some(4));
    let mut command = dps(&common);
    command.env("PROVISIONING_SYMMETRIC_KEY", "");
    let finished = finish(command);
    assert!(finished.stderr.contains("no key is given"), "{finished:?}");

    // JSON was asked for: also about what is wrong with the settings.
    let mut command = dps(&["register", "--id-scope", "s", "--registration-id", "a b"]);
    command.args(["--key-file", &key, "--output", "json"]);
    let finished = finish(command);
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((finished.code, &value["stage"]), (Some(2), &Value::from("config")));
}

#[test]
fn no_private_key_gets_into_a_certificate_file() {
    let folder = Folder::new("bundle");
    let file = |name: &str| folder.path(name);
    let make = |arguments: &[&str]| {
        let mut command = dps(&["cert"]);
        command.args(arguments);
        finish(command)
    };
    let (root, root_key) = (file("root.pem"), file("root.key"));
    make(&["ca", "--name", "root", "--out", &root, "--key-out", &root_key]).success();
    let (middle, middle_key) = (file("middle.pem"), file("middle.key"));
    let from_root = ["--ca", &root, "--ca-key", &root_key, "--name", "middle"];
    let mut command = dps(&["cert", "intermediate", "--out", &middle, "--key-out", &middle_key]);
    command.args(from_root);
    finish(command).success();
    // An authority whose file holds its key as well.
    let both = fs::read_to_string(&middle).unwrap() + &fs::read_to_string(&middle_key).unwrap();
    let bundle = folder.file("bundle.pem", &both);
    let device = file("device.pem");
    let device_key = file("device.key");
    let issue = ["cert", "device", "--name", "x", "--ca", &bundle, "--ca-key", &middle_key];
    let mut command = dps(&issue);
    command.args(["--out", &device, "--key-out", &device_key]);
    finish(command).success();
    let made = fs::read_to_string(&device).unwrap();
    assert_eq!(made.matches("BEGIN CERTIFICATE").count(), 2, "{made}");
    assert!(!made.contains("PRIVATE KEY"), "the authority's key leaked");

    // Nothing is made in place of the authority, nor both into one file.
    for (out, key_out) in [(&device, &middle_key), (&bundle, &device_key), (&device, &device)] {
        let mut command = dps(&issue);
        command.args(["--force", "--out", out, "--key-out", key_out]);
        assert_eq!(finish(command).code, Some(2));
    }
    assert_eq!(fs::read_to_string(&bundle).unwrap(), both);

    // A key file with damaged boundaries is refused, and not shown.
    let key = fs::read_to_string(&device_key).unwrap();
    let damaged = key.replace("KEY-----\n", "KEY----\n").replace("\n-----END", "\n----END");
    let damaged = folder.file("damaged.key", &damaged);
    let mut command = dps(&["register", "--id-scope", "s", "--cert", &device]);
    command.args(["--cert-key", &damaged]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let secret = key.lines().nth(1).unwrap();
    assert!(!finished.stderr.contains(secret) && !finished.stdout.contains(secret));
}
