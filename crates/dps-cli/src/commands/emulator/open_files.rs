//! How many files the service may have open: each connection is one, and many shells allow 1024.

/// The service's connections, and what it has open besides.
#[cfg(unix)]
const NEEDED: u64 = dps_emulator::Emulator::MOST_CONNECTIONS as u64 + 64;

/// Raises the limit as far as it must be, if the system allows that. What to tell the operator when it
/// does not.
#[cfg(unix)]
pub(super) fn raise_limit() -> Option<String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without a number there is no limit.
    let current = limit.current.filter(|current| *current < NEEDED)?;
    let allowed = limit.maximum.map_or(NEEDED, |maximum| maximum.min(NEEDED));
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => allowed,
        Err(_) => current,
    };
    (now < NEEDED).then(|| {
        format!(
            "the service may have {now} files open, too few for all the connections that it takes; raise ulimit -Hn to {NEEDED} for those"
        )
    })
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(super) fn raise_limit() -> Option<String> {
    None
}
