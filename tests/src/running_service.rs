//! `dps emulator` as a program of its own, which can be killed.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the service may take to be ready.
const READY: Duration = Duration::from_secs(20);

/// A running `dps emulator`, ended when it is dropped.
#[derive(Debug)]
pub struct RunningService {
    child: Child,
    ready: Value,
    ca: PathBuf,
}

impl RunningService {
    /// Starts it at any free ports with these further arguments. `dps` is the command without
    /// any; in `folder` it leaves `ca.pem`, `ready.json`, and what it logs as `log.txt`.
    ///
    /// # Panics
    ///
    /// When it is not ready in time.
    pub fn start(mut dps: Command, folder: &Path, more: &[&str]) -> Self {
        let (ca, ready) = (folder.join("ca.pem"), folder.join("ready.json"));
        let _ = fs::remove_file(&ready);
        let child = dps
            .args(["emulator", "--mqtt-port", "0", "--ca-out"])
            .arg(&ca)
            .arg("--ready-file")
            .arg(&ready)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log.txt")).unwrap())
            .spawn()
            .unwrap();
        // Dropped, it is ended, also when it is not ready.
        let mut service = Self { child, ready: Value::Null, ca };
        let started = Instant::now();
        while !ready.exists() {
            let ended = service.child.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > READY {
                let log = fs::read_to_string(folder.join("log.txt")).unwrap();
                panic!("the service is not ready ({ended:?}): {log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        service.ready = serde_json::from_str(&fs::read_to_string(&ready).unwrap()).unwrap();
        service
    }

    /// What it says of itself.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file of its certificate authority.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// With which it is managed.
    pub fn connection_string(&self) -> &str {
        self.ready["connectionString"].as_str().unwrap()
    }

    /// SIGKILL: no farewell, no flush.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for RunningService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
