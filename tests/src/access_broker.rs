//! The TPM's access broker on a bus of its own.

use crate::command::{Daemon, run};
use crate::{Folder, Swtpm};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// tpm2-abrmd in front of a [`Swtpm`], at a private D-Bus; both stop when dropped.
#[derive(Debug)]
pub struct AccessBroker {
    address: String,
    folder: Folder,
    // The broker goes before its bus.
    _broker: Daemon,
    _bus: Daemon,
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
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let broker = Daemon::start_silent(&mut command);
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
            let log = fs::read_to_string(self.folder.path().join("broker.log"));
            let patience = started.elapsed() < Duration::from_secs(20);
            assert!(patience, "tpm2-abrmd does not answer: {log:?}\n{finished:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A bus that nobody else knows, and its address.
fn start_bus(folder: &Path) -> (Daemon, String) {
    let mut command = tool("dbus-daemon");
    command
        .args(["--session", "--nofork", "--print-address=1"])
        .arg(format!("--address=unix:dir={}", folder.display()));
    let (bus, address) = Daemon::start(&mut command);
    assert!(address.starts_with("unix:"), "dbus-daemon does not start: {address:?}");
    (bus, address)
}

/// Daemons are not on every user's path.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
