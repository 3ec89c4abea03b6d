//! New files, of which all are written or none: a private key without its certificate is of no
//! use to anyone but thieves, and what a file held before is lost only when the new is complete.

use crate::exit;
use crate::failure::Failure;
use crate::files;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

/// A file to make.
pub(super) struct New<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    /// For its owner's eyes only.
    pub(super) secret: bool,
}

/// Makes the files; with `force` in place of those that are there.
pub(super) fn write_all(news: &[New<'_>], force: bool) -> Result<(), Failure> {
    let mut staged = Vec::new();
    for new in news {
        let written = Staged::write(new, force);
        staged.push(written.map_err(|error| Failure::file("write", new.path, &error))?);
    }
    for file in &mut staged {
        file.place().map_err(|error| Failure::file("write", file.path, &error))?;
    }
    for file in &mut staged {
        file.keep();
    }
    Ok(())
}

pub(super) fn refuse_existing(paths: &[&Path], force: bool) -> Result<(), Failure> {
    match paths.iter().find(|path| !force && path.exists()) {
        Some(path) => Err(Failure::new(exit::CONFIG, format!("{} exists", path.display()))
            .remedy("give another name, or --force to replace it")),
        None => Ok(()),
    }
}

/// A file for its owner's eyes that is written bit by bit, and in its place only when it is whole.
pub(super) struct Growing<'a> {
    staged: Staged<'a>,
    file: File,
}

impl<'a> Growing<'a> {
    pub(super) fn start(path: &'a Path, force: bool) -> io::Result<Self> {
        let (staged, file) = Staged::start(path, true, force)?;
        Ok(Self { staged, file })
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.staged.place()?;
        self.staged.keep();
        Ok(())
    }
}

impl io::Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A complete file under another name beside its place. Dropped, it leaves nothing behind.
struct Staged<'a> {
    path: &'a Path,
    beside: Option<PathBuf>,
    /// The place was free, and is held by us.
    reserved: bool,
}

impl<'a> Staged<'a> {
    fn write(new: &New<'a>, force: bool) -> io::Result<Self> {
        let (staged, mut file) = Self::start(new.path, new.secret, force)?;
        file.write_all(new.bytes)?;
        Ok(staged)
    }

    fn start(path: &'a Path, secret: bool, force: bool) -> io::Result<(Self, File)> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this names no file"));
        };
        if force && path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file"));
        }
        let mut staged = Self { path, beside: None, reserved: false };
        if !force {
            // Who else makes a file here, is not overwritten.
            files::create(path, secret)?;
            staged.reserved = true;
        }
        let name = format!(".{}.{}.new", name.to_string_lossy(), process::id());
        let beside = path.with_file_name(name);
        let file = files::create(&beside, secret)?;
        staged.beside = Some(beside);
        Ok((staged, file))
    }

    fn place(&mut self) -> io::Result<()> {
        if let Some(beside) = &self.beside {
            fs::rename(beside, self.path)?;
            self.beside = None;
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.reserved = false;
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // There is nobody to tell, and a failure is being told already.
        if let Some(beside) = &self.beside {
            let _ = fs::remove_file(beside);
        }
        if self.reserved {
            let _ = fs::remove_file(self.path);
        }
    }
}
