//! libdps, installed and moved elsewhere, as projects of other people find it: by pkg-config, by
//! CMake's find_package, and as a part of their own tree. Their program registers over every
//! transport with the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::Transport;
use dps_tests::{Fleet, c_build, root, run};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Of the C interface (`crates/dps-ffi/Cargo.toml`). Programs that are linked with it remember
/// the first number.
const INTERFACE: &str = "1.0.0";
const SONAME: &str = "libdps.so.1";
const BUILD: Duration = Duration::from_secs(600);

/// By the names that the consumers' program has for them.
const TRANSPORTS: [(&str, Transport); 5] = [
    ("mqtt", Transport::Mqtt),
    ("mqtt-ws", Transport::MqttWs),
    ("http", Transport::Http),
    ("amqp", Transport::Amqp),
    ("amqp-ws", Transport::AmqpWs),
];

fn empty(name: &str) -> PathBuf {
    let folder = root().join("target/c-install").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The prefix: installed by way of DESTDIR, as packagers do, and then moved.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let staged = empty("staged");
        let mut install = Command::new("cmake");
        install.arg("--install").arg(c_build()).args(["--prefix", "/opt/dps"]);
        run(install.env("DESTDIR", &staged), Duration::from_secs(60)).success();
        let moved = empty("elsewhere").join("prefix");
        fs::rename(staged.join("opt/dps"), &moved).unwrap();
        moved
    })
}

/// The file that the links lead to.
fn shared_library() -> PathBuf {
    prefix().join(format!("lib/libdps.so.{INTERFACE}"))
}

fn consumer(name: &str) -> PathBuf {
    root().join("tests/consumers").join(name)
}

/// Configures and builds a consumer with CMake, and gives its build folder.
fn cmake<S: AsRef<OsStr>>(source: &str, folder: &str, settings: &[S]) -> PathBuf {
    let folder = empty(folder);
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(consumer(source)).arg("-B").arg(&folder).args(settings);
    run(&mut configure, BUILD).success();
    let mut build = Command::new("cmake");
    run(build.arg("--build").arg(&folder), BUILD).success();
    folder
}

fn setting(name: &str, value: impl AsRef<OsStr>) -> String {
    format!("-D{name}={}", value.as_ref().to_str().unwrap())
}

/// The programs register a device each over every transport.
fn register(folder: &Path, programs: &[&str]) {
    let fleet = Fleet::start();
    let ca = folder.join("ca.pem");
    fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
    let one = |program: &str, name: &str, transport: Transport| {
        let id = format!("{program}-{name}");
        let mut command = Command::new(folder.join(program));
        command
            .arg(name)
            .arg(fleet.endpoint(transport).to_string())
            .args([fleet.emulator.id_scope(), &id, fleet.derived_key(&id).to_base64().as_str()])
            .arg(&ca);
        // For what was built without CMake, which notes where the library is.
        command.env("LD_LIBRARY_PATH", prefix().join("lib"));
        let told = run(&mut command, Duration::from_secs(90)).success().stdout;
        assert_eq!(told, format!("assigned contoso-hub.localhost {id}\n"), "{program} {name}");
    };
    // At the same time: most of it is waiting for the service's retry-after.
    std::thread::scope(|scope| {
        for program in programs {
            for (name, transport) in TRANSPORTS {
                let one = &one;
                scope.spawn(move || one(program, name, transport));
            }
        }
    });
}

/// The consumers' tool has the security modules by the C SDK's names.
fn tool_answers(folder: &Path) {
    let mut tool = Command::new(folder.join("tool"));
    let told = run(&mut tool, Duration::from_secs(10)).success().stdout;
    assert_eq!(told, "tool, 0 bytes, a table: yes\n", "{}", folder.display());
}

/// Whether the program wants the shared library when it starts.
fn is_dynamic(program: &Path) -> bool {
    let listed = run(Command::new("readelf").arg("-d").arg(program), BUILD).success().stdout;
    assert!(listed.contains("[libc.so.6]"), "{listed}");
    listed.contains(&format!("[{SONAME}]"))
}

