//! A device file for swtpm.

use crate::Swtpm;
use crate::command::{Daemon, root};
use std::process::Command;

/// A file that carries what `/dev/tpm0` carries, in front of a [`Swtpm`]: `device_file.py`. It goes
/// when dropped.
#[derive(Debug)]
pub struct DeviceFile {
    path: String,
    _process: Daemon,
}

impl DeviceFile {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When Python is missing or the machine has no pseudo-terminals.
    pub fn start(tpm: &Swtpm) -> Self {
        let mut command = Command::new("python3");
        command.arg(root().join("tests/src/device_file.py")).arg(tpm.port().to_string());
        let (process, path) = Daemon::start(&mut command);
        assert!(path.starts_with("/dev/"), "no device file: {path:?}");
        Self { path, _process: process }
    }

    /// What `--tcti` and `Tcti` take.
    pub fn tcti(&self) -> String {
        format!("device:{}", self.path)
    }
}
