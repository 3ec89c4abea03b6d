//! SoftHSM: a PKCS#11 token in software, with a folder and a configuration of its own.
//!
//! Its module reads where its tokens are from `SOFTHSM2_CONF` when it is loaded, so that a test
//! which loads it runs in a process of its own: [`SoftHsm::run`] starts the test's program again
//! for that one test.

use crate::command::{Finished, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The user's PIN of every token.
pub const PIN: &str = "5678";
const OFFICER_PIN: &str = "87654321";
/// Tells a test's second process where its tokens are.
const FOLDER: &str = "DPS_TEST_SOFT_HSM";
const LIMIT: Duration = Duration::from_secs(60);

/// Tokens in a folder, which is removed in the end.
#[derive(Debug)]
pub struct SoftHsm {
    folder: PathBuf,
    is_owner: bool,
}

impl SoftHsm {
    /// Sets up tokens with these labels.
    ///
    /// # Panics
    ///
    /// When SoftHSM or its tools are not there.
    pub fn start(labels: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("dps-softhsm-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("tokens")).unwrap();
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            folder.join("tokens").display()
        );
        std::fs::write(folder.join("softhsm2.conf"), config).unwrap();
        let hsm = Self { folder, is_owner: true };
        for label in labels {
            hsm.softhsm2_util(&["--init-token", "--free", "--label", label])
                .success_of("softhsm2-util --init-token");
        }
        hsm
    }

    /// Runs the calling test, named `test`, in a process of its own: `body`, with new tokens that
    /// have these labels, where SoftHSM may be loaded.
    ///
    /// # Panics
    ///
    /// When the other process fails.
    pub fn run(test: &str, labels: &[&str], body: impl FnOnce(&SoftHsm)) {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return body(&Self { folder: folder.into(), is_owner: false });
        }
        let hsm = Self::start(labels);
        let mut again = hsm.command(std::env::current_exe().unwrap());
        again.args([test, "--exact", "--nocapture"]).env(FOLDER, &hsm.folder);
        let finished = run(&mut again, Duration::from_secs(240)).success();
        // A name that is no test's would run nothing, and succeed.
        assert!(finished.stdout.contains("1 passed"), "{test}: {}", finished.stdout);
    }

    /// The module's path.
    ///
    /// # Panics
    ///
    /// When it is nowhere.
    pub fn module() -> PathBuf {
        let places = [
            "/usr/lib/softhsm",
            "/usr/lib/x86_64-linux-gnu/softhsm",
            "/usr/lib/aarch64-linux-gnu/softhsm",
            "/usr/lib64/pkcs11",
            "/usr/local/lib/softhsm",
            "/opt/homebrew/lib/softhsm",
        ];
        places
            .into_iter()
            .map(|place| Path::new(place).join("libsofthsm2.so"))
            .find(|path| path.exists())
            .expect("libsofthsm2.so is not there; tests/run installs what the tests need")
    }

    /// A module in front of SoftHSM's that fails when [`SoftHsm::fail`] says so.
    pub fn faulty_module(&self) -> PathBuf {
        let module = self.folder.join("faults.so");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-std=c99", "-o"]);
        compile.arg(&module).arg(root().join("tests/c/pkcs11_faults.c")).arg("-ldl");
        run(&mut compile, LIMIT).success_of("cc");
        module
    }

    /// Has the faulty module answer the next calls of a function, "login", "sign_init" or "sign",
    /// with this code.
    pub fn fail(&self, function: &str, code: u32, times: u32) {
        self.file("faults", format!("{function} {code:x} {times}\n"));
    }

    /// A program that sees these tokens when it loads the module.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command.env("DPS_FAULTS", self.folder.join("faults"));
        command.env("DPS_FAULTS_MODULE", Self::module());
        command
    }

    /// A new file beside the tokens.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Puts both halves of a key there. The id is in hexadecimal digits.
    pub fn import_pair(&self, token: &str, label: &str, id: &str, pem: &str) {
        let path = self.file("import.pem", pem);
        self.softhsm2_util(&[
            "--import",
            path.to_str().unwrap(),
            "--token",
            token,
            "--label",
            label,
            "--id",
            id,
        ])
        .success_of("softhsm2-util --import");
    }

    /// Puts the private half of a key there and no public one, with further options of
    /// pkcs11-tool.
    pub fn import_private(&self, token: &str, label: &str, id: &str, pem: &str, more: &[&str]) {
        let path = self.der("pkey", pem);
        let mut command = self.pkcs11_tool(token);
        command.arg("--write-object").arg(path);
        command.args(["--type", "privkey", "--usage-sign", "--label", label, "--id", id]);
        run(command.args(more), LIMIT).success_of("pkcs11-tool --write-object");
    }

    /// Puts a certificate there.
    pub fn import_certificate(&self, token: &str, label: &str, id: &str, pem: &str) {
        let path = self.der("x509", pem);
        let mut command = self.pkcs11_tool(token);
        command.arg("--write-object").arg(path);
        command.args(["--type", "cert", "--label", label, "--id", id]);
        run(&mut command, LIMIT).success_of("pkcs11-tool --write-object");
    }

    /// Puts a symmetric key there.
    pub fn import_secret(&self, token: &str, label: &str, key: &[u8]) {
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = self.command("p11tool");
        command.env("GNUTLS_PIN", PIN).arg("--provider").arg(Self::module());
        command.args(["--login", "--write", "--label", label]);
        command.arg(format!("--secret-key={digits}")).arg(format!("pkcs11:token={token}"));
        run(&mut command, LIMIT).success_of("p11tool --write");
    }

    /// Takes all tokens away, under the feet of whoever uses them.
    pub fn take_away(&self) {
        std::fs::rename(self.folder.join("tokens"), self.folder.join("elsewhere")).unwrap();
    }

    /// Puts them back.
    pub fn put_back(&self) {
        std::fs::rename(self.folder.join("elsewhere"), self.folder.join("tokens")).unwrap();
    }

    fn softhsm2_util(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command("softhsm2-util");
        command.args(arguments).args(["--pin", PIN]);
        if arguments.contains(&"--init-token") {
            command.args(["--so-pin", OFFICER_PIN]);
        }
        run(&mut command, LIMIT)
    }

    fn pkcs11_tool(&self, token: &str) -> Command {
        let mut command = self.command("pkcs11-tool");
        command.arg("--module").arg(Self::module());
        command.args(["--token-label", token, "--login", "--pin", PIN]);
        command
    }

    /// DER of a key ("pkey") or certificate ("x509") in PEM.
    fn der(&self, what: &str, pem: &str) -> PathBuf {
        let (from, to) = (self.file("import.pem", pem), self.folder.join("import.der"));
        let mut command = Command::new("openssl");
        command.args([what, "-outform", "DER", "-in"]).arg(from).arg("-out").arg(&to);
        run(&mut command, LIMIT).success_of("openssl");
        to
    }
}

impl Finished {
    fn success_of(&self, what: &str) {
        assert_eq!(self.code, Some(0), "{what}:\n{}\n{}", self.stdout, self.stderr);
    }
}

impl Drop for SoftHsm {
    fn drop(&mut self) {
        if self.is_owner {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
