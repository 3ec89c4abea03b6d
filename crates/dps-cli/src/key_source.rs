//! Keys and passphrases from files and standard input, so that none need stand on a command line.

use crate::exit;
use crate::failure::Failure;
use crate::output;
use dps_client::SymmetricKey;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// No key file is larger.
const MAX_BYTES: u64 = 4096;

/// Reads a base64 key from a file; `-` is standard input.
pub(crate) fn from_file(path: &Path) -> Result<SymmetricKey, Failure> {
    if path == Path::new("-") {
        return from_stdin();
    }
    let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
    decode(file).map_err(|failure| match failure {
        Problem::Io(error) => Failure::file("read", path, &error),
        Problem::Content(text) => {
            Failure::new(exit::CONFIG, format!("no key in {}", path.display())).why(text)
        }
    })
}

/// Reads a base64 key from standard input.
pub(crate) fn from_stdin() -> Result<SymmetricKey, Failure> {
    decode(stdin("key")).map_err(|failure| match failure {
        Problem::Io(error) => {
            Failure::new(exit::OTHER, "cannot read the key from standard input").why(error)
        }
        Problem::Content(text) => Failure::new(exit::CONFIG, "no key on standard input").why(text),
    })
}

/// Reads a passphrase from the first line of a file; `-` is standard input. Any bytes will do.
pub(crate) fn passphrase(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    first_line("passphrase", path)
}

/// Reads a secret from the first line of a file; `-` is standard input. Any bytes will do.
pub(crate) fn first_line(what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes =
        if path == Path::new("-") { read(stdin(what)) } else { File::open(path).and_then(read) };
    let mut bytes = bytes.map_err(|error| Failure::file("read", path, &error))?;
    let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(length);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(Failure::new(
            exit::CONFIG,
            format!("no {what} in the first line of {}", path.display()),
        ));
    }
    Ok(bytes)
}

fn stdin(what: &str) -> io::StdinLock<'static> {
    let input = io::stdin();
    if input.is_terminal() {
        output::error(format_args!("Type or paste the {what}, then press Enter and Ctrl-D:\n"));
    }
    input.lock()
}

enum Problem {
    Io(io::Error),
    Content(String),
}

fn decode(input: impl Read) -> Result<SymmetricKey, Problem> {
    let bytes = read(input).map_err(Problem::Io)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::Content("it is not text".into()))?;
    SymmetricKey::from_base64(text).map_err(|error| Problem::Content(error.to_string()))
}

/// As much as a key file can hold and one byte more, in one buffer: one that grows would leave
/// copies behind.
fn read(input: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
