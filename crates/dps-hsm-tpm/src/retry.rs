//! Asking a busy TPM again.

use core::time::Duration;

/// Pauses before the second and each further try: 10 ms, doubled up to 1 s, 3 s in all.
const PAUSES: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Tries until it succeeds, fails for good, or has been busy for too long.
pub(crate) fn while_busy<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_busy: impl Fn(&E) -> bool,
    pause: impl Fn(Duration),
) -> Result<T, E> {
    let mut next = FIRST_PAUSE;
    for _ in 0..PAUSES {
        match attempt() {
            Err(error) if is_busy(&error) => pause(next),
            other => return other,
        }
        next = (next * 2).min(LONGEST_PAUSE);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    fn run(
        answers: impl Fn(u32) -> Result<u32, &'static str>,
    ) -> (Result<u32, &'static str>, u32, Duration) {
        let tries = Cell::new(0);
        let waited = RefCell::new(Duration::ZERO);
        let result = while_busy(
            || {
                tries.set(tries.get() + 1);
                answers(tries.get())
            },
            |error| *error == "busy",
            |pause| *waited.borrow_mut() += pause,
        );
        (result, tries.get(), waited.into_inner())
    }

    #[test]
    fn a_busy_tpm_is_asked_again_for_a_while() {
        let (result, tries, waited) = run(|n| if n < 3 { Err("busy") } else { Ok(n) });
        assert_eq!((result, tries, waited), (Ok(3), 3, Duration::from_millis(30)));
        let (result, tries, waited) = run(|_| Err("busy"));
        assert_eq!((result, tries), (Err("busy"), 10));
        assert!(waited > Duration::from_secs(2) && waited < Duration::from_secs(6), "{waited:?}");
    }

    #[test]
    fn other_failures_are_final() {
        assert_eq!(run(|_| Err("gone")), (Err("gone"), 1, Duration::ZERO));
    }
}
