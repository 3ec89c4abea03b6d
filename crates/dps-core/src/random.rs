//! Randomness as an argument, so that tests are repeatable.

/// A source of random numbers for back-off jitter. It need not be fit for cryptography, but two
/// devices that boot from the same image at the same moment must not draw the same numbers.
pub trait RandomSource: Send {
    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64;
}

impl<F: FnMut() -> u64 + Send> RandomSource for F {
    fn next_u64(&mut self) -> u64 {
        self()
    }
}
