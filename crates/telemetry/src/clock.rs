//! A point in time as the fields of a calendar, in UTC.
//!
//! Logs and health print times; nothing reads them back. That needs a dozen lines of calendar arithmetic, not a time
//! zone database.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;
/// Days in 400 Gregorian years: the calendar repeats after them.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01, counting years from March so that the leap day is the last one.
const EPOCH_FROM_MARCH_ZERO: i64 = 719_468;

/// A time in UTC. `month` and `day` begin with 1; leap seconds do not exist, as in the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanosecond: u32,
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        let nanoseconds = nanoseconds_since_epoch(time);
        let seconds = nanoseconds.div_euclid(1_000_000_000) as i64;
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanosecond: nanoseconds.rem_euclid(1_000_000_000) as u32,
        }
    }
}

/// RFC 3339 with milliseconds: `2026-11-23T15:04:05.123Z`.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, nanosecond } = self;
        let milliseconds = nanosecond / 1_000_000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
    }
}

fn nanoseconds_since_epoch(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + EPOCH_FROM_MARCH_ZERO;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months counted from March have 30.6 days on average: (153 * m + 2) / 5 is the first day of month m.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(seconds: i64, nanoseconds: u32, expected: &str) {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
        let time = whole + Duration::from_nanos(nanoseconds.into());
        assert_eq!(Utc::from(time).to_string(), expected);
    }

    #[test]
    fn known_times_have_their_known_texts() {
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.000Z");
        check(1_795_446_245, 123_456_789, "2026-11-23T15:04:05.123Z");
        check(4_107_542_399, 999_999_999, "2100-02-28T23:59:59.999Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn times_before_the_epoch_count_backwards() {
        check(-1, 0, "1969-12-31T23:59:59.000Z");
        check(-11_676_096_000, 0, "1600-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_of_a_long_time_follows_the_one_before() {
        let mut yesterday = civil(-800_000);
        for day in -799_999..800_000 {
            let today = civil(day);
            let same_month = today.2 == yesterday.2 + 1 && today.1 == yesterday.1 && today.0 == yesterday.0;
            let next_month = today.2 == 1 && today.1 == yesterday.1 % 12 + 1 && yesterday.2 >= 28;
            assert!(same_month || next_month, "{yesterday:?} is followed by {today:?}");
            yesterday = today;
        }
    }
}
