//! As much of DER (X.690) as private keys and certificates need.

/// An INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// A BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// An OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// An OBJECT IDENTIFIER.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// A SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// A SET.
pub(crate) const SET: u8 = 0x31;

/// The explicit tag of a number, or the implicit one of something that is made of elements.
pub(crate) const fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// Takes the content of the next element, which must have this tag.
pub(crate) fn take<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut rest = *input;
    let (found, content) = take_any(&mut rest)?;
    if found != tag {
        return None;
    }
    *input = rest;
    Some(content)
}

/// Takes tag and content of the next element. Tags of more than one byte are not known.
pub(crate) fn take_any<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    const MORE_BYTES: u8 = 0x1f;

    let (&tag, rest) = input.split_first()?;
    let (&length, mut rest) = rest.split_first()?;
    if tag & MORE_BYTES == MORE_BYTES {
        return None;
    }
    let length = match length {
        0..=0x7f => usize::from(length),
        // Keys and certificates are shorter than 16 MiB.
        0x81..=0x83 => {
            let (bytes, after) = rest.split_at_checked(usize::from(length & 0x7f))?;
            rest = after;
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}
