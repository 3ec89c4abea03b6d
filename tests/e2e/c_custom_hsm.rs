//! Libraries of security modules as the C SDK has them (`c-abi.md` section 5), linked with a program
//! in every way, or loaded by it: the program does not know which.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::Transport;
use dps_tests::{Finished, Fleet, c_build, root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(300);

fn empty(name: &str) -> PathBuf {
    let folder = root().join("target/c-custom-hsm").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn source(name: &str) -> PathBuf {
    root().join("tests/consumers/custom_hsm").join(name)
}

/// Runs the C compiler in a folder.
fn cc(folder: &Path, arguments: &[&str]) {
    let include = root().join("include");
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC", "-I"]).arg(&include);
    command.arg("-I").arg(include.join("compat")).args(arguments).current_dir(folder);
    run(&mut command, BUILD).success();
}

/// The plug-in as an object file, an archive and a shared object, and the program as an object file.
fn parts(name: &str) -> PathBuf {
    let folder = empty(name);
    cc(&folder, &["-c", source("plugin.c").to_str().unwrap(), "-o", "plugin.o"]);
    cc(&folder, &["-c", source("program.c").to_str().unwrap(), "-o", "program.o"]);
    cc(&folder, &["-shared", "plugin.o", "-o", "bare.so"]);
    cc(&folder, &["-shared", "plugin.o", "-Wl,-soname,plugin.so", "-o", "plugin.so"]);
    let mut ar = Command::new("ar");
    run(ar.args(["rcs", "plugin.a", "plugin.o"]).current_dir(&folder), BUILD).success();
    folder
}

fn archive() -> String {
    c_build().join("cargo/release-lib/libdps.a").to_str().unwrap().to_owned()
}

/// What a program is run with.
struct Rig {
    fleet: Fleet,
    folder: PathBuf,
}

impl Rig {
    fn new(folder: &Path) -> Self {
        let rig = Self { fleet: Fleet::start(), folder: folder.to_owned() };
        fs::write(folder.join("ca.pem"), rig.fleet.emulator.ca_pem()).unwrap();
        fs::write(folder.join("key"), rig.fleet.derived_key("plugged").to_base64().as_bytes())
            .unwrap();
        rig
    }

    fn run(&self, program: &str, kind: &str, change: impl FnOnce(&mut Command)) -> Finished {
        let mut command = Command::new(self.folder.join(program));
        command
            .arg(kind)
            .arg(self.fleet.endpoint(Transport::Http).to_string())
            .arg(self.fleet.emulator.id_scope())
            .arg(self.folder.join("ca.pem"))
            .env("PROGRAM_HAS_KEY", "1")
            .env("PLUGIN_KEY", self.folder.join("key"))
            .env("LD_LIBRARY_PATH", c_build().join("shared"));
        change(&mut command);
        run(&mut command, Duration::from_secs(60))
    }

    /// The program has its identity from the plug-in.
    fn registers(&self, program: &str, change: impl FnOnce(&mut Command)) {
        let finished = self.run(program, "key", change).success();
        let hub = "- registered 0 contoso-hub.localhost plugged\n";
        assert!(finished.stdout.contains(hub), "{program}: {finished:?}");
        assert_eq!(finished.stdout, KEY_CALLS, "{program}");
    }
}

/// `c-abi.md` section 5, the sequence of calls.
const KEY_CALLS: &str = "- init
x509_init
tpm_init
x509_init
tpm_init
- create
key_interface
key_create
told told
set_symm_key_info
- options 10
- register
get_registration_name
- work
get_symm_key
- registered 0 contoso-hub.localhost plugged
- destroy
key_destroy
- deinit
x509_deinit
tpm_deinit
x509_deinit
tpm_deinit
";

const SEVEN: [&str; 7] = [
    "hsm_client_x509_init",
    "hsm_client_x509_deinit",
    "hsm_client_tpm_init",
    "hsm_client_tpm_deinit",
    "hsm_client_tpm_interface",
    "hsm_client_x509_interface",
    "hsm_client_key_interface",
];

/// Has the linker take the function out of an archive.
const UNDEFINED: &str = "-Wl,-u,hsm_client_x509_interface";

#[test]
fn a_library_takes_the_place_of_the_built_in_modules_however_it_is_linked() {
    let folder = parts("linked");
    let rig = Rig::new(&folder);
    let library = archive();
    let system = ["-lpthread", "-ldl", "-lm"];
    let shared_folder = format!("-L{}", c_build().join("shared").display());
    let custom = root().join("crates/dps-ffi/hsm/custom_hsm.c");
    let lines: [(&str, Vec<&str>); 8] = [
        ("object", vec!["plugin.o", &library]),
        ("object_behind", vec![&library, "plugin.o"]),
        ("collected", vec!["-Wl,--gc-sections", &library, "plugin.o"]),
        ("archive", vec![UNDEFINED, "plugin.a", &library]),
        ("archive_behind", vec![UNDEFINED, &library, "plugin.a"]),
        ("references", vec!["-Wl,--as-needed", custom.to_str().unwrap(), &library, "./plugin.so"]),
        ("shared_library", vec!["plugin.o", &shared_folder, "-ldps"]),
        ("both_shared", vec!["-Wl,--no-as-needed", "./plugin.so", &shared_folder, "-ldps"]),
    ];
    for (name, line) in lines {
        let output = ["-o", name, "program.o"];
        let run_path = format!("-Wl,-rpath,{}", folder.display());
        let all: Vec<&str> =
            output.into_iter().chain(line).chain(system).chain([run_path.as_str()]).collect();
        cc(&folder, &all);
        rig.registers(name, |_| {});
    }
}

/// Old link lines name the C SDK's archives, and the library of modules behind them.
#[test]
fn the_c_sdks_archive_names_take_a_library_that_is_asked_for() {
    let folder = parts("names");
    let rig = Rig::new(&folder);
    let prefix = empty("prefix");
    let mut install = Command::new("cmake");
    install.arg("--install").arg(c_build()).arg("--prefix").arg(&prefix);
    run(&mut install, BUILD).success();
    let (main, names) = (prefix.join("lib"), prefix.join("lib/dps"));
    // Without the shared library, which the linker would prefer.
    fs::remove_file(main.join("libdps.so")).unwrap();
    let folders = [format!("-L{}", main.display()), format!("-L{}", names.display())];
    let line = [
        "program.o",
        &folders[0],
        &folders[1],
        "-lprov_device_ll_client",
        "-lprov_auth_client",
        "-lhsm_security_client",
        "-lprov_http_transport",
    ];
    cc(&folder, &[&line[..], &["plugin.a", UNDEFINED, "-o", "custom"]].concat());
    rig.registers("custom", |_| {});
    // Asked for and not there is an error.
    let mut link = Command::new("cc");
    link.args(line).args([UNDEFINED, "-o", "lacking"]).current_dir(&folder);
    let refused = run(&mut link, BUILD);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    // Without one, the library's own modules are in use: the option for the certificate is taken.
    cc(&folder, &[&line[..], &["-o", "plain"]].concat());
    let finished = rig.run("plain", "x509", |_| {});
    assert!(finished.stdout.contains("- options 0\n"), "{finished:?}");
}

/// The seven functions of the built-in modules, before those of the library.
#[test]
fn built_in_modules_that_the_linker_took_in_a_librarys_place_are_an_error() {
    let folder = parts("in_its_place");
    let rig = Rig::new(&folder);
    let library = archive();
    let custom = root().join("crates/dps-ffi/hsm/custom_hsm.c");
    let custom = custom.to_str().unwrap();
    let names = c_build().join("libdps_hsm_interfaces.a");
    let names = names.to_str().unwrap();
    let system = ["-lpthread", "-ldl", "-lm", "-o"];
    let line = ["program.o", custom, &library, names, "plugin.a"];
    cc(&folder, &[&line[..], &system, &["wrong"]].concat());
    let finished = rig.run("wrong", "key", |_| {});
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for words in ["- init failed: hsm: ", "leave libdps_hsm_interfaces out"] {
        assert!(finished.stdout.contains(words), "{finished:?}");
    }
    let line = ["program.o", custom, &library, "plugin.a"];
    cc(&folder, &[&line[..], &system, &["right"]].concat());
    rig.registers("right", |_| {});
}

/// As a project of other people does, with its own settings.
fn consumer(name: &str, custom: &str, more: &[&str]) -> Finished {
    let folder = empty(name);
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(root().join("tests/consumers/custom_hsm"))
        .arg("-B")
        .arg(&folder)
        .arg(format!("-DDPS_SOURCE={}", root().display()))
        .arg(format!("-DDPS_LIBRARY={}", archive()))
        .arg(format!("-Dhsm_custom_lib={custom}"))
        .args(more);
    run(&mut configure, BUILD).success();
    let mut build = Command::new("cmake");
    run(build.arg("--build").arg(&folder), BUILD)
}

#[test]
fn cmake_links_a_library_by_its_path_or_its_target() {
    let folder = parts("paths");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let shared = c_build().join("shared/libdps.so");
    let dynamic =
        [format!("-DDPS_SHARED_LIBRARY={}", shared.display()), "-Dbuild_as_dynamic=ON".to_owned()];
    let dynamic: Vec<&str> = dynamic.iter().map(String::as_str).collect();
    for (name, custom, more) in [
        ("cmake_archive", path("plugin.a"), &[][..]),
        ("cmake_object", path("plugin.so"), &[]),
        ("cmake_bare", path("bare.so"), &[]),
        ("cmake_target", "plugin".to_owned(), &[]),
        ("cmake_dynamic", path("plugin.a"), &dynamic),
        // Beside the library's own modules, which tools call by their names.
        ("cmake_tools", path("plugin.a"), &["-DTOOLS=ON"]),
    ] {
        consumer(name, &custom, more).success();
        let built = root().join("target/c-custom-hsm").join(name);
        Rig::new(&built).registers("program", |_| {});
    }
    // What is missing is said when the program is linked.
    cc(&folder, &["-Dhsm_client_tpm_deinit=another", "-c", source("plugin.c").to_str().unwrap()]);
    let mut ar = Command::new("ar");
    run(ar.args(["rcs", "lacking.a", "plugin.o"]).current_dir(&folder), BUILD).success();
    let refused = consumer("cmake_lacking", &path("lacking.a"), &[]);
    assert_ne!(refused.code, Some(0));
    let told = refused.stdout + &refused.stderr;
    assert!(told.contains("undefined reference to `hsm_client_tpm_deinit'"), "{told}");
}

#[test]
fn a_library_is_told_everything_in_order_and_its_refusals_are_named() {
    let folder = parts("sequence");
    let rig = Rig::new(&folder);
    let library = archive();
    cc(&folder, &["-o", "program", "program.o", "plugin.o", &library, "-lpthread", "-ldl", "-lm"]);
    let mut lines = vec!["program.o"];
    let without = ["-o", "loading", &library, "-lpthread", "-ldl", "-lm"];
    lines.extend(without);
    cc(&folder, &lines);
    let object = folder.join("plugin.so");
    for (program, object) in [("program", None), ("loading", Some(&object))] {
        let run = |kind: &str, name: &str, value: &str| {
            rig.run(program, kind, |command| {
                command.env(name, value).env_remove("PROGRAM_HAS_KEY");
                if let Some(object) = object {
                    command.env("DPS_LOAD", object);
                }
            })
        };
        // No key of the program's is needed, and the module is told so; deinit comes once.
        let finished = run("key", "X", "").success();
        let expected = KEY_CALLS
            .replace("told told", "told nothing")
            .replace("tpm_deinit\nx509_deinit\ntpm_deinit\n", "tpm_deinit\n");
        assert_eq!(finished.stdout, expected);
        // The certificate is none, which shows when it is read.
        let finished = run("x509", "X", "");
        let calls = "- create\nx509_interface\nx509_create\n- options 10\n- register\nget_common_name\nget_cert\n";
        assert!(finished.stdout.contains(calls), "{finished:?}");
        assert!(
            finished.stdout.contains("- register failed: hsm: ")
                && finished.stdout.contains("hsm_client_get_cert of the plug-in returned NULL"),
            "{finished:?}"
        );

        for (kind, variable, value, reason) in [
            (
                "key",
                "PLUGIN_FAILS",
                "x509_init",
                "- init failed: hsm: the security module failed: hsm_client_x509_init of the plug-in failed with code 7",
            ),
            (
                "x509",
                "PLUGIN_FAILS",
                "tpm_init",
                "hsm_client_tpm_init of the plug-in failed with code 7",
            ),
            (
                "key",
                "PLUGIN_FAILS",
                "key_interface",
                "hsm_client_key_interface of the plug-in returned NULL",
            ),
            (
                "tpm",
                "PLUGIN_FAILS",
                "tpm_create",
                "hsm_client_tpm_create of the plug-in returned NULL",
            ),
            (
                "key",
                "PLUGIN_LACKS",
                "set_symm_key_info",
                "hsm_client_set_symm_key_info of the plug-in is NULL",
            ),
        ] {
            let finished = run(kind, variable, value);
            assert_eq!(finished.code, Some(1), "{finished:?}");
            assert!(finished.stdout.contains(reason), "{reason}: {finished:?}");
        }
    }
}

#[test]
fn a_shared_object_that_cannot_be_used_is_named() {
    let folder = parts("load");
    let rig = Rig::new(&folder);
    let library = archive();
    cc(&folder, &["-o", "program", "program.o", &library, "-lpthread", "-ldl", "-lm"]);
    rig.registers("program", |command| {
        command.env("DPS_LOAD", folder.join("plugin.so"));
    });
    let plugin = source("plugin.c");
    for name in SEVEN {
        let object = format!("without-{name}.so");
        let renamed = format!("-D{name}=another");
        cc(&folder, &[&renamed, "-shared", plugin.to_str().unwrap(), "-o", &object]);
        let finished = rig.run("program", "key", |command| {
            command.env("DPS_LOAD", folder.join(&object));
        });
        assert_eq!(finished.code, Some(1), "{finished:?}");
        for words in ["- load failed", &object, &format!("does not define {name};")] {
            assert!(finished.stdout.contains(words), "{words}: {finished:?}");
        }
    }
    for missing in ["/nonexistent/plugin.so", folder.join("plugin.o").to_str().unwrap()] {
        let finished = rig.run("program", "key", |command| {
            command.env("DPS_LOAD", missing);
        });
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stdout.contains(missing), "{finished:?}");
    }
}

/// The two functions that give a BUFFER call the C SDK's functions when those are linked, and
/// libdps_compat's when not.
#[test]
fn buffers_are_those_of_the_c_sdk_when_it_is_there() {
    let folder = empty("buffers");
    let library = archive();
    let stand_in = root().join("tests/consumers/buffers");
    let path = |name: &str| stand_in.join(name).to_str().unwrap().to_owned();
    cc(&folder, &["-c", &path("utility.c"), "-o", "utility.o"]);
    let mut ar = Command::new("ar");
    run(ar.args(["rcs", "libaziotsharedutil.a", "utility.o"]).current_dir(&folder), BUILD)
        .success();
    let compat = c_build().join("libdps_compat.a").to_str().unwrap().to_owned();
    let shared_folder = format!("-L{}", c_build().join("shared").display());
    let hsm = c_build().join("libdps_hsm.a").to_str().unwrap().to_owned();
    for (name, line, owner) in [
        ("alone", vec![library.as_str(), &compat], "libdps_compat"),
        ("beside", vec![&library, "libaziotsharedutil.a"], "the C SDK"),
        // Whatever the order: nothing clashes.
        (
            "both",
            vec!["libaziotsharedutil.a", &library, "libaziotsharedutil.a", &compat],
            "the C SDK",
        ),
        ("shared", vec![&hsm, &shared_folder, "-ldps", &compat], "libdps_compat"),
    ] {
        let program = path("program.c");
        let mut arguments = vec!["-o", name, program.as_str()];
        arguments.extend(line);
        arguments.extend(["-lpthread", "-ldl", "-lm"]);
        cc(&folder, &arguments);
        let mut command = Command::new(folder.join(name));
        command.env("LD_LIBRARY_PATH", c_build().join("shared"));
        let finished = run(&mut command, Duration::from_secs(10)).success();
        assert_eq!(finished.stdout, format!("17 bytes in a buffer of {owner}\n"), "{name}");
    }
}
