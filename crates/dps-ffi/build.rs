//! Names the shared library for the dynamic linker, so that programs do not remember the path it
//! was built at, and compiles what cannot be said in Rust: weak references, and functions that are
//! only linked when they are called.

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rerun-if-changed=c");
    println!("cargo:rerun-if-changed=../../include");
    println!("cargo:rustc-check-cfg=cfg(dps_linked_hsm)");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system == "linux" {
        let manifest = std::fs::read_to_string("Cargo.toml")?;
        let major = interface_major(&manifest).ok_or("Cargo.toml has no version of the C API")?;
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdps.so.{major}");
    }
    // Whose linkers know weak references as ELF has them.
    if ["linux", "android", "freebsd", "netbsd", "openbsd"].contains(&system.as_str()) {
        println!("cargo:rustc-cfg=dps_linked_hsm");
        cc::Build::new()
            .include("../../include")
            .include("../../include/compat")
            .file("c/linked_hsm.c")
            .file("c/prov_auth_buffer.c")
            .compile("dps_c");
    }
    Ok(())
}

/// The first number of the C API's version, which is the only line of its kind: the crate's own
/// version is the workspace's.
fn interface_major(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.split('.').next())
}
