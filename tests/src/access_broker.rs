//! The TPM's access broker on a bus of its own.

use crate::command::run;
use crate::{Folder, Swtpm};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// tpm2-abrmd in front of a [`Swtpm`], at a private D-Bus; both stop when dropped.
#[derive(Debug)]
pub struct AccessBroker {
    address: String,
    folder: Folder,
    // The broker goes before its bus.
    _broker: Stopping,
    _bus: Stopping,
}

#[derive(Debug)]
struct Stopping(Child);

impl Drop for Stopping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl AccessBroker {
    /// Starts both. From now on the TPM is the broker's alone.
    ///
    /// # Panics
    ///
    /// When dbus-daemon or tpm2-abrmd is missing or does not start.
    pub fn start(tpm: &Swtpm) -> Self {
        let folder = Folder::new("access-broker");
        let (bus, address) = start_bus(folder.path());
        let log = File::create(folder.path().join("broker.log")).unwrap();
        let mut command = tool("tpm2-abrmd");
        command
            .args(["--session", "--allow-root", &format!("--tcti={}", tpm.tcti())])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let broker = Stopping(spawn(&mut command));
        let broker = Self { address, folder, _broker: broker, _bus: bus };
        broker.wait();
        broker
    }

    /// What `--tcti` and `Tcti` take.
    pub fn tcti(&self) -> &'static str {
        "tabrmd:bus_type=session"
    }

    /// The bus, for the variable `DBUS_SESSION_BUS_ADDRESS` of a program that is to find it.
    pub fn bus(&self) -> &str {
        &self.address
    }

    /// Until the broker answers.
    fn wait(&self) {
        let started = Instant::now();
        loop {
            let mut command = Command::new("tpm2_getcap");
            command
                .args(["-T", self.tcti(), "handles-persistent"])
                .env("DBUS_SESSION_BUS_ADDRESS", &self.address);
            let finished = run(&mut command, Duration::from_secs(30));
            if finished.code == Some(0) {
                return;
            }
            let log = std::fs::read_to_string(self.folder.path().join("broker.log"));
            let patience = started.elapsed() < Duration::from_secs(20);
            assert!(patience, "tpm2-abrmd does not answer: {log:?}\n{finished:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A bus that nobody else knows, and its address.
fn start_bus(folder: &Path) -> (Stopping, String) {
    let mut command = tool("dbus-daemon");
    command
        .args(["--session", "--nofork", "--print-address=1"])
        .arg(format!("--address=unix:dir={}", folder.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut bus = Stopping(spawn(&mut command));
    let mut address = String::new();
    let mut said = BufReader::new(bus.0.stdout.take().expect("stdout is piped"));
    said.read_line(&mut address).unwrap();
    assert!(address.starts_with("unix:"), "dbus-daemon does not start: {address:?}");
    (bus, address.trim_end().to_owned())
}

/// Daemons are not on every user's path.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started: {error}; tests/run installs what the tests need")
    })
}
