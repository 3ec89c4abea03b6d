//! A file of registration ids: one in each line, or a column of a CSV file (RFC 4180) whose fields
//! keep to their lines.

use crate::exit;
use crate::failure::Failure;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

/// Names of the column, without regard to case.
const COLUMNS: [&str; 2] = ["registrationid", "registration_id"];
/// The longest line, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// Reads the ids one by one.
pub(super) struct Ids<R> {
    input: R,
    line: Vec<u8>,
    /// Its number, from 1.
    number: u64,
    /// How many bytes have been read.
    position: u64,
    record: StringRecord,
    column: usize,
    /// The first line is an id and not the columns' names.
    pending: bool,
}

/// An id as it stands there, and its line.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) line: u64,
}

impl Ids<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
        Self::new(BufReader::new(file)).map_err(|error| {
            Failure::new(exit::CONFIG, format!("{} is not a file of ids", path.display()))
                .why(error)
                .remedy(
                    "give one registration id in each line, or a CSV file with a column registrationId",
                )
        })
    }
}

impl<R: BufRead> Ids<R> {
    fn new(input: R) -> Result<Self, String> {
        let mut ids = Self {
            input,
            line: Vec::new(),
            number: 0,
            position: 0,
            record: StringRecord::new(),
            column: 0,
            pending: false,
        };
        let found = ids.read()?;
        let is_name = |field: &str| COLUMNS.contains(&field.to_ascii_lowercase().as_str());
        match ids.record.iter().position(is_name) {
            Some(column) => ids.column = column,
            None if ids.record.len() > 1 => {
                return Err(
                    "its first line has several columns, of which none is registrationId".into()
                );
            }
            None => ids.pending = found,
        }
        Ok(ids)
    }

    /// The next one; empty lines are passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, String> {
        if !std::mem::take(&mut self.pending) && !self.read()? {
            return Ok(None);
        }
        let text = self.record.get(self.column).unwrap_or_default().to_owned();
        Ok(Some(Entry { text, line: self.number }))
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next line that is not empty, if there is one.
    fn read(&mut self) -> Result<bool, String> {
        loop {
            self.number += 1;
            let number = self.number;
            let refused = |why: &dyn std::fmt::Display| format!("line {number}: {why}");
            self.line.clear();
            let mut input = self.input.by_ref().take(MAX_LINE);
            let read = input.read_until(b'\n', &mut self.line).map_err(|error| refused(&error))?;
            if read as u64 == MAX_LINE {
                return Err(refused(&"it is too long"));
            }
            if read == 0 {
                self.record.clear();
                return Ok(false);
            }
            self.position += read as u64;
            let mut line = std::str::from_utf8(&self.line).map_err(|error| refused(&error))?;
            if number == 1 {
                // Editors of some systems put it there.
                line = line.trim_start_matches('\u{feff}');
            }
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if line.matches('"').count() % 2 != 0 {
                return Err(refused(&"a quotation mark is not closed"));
            }
            let mut reader = ReaderBuilder::new()
                .has_headers(false)
                .trim(Trim::All)
                .flexible(true)
                .buffer_capacity(line.len())
                .from_reader(line.as_bytes());
            reader.read_record(&mut self.record).map_err(|error| refused(&error))?;
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, u64)>, String> {
        let mut ids = Ids::new(text.as_bytes())?;
        let mut found = Vec::new();
        while let Some(entry) = ids.next()? {
            found.push((entry.text, entry.line));
        }
        Ok(found)
    }

    fn of(expected: &[(&str, u64)]) -> Result<Vec<(String, u64)>, String> {
        Ok(expected.iter().map(|(text, line)| ((*text).to_owned(), *line)).collect())
    }

    #[test]
    fn lines_are_ids() {
        assert_eq!(read("a\nb\r\n\n  c \n"), of(&[("a", 1), ("b", 2), ("c", 4)]));
        assert_eq!(read("\u{feff}a\nb"), of(&[("a", 1), ("b", 2)]));
        assert_eq!(read(""), of(&[]));
    }

    #[test]
    fn a_column_is_found_by_its_name_wherever_it_stands() {
        let text = "serial,registrationId\n1,a\n\"2, second\",\"b\"\n";
        assert_eq!(read(text), of(&[("a", 2), ("b", 3)]));
        assert_eq!(read("\u{feff}Registration_ID\na\n"), of(&[("a", 2)]));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        assert!(read("a\n\"b\n").unwrap_err().contains("line 2: a quotation mark"));
        assert!(read(&format!("a\n{}\n", "b".repeat(70_000))).unwrap_err().contains("line 2"));
        let mut ids = Ids::new(&b"a\n\xff\n"[..]).unwrap();
        assert!(ids.next().is_ok());
        assert!(ids.next().err().unwrap().contains("line 2"));
    }

    #[test]
    fn columns_without_that_name_are_refused() {
        assert!(read("serial,name\n1,a\n").unwrap_err().contains("registrationId"));
    }

    #[test]
    fn a_line_that_lacks_the_column_is_an_empty_id_and_not_passed_over() {
        assert_eq!(read("serial,registrationId\n1\n2,b\n"), of(&[("", 2), ("b", 3)]));
    }
}
