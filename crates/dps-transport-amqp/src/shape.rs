//! Looks at encoded values before the codec does: that all sizes fit into each other, that
//! nothing is nested deep, and that there are not many values. The codec recurses without a limit
//! and would make millions of values of an array whose elements have no bytes.

use crate::violation::Violation;

/// Real performatives need six levels.
const MAX_DEPTH: u32 = 16;
/// Real performatives have some thirty values.
const MAX_VALUES: usize = 1024;

/// The length of the value that `bytes` start with.
pub(crate) fn length(bytes: &[u8]) -> Result<usize, Violation> {
    let mut walk = Walk { left: MAX_VALUES };
    let mut rest = bytes;
    walk.value(&mut rest, 0)?;
    Ok(bytes.len() - rest.len())
}

struct Walk {
    /// How many more values there may be.
    left: usize,
}

impl Walk {
    fn value(&mut self, input: &mut &[u8], depth: u32) -> Result<(), Violation> {
        if depth > MAX_DEPTH {
            return Err(Violation::TooDeep);
        }
        self.count(1)?;
        let constructor = byte(input)?;
        match constructor {
            0x00 => {
                // Descriptors are numbers or symbols.
                match input.first() {
                    Some(0x44 | 0x53 | 0x80 | 0xa3 | 0xb3) => self.value(input, depth + 1)?,
                    _ => return Err(Violation::Malformed),
                }
                match input.first() {
                    Some(0x00) | None => Err(Violation::Malformed),
                    Some(_) => self.value(input, depth + 1),
                }
            }
            0xc0 | 0xc1 | 0xd0 | 0xd1 => {
                let wide = constructor >= 0xd0;
                let mut body = sized(input, wide)?;
                let count = number(&mut body, wide)?;
                if constructor & 1 == 1 && count % 2 == 1 {
                    return Err(Violation::Malformed);
                }
                for _ in 0..count {
                    self.value(&mut body, depth + 1)?;
                }
                end(body)
            }
            0xe0 | 0xf0 => {
                let wide = constructor == 0xf0;
                let mut body = sized(input, wide)?;
                let count = number(&mut body, wide)?;
                self.count(count)?;
                let element = byte(&mut body)?;
                // Nothing that the service sends has arrays of compounds or of described values.
                if element == 0x00 || element >= 0xc0 {
                    return Err(Violation::Malformed);
                }
                for _ in 0..count {
                    scalar(&mut body, element)?;
                }
                end(body)
            }
            scalar_code => scalar(input, scalar_code),
        }
    }

    fn count(&mut self, values: usize) -> Result<(), Violation> {
        self.left = self.left.checked_sub(values).ok_or(Violation::TooMany)?;
        Ok(())
    }
}

/// Skips a value without parts.
fn scalar(input: &mut &[u8], constructor: u8) -> Result<(), Violation> {
    let length = match constructor {
        0x40..=0x45 => 0,
        0x50..=0x56 => 1,
        0x60 | 0x61 => 2,
        0x70..=0x74 => 4,
        0x80..=0x84 => 8,
        0x94 | 0x98 => 16,
        0xa0 | 0xa1 | 0xa3 => return sized(input, false).map(drop),
        0xb0 | 0xb1 | 0xb3 => return sized(input, true).map(drop),
        _ => return Err(Violation::Malformed),
    };
    take(input, length).map(drop)
}

/// The bytes behind a size.
fn sized<'a>(input: &mut &'a [u8], wide: bool) -> Result<&'a [u8], Violation> {
    let length = number(input, wide)?;
    take(input, length)
}

fn number(input: &mut &[u8], wide: bool) -> Result<usize, Violation> {
    let bytes = take(input, if wide { 4 } else { 1 })?;
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

fn byte(input: &mut &[u8]) -> Result<u8, Violation> {
    take(input, 1)?.first().copied().ok_or(Violation::Malformed)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], Violation> {
    let (taken, rest) = input.split_at_checked(length).ok_or(Violation::Malformed)?;
    *input = rest;
    Ok(taken)
}

fn end(rest: &[u8]) -> Result<(), Violation> {
    if rest.is_empty() { Ok(()) } else { Err(Violation::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_value_is_found_among_other_bytes() {
        for value in [
            &[0x40][..],
            &[0x50, 1],
            &[0x70, 0, 0, 0, 1],
            &[0xa1, 2, b'a', b'b'],
            &[0xb0, 0, 0, 0, 1, 9],
            &[0x45],
            &[0xc0, 4, 2, 0x41, 0x50, 7],
            &[0xc1, 3, 2, 0x43, 0x40],
            &[0xe0, 6, 2, 0xa3, 1, b'a', 1, b'b'],
            &[0xe0, 2, 3, 0x43],
            &[0x00, 0x53, 0x24, 0x45],
            &[0x00, 0xa3, 1, b'x', 0xc0, 1, 0],
        ] {
            let mut bytes = value.to_vec();
            bytes.extend_from_slice(&[0xff, 0xff]);
            assert_eq!(length(&bytes), Ok(value.len()), "{value:02x?}");
            for shorter in 0..value.len() {
                assert!(length(&value[..shorter]).is_err(), "{value:02x?} cut at {shorter}");
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for value in [
            &[0xc0, 5, 2, 0x41, 0x50, 7][..],
            &[0xc0, 5, 2, 0x41, 0x50, 7, 0x40],
            &[0xc0, 3, 2, 0x41, 0x50, 7],
            &[0xc1, 2, 1, 0x43],
            &[0xe0, 3, 2, 0x43, 0],
            &[0xe0, 4, 1, 0xc0, 1, 0],
            &[0xe0, 1, 0],
            &[0xd0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1],
            &[0x01],
            &[0x00, 0x40, 0x40],
            &[0x00, 0x53, 0x24, 0x00, 0x53, 0x24, 0x45],
            &[0x00, 0x00, 0x53, 0x24, 0x45, 0x45],
        ] {
            assert_eq!(length(value), Err(Violation::Malformed), "{value:02x?}");
        }
    }

    #[test]
    fn deep_and_numerous_values_are_refused() {
        let mut nested = vec![0x45];
        for _ in 0..20_000 {
            let mut outer = vec![0xd0];
            outer.extend_from_slice(&(nested.len() as u32 + 4).to_be_bytes());
            outer.extend_from_slice(&[0, 0, 0, 1]);
            outer.append(&mut nested);
            nested = outer;
        }
        assert_eq!(length(&nested), Err(Violation::TooDeep));
        let empty_elements = [0xf0, 0, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff, 0x40];
        assert_eq!(length(&empty_elements), Err(Violation::TooMany));
        let mut list = vec![0xd0];
        list.extend_from_slice(&5004u32.to_be_bytes());
        list.extend_from_slice(&5000u32.to_be_bytes());
        list.extend_from_slice(&[0x40; 5000]);
        assert_eq!(length(&list), Err(Violation::TooMany));
    }
}
