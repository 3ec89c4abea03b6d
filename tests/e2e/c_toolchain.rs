//! What CMake is told to compile for, and how, also holds for cargo.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{root, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn folder(name: &str) -> PathBuf {
    let folder = root().join("target/c-toolchain").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// System, processor and the C compiler's name for the machine; and Rust's.
const TARGETS: [(&str, &str, &str, &str); 18] = [
    ("Linux", "x86_64", "x86_64-linux-gnu", "x86_64-unknown-linux-gnu"),
    ("Linux", "x86_64", "x86_64-alpine-linux-musl", "x86_64-unknown-linux-musl"),
    ("Linux", "x86_64", "i686-linux-gnu", ""),
    ("Linux", "i686", "i686-linux-gnu", "i686-unknown-linux-gnu"),
    ("Linux", "aarch64", "aarch64-linux-gnu", "aarch64-unknown-linux-gnu"),
    ("Linux", "aarch64", "aarch64-poky-linux", "aarch64-unknown-linux-gnu"),
    ("Linux", "aarch64", "arm-linux-gnueabihf", ""),
    ("Linux", "armv7l", "arm-linux-gnueabihf", "armv7-unknown-linux-gnueabihf"),
    ("Linux", "cortexa7", "arm-poky-linux-musleabi", "armv7-unknown-linux-musleabi"),
    ("Linux", "arm", "arm-linux-gnueabi", "arm-unknown-linux-gnueabi"),
    ("Linux", "arm", "arm-poky-linux", ""),
    ("Linux", "armv7-a", "arm-buildroot-linux-uclibcgnueabihf", ""),
    ("Linux", "riscv64", "riscv64-linux-gnu", "riscv64gc-unknown-linux-gnu"),
    ("Linux", "mips", "mips-linux-gnu", ""),
    ("Darwin", "arm64", "arm64-apple-darwin23", "aarch64-apple-darwin"),
    ("Android", "armv7-a", "armv7a-linux-androideabi24", "armv7-linux-androideabi"),
    ("Android", "aarch64", "aarch64-linux-android24", "aarch64-linux-android"),
    ("Windows", "AMD64", "", ""),
];

#[test]
fn cmakes_words_for_a_machine_become_rusts_or_a_question() {
    let mut script = format!("include(\"{}/cmake/DpsRustTarget.cmake\")\n", root().display());
    for (system, processor, machine, _) in TARGETS {
        script += &format!("dps_rust_target(t \"{system}\" \"{processor}\" \"{machine}\")\n");
        script += "message(\"'${t}'\")\n";
    }
    let file = folder("names").join("names.cmake");
    fs::write(&file, script).unwrap();
    let mut cmake = Command::new("cmake");
    let told = run(cmake.arg("-P").arg(file), Duration::from_secs(30)).success().stderr;
    let expected: Vec<String> = TARGETS.iter().map(|row| format!("'{}'", row.3)).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    // None of them is a name that Rust does not have.
    let mut rustc = Command::new("rustc");
    let list = run(rustc.args(["--print", "target-list"]), Duration::from_secs(30)).success();
    for (.., target) in TARGETS.into_iter().filter(|row| !row.3.is_empty()) {
        assert!(list.stdout.lines().any(|line| line == target), "{target}");
    }
}

#[test]
fn a_toolchain_files_compiler_links_the_library_for_its_machine() {
    let machine = std::env::consts::ARCH;
    let place = folder("build");
    // A compiler that keeps a record of what it is asked for.
    let (compiler, record) = (place.join("target-gcc"), place.join("record"));
    let text = format!("#!/bin/sh\necho \"$@\" >>'{}'\nexec cc \"$@\"\n", record.display());
    fs::write(&compiler, text).unwrap();
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
    let toolchain = place.join("toolchain.cmake");
    let text = format!(
        "set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR {machine})\n\
         set(CMAKE_C_COMPILER \"{}\")\nset(CMAKE_SYSROOT /)\n",
        compiler.display()
    );
    fs::write(&toolchain, text).unwrap();

    let out = place.join("out");
    let _ = fs::remove_file(out.join("CMakeCache.txt"));
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(root())
        .arg("-B")
        .arg(&out)
        .arg(format!("-DCMAKE_TOOLCHAIN_FILE={}", toolchain.display()))
        .args(["-DCMAKE_BUILD_TYPE=Debug", "-DDPS_CARGO_FLAGS=--locked", "-Dskip_samples=ON"]);
    run(&mut configure, Duration::from_secs(120)).success();
    // What an earlier run has left must be compiled and linked again.
    let built = out.join(format!("cargo/{machine}-unknown-linux-gnu/debug"));
    for kept in fs::read_dir(built.join(".fingerprint")).into_iter().flatten().flatten() {
        let name = kept.file_name().into_string().unwrap();
        if name.starts_with("dps-ffi-") || name.starts_with("ring-") {
            fs::remove_dir_all(kept.path()).unwrap();
        }
    }
    let _ = fs::remove_file(&record);
    let mut build = Command::new("cmake");
    run(build.arg("--build").arg(&out), Duration::from_secs(1200)).success();

    for name in ["libdps.a", "libdps.so"] {
        assert!(built.join(name).exists(), "{name}");
    }
    let asked = fs::read_to_string(&record).unwrap();
    let of = |word: &str| asked.lines().rfind(move |line| line.contains(word));
    let linked = of("-Wl,-soname,libdps.so.").expect("the library is linked by the compiler");
    assert!(linked.contains("--sysroot=/"), "{linked}");
    let compiled = of("curve25519.c").expect("ring's C parts are compiled by the compiler");
    assert!(compiled.contains("--sysroot=/"), "{compiled}");
}

#[test]
fn the_build_type_chooses_cargos_profile() {
    for (build_type, profile) in [
        ("Debug", "dev"),
        ("Release", "release-lib"),
        ("MinSizeRel", "release-lib"),
        ("RelWithDebInfo", "release-lib-debuginfo"),
    ] {
        let out = folder(build_type);
        let _ = fs::remove_file(out.join("CMakeCache.txt"));
        let mut configure = Command::new("cmake");
        configure.args(["-G", "Unix Makefiles", "-Dskip_samples=ON", "-S"]).arg(root());
        configure.arg("-B").arg(&out).arg(format!("-DCMAKE_BUILD_TYPE={build_type}"));
        run(&mut configure, Duration::from_secs(120)).success();
        // What make would run.
        let mut make = Command::new("make");
        make.arg("-n").arg("-C").arg(&out).arg("dps_cargo");
        let told = run(&mut make, Duration::from_secs(60)).success().stdout;
        assert!(told.contains(&format!("--profile {profile} ")), "{build_type}: {told}");
        assert!(!told.contains("--target "), "{told}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for profile in ["release-lib", "release-lib-debuginfo"] {
        assert!(manifest.contains(&format!("[profile.{profile}]\n")), "{profile}");
    }
}
