//! Jitter that differs between devices that boot from the same image at the same moment.

use dps_core::RandomSource;
use std::hash::{BuildHasher as _, RandomState};

/// Draws from the standard library's hash keys, which the operating system seeds.
pub(crate) struct SystemRandom;

impl RandomSource for SystemRandom {
    fn next_u64(&mut self) -> u64 {
        RandomState::new().hash_one(0u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ() {
        let draws: std::collections::HashSet<u64> =
            (0..100).map(|_| SystemRandom.next_u64()).collect();
        assert_eq!(draws.len(), 100);
    }
}