#[test]
fn a_makefile_with_pkg_config_links_it_in_three_ways() {
    let out = empty("pkg_config");
    let mut make = Command::new("make");
    make.arg("-C").arg(consumer("pkg_config")).arg(format!("OUT={}", out.display()));
    make.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    run(&mut make, BUILD).success();
    register(&out, &["shared", "static", "names"]);
    let dynamic = ["shared", "static", "names"].map(|name| is_dynamic(&out.join(name)));
    assert_eq!(dynamic, [true, false, true]);
}

#[test]
fn find_package_gives_the_archive_the_shared_library_and_the_old_names() {
    let found = [setting("CMAKE_PREFIX_PATH", prefix()), setting("VERSION", VERSION)];
    let folder = cmake("find_package", "find_package", &found);
    register(&folder, &["static", "shared", "names"]);
    tool_answers(&folder);
    let dynamic = ["static", "shared", "names"].map(|name| is_dynamic(&folder.join(name)));
    assert_eq!(dynamic, [false, true, false]);
}

#[test]
fn folders_of_one_project_each_find_it_whatever_module_they_choose() {
    let module = empty("siblings-module");
    let plugin = consumer("custom_hsm").join("plugin.c");
    for (form, name) in [("-c", "plugin.o"), ("-shared", "plugin.so")] {
        let mut cc = Command::new("cc");
        cc.args([form, "-fPIC", "-I"]).arg(root().join("include"));
        cc.arg("-I").arg(root().join("include/compat")).arg(&plugin).arg("-o").arg(name);
        run(cc.current_dir(&module), BUILD).success();
    }
    let mut ar = Command::new("ar");
    run(ar.args(["rcs", "plugin.a", "plugin.o"]).current_dir(&module), BUILD).success();
    for (name, settings) in [
        ("plain", vec![]),
        ("archive", vec![setting("hsm_custom_lib", module.join("plugin.a"))]),
        ("object", vec![setting("hsm_custom_lib", module.join("plugin.so"))]),
        ("2017", vec![setting("API_2017", "ON"), setting("dps_auth_type", "x509")]),
    ] {
        let mut all = vec![setting("CMAKE_PREFIX_PATH", prefix())];
        all.extend(settings);
        let folder = cmake("siblings", &format!("siblings_{name}"), &all);
        for program in ["one/one", "two/two"] {
            assert!(folder.join(program).is_file(), "{name} {program}");
        }
    }
}

#[test]
fn the_c_sdks_package_names_find_it_too() {
    for package in ["azure_iot_sdks", "azure_prov_sdk"] {
        // As with the original, whose folder has another name than its files.
        let place = prefix().join("lib/cmake/azure_prov_sdk");
        let folder = cmake(
            "find_package",
            package,
            &[
                setting("PACKAGE", package),
                setting("VERSION", "1.10"),
                setting("CMAKE_PREFIX_PATH", place),
                setting("build_as_dynamic", "ON"),
            ],
        );
        for program in ["names", "tool"] {
            assert!(is_dynamic(&folder.join(program)), "{package} {program}");
        }
        tool_answers(&folder);
        register(&folder, &["names"]);
    }
}

#[test]
fn another_tree_takes_it_in_under_the_old_names_only() {
    let library = prefix().join("lib/libdps.a");
    let shared = shared_library();
    for dynamic in ["OFF", "ON"] {
        let folder = cmake(
            "original_names",
            &format!("original_names_{dynamic}"),
            &[
                setting("DPS_SOURCE", root()),
                setting("PLAIN", format!("{};{}", library.display(), shared.display())),
                setting("build_as_dynamic", dynamic),
            ],
        );
        for program in ["names", "tool"] {
            assert_eq!(is_dynamic(&folder.join(program)), dynamic == "ON", "{program}");
        }
        tool_answers(&folder);
        register(&folder, &["names"]);
    }
}

