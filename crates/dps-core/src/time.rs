//! Time as data. Nothing in this workspace's protocol code reads a clock: a driver does, and
//! passes the reading on.

use core::ops::Add;
use core::time::Duration;

/// A monotonic clock reading: time since a fixed origin that the driver chose.
///
/// Two timestamps may only be compared when they come from the same driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The reading `since_origin` after the driver's origin.
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// Time since the driver's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, rhs: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(rhs))
    }
}

/// What the clocks say: the monotonic one for time-outs, and the wall clock for the expiry of
/// SAS tokens and HTTP dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic reading.
    pub at: Timestamp,
    /// Wall clock, in seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: u64,
}

impl Now {
    /// A reading of both clocks.
    pub const fn new(at: Timestamp, unix_seconds: u64) -> Self {
        Self { at, unix_seconds }
    }
}
