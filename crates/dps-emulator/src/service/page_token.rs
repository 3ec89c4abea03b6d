//! The token with which the local service's own page, and whoever copies it from the terminal, uses
//! the admin API and the service API: a new one at each start, good for everything.

use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 256 random bits in base64url, so that it can stand in a header and be typed.
pub(crate) struct PageToken(Zeroizing<String>);

impl PageToken {
    /// A new one.
    pub(super) fn new(random: &mut Random) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random.bytes().as_slice())))
    }

    /// For those who may see it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a text is the token; how long it takes does not depend on where they differ.
    pub(super) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_the_token_and_debug_does_not_show_it() {
        let mut random = Random::from_seed([3; 32]);
        let (token, other) = (PageToken::new(&mut random), PageToken::new(&mut random));
        assert_eq!(token.reveal().len(), 43);
        assert!(token.is(token.reveal()));
        let mut longer = token.reveal().to_owned();
        longer.push('A');
        for wrong in ["", other.reveal(), &token.reveal()[1..], &longer] {
            assert!(!token.is(wrong));
        }
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
