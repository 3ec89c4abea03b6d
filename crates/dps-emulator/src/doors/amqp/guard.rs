//! What an encoded value must be like before the codec gets it. The codec calls itself for every
//! level of nesting, and trusts the element counts of arrays and maps; here a stack of bounded height and a
//! bounded number of values must do.

use super::wire::Violation;

/// Levels of lists, maps and descriptors.
const MOST_LEVELS: usize = 20;
/// Values in all.
const MOST_VALUES: usize = 2000;

/// A described value, list or map that is not yet complete.
struct Level {
    /// Values that are still to come.
    missing: usize,
    /// Where it must end, if it says so.
    end: Option<usize>,
}

/// How many bytes the first value of `bytes` has.
pub(super) fn measure(bytes: &[u8]) -> Result<usize, Violation> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut open: Vec<Level> = Vec::new();
    let mut values = 0;
    loop {
        values += 1;
        if values > MOST_VALUES || open.len() > MOST_LEVELS {
            return Err(Violation::TooComplex);
        }
        let limit = open.iter().rev().find_map(|level| level.end).unwrap_or(bytes.len());
        match cursor.byte()? {
            0x00 => {
                open.push(Level { missing: 2, end: None });
                continue;
            }
            code @ (0xc0 | 0xc1 | 0xd0 | 0xd1) => {
                let width = if code < 0xd0 { 1 } else { 4 };
                let end = cursor.size(width)?.filter(|end| *end <= limit);
                let end = end.ok_or(Violation::Malformed)?;
                let missing = cursor.number(width)?;
                // A map has pairs; the codec counts them down two by two, below zero.
                if matches!(code, 0xc1 | 0xd1) && missing % 2 != 0 {
                    return Err(Violation::Malformed);
                }
                if missing > 0 {
                    open.push(Level { missing, end: Some(end) });
                    continue;
                }
                if cursor.at != end {
                    return Err(Violation::Malformed);
                }
            }
            code @ (0xe0 | 0xf0) => {
                let width = if code < 0xf0 { 1 } else { 4 };
                let end = cursor.size(width)?.ok_or(Violation::Malformed)?;
                let count = cursor.number(width)?;
                let element = cursor.byte()?;
                values = values.saturating_add(count);
                if values > MOST_VALUES {
                    return Err(Violation::TooComplex);
                }
                for _ in 0..count {
                    cursor.simple(element)?;
                }
                if cursor.at != end {
                    return Err(Violation::Malformed);
                }
            }
            code => cursor.simple(code)?,
        }
        if cursor.at > limit {
            return Err(Violation::Malformed);
        }
        // A value is complete, and perhaps what it is a part of.
        loop {
            let Some(level) = open.last_mut() else { return Ok(cursor.at) };
            level.missing -= 1;
            if level.missing > 0 {
                break;
            }
            if level.end.is_some_and(|end| end != cursor.at) {
                return Err(Violation::Malformed);
            }
            open.pop();
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Violation> {
        let byte = self.bytes.get(self.at).copied().ok_or(Violation::Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self, width: usize) -> Result<usize, Violation> {
        let mut number = 0;
        for _ in 0..width {
            number = number << 8 | usize::from(self.byte()?);
        }
        Ok(number)
    }

    /// A size, as the place where what it is the size of ends; none beyond the bytes.
    fn size(&mut self, width: usize) -> Result<Option<usize>, Violation> {
        let size = self.number(width)?;
        Ok(self.at.checked_add(size).filter(|end| *end <= self.bytes.len()))
    }

    /// A value without parts.
    fn simple(&mut self, code: u8) -> Result<(), Violation> {
        let end = match code {
            0x40..=0x45 => Some(self.at),
            0x50..=0x56 => Some(self.at + 1),
            0x60 | 0x61 => Some(self.at + 2),
            0x70..=0x74 => Some(self.at + 4),
            0x80..=0x84 => Some(self.at + 8),
            0x94 | 0x98 => Some(self.at + 16),
            0xa0 | 0xa1 | 0xa3 => self.size(1)?,
            0xb0 | 0xb1 | 0xb3 => self.size(4)?,
            _ => None,
        };
        self.at = end.filter(|end| *end <= self.bytes.len()).ok_or(Violation::Malformed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_measured() {
        for (value, rest) in [
            (&[0x40][..], &[0x40][..]),
            (&[0x00, 0x53, 0x10, 0xc0, 5, 2, 0xa1, 1, b'a', 0x40], &[1, 2, 3]),
            (&[0x00, 0xa3, 1, b'a', 0x45], &[]),
            (&[0xc0, 1, 0], &[]),
            (&[0xd1, 0, 0, 0, 6, 0, 0, 0, 2, 0x43, 0x43], &[]),
            (&[0xe0, 6, 2, 0xa3, 1, b'a', 1, b'b'], &[0]),
            (&[0xc0, 8, 2, 0x00, 0x53, 0x24, 0xc0, 1, 0, 0x41], &[]),
        ] {
            assert_eq!(measure(&[value, rest].concat()), Ok(value.len()), "{value:02x?}");
            for cut in 0..value.len() {
                assert!(measure(&value[..cut]).is_err(), "{value:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_the_codec_could_not_bear_is_refused() {
        // Lists in lists in lists.
        let mut bytes = Vec::new();
        for level in (1..2000u32).rev() {
            bytes.push(0xd0);
            bytes.extend_from_slice(&(level * 9 + 4).to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0, 1]);
        }
        bytes.resize(bytes.len() + 20, 0x40);
        assert!(measure(&bytes).is_err());
        // Descriptors of descriptors.
        assert_eq!(measure(&[0; 1000]), Err(Violation::TooComplex));
        // An array of two thousand million nulls.
        assert_eq!(
            measure(&[0xf0, 0, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff, 0x40]),
            Err(Violation::TooComplex)
        );
        // An element that ends after its list.
        assert_eq!(measure(&[0xc0, 3, 1, 0xa1, 4, 1, 2, 3, 4]), Err(Violation::Malformed));
        // A list that ends before its size does.
        assert_eq!(measure(&[0xc0, 3, 1, 0x40, 0x40]), Err(Violation::Malformed));
    }

    #[test]
    fn a_map_without_a_value_for_its_last_key_is_refused() {
        for map in [
            &[0xc1, 6, 3, 0xa3, 1, b'a', 0x40, 0x40][..],
            &[0xc1, 2, 1, 0x40],
            &[0xd1, 0, 0, 0, 5, 0, 0, 0, 1, 0x40],
            // Inside of a list.
            &[0xc0, 5, 1, 0xc1, 2, 1, 0x40],
        ] {
            assert_eq!(measure(map), Err(Violation::Malformed), "{map:02x?}");
        }
        assert_eq!(measure(&[0xc1, 3, 2, 0x40, 0x40]), Ok(5));
        assert_eq!(measure(&[0xc1, 1, 0]), Ok(3));
    }
}
