//! `dps fault` against a local service, and what devices then meet there.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::Transport;
use dps_emulator::FaultScope;
use dps_tests::{Finished, Fleet, Folder, Proof, RunningService, run};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// A local service and the way to it.
struct Stage {
    fleet: Fleet,
    folder: Folder,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { fleet: Fleet::start(), folder: Folder::new("faults") };
        fs::write(stage.folder.path().join("ca.pem"), stage.fleet.emulator.ca_pem()).unwrap();
        stage
    }

    fn fault(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
        command.arg("fault").args(arguments);
        for name in ["https_proxy", "HTTPS_PROXY"] {
            command.env_remove(name);
        }
        let connection = self.fleet.emulator.connection_string();
        command.env("DPS_CONNECTION_STRING", connection.as_str());
        command.arg("--trusted-cert").arg(self.folder.path().join("ca.pem"));
        run(&mut command, Duration::from_secs(30))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.fault(&[arguments, &["--json"]].concat()).success();
        serde_json::from_str(&finished.stdout).unwrap()
    }
}

#[test]
fn a_fault_is_added_strikes_its_device_and_is_removed() {
    let stage = Stage::new();
    let add = ["add", "-n", "busy", "--kind", "throttle", "--retry-after", "2", "--count", "1"];
    let only = ["--rid", "one", "--transport", "http", "--operation", "register"];
    let added = stage.json(&[&add[..], &only[..]].concat());
    let mut expected = json!({
        "name": "busy", "kind": "throttle", "retryAfterSeconds": 2, "count": 1, "struck": 0,
        "registrationId": "one", "transport": "https", "operation": "register",
    });
    assert_eq!(added, expected);

    let register = |name: &str, transport| {
        let started = Instant::now();
        let client = stage.fleet.device(transport, Proof::KeyGroup, name);
        client.build().unwrap().register().unwrap();
        started.elapsed()
    };
    register("two", Transport::Http);
    register("one", Transport::Mqtt);
    assert_eq!(stage.json(&["list"]), json!([expected]), "nobody is struck yet");
    assert!(register("one", Transport::Http) >= Duration::from_secs(2));
    expected["struck"] = 1.into();
    assert_eq!(stage.json(&["list"]), json!([expected]));
    let text = stage.fault(&["list"]).success().stdout;
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split("  ").collect()).collect();
    let cells = |line: &[&str]| -> Vec<String> {
        let cells = line.iter().map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let heads = ["name", "kind", "with", "whom", "transport", "operation", "struck", "of"];
    assert_eq!(cells(&lines[0]), heads, "{text}");
    let busy = ["busy", "throttle", "retry after 2 s", "device one", "https", "register", "1", "1"];
    assert_eq!(cells(&lines[1]), busy, "{text}");

    let nameless = stage.fault(&["remove", "--name", ""]);
    assert_eq!(nameless.code, Some(2), "{nameless:?}");
    assert!(nameless.stderr.contains("the name is empty"), "{}", nameless.stderr);
    assert_eq!(stage.json(&["list"]), json!([expected]), "and no fault is gone");

    let text = stage.fault(&["remove", "--name", "BUSY"]).success().stdout;
    assert_eq!(text, "The fault BUSY is deleted.\n");
    let gone = stage.fault(&["remove", "--name", "busy"]);
    assert_eq!(gone.code, Some(7), "{gone:?}");
    for words in ["Fault not found.", "dps fault list"] {
        assert!(gone.stderr.contains(words), "{}", gone.stderr);
    }
    assert_eq!(stage.json(&["list"]), json!([]));
}

#[test]
fn every_kind_of_fault_can_be_added_and_all_be_cleared() {
    let stage = Stage::new();
    for (arguments, member, value) in [
        (vec!["delay", "--delay-ms", "250"], "delayMs", json!(250)),
        (vec!["server-error", "--status", "503"], "status", json!(503)),
        (vec!["drop", "--after-bytes", "7"], "afterBytes", json!(7)),
        (vec!["never-answer", "--operation", "connect"], "operation", json!("connect")),
        (vec!["malformed", "--form", "wrong-members"], "form", json!("wrongMembers")),
        (vec!["malformed", "--enrollment", "key-device"], "enrollment", json!("key-device")),
        (vec!["drop", "--enrollment-group", "line"], "enrollmentGroupId", json!("line")),
        (vec!["drop", "--transport", "amqp-ws"], "transport", json!("amqp-ws")),
    ] {
        let name = format!("f-{member}");
        let added = stage.json(&[&["add", "--name", &name, "--kind"], &arguments[..]].concat());
        assert_eq!(added[member], value, "{added}");
    }
    let faults = stage.fleet.emulator.faults();
    assert_eq!(faults.len(), 8);
    assert_eq!(faults[6].fault.scope, FaultScope::EnrollmentGroup("line".to_owned()));
    assert_eq!(stage.fault(&["clear"]).success().stdout, "There are no faults any more.\n");
    assert!(stage.fleet.emulator.faults().is_empty());
}

#[test]
fn what_makes_no_sense_is_said_before_or_by_the_service() {
    let stage = Stage::new();
    let add = |more: &[&str]| stage.fault(&[&["add", "--name", "x", "--kind"], more].concat());
    let scopes = add(&["drop", "--rid", "a", "--enrollment-group", "b"]);
    assert_eq!(scopes.code, Some(2), "{scopes:?}");
    for (arguments, words) in [
        (&["delay"][..], "delayMs is needed with the kind delay"),
        (&["drop", "--form", "empty"], "form does not go with the kind drop"),
        (&["drop", "--transport", "https", "--operation", "connect"], "over https"),
    ] {
        let refused = add(arguments);
        assert_eq!(refused.code, Some(7), "{refused:?}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert!(stage.fleet.emulator.faults().is_empty());
}

/// Starts `dps emulator` where a shell has said how many files may be open.
fn started_with(limit: &str, folder: &Folder) -> RunningService {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_dps"));
    RunningService::start(shell, folder.path(), &[])
}

/// The soft limit and the hard one.
fn open_files(service: &RunningService) -> (u64, u64) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut limits = line.split_whitespace();
    let mut next = || match limits.next().unwrap() {
        "unlimited" => u64::MAX,
        number => number.parse().unwrap(),
    };
    (next(), next())
}

#[test]
fn as_many_files_may_be_open_as_there_can_be_connections() {
    let folder = Folder::new("files");
    let service = started_with("-S -n 100", &folder);
    let (soft, hard) = open_files(&service);
    assert_eq!(soft, hard.min(3168));
    drop(service);
    // Where the system does not allow it, the operator is told what would.
    let service = started_with("-n 100", &folder);
    assert_eq!(open_files(&service), (100, 100));
    let told = fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(
        told.contains("may have 100 files open") && told.contains("ulimit -Hn to 3168"),
        "{told}"
    );
}
