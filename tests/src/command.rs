//! Other programs, run with a time limit so that a hang is a failure and not a wait, or until they
//! are no longer needed.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program that serves may take to say that it is ready.
const READY: Duration = Duration::from_secs(20);

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The project's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a parent").to_owned()
}

/// Runs a program to its end, as from a shell: without what cargo has set for the test alone.
///
/// # Panics
///
/// When it cannot be started, or runs longer than `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Finished {
    let mut child = as_from_a_shell(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{command:?} cannot be started: {error}; tests/run installs what the tests need")
        });
    let mut out = child.stdout.take().expect("stdout is piped");
    let mut err = child.stderr.take().expect("stderr is piped");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let stdout = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break status;
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{command:?} still ran after {limit:?}\nstdout:\n{}\nstderr:\n{}",
                text(stdout.join().unwrap()),
                text(stderr.join().unwrap())
            );
        }
        thread::sleep(Duration::from_millis(5));
    };
    Finished {
        code: status.code(),
        stdout: text(stdout.join().unwrap()),
        stderr: text(stderr.join().unwrap()),
    }
}

/// Takes from a command what cargo has set for this test: ring's build script looks at it, and all that
/// depends on ring would be compiled again by a cargo that the command starts.
fn as_from_a_shell(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|part| text.starts_with(part))
            || ["CARGO", "CARGO_TARGET_TMPDIR"].contains(&text.as_ref());
        let was_asked_for = command.get_envs().any(|(asked, _)| asked == name);
        if of_this_package && !was_asked_for {
            command.env_remove(name);
        }
    }
    command
}

/// A program that serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts one that prints a line when it is ready, and gives that line.
    pub(crate) fn start(command: &mut Command) -> (Self, String) {
        let mut daemon = Self::start_silent(command.stdout(Stdio::piped()));
        let mut said = BufReader::new(daemon.0.stdout.take().expect("stdout is piped"));
        let (sender, first) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = sender.send(said.read_line(&mut line).map(|_| line));
        });
        let line = match first.recv_timeout(READY) {
            Ok(line) => line.expect("a line of text"),
            Err(_) => panic!("{command:?} did not say within {READY:?} that it is ready"),
        };
        (daemon, line.trim_end().to_owned())
    }

    /// Starts one whose output goes where the command says.
    pub(crate) fn start_silent(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("{command:?} cannot be started: {error}; tests/run installs what the tests need")
        });
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
