//! Texts that must not outlive their use.

use core::ffi::{CStr, c_char};
use core::fmt;
use zeroize::Zeroizing;

/// A C string that is wiped when dropped and that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<Vec<u8>>);

impl SecretText {
    /// Takes a text up to its first NUL.
    pub(crate) fn new(text: &Zeroizing<String>) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Takes bytes up to the first NUL.
    pub(crate) fn of_bytes(text: &[u8]) -> Self {
        // Room for the end mark from the start: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        bytes.extend(text.iter().copied().take_while(|byte| *byte != 0));
        bytes.push(0);
        Self(bytes)
    }

    /// The text, for C. Lives as long as this value.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// The same.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// The text.
    pub(crate) fn expose(&self) -> &str {
        self.as_c_str().to_str().unwrap_or("")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_a_c_string_and_shows_nothing() {
        let secret = SecretText::new(&Zeroizing::new("c2VjcmV0".into()));
        assert_eq!(secret.expose(), "c2VjcmV0");
        assert_eq!(secret.0.last(), Some(&0));
        assert_eq!(format!("{secret:?}"), "SecretText(secret)");
        assert_eq!(SecretText::new(&Zeroizing::new("a\0b".into())).expose(), "a");
    }
}
