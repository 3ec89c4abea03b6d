//! Registration ids and ID scopes (`wire-protocol.md` section 1.1).

use core::fmt;
use core::str::FromStr;
use sha2::{Digest, Sha256};

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

    /// The registration id of a device whose TPM has this endorsement key, a `TPM2B_PUBLIC` with its
    /// size: the SHA-256 of all its bytes in lower-case base32 without padding, 52 characters
    /// (`wire-protocol.md` section 5.2).
    pub fn from_endorsement_key(key: &[u8]) -> Self {
        let hash = Sha256::digest(key);
        let mut text = String::with_capacity(52);
        let (mut bits, mut count) = (0u32, 0);
        for &byte in &hash {
            bits = bits << 8 | u32::from(byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                text.push(base32(bits >> count));
            }
        }
        // One bit is left: 256 is no multiple of 5.
        text.push(base32(bits << (5 - count)));
        Self(text)
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

/// The character for the lowest five bits (RFC 4648 section 6, in lower case).
fn base32(bits: u32) -> char {
    match (bits & 31) as u8 {
        letter @ 0..=25 => char::from(b'a' + letter),
        digit => char::from(b'2' - 26 + digit),
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
    use base64::Engine as _;

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

    /// Both vectors of `wire-protocol.md` section 5.2.
    #[test]
    fn an_endorsement_key_gives_the_id_that_other_clients_give() {
        let real = "AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEAopqgkUBwtpr1sCgVJcEZxsJtpmtOAt9K7SjGFe4hsp6DJ/dd2E5UFzBC+Jp8Fzqf5ukRBkqrAgIuAvHRsruIedk1uarJSLhbDpFLHxFd7iDNcYfrvdgVNT2T9zrvkh2y04WuRQg2D5qf0tZF82jeTjR/YJK7uWhaRwWOwZ3b1XD9l6wFOrwK/Ic0PEsjneFXQzL0n9uKyuHmHNz+wHppmOiMAabvnXXEin9ou7/iowY/+YhFm3j7atsVvxMI5HEM3Mq+W4imUuzPxVX7fZH+oWPKP5ofpWBTf+MdttGby1AjGnv8JE69JriOYoZG2/4qbsfv9M7a7NFrBlaW7Rt36w==";
        let real = base64::engine::general_purpose::STANDARD.decode(real).unwrap();
        let id = RegistrationId::from_endorsement_key(&real);
        assert_eq!(id.as_str(), "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa");
        let mut made = real[..60].to_vec();
        made.extend((0..256u32).map(|i| if i == 0 { 0x81 } else { (7 * i + 1) as u8 }));
        assert_eq!(made.len(), 316);
        let id = RegistrationId::from_endorsement_key(&made);
        assert_eq!(id.as_str(), "juf77kfpdlbhs3qfrabek4ra7idkzaxd2kwm6vt4wd7ku4lanfeq");
        assert_eq!(RegistrationId::new(id.as_str()), Ok(id));
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
