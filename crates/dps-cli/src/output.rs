//! Standard output and standard error, which may be closed or full at any time: that must never
//! end a command in the middle of its work.

use crate::exit;
use crate::failure::Failure;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// The first failure to write a line that somebody might miss.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line to standard output, as far as that works.
pub(crate) fn line(text: impl Display) {
    let mut output = io::stdout().lock();
    let Err(error) = writeln!(output, "{text}").and_then(|()| output.flush()) else { return };
    // Whoever closed the other end has read enough.
    if error.kind() != ErrorKind::BrokenPipe {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert(error);
    }
}

/// Whether all lines went where somebody can read them.
pub(crate) fn check() -> Result<(), Failure> {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    match lost.take() {
        None => Ok(()),
        Some(error) => {
            Err(Failure::new(exit::OTHER, "standard output could not be written").why(error))
        }
    }
}

/// Prints to standard error, as far as that works.
pub(crate) fn error(text: impl Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Without control characters, which a terminal would obey: JSON text may have some of them.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    shown
}

/// JSON that says the same without the control characters that JSON need not escape, and which a
/// terminal would obey. Line breaks stay.
pub(crate) fn plain_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{7f}'..='\u{9f}' => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => shown.push(other),
        }
    }
    shown
}

/// Standard error for log lines: a reader that is gone is no reason to stop.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_sends_cannot_command_the_terminal() {
        assert_eq!(printable("{\"a\": \"\u{9b}2J\u{e4}\"}"), "{\"a\": \"\\u{9b}2J\u{e4}\"}");
        let json = plain_json("[\n\"\u{9b}2J\u{7f}\u{e4}\"]");
        assert_eq!(json, "[\n\"\\u009b2J\\u007f\u{e4}\"]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap()[0], "\u{9b}2J\u{7f}\u{e4}");
        assert_eq!(printable("{\n\u{1b}}"), "{\\u{a}\\u{1b}}");
    }
}
