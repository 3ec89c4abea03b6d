//! Times as the service writes them: ISO 8601 with seven fractional digits and `Z`
//! (`wire-protocol.md` section 6.2).

use core::time::Duration;

const SECONDS_PER_DAY: u64 = 86_400;

/// Formats a time since 1970-01-01T00:00:00Z, for example `2022-08-31T22:02:50.5163352Z`.
pub(crate) fn iso8601(since_epoch: Duration) -> String {
    let ticks = since_epoch.subsec_nanos() / 100;
    format!("{}.{ticks:07}Z", whole_seconds(since_epoch.as_secs()))
}

/// As certificates' dates are written: `2017-01-01T00:00:00Z`.
pub(crate) fn iso8601_seconds(seconds: u64) -> String {
    format!("{}Z", whole_seconds(seconds))
}

fn whole_seconds(seconds: u64) -> String {
    let (year, month, day) = civil_date(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of the given day since 1970-01-01 in the Gregorian calendar.
///
/// Counts in eras of 400 years (146 097 days) that start on 1 March, so that the leap day is
/// the last day of a year and month lengths follow one formula.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468; // days from 0000-03-01 to 1970-01-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.0000000Z"),
            (1_661_983_370, 516_335_200, "2022-08-31T22:02:50.5163352Z"),
            (951_782_399, 999_999_999, "2000-02-28T23:59:59.9999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.0000000Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.0000000Z"),
            (1_735_689_599, 0, "2024-12-31T23:59:59.0000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.0000000Z"),
        ] {
            assert_eq!(iso8601(Duration::new(seconds, nanos)), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(civil_date(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
