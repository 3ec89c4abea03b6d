//! Percent-encoding with the characters that RFC 7512 section 2.3 allows.

use super::UriError;
use zeroize::Zeroizing;

/// The two parts of a URI, which differ in their separators and in the characters they allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Before the "?".
    Path,
    /// Behind it.
    Query,
}

impl Part {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
        }
    }

    pub(super) const fn separator(self) -> char {
        match self {
            Self::Path => ';',
            Self::Query => '&',
        }
    }

    /// Whether a byte stands for itself in a value.
    const fn allows(self, byte: u8) -> bool {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b':' | b'[' | b']' | b'@' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            | b'=' => true,
            b'&' => matches!(self, Self::Path),
            b'/' | b'?' | b'|' => matches!(self, Self::Query),
            _ => false,
        }
    }
}

/// The bytes that a value stands for. It may be a PIN.
pub(super) fn decode(part: Part, name: &str, value: &str) -> Result<Zeroizing<Vec<u8>>, UriError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let position = value.len() - rest.len() + 1;
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest
                .split_first_chunk::<2>()
                .ok_or(UriError::Escape { name: name.to_owned(), position })?;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(UriError::Escape { name: name.to_owned(), position });
            };
            // Two hexadecimal digits are a byte.
            bytes.push((high << 4 | low) as u8);
            rest = after;
        } else if part.allows(byte) {
            bytes.push(byte);
        } else {
            return Err(UriError::Character { name: name.to_owned(), position });
        }
    }
    Ok(bytes)
}

/// What stands for these bytes.
pub(super) fn encode(part: Part, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if part.allows(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
