//! Keys of many devices, one after the other: memory does not grow with their number, but for 16
//! bytes each by which devices that stand there twice are found.

use super::GroupKeys;
use super::ids::{Entry, Ids};
use crate::arguments::DeriveKey;
use crate::commands::made::Growing;
use crate::exit;
use crate::failure::Failure;
use crate::output;
use dps_client::RegistrationId;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::Path;

/// How often the bar moves.
const STEP: u64 = 1024;
/// As many problems are told one by one.
const TOLD: u64 = 20;

pub(super) fn run(options: &DeriveKey, ids: &Path, out: &Path) -> Result<(), Failure> {
    let bytes = fs::metadata(ids).map_err(|error| Failure::file("read", ids, &error))?.len();
    let mut input = Ids::open(ids)?;
    let group = GroupKeys::read(options)?;
    let unwritable = |error: &std::io::Error| Failure::file("write", out, error);
    let file = Growing::start(out, options.force).map_err(|error| unwritable(&error))?;
    let mut keys = BufWriter::new(file);
    let mut work = Work { group, problems: Problems::default(), seen: HashSet::new(), written: 0 };
    let both = if work.group.secondary.is_some() { ",secondaryKey" } else { "" };
    writeln!(keys, "registrationId,primaryKey{both}").map_err(|error| unwritable(&error))?;

    let bar = bar(bytes);
    let mut read = 0;
    loop {
        let unreadable = |why: String| {
            Failure::new(exit::CONFIG, format!("{} cannot be read to its end", ids.display()))
                .why(why)
        };
        let Some(entry) = input.next().map_err(unreadable)? else { break };
        if let Err(problem) = work.one(&entry, &mut keys).map_err(|error| unwritable(&error))? {
            if !options.keep_going {
                bar.finish_and_clear();
                return Err(Failure::new(exit::CONFIG, problem)
                    .why("no file was written")
                    .remedy("correct the id, or leave out such ids by --keep-going"));
            }
            work.problems.skipped += 1;
            bar.suspend(|| work.problems.tell(&problem));
        }
        read += 1;
        if read % STEP == 0 {
            bar.set_position(input.position());
        }
    }
    bar.finish_and_clear();
    let file = keys.into_inner().map_err(|error| unwritable(error.error()))?;
    file.finish().map_err(|error| unwritable(&error))?;
    work.report(out)
}

struct Work {
    group: GroupKeys,
    problems: Problems,
    /// Hashes of the ids, of which no two of a million are likely to be the same.
    seen: HashSet<(u64, u64)>,
    written: u64,
}

/// What was wrong with ids.
#[derive(Default)]
struct Problems {
    told: u64,
    skipped: u64,
    twice: u64,
}

impl Problems {
    fn tell(&mut self, problem: &str) {
        self.told += 1;
        if self.told <= TOLD {
            output::error(format_args!("note: {problem}\n"));
        }
    }
}

impl Work {
    /// Writes the line of one device; or says what is wrong with its id.
    fn one(
        &mut self,
        entry: &Entry,
        keys: &mut impl std::io::Write,
    ) -> std::io::Result<Result<(), String>> {
        let id = match RegistrationId::new(entry.text.as_str()) {
            Ok(id) => id,
            Err(error) => return Ok(Err(format!("line {}: {error}", entry.line))),
        };
        if self.is_twice(&id) {
            self.problems.twice += 1;
            self.problems.tell(&format!("line {}: {id} stands there twice", entry.line));
        }
        let primary = self.group.primary.derive(&id).to_base64();
        write!(keys, "{id},{}", primary.as_str())?;
        if let Some(secondary) = &self.group.secondary {
            write!(keys, ",{}", secondary.derive(&id).to_base64().as_str())?;
        }
        writeln!(keys)?;
        self.written += 1;
        Ok(Ok(()))
    }

    /// The service does not tell ids apart by case.
    fn is_twice(&mut self, id: &RegistrationId) -> bool {
        thread_local! {
            static HASHERS: (RandomState, RandomState) = (RandomState::new(), RandomState::new());
        }
        let id = id.as_str().to_ascii_lowercase();
        let hash = HASHERS.with(|(one, other)| (one.hash_one(&id), other.hash_one(&id)));
        !self.seen.insert(hash)
    }

    fn report(&self, out: &Path) -> Result<(), Failure> {
        output::line(format_args!("Keys of {} devices  {}", self.written, out.display()));
        if self.problems.told > TOLD {
            let more = self.problems.told - TOLD;
            output::error(format_args!("note: and {more} more lines like these\n"));
        }
        if self.problems.twice > 0 {
            let count = self.problems.twice;
            output::error(format_args!(
                "note: {count} ids stand there more than once; the service ignores their case, \
                 but a key goes with one spelling\n"
            ));
        }
        match self.problems.skipped {
            0 => Ok(()),
            count => Err(Failure::new(exit::CONFIG, format!("{count} ids were left out"))
                .remedy("correct them, and derive the keys of these devices")),
        }
    }
}

fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
