//! Random numbers that cannot fail once the service runs, and that a test can repeat.

use core::fmt;
use dps_core::SymmetricKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The operating system had no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
#[non_exhaustive]
pub struct RandomError;

/// A generator of keys and ids: SHA-256 over a 256-bit seed and a counter.
///
/// The seed is drawn from the operating system once, so that nothing can fail later. With the
/// same seed it gives the same numbers, which makes tests repeatable.
pub struct Random {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Random {
    /// A generator seeded by the operating system.
    ///
    /// # Errors
    ///
    /// [`RandomError`] when the operating system has no random numbers.
    pub fn from_os() -> Result<Self, RandomError> {
        let mut seed = Zeroizing::new([0; 32]);
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(seed.as_mut_slice())
            .map_err(|_| RandomError)?;
        Ok(Self { seed, counter: 0 })
    }

    /// A generator that always gives the same numbers. For tests only: whoever knows the seed
    /// knows the keys.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), counter: 0 }
    }

    /// The next 32 random bytes.
    fn next_block(&mut self) -> Zeroizing<[u8; 32]> {
        let mut hash = Sha256::new();
        hash.update(self.seed.as_slice());
        hash.update(self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Zeroizing::new(hash.finalize().into())
    }

    /// 32 random bytes.
    pub(crate) fn bytes(&mut self) -> Zeroizing<[u8; 32]> {
        self.next_block()
    }

    /// A symmetric key of 64 bytes, the length of those the service generates
    /// (`wire-protocol.md` section 1.2).
    pub(crate) fn symmetric_key(&mut self) -> SymmetricKey {
        let mut bytes = Zeroizing::new([0; 64]);
        for (half, byte) in bytes.chunks_mut(32).map(|half| (self.next_block(), half)) {
            byte.copy_from_slice(half.as_slice());
        }
        match SymmetricKey::from_bytes(bytes.as_slice()) {
            Ok(key) => key,
            Err(_) => unreachable!("64 bytes are a valid length"),
        }
    }

    /// A symmetric key of 32 bytes, the length of those the service sends to TPMs
    /// (`wire-protocol.md` section 5.3).
    pub(crate) fn tpm_key(&mut self) -> SymmetricKey {
        match SymmetricKey::from_bytes(self.next_block().as_slice()) {
            Ok(key) => key,
            Err(_) => unreachable!("32 bytes are a valid length"),
        }
    }

    /// A random (version 4) GUID in its lower-case text form.
    pub(crate) fn guid(&mut self) -> String {
        let block = self.next_block();
        let mut number = [0; 16];
        number.copy_from_slice(block.first_chunk::<16>().unwrap_or(&[0; 16]));
        let number = u128::from_be_bytes(number);
        let number = number & !(0xf << 76) | (0x4 << 76); // version 4
        let number = number & !(0x3 << 62) | (0x2 << 62); // variant 1
        let hex = format!("{number:032x}");
        let (a, rest) = hex.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn guids_have_the_text_form_and_differ() {
        let mut random = Random::from_seed([7; 32]);
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let guid = random.guid();
            assert_eq!(guid.len(), 36);
            let dashes: Vec<usize> = guid.match_indices('-').map(|(at, _)| at).collect();
            assert_eq!(dashes, [8, 13, 18, 23]);
            assert_eq!(guid.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&guid.as_bytes()[19]));
            assert!(seen.insert(guid));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_the_system_gives_others() {
        let draw = |mut random: Random| (random.guid(), random.symmetric_key().to_base64());
        assert_eq!(draw(Random::from_seed([1; 32])), draw(Random::from_seed([1; 32])));
        assert_ne!(draw(Random::from_seed([1; 32])), draw(Random::from_seed([2; 32])));
        assert_ne!(draw(Random::from_os().unwrap()), draw(Random::from_os().unwrap()));
    }

    #[test]
    fn keys_have_64_different_bytes() {
        let key = Random::from_seed([1; 32]).symmetric_key();
        let text = key.to_base64();
        assert_eq!(text.len(), 88);
        assert_ne!(text[..40], text[44..84]);
    }

    #[test]
    fn debug_shows_nothing_of_the_seed() {
        assert_eq!(format!("{:?}", Random::from_seed([42; 32])), "Random { .. }");
    }
}
