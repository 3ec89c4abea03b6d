//! Keys from files and standard input, so that none need stand on a command line.

use crate::exit;
use crate::failure::Failure;
use crate::output;
use dps_client::SymmetricKey;
use std::fs::File;
use std::io::{IsTerminal as _, Read};
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
    let input = std::io::stdin();
    if input.is_terminal() {
        output::error("Type or paste the key, then press Enter and Ctrl-D:\n");
    }
    decode(input.lock()).map_err(|failure| match failure {
        Problem::Io(error) => {
            Failure::new(exit::OTHER, "cannot read the key from standard input").why(error)
        }
        Problem::Content(text) => Failure::new(exit::CONFIG, "no key on standard input").why(text),
    })
}

enum Problem {
    Io(std::io::Error),
    Content(String),
}

fn decode(input: impl Read) -> Result<SymmetricKey, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Problem::Io)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::Content("it is not text".into()))?;
    SymmetricKey::from_base64(text).map_err(|error| Problem::Content(error.to_string()))
}
