//! Registration ids and ID scopes (`wire-protocol.md` section 1.1).

use core::fmt;
use core::str::FromStr;

/// Why a text is not a registration id or an ID scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The registration id is empty.
    #[error("the registration id is empty")]
    Empty,
    /// The registration id has more than 128 characters.
    #[error("the registration id has {length} characters; at most 128 are allowed")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A character is not a letter, a digit or one of `: . _ -`.
    #[error(
        "the registration id has {character:?} at position {position}; allowed are ASCII letters, digits and : . _ -"
    )]
    BadCharacter {
        /// The character.
        character: char,
        /// Its position, counted in characters from 1.
        position: usize,
    },
    /// The last character is not a letter, a digit or `-`.
    #[error(
        "the registration id ends in {character:?}; the last character must be a letter, a digit or -"
    )]
    BadLastCharacter {
        /// The last character.
        character: char,
    },
    /// The ID scope is empty.
    #[error("the ID scope is empty")]
    EmptyScope,
    /// The ID scope has a character that no scope has.
    #[error(
        "the ID scope has {character:?} at position {position}; copy it from the service's overview page, for example 0ne00111111"
    )]
    BadScopeCharacter {
        /// The character.
        character: char,
        /// Its position, counted in characters from 1.
        position: usize,
    },
    /// The ID scope is longer than 128 characters.
    #[error("the ID scope has {length} characters; at most 128 are accepted")]
    ScopeTooLong {
        /// Its length in characters.
        length: usize,
    },
}

/// The name under which a device registers: 1 to 128 characters out of ASCII letters, digits and
/// `: . _ -`, the last of which is a letter, a digit or `-`.
///
/// The service compares registration ids without regard to case, but a derived device key is
/// computed over the exact text (`wire-protocol.md` section 1.2), so the text is kept as given;
/// `==` compares the text, [`RegistrationId::same_device`] compares as the service does.
///
/// ```
/// use dps_core::RegistrationId;
/// let id = RegistrationId::new("sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6")?;
/// assert_eq!(id.as_str().len(), 36);
/// assert!(RegistrationId::new("spaces are wrong").is_err());
/// # Ok::<(), dps_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(String);

impl RegistrationId {
    /// The greatest number of characters in a registration id.
    pub const MAX_LENGTH: usize = 128;

    /// Checks `text` against the rules of `wire-protocol.md` section 1.1.
    ///
    /// # Errors
    ///
    /// [`IdError`] names the first rule that `text` breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        for (index, character) in text.chars().enumerate() {
            if !(character.is_ascii_alphanumeric() || matches!(character, ':' | '.' | '_' | '-')) {
                return Err(IdError::BadCharacter { character, position: index + 1 });
            }
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(IdError::TooLong { length: text.len() });
        }
        match text.chars().next_back() {
            None => Err(IdError::Empty),
            Some(last) if last.is_ascii_alphanumeric() || last == '-' => Ok(Self(text)),
            Some(character) => Err(IdError::BadLastCharacter { character }),
        }
    }

    /// The text, in the case it was given in.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the service takes both for the same device (case does not matter).
    pub fn same_device(&self, other: &RegistrationId) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// The ID scope of a provisioning service instance, for example `0ne00111111`. Opaque; the
/// service compares it without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdScope(String);

impl IdScope {
    /// Takes any text of 1 to 128 visible ASCII characters without `/`, `&`, `?`, `#`, `%`, `+`.
    ///
    /// # Errors
    ///
    /// [`IdError::EmptyScope`], [`IdError::ScopeTooLong`] or [`IdError::BadScopeCharacter`].
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.is_empty() {
            return Err(IdError::EmptyScope);
        }
        for (index, character) in text.chars().enumerate() {
            if !character.is_ascii_graphic() || "/&?#%+\"\\".contains(character) {
                return Err(IdError::BadScopeCharacter { character, position: index + 1 });
            }
        }
        if text.len() > 128 {
            return Err(IdError::ScopeTooLong { length: text.len() });
        }
        Ok(Self(text))
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
text_type!(RegistrationId);
text_type!(IdScope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_documented_examples() {
        for text in [
            "a",
            "9",
            "my-symkey-device",
            "Dev:1.a_b-c",
            "ends-with-",
            "_leading",
            &"x".repeat(128),
        ] {
            assert_eq!(RegistrationId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn each_broken_rule_has_its_own_message() {
        let cases = [
            ("", IdError::Empty, "is empty"),
            ("with space", IdError::BadCharacter { character: ' ', position: 5 }, "position 5"),
            ("slash/", IdError::BadCharacter { character: '/', position: 6 }, "'/'"),
            ("ümlaut", IdError::BadCharacter { character: 'ü', position: 1 }, "'ü'"),
            ("dot.", IdError::BadLastCharacter { character: '.' }, "ends in '.'"),
            ("colon:", IdError::BadLastCharacter { character: ':' }, "ends in ':'"),
            ("under_", IdError::BadLastCharacter { character: '_' }, "ends in '_'"),
        ];
        for (text, error, words) in cases {
            assert_eq!(RegistrationId::new(text), Err(error.clone()), "{text:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let long = "x".repeat(129);
        let error = RegistrationId::new(long).unwrap_err();
        assert_eq!(error, IdError::TooLong { length: 129 });
        assert!(error.to_string().contains("129") && error.to_string().contains("128"));
    }

    #[test]
    fn case_is_kept_but_names_the_same_device() {
        let upper = RegistrationId::new("Device-A").unwrap();
        let lower = RegistrationId::new("device-a").unwrap();
        assert_ne!(upper, lower);
        assert!(upper.same_device(&lower));
        assert!(!upper.same_device(&RegistrationId::new("device-b").unwrap()));
    }

    #[test]
    fn scope_rules() {
        assert_eq!(IdScope::new("0ne00111111").unwrap().as_str(), "0ne00111111");
        assert_eq!(IdScope::new(""), Err(IdError::EmptyScope));
        assert!(matches!(
            IdScope::new("0ne/1"),
            Err(IdError::BadScopeCharacter { character: '/', position: 4 })
        ));
        assert!(matches!(IdScope::new("a b"), Err(IdError::BadScopeCharacter { .. })));
        assert!(matches!(IdScope::new("x".repeat(129)), Err(IdError::ScopeTooLong { .. })));
    }
}
