//! Folders that go away with what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A new empty folder. It is removed with the last clone.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Owned>);

#[derive(Debug)]
struct Owned(PathBuf);

impl Folder {
    /// Makes one whose name starts with `dps-` and this.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dps-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(Arc::new(Owned(path)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
