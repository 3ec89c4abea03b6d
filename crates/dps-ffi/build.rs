//! Names the shared library for the dynamic linker, so that programs do not remember the path it
//! was built at.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdps.so.0");
    }
}
