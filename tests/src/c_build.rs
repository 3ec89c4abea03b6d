//! The C library, its samples and test programs, built once by CMake.

use crate::{root, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The build folder, after the README's commands.
pub fn c_build() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = root().join("target/c-api");
        let mut configure = Command::new("cmake");
        configure
            .args(["-Dhsm_type_symm_key:BOOL=ON", "-Duse_prov_client:BOOL=ON"])
            .args(["-Dbuild_c_tests=ON", "-DDPS_CARGO_FLAGS=--locked", "-S"])
            .arg(root())
            .arg("-B")
            .arg(&folder);
        run(&mut configure, Duration::from_secs(120)).success();
        let mut build = Command::new("cmake");
        build.arg("--build").arg(&folder);
        run(&mut build, Duration::from_secs(1800)).success();
        folder
    })
}
