//! Names the shared library for the dynamic linker, so that programs do not remember the path it
//! was built at.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let manifest = std::fs::read_to_string("Cargo.toml")?;
        let major = interface_major(&manifest).ok_or("Cargo.toml has no version of the C API")?;
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdps.so.{major}");
    }
    Ok(())
}

/// The first number of the C API's version, which is the only line of its kind: the crate's own
/// version is the workspace's.
fn interface_major(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.split('.').next())
}
