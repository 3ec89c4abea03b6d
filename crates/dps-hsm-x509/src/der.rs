//! As much of DER as private keys need.

/// An INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// An OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// An OBJECT IDENTIFIER.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// A SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;

/// Takes the content of the next element, which must have this tag.
pub(crate) fn take<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&first, rest) = input.split_first()?;
    let (&length, mut rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let length = match length {
        0..=0x7f => usize::from(length),
        // Keys are shorter than 64 KiB.
        0x81 | 0x82 => {
            let (bytes, after) = rest.split_at_checked(usize::from(length & 0x7f))?;
            rest = after;
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(content)
}
