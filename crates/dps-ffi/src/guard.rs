//! The gate every exported function enters through.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic in it becomes `fallback`, because unwinding into C is undefined.
///
/// A panic is a defect of this library. The state it may leave behind is guarded by mutexes whose
/// poison is ignored on purpose: a half-finished registration answers with an error, and the
/// program lives on.
pub(crate) fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback() {
        assert_eq!(guard(7, || 1), 1);
        assert_eq!(guard(7, || panic!("on purpose")), 7);
    }
}
