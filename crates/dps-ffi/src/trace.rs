//! What the option `logtrace` shows: one line for each thing that happens, on standard error.
//!
//! A line has the time (UTC) and what happened. Keys, tokens and payloads never get here.

use core::fmt::{self, Debug, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Writes one line.
pub(crate) fn line(what: fmt::Arguments<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{} dps: {what}", clock(now));
}

/// Runs `work` and writes what the layers below report meanwhile.
pub(crate) fn follow<T>(work: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(&Dispatch::new(Lines), work)
}

fn clock(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, since_1970.subsec_millis())
}

/// Takes events of this workspace's crates; spans are of no interest.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("dps_")
            && metadata.level() <= &Level::DEBUG
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        line(format_args!("{}", words.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message first, then the fields.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            // Writing to a string does not fail.
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_utc() {
        assert_eq!(clock(Duration::from_millis(86_399_001)), "23:59:59.001");
        assert_eq!(clock(Duration::from_millis(86_400_000)), "00:00:00.000");
    }
}
