//! PKCS#11 URIs (RFC 7512): which token, which object, and how to get at them.

mod percent;
#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;
use zeroize::Zeroizing;

use percent::Part;

/// A text that is not a PKCS#11 URI. No message repeats an attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It begins otherwise.
    #[error("a PKCS#11 URI begins with \"pkcs11:\"")]
    Scheme,
    /// A part between two separators has no "=", or nothing before it.
    #[error("attribute {number} of the URI's {part} is not of the form name=value")]
    NotAnAttribute {
        /// "path" (before the "?") or "query" (after it).
        part: &'static str,
        /// Counted from 1.
        number: usize,
    },
    /// A name has other characters than letters, digits, "-" and "_".
    #[error("the name of attribute {number} of the URI's {part} is malformed")]
    Name {
        /// As above.
        part: &'static str,
        /// As above.
        number: usize,
    },
    /// A value has a character that may only stand there as "%" and two hexadecimal digits.
    #[error(
        "the URI's attribute {name} has a character at position {position} that must be written as % and two hexadecimal digits"
    )]
    Character {
        /// The attribute.
        name: String,
        /// In the value, counted from 1, in bytes.
        position: usize,
    },
    /// A "%" is not followed by two hexadecimal digits.
    #[error(
        "the URI's attribute {name} has a % at position {position} without two hexadecimal digits behind it"
    )]
    Escape {
        /// The attribute.
        name: String,
        /// As above.
        position: usize,
    },
    /// A value is not text.
    #[error("the URI's attribute {0} is not UTF-8 text")]
    NotText(String),
    /// An attribute stands there twice.
    #[error("the URI has the attribute {0} twice")]
    Twice(String),
    /// An attribute's value is none of those it can have.
    #[error("the URI's attribute {name} must be {expected}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// What is possible.
        expected: &'static str,
    },
    /// Both ways to give a PIN are there.
    #[error("the URI has both pin-value and pin-source; only one may be there")]
    TwoPins,
}

/// What kind of object the attribute `type` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// A public key.
    Public,
    /// A private key.
    Private,
    /// A certificate.
    Certificate,
    /// A secret key.
    SecretKey,
    /// Other data.
    Data,
}

impl ObjectType {
    const ALL: [Self; 5] =
        [Self::Public, Self::Private, Self::Certificate, Self::SecretKey, Self::Data];

    /// As the URI says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Certificate => "cert",
            Self::SecretKey => "secret-key",
            Self::Data => "data",
        }
    }
}

/// A parsed PKCS#11 URI. Each attribute that is there must match; what is absent matches anything.
///
/// `Display` gives the URI again, and `Debug` the same; both show `(secret)` for a PIN.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pkcs11Uri {
    pub(crate) token: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) slot_id: Option<u64>,
    pub(crate) slot_description: Option<String>,
    pub(crate) slot_manufacturer: Option<String>,
    pub(crate) library_description: Option<String>,
    pub(crate) library_manufacturer: Option<String>,
    pub(crate) library_version: Option<(u8, u8)>,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) kind: Option<ObjectType>,
    pub(crate) pin_value: Option<Zeroizing<Vec<u8>>>,
    pub(crate) pin_source: Option<String>,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) module_name: Option<String>,
    /// Attributes of the path that RFC 7512 does not name.
    pub(crate) unknown: Vec<String>,
}

impl Pkcs11Uri {
    /// Whether a text wants to be such a URI.
    pub fn is_one(text: &str) -> bool {
        const SCHEME: &str = "pkcs11:";
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Reads a URI. Attributes of vendors are allowed and have no effect.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the attribute that is wrong.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if !Self::is_one(text) {
            return Err(UriError::Scheme);
        }
        let (_, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut uri = Self::default();
        let mut seen: Vec<(Part, &str)> = Vec::new();
        let sections = [(Part::Path, Some(path)), (Part::Query, query)];
        for (part, text) in sections.into_iter().filter_map(|(part, text)| Some((part, text?))) {
            if text.is_empty() {
                continue;
            }
            for (index, attribute) in text.split(part.separator()).enumerate() {
                let number = index + 1;
                let (name, value) = attribute
                    .split_once('=')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or(UriError::NotAnAttribute { part: part.as_str(), number })?;
                if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                    return Err(UriError::Name { part: part.as_str(), number });
                }
                let value = percent::decode(part, name, value)?;
                let known = uri.set(part, name, value)?;
                // A vendor's attribute may be repeated in the query.
                if (known || part == Part::Path) && seen.contains(&(part, name)) {
                    return Err(UriError::Twice(name.to_owned()));
                }
                seen.push((part, name));
            }
        }
        if uri.pin_value.is_some() && uri.pin_source.is_some() {
            return Err(UriError::TwoPins);
        }
        Ok(uri)
    }