/// The dps command as the other tests have it.
fn tool() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root()).args(["build", "--locked", "--quiet", "-p", "dps-cli"]);
    build.args(["--message-format", "json"]);
    let told = run(&mut build, BUILD).success().stdout;
    let found = told.lines().find_map(|line| line.split("\"executable\":\"").nth(1));
    PathBuf::from(found.unwrap().split('"').next().unwrap())
}

#[test]
fn debian_packages_install_what_programs_programmers_and_operators_need() {
    let folder = empty("debian");
    let mut script = Command::new(root().join("packaging/deb"));
    script
        .arg("Somebody <somebody@example.com>")
        .arg(&folder)
        .arg(setting("DPS_TOOL", tool()))
        .arg(setting("DPS_LIBRARY", prefix().join("lib/libdps.a")))
        .arg(setting("DPS_SHARED_LIBRARY", shared_library()));
    run(&mut script, BUILD).success();

    // A system of their own, whose only packages they are.
    let system = folder.join("system");
    fs::create_dir_all(system.join("var/lib/dpkg/updates")).unwrap();
    fs::write(system.join("var/lib/dpkg/status"), "").unwrap();
    let mut depends = Vec::new();
    for name in ["libdps1", "libdps-dev", "dps-tools"] {
        let found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found = found.filter(|path| {
            let file = path.file_name().unwrap().to_str().unwrap();
            file.starts_with(&format!("{name}_{VERSION}_")) && file.ends_with(".deb")
        });
        let package = found.next().unwrap();
        let mut install = Command::new("dpkg");
        install.args(["--force-not-root", "--force-depends", "--force-script-chrootless"]);
        // dpkg wants to find programs of administrators.
        let path = std::env::var("PATH").unwrap_or_default();
        install.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
        install.arg(format!("--root={}", system.display())).arg("--install").arg(&package);
        run(&mut install, BUILD).success();
        let mut field = Command::new("dpkg-deb");
        field.arg("-f").arg(&package).arg("Depends");
        depends.push(run(&mut field, BUILD).success().stdout);
    }
    assert!(depends[0].contains("libc6"), "{depends:?}");
    assert_eq!(depends[1], format!("libdps1 (= {VERSION})\n"));
    assert!(depends[2].contains("libc6") && !depends[2].contains("libdps"), "{depends:?}");
    let mut dps = Command::new(system.join("usr/bin/dps"));
    let told = run(dps.arg("--version"), BUILD).success().stdout;
    assert_eq!(told, format!("dps {VERSION}\n"));

    // Debian's folder for this machine's libraries.
    let libraries = fs::read_dir(system.join("usr/lib")).unwrap();
    let libraries = libraries.map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let libraries = libraries.unwrap();
    assert!(libraries.join(SONAME).exists());
    let out = empty("debian-consumer");
    let mut make = Command::new("make");
    make.arg("-C").arg(consumer("pkg_config")).arg(format!("OUT={}", out.display()));
    run(make.env("PKG_CONFIG_PATH", libraries.join("pkgconfig")), BUILD).success();
    register(&out, &["static"]);
}

#[test]
fn nothing_that_is_installed_names_a_folder_of_this_machine() {
    let mut folders = vec![prefix().to_owned()];
    let mut texts = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                texts += 1;
                let root = root();
                for place in [root.to_str().unwrap(), "/opt/dps"] {
                    assert!(!text.contains(place), "{} names {place}", path.display());
                }
            }
        }
    }
    assert!(texts > 30, "{texts} texts");
    // A loader looks for the name that the library bears, whatever the file is called.
    let file = format!("libdps.so.{INTERFACE}");
    for (link, target) in [("libdps.so", SONAME), (SONAME, &file)] {
        let found = fs::read_link(prefix().join("lib").join(link)).unwrap();
        assert_eq!(found, Path::new(target));
    }
}
