//! Microsoft's Node.js clients with a TPM of their own.

use crate::command::{Finished, root, run};
use crate::{Folder, Swtpm, TpmSimulator};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A fresh TPM, and the clients that work with it, unmodified: `tests/interop/node_tpm`.
#[derive(Debug)]
pub struct NodeTpm {
    folder: Folder,
    runs: AtomicUsize,
    /// Behind the simulator, for as long as this lives.
    swtpm: Swtpm,
    simulator: TpmSimulator,
}

impl NodeTpm {
    /// A TPM that nobody has used yet.
    ///
    /// # Panics
    ///
    /// When swtpm is missing or does not start.
    pub fn start() -> Self {
        let swtpm = Swtpm::start_without_startup();
        let simulator = TpmSimulator::start(&swtpm);
        Self { folder: Folder::new("node-tpm"), runs: AtomicUsize::new(0), swtpm, simulator }
    }

    /// The TPM itself.
    pub fn swtpm(&self) -> &Swtpm {
        &self.swtpm
    }

    /// Runs a client to its end; `arguments` are what `device.js` takes behind the port. It trusts
    /// the authority with the certificate `ca`, in PEM.
    ///
    /// # Panics
    ///
    /// When Node.js is missing, or the client does not end.
    pub fn run(&self, ca: &str, arguments: &[&str]) -> Finished {
        // Several clients may run at once.
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let trusted = self.folder.path().join(format!("{number}.pem"));
        fs::write(&trusted, ca).unwrap();
        let program = root().join("tests/interop/node_tpm/device.js");
        assert!(
            program.with_file_name("node_modules").exists(),
            "tests/run installs the packages of tests/interop/node_tpm"
        );
        let mut command = Command::new("node");
        command.arg(program).arg(self.simulator.port().to_string()).args(arguments);
        // The AMQP library tells the frames on standard error.
        command.env("NODE_EXTRA_CA_CERTS", trusted).env("DEBUG", "rhea:frames");
        for name in ["https_proxy", "HTTPS_PROXY", "NODE_OPTIONS"] {
            command.env_remove(name);
        }
        run(&mut command, Duration::from_secs(60))
    }
}
