//! When to try again (`wire-protocol.md` section 3.3, `c-abi.md` section 3.2).

use crate::RandomSource;
use core::time::Duration;

/// The least pause a service can ask for.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// The longest pause a service can ask for; a longer one is cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Reads a retry-after value: whole seconds, or an HTTP date compared with `unix_seconds`.
/// Clamped to 1..=300 s. `None` when it is neither.
///
/// ```
/// use core::time::Duration;
/// use dps_core::parse_retry_after;
/// assert_eq!(parse_retry_after("3", 0), Some(Duration::from_secs(3)));
/// assert_eq!(parse_retry_after("900", 0), Some(Duration::from_secs(300)));
/// assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:00:20 GMT", 10), Some(Duration::from_secs(10)));
/// assert_eq!(parse_retry_after("soon", 0), None);
/// ```
pub fn parse_retry_after(text: &str, unix_seconds: u64) -> Option<Duration> {
    let text = text.trim();
    let seconds = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit in 64 bits still mean "very long".
        text.parse::<u64>().unwrap_or(u64::MAX)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let at = date.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?.as_secs();
        at.saturating_sub(unix_seconds)
    };
    Some(Duration::from_secs(seconds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

/// How long to go on, and how fast. All values may be changed one by one:
///
/// ```
/// use core::time::Duration;
/// let policy = dps_core::Policy { deadline: Some(Duration::from_secs(30)), ..Default::default() };
/// assert_eq!(policy.silence, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The whole registration ends after this time, whatever happens. `None`: no such limit, so
    /// that a service that answers "assigning" or "too many requests" for ever is asked for
    /// ever. Default 120 s.
    pub deadline: Option<Duration>,
    /// Limit for one phase: connecting, and each request until it has an answer other than
    /// "too many requests" or "server error". Retries within a phase do not extend it. Default
    /// none.
    pub request_timeout: Option<Duration>,
    /// A connection on which nothing has moved forward for this long while something was
    /// awaited counts as lost. Default 30 s.
    pub silence: Duration,
    /// How many connections may be opened in all, the first one included, before a lost one
    /// becomes final. `None`: no limit. Default none.
    pub max_connections: Option<u32>,
    /// Back-off before attempt n is a random part of `backoff_base * 2^n`. Default 1 s.
    pub backoff_base: Duration,
    /// Upper limit of `backoff_base * 2^n`. Default 60 s.
    pub backoff_max: Duration,
    /// Pause before a poll when the service names none. Default 2 s (the service allows 5 polls
    /// in 10 s).
    pub poll_interval: Duration,
    /// Life of the SAS token made for each connection. Default 1 h.
    pub token_lifetime: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(120)),
            request_timeout: None,
            silence: Duration::from_secs(30),
            max_connections: None,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            poll_interval: Duration::from_secs(2),
            token_lifetime: Duration::from_secs(3600),
        }
    }
}

impl Policy {
    /// Full jitter: a random pause in `0 ..= min(backoff_max, backoff_base * 2^failures)`.
    pub(crate) fn backoff(&self, failures: u32, random: &mut dyn RandomSource) -> Duration {
        let ceiling = self
            .backoff_base
            .saturating_mul(1u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX))
            .min(self.backoff_max);
        let ceiling_ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        match ceiling_ms.checked_add(1) {
            Some(span) => Duration::from_millis(random.next_u64() % span),
            None => Duration::from_millis(random.next_u64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_clamped_never_inverted() {
        let seconds = |text| parse_retry_after(text, 1_000_000).map(|pause| pause.as_secs());
        assert_eq!(seconds("0"), Some(1));
        assert_eq!(seconds("1"), Some(1));
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("300"), Some(300));
        assert_eq!(seconds("301"), Some(300));
        assert_eq!(seconds("99999999999999999999999999"), Some(300));
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("3.5"), None);
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("Mon, 12 Jan 1970 13:46:45 GMT"), Some(5));
        assert_eq!(seconds("Mon, 12 Jan 1970 13:00:00 GMT"), Some(1), "a date in the past");
        assert_eq!(seconds("Fri, 01 Jan 2100 00:00:00 GMT"), Some(300));
    }

    #[test]
    fn backoff_stays_under_its_ceiling_and_uses_all_of_it() {
        let policy = Policy::default();
        let mut most = || u64::MAX;
        let mut none = || 0;
        for failures in [0, 1, 5, 6, 31, 32, u32::MAX] {
            assert_eq!(policy.backoff(failures, &mut none), Duration::ZERO);
            assert!(policy.backoff(failures, &mut most) <= policy.backoff_max);
        }
        // 1000 ms ceiling for the first failure: values 0..=1000 all occur.
        let mut exact = || 1000;
        assert_eq!(policy.backoff(0, &mut exact), Duration::from_secs(1));
        let mut wraps = || 1001;
        assert_eq!(policy.backoff(0, &mut wraps), Duration::ZERO);
    }
}
