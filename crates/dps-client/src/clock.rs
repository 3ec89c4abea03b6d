//! The only clocks on the device's side.

use dps_core::{Now, Timestamp};
use std::time::{Instant, SystemTime};

/// The system's clocks; the monotonic one counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Now {
        let unix_seconds =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Now::new(Timestamp::new(self.0.elapsed()), unix_seconds)
    }
}