    /// The same with this module, unless it names one.
    #[must_use]
    pub fn or_module(mut self, path: impl Into<PathBuf>) -> Self {
        if self.module_path.is_none() && self.module_name.is_none() {
            self.module_path = Some(path.into());
        }
        self
    }

    /// Takes an attribute; false when the RFC does not name it.
    fn set(&mut self, part: Part, name: &str, value: Zeroizing<Vec<u8>>) -> Result<bool, UriError> {
        let text =
            || String::from_utf8(value.to_vec()).map_err(|_| UriError::NotText(name.to_owned()));
        match (part, name) {
            (Part::Path, "token") => self.token = Some(text()?),
            (Part::Path, "manufacturer") => self.manufacturer = Some(text()?),
            (Part::Path, "serial") => self.serial = Some(text()?),
            (Part::Path, "model") => self.model = Some(text()?),
            (Part::Path, "slot-id") => self.slot_id = Some(number("slot-id", &text()?)?),
            (Part::Path, "slot-description") => self.slot_description = Some(text()?),
            (Part::Path, "slot-manufacturer") => self.slot_manufacturer = Some(text()?),
            (Part::Path, "library-description") => self.library_description = Some(text()?),
            (Part::Path, "library-manufacturer") => self.library_manufacturer = Some(text()?),
            (Part::Path, "library-version") => self.library_version = Some(version(&text()?)?),
            (Part::Path, "object") => self.object = Some(text()?),
            (Part::Path, "id") => self.id = Some(value.to_vec()),
            (Part::Path, "type") => {
                let kind = text()?;
                let found = ObjectType::ALL.into_iter().find(|one| one.as_str() == kind);
                self.kind = Some(found.ok_or(UriError::Value {
                    name: "type",
                    expected: "one of public, private, cert, secret-key and data",
                })?);
            }
            (Part::Query, "pin-value") => self.pin_value = Some(value),
            (Part::Query, "pin-source") => self.pin_source = Some(text()?),
            (Part::Query, "module-path") => self.module_path = Some(text()?.into()),
            (Part::Query, "module-name") => self.module_name = Some(text()?),
            (Part::Path, other) => {
                self.unknown.push(other.to_owned());
                return Ok(false);
            }
            (Part::Query, _) => return Ok(false),
        }
        Ok(true)
    }

    /// The URI without its query: what it names, without how to get at it. For messages.
    pub(crate) fn path(&self) -> String {
        const SCHEME: &str = "pkcs11:";
        let mut text = String::from(SCHEME);
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                if text.len() > SCHEME.len() {
                    text.push(';');
                }
                text.push_str(name);
                text.push('=');
                text.push_str(&value);
            }
        };
        let encode = |value: &Option<String>| {
            value.as_ref().map(|text| percent::encode(Part::Path, text.as_bytes()))
        };
        add("library-description", encode(&self.library_description));
        add("library-manufacturer", encode(&self.library_manufacturer));
        add(
            "library-version",
            self.library_version.map(|(major, minor)| format!("{major}.{minor}")),
        );
        add("slot-description", encode(&self.slot_description));
        add("slot-manufacturer", encode(&self.slot_manufacturer));
        add("slot-id", self.slot_id.map(|id| id.to_string()));
        add("model", encode(&self.model));
        add("manufacturer", encode(&self.manufacturer));
        add("serial", encode(&self.serial));
        add("token", encode(&self.token));
        // Bytes and not text: all of them in hexadecimal, as other tools write them.
        add("id", self.id.as_ref().map(|id| id.iter().map(|b| format!("%{b:02x}")).collect()));
        add("object", encode(&self.object));
        add("type", self.kind.map(|kind| kind.as_str().to_owned()));
        text
    }
}

/// A decimal number.
fn number(name: &'static str, text: &str) -> Result<u64, UriError> {
    let expected = "a decimal number";
    // `parse` would also take a sign.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().ok_or(UriError::Value { name, expected })
}

/// "2" or "2.40".
fn version(text: &str) -> Result<(u8, u8), UriError> {
    let expected = "a version such as 2 or 2.40";
    let wrong = || UriError::Value { name: "library-version", expected };
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let part = |text| {
        u8::try_from(number("library-version", text).map_err(|_| wrong())?).map_err(|_| wrong())
    };
    Ok((part(major)?, part(minor)?))
}

impl FromStr for Pkcs11Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())?;
        let encode = |text: &str| percent::encode(Part::Query, text.as_bytes());
        let query = [
            ("module-path", self.module_path.as_ref().map(|path| encode(&path.to_string_lossy()))),
            ("module-name", self.module_name.as_deref().map(encode)),
            ("pin-source", self.pin_source.as_deref().map(encode)),
            ("pin-value", self.pin_value.as_ref().map(|_| "(secret)".to_owned())),
        ];
        let there = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (index, (name, value)) in there.enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Uri({self})")
    }
}
