//! The names of subject and issuer (RFC 5280 section 4.1.2.4), as text for people.

use crate::der::{OBJECT_IDENTIFIER, SEQUENCE, SET, take, take_any};
use core::fmt::Write as _;

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;

/// 2.5.4, the arc of the attributes of X.520.
const X520: &[u8] = &[0x55, 0x04];
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 0.9.2342.19200300.100.1, the arc of the attributes of RFC 4524.
const COSINE: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01];
/// 1.2.840.113549.1.9, the arc of PKCS#9.
const PKCS9: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09];

/// A distinguished name.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// Such as "C=DE, O=Contoso + OU=Line 7, CN=dev1".
    pub(crate) text: String,
    /// The first common name, if that is text.
    pub(crate) common_name: Option<String>,
    der: Vec<u8>,
}

struct Attribute<'a> {
    /// DER content of an object identifier.
    kind: &'a [u8],
    tag: u8,
    value: &'a [u8],
}

impl Name {
    /// Reads the content of a Name.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let sets = sets(der)?;
        let common_name = sets.iter().flatten().find(|attribute| attribute.kind == COMMON_NAME);
        Some(Self {
            text: text(&sets).unwrap_or_else(|| "<not text>".to_owned()),
            common_name: common_name.and_then(Attribute::plain_text).map(str::to_owned),
            der: der.to_vec(),
        })
    }

    /// Whether they are the same, byte for byte.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

/// A name is a sequence of sets, which have one attribute at least.
fn sets(mut der: &[u8]) -> Option<Vec<Vec<Attribute<'_>>>> {
    let mut sets = Vec::new();
    while !der.is_empty() {
        let mut attributes = take(&mut der, SET)?;
        let mut set = vec![Attribute::take(&mut attributes)?];
        while !attributes.is_empty() {
            set.push(Attribute::take(&mut attributes)?);
        }
        sets.push(set);
    }
    Some(sets)
}

/// Nothing if there is text that is not in its declared encoding.
fn text(sets: &[Vec<Attribute<'_>>]) -> Option<String> {
    let mut text = String::new();
    for set in sets {
        for (index, attribute) in set.iter().enumerate() {
            match index {
                _ if text.is_empty() => {}
                0 => text.push_str(", "),
                _ => text.push_str(" + "),
            }
            push_kind(&mut text, attribute.kind);
            text.push('=');
            attribute.push_value(&mut text)?;
        }
    }
    Some(text)
}

impl<'a> Attribute<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let mut fields = take(input, SEQUENCE)?;
        let kind = take(&mut fields, OBJECT_IDENTIFIER)?;
        let (tag, value) = take_any(&mut fields)?;
        fields.is_empty().then_some(Self { kind, tag, value })
    }

    /// Of the kinds of strings that are UTF-8 by their definition.
    fn plain_text(&self) -> Option<&'a str> {
        match self.tag {
            UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING => {
                core::str::from_utf8(self.value).ok()
            }
            _ => None,
        }
    }

    fn push_value(&self, text: &mut String) -> Option<()> {
        match self.tag {
            // Also ObjectDescriptor and TeletexString to GeneralString, most of which are older
            // than Unicode: as far as they are ASCII they are UTF-8 as well.
            UTF8_STRING | 0x07 | NUMERIC_STRING..=IA5_STRING | 0x19..=0x1b => {
                text.push_str(core::str::from_utf8(self.value).ok()?);
            }
            BMP_STRING => {
                let (pairs, rest) = self.value.as_chunks::<2>();
                if !rest.is_empty() {
                    return None;
                }
                let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
                for character in char::decode_utf16(units) {
                    text.push(character.ok()?);
                }
            }
            _ => {
                for byte in self.value {
                    write!(text, "{byte:02X}").ok()?;
                }
            }
        }
        Some(())
    }
}

/// Says what an attribute is: by the usual abbreviation, its name, or its object identifier.
fn push_kind(text: &mut String, kind: &[u8]) {
    if let Some(known) = known_kind(kind) {
        text.push_str(known);
        return;
    }
    text.push_str("OID(");
    let mut number = 0_u64;
    let mut first = true;
    for byte in kind {
        // Numbers that do not fit are nobody's.
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        // Writing to a string does not fail.
        let _ = if first {
            // The first number stands for two, the first of which is 0, 1 or 2.
            let arc = (number / 40).min(2);
            write!(text, "{arc}.{}", number - 40 * arc)
        } else {
            write!(text, ".{number}")
        };
        (number, first) = (0, false);
    }
    text.push(')');
}

fn known_kind(kind: &[u8]) -> Option<&'static str> {
    if let Some(rest) = kind.strip_prefix(X520) {
        return Some(match rest {
            [3] => "CN",
            [4] => "surname",
            [5] => "serialNumber",
            [6] => "C",
            [7] => "L",
            [8] => "ST",
            [9] => "streetAddress",
            [10] => "O",
            [11] => "OU",
            [12] => "title",
            [13] => "description",
            [15] => "businessCategory",
            [16] => "postalAddress",
            [17] => "postalCode",
            [41] => "name",
            [42] => "givenName",
            [43] => "initials",
            [44] => "generationQualifier",
            [45] => "uniqueIdentifier",
            [46] => "dnQualifier",
            _ => return None,
        });
    }
    match (kind.strip_prefix(COSINE), kind.strip_prefix(PKCS9)) {
        (Some([1]), _) => Some("uid"),
        (Some([25]), _) => Some("DC"),
        (_, Some([1])) => Some("Email"),
        (_, Some([2])) => Some("unstructuredName"),
        _ => None,
    }
}
