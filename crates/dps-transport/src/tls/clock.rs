//! The wall clock for certificate validity, set from each call's `now`.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use dps_core::Now;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

#[derive(Debug, Default)]
pub(super) struct GivenClock(AtomicU64);

impl GivenClock {
    pub(super) fn set(&self, now: Now) {
        self.0.store(now.unix_seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for GivenClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}
