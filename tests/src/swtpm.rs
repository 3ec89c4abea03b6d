//! A TPM in software: swtpm.

use crate::command::run;
use crate::folder::Folder;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running swtpm with a state of its own; it stops when dropped.
#[derive(Debug)]
pub struct Swtpm {
    folder: Folder,
    port: u16,
    process: Option<Child>,
    flags: &'static str,
}

impl Swtpm {
    /// A new TPM, started up.
    ///
    /// # Panics
    ///
    /// When swtpm is missing or does not start.
    pub fn start() -> Self {
        Self::start_with("not-need-init,startup-clear")
    }

    /// A new TPM that nobody has started up: it refuses every command but TPM2_Startup.
    ///
    /// # Panics
    ///
    /// When swtpm is missing or does not start.
    pub fn start_without_startup() -> Self {
        Self::start_with("not-need-init")
    }

    fn start_with(flags: &'static str) -> Self {
        let folder = Folder::new("swtpm");
        // A port may be taken in the moment between looking and starting.
        for _ in 0..20 {
            let mut tpm = Self { folder: folder.clone(), port: free_ports(), process: None, flags };
            if tpm.run() {
                return tpm;
            }
        }
        panic!("swtpm does not start; tests/run installs what the tests need");
    }

    /// What `--tcti` and `Tcti` take.
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// Runs a program of tpm2-tools with it, as an administrator does; gives what that prints.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(["-T", &self.tcti()]).args(arguments);
        run(&mut command, Duration::from_secs(30)).success().stdout
    }

    /// Where it takes bare commands.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts its power and starts it again: what is stored stays, what is loaded goes.
    ///
    /// # Panics
    ///
    /// When it does not start again.
    pub fn restart(&mut self) {
        self.stop();
        for _ in 0..50 {
            if self.run() {
                return;
            }
            // Its ports may just serve somebody else's connection.
            thread::sleep(Duration::from_millis(50));
        }
        panic!("swtpm does not start again");
    }

    /// Cuts its power.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it; false when it ends at once.
    fn run(&mut self) -> bool {
        let mut command = Command::new("swtpm");
        command
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", self.folder.path().display()))
            .args(["--server", &format!("type=tcp,bindaddr=127.0.0.1,port={}", self.port)])
            .args(["--ctrl", &format!("type=tcp,bindaddr=127.0.0.1,port={}", self.port + 1)])
            .args(["--flags", self.flags])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ready = self.folder.path().join("pid");
        let _ = fs::remove_file(&ready);
        command.arg("--pid").arg(format!("file={}", ready.display()));
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?} cannot be started: {error}; tests/run installs what the tests need")
        });
        let started = Instant::now();
        // It writes the file when both ports are open; that something answers there would not
        // show that it is this one.
        while !ready.exists() {
            if process.try_wait().expect("the child can be waited for").is_some() {
                return false;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "swtpm does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
        true
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The first of two neighbouring ports that were free a moment ago: tss2 expects the control port
/// one above the other. An even one, so that pairs do not overlap.
fn free_ports() -> u16 {
    for _ in 0..1000 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() & !1;
        let both = [port, port + 1].map(|port| TcpListener::bind(("127.0.0.1", port)));
        if both.iter().all(Result::is_ok) {
            return port;
        }
    }
    panic!("there are no two neighbouring free ports");
}
