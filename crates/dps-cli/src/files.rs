//! Files that the command makes.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// A new file; it must not be there yet. What is to hold a secret is readable by its owner only,
/// from the beginning.
pub(crate) fn create(path: &Path, secret: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    options.open(path)
}
