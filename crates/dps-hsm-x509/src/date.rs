//! A certificate's dates (RFC 5280 section 4.1.2.5): UTCTime up to 2049, GeneralizedTime later,
//! to the second and in UTC.

use crate::der::take_any;
use core::fmt;

/// A moment in UTC.
#[derive(Clone, Debug)]
pub(crate) struct Date {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Date {
    pub(crate) fn take(input: &mut &[u8]) -> Option<Self> {
        const UTC_TIME: u8 = 0x17;
        const GENERALIZED_TIME: u8 = 0x18;

        let (tag, mut text) = take_any(input)?;
        let century = match tag {
            UTC_TIME => None,
            GENERALIZED_TIME => Some(two_digits(&mut text)?),
            _ => return None,
        };
        let year = two_digits(&mut text)?;
        let century = century.unwrap_or(if year < 50 { 20 } else { 19 });
        let year = u16::from(century) * 100 + u16::from(year);
        let mut next = |first: u8, last: u8| {
            two_digits(&mut text).filter(|number| (first..=last).contains(number))
        };
        let month = next(1, 12)?;
        let day = next(1, days(year, month))?;
        let date = Self {
            year,
            month,
            day,
            hour: next(0, 23)?,
            minute: next(0, 59)?,
            second: next(0, 59)?,
        };
        (text == b"Z").then_some(date)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn unix_seconds(&self) -> i64 {
        // Years that begin in March have the leap day last, and their months' lengths follow a
        // rule: 153 days in five months.
        let (year, month) = match self.month {
            month @ ..3 => (i64::from(self.year) - 1, i64::from(month) + 9),
            month => (i64::from(self.year), i64::from(month) - 3),
        };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        // 719,469: from the first day of March of the year 0, counted as 1, to 1970-01-01.
        let days = year * 365 + leap_days + (153 * month + 2) / 5 + i64::from(self.day) - 719_469;
        let [hour, minute, second] = [self.hour, self.minute, self.second].map(i64::from);
        ((days * 24 + hour) * 60 + minute) * 60 + second
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

        let Self { year, month, day, hour, minute, second } = self;
        let month = MONTHS.get(usize::from(*month).wrapping_sub(1)).copied().unwrap_or_default();
        write!(f, "{month} {day:2} {hour:02}:{minute:02}:{second:02} {year} +00:00")
    }
}

fn days(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(400) => 29,
        2 if year.is_multiple_of(4) && !year.is_multiple_of(100) => 29,
        2 => 28,
        _ => 31,
    }
}

fn two_digits(text: &mut &[u8]) -> Option<u8> {
    let (digits, rest) = text.split_first_chunk::<2>()?;
    let [tens, units] = digits.map(|digit| char::from(digit).to_digit(10));
    *text = rest;
    u8::try_from(tens? * 10 + units?).ok()
}
