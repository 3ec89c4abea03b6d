//! The C test programs with a libdps that a sanitizer looks into.

use crate::{root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Which sanitizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitizer {
    /// AddressSanitizer with its search for leaks; for the C side UndefinedBehaviorSanitizer too.
    Address,
    /// ThreadSanitizer.
    Thread,
}

/// Programs and what they are run with.
#[derive(Debug)]
pub struct Sanitized {
    folder: PathBuf,
    sanitizer: Sanitizer,
}

/// The exit code of a program that a sanitizer has complained about.
const FOUND: i32 = 66;
const TARGET: &str = "x86_64-unknown-linux-gnu";
const LIMIT: Duration = Duration::from_secs(1800);

/// The slow paths of the standard library's locks: what the wrapper calls them, how their mangled
/// names begin and end.
const LOCKS: [(&str, &str); 6] = [
    ("LOCK_CONTENDED", "sync5mutex5futexNtB2_5Mutex14lock_contended"),
    ("READ_CONTENDED", "sync6rwlock5futexNtB2_6RwLock14read_contended"),
    ("WRITE_CONTENDED", "sync6rwlock5futexNtB2_6RwLock15write_contended"),
    ("CONDVAR_WAIT", "sync7condvar5futexNtB2_7Condvar4wait"),
    ("CONDVAR_WAIT_TIMEOUT", "sync7condvar5futexNtB2_7Condvar12wait_timeout"),
    ("ONCE_CALL", "sync4once5futexNtB5_4Once4call"),
];

impl Sanitized {
    /// Builds what is not there yet. Both sanitizers share a target folder, so that what runs while
    /// compiling is built once.
    pub fn build(sanitizer: Sanitizer) -> &'static Self {
        static BUILT: [OnceLock<Sanitized>; 2] = [const { OnceLock::new() }; 2];
        BUILT[sanitizer as usize].get_or_init(|| {
            let folder = root().join("target/sanitizers").join(sanitizer.name());
            fs::create_dir_all(&folder).unwrap();
            let built = Self { folder, sanitizer };
            built.build_library();
            built.build_programs();
            built
        })
    }

    /// A command that runs `dps_c_scenarios`.
    pub fn scenarios(&self) -> Command {
        self.program("dps_c_scenarios")
    }

    /// A command that runs `dps_c_self_check`.
    pub fn self_check(&self) -> Command {
        self.program("dps_c_self_check")
    }

    /// Whether the sanitizer has complained.
    pub fn has_found(code: Option<i32>) -> bool {
        code == Some(FOUND)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        let suppressions = root().join("tests/c/sanitizers/tsan.supp");
        command
            .env("ASAN_OPTIONS", format!("exitcode={FOUND}:detect_leaks=1"))
            .env("LSAN_OPTIONS", format!("exitcode={FOUND}"))
            .env("UBSAN_OPTIONS", format!("halt_on_error=1:exitcode={FOUND}:print_stacktrace=1"))
            .env(
                "TSAN_OPTIONS",
                format!("exitcode={FOUND}:halt_on_error=1:suppressions={}", suppressions.display()),
            );
        command
    }

    /// libdps.a. The optimiser is left out: building takes longer than running.
    fn build_library(&self) {
        let cargo = root().join("target/sanitizers/cargo");
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["rustc", "--locked", "-q", "-p", "dps-ffi", "--lib", "--crate-type"])
            .args(["staticlib", "--target", TARGET, "--target-dir"])
            .arg(&cargo)
            .current_dir(root())
            // The sanitizers' flags are unstable; this lets the stable compiler take them.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env(
                "RUSTFLAGS",
                format!(
                    "-Zsanitizer={} -Cunsafe-allow-abi-mismatch=sanitizer",
                    self.sanitizer.name()
                ),
            );
        // One after the other: they end at the same place.
        static BUILDING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _alone = BUILDING.lock();
        run(&mut command, LIMIT).success();
        fs::copy(cargo.join(TARGET).join("debug/libdps.a"), self.library()).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.join("libdps.a")
    }

    fn build_programs(&self) {
        let sources = root().join("tests/c");
        let mut scenarios: Vec<PathBuf> = fs::read_dir(&sources)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.ends_with("scenarios.c") || name == "harness.c" || name == "threads.c"
            })
            .collect();
        let beside = root().join("crates/dps-ffi");
        let modules = ["key", "x509", "tpm", "interfaces"];
        scenarios.extend(modules.map(|name| beside.join(format!("hsm/hsm_client_{name}.c"))));
        scenarios.extend(["compat/buffer.c", "compat/compat.c"].map(|name| beside.join(name)));
        scenarios.sort();
        self.compile("dps_c_scenarios", &scenarios);
        self.compile("dps_c_self_check", &[sources.join("sanitizers/self_check.c")]);
    }

    fn compile(&self, name: &str, sources: &[PathBuf]) {
        let include = root().join("include");
        let flags = match self.sanitizer {
            Sanitizer::Address => "-fsanitize=address,undefined",
            Sanitizer::Thread => "-fsanitize=thread",
        };
        let folder = self.folder.join(format!("{name}.objects"));
        fs::create_dir_all(&folder).unwrap();
        let mut objects = Vec::new();
        for source in sources {
            let object = folder.join(source.file_name().unwrap()).with_extension("o");
            let mut command = Command::new("gcc");
            command.args(["-std=c99", "-g", "-O1", flags, "-fno-sanitize-recover=undefined"]);
            command.arg("-I").arg(&include).arg("-I").arg(include.join("compat"));
            command.arg("-c").arg(source).arg("-o").arg(&object);
            run(&mut command, LIMIT).success();
            objects.push(object);
        }
        let mut link = Command::new("gcc");
        link.args(&objects);
        match self.sanitizer {
            // The compiler's own runtime.
            Sanitizer::Address => {
                link.arg(flags).arg(self.library());
            }
            // Rust's: gcc's lacks functions that Rust's compiler calls.
            Sanitizer::Thread => {
                link.args(self.lock_wrappers(&folder)).arg(self.library());
                link.arg("-Wl,--whole-archive").arg(rust_runtime()).arg("-Wl,--no-whole-archive");
            }
        }
        link.args(["-lpthread", "-ldl", "-lm", "-lrt", "-o"]).arg(self.folder.join(name));
        run(&mut link, LIMIT).success();
    }

    /// What `tests/c/sanitizers/std_locks.c` compiles to, and the linker's arguments for it.
    fn lock_wrappers(&self, folder: &Path) -> Vec<String> {
        let mut nm = Command::new("nm");
        nm.args(["--undefined-only", "-j"]).arg(self.library());
        let symbols = run(&mut nm, LIMIT).stdout;
        let object = folder.join("std_locks.o");
        let mut compile = Command::new("gcc");
        compile.args(["-std=c99", "-O1", "-c"]).arg(root().join("tests/c/sanitizers/std_locks.c"));
        let mut arguments = vec![object.display().to_string()];
        for (name, end) in LOCKS {
            let symbol = symbols
                .lines()
                .map(str::trim)
                .find(|symbol| symbol.starts_with("_R") && symbol.ends_with(end))
                .unwrap_or_else(|| panic!("the standard library has no {end} any more"));
            compile.arg(format!("-D{name}={symbol}"));
            arguments.push(format!("-Wl,--wrap={symbol}"));
        }
        run(compile.arg("-o").arg(&object), LIMIT).success();
        arguments
    }
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }
}

/// The thread sanitizer's runtime, which comes with Rust.
fn rust_runtime() -> PathBuf {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(root());
    let folder = run(&mut rustc, LIMIT).success().stdout;
    let found = fs::read_dir(folder.trim())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with("_rt.tsan.a"));
    found.expect("Rust's runtime of the thread sanitizer")
}
