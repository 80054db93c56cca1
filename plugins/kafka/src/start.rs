//! Where a group begins to read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Where reading begins in a partition of which the group has committed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// What comes from then on.
    #[default]
    Latest,
    Earliest,
    /// The first record of this time or later; milliseconds since 1970 UTC.
    At(i64),
}

impl Start {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "latest" => Some(Self::Latest),
            "earliest" => Some(Self::Earliest),
            _ => text.parse().ok().filter(|milliseconds| *milliseconds >= 0).or_else(|| date(text)).map(Self::At),
        }
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "latest, earliest, a time such as 2026-01-31T00:00:00Z, or milliseconds since 1970";
        let value = Value::deserialize(deserializer)?;
        let start = match &value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => number.as_i64().filter(|milliseconds| *milliseconds >= 0).map(Self::At),
            _ => None,
        };
        let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"));
        start.ok_or_else(|| D::Error::invalid_value(Unexpected::Other(&text), &EXPECTED))
    }
}

impl JsonSchema for Start {
    fn schema_name() -> Cow<'static, str> {
        "Start".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"]})
    }
}

/// `YYYY-MM-DD`, or with `THH:MM:SS`, a fraction, and `Z` or an offset such as `+02:00` (RFC 3339). Milliseconds since 1970.
fn date(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let days = days(year, month, day)?;
    (days * 86_400_000).checked_add(time_of_day(time)?).filter(|milliseconds| *milliseconds >= 0)
}

/// Milliseconds since midnight UTC.
fn time_of_day(text: &str) -> Option<i64> {
    let zone = text.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = text.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if hour > 23 || minute > 59 || second > 60 || !is_fraction {
        return None;
    }
    let milliseconds: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1_000 + milliseconds - offset(zone)?)
}

/// Milliseconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'Z' | b'z' => return (zone.len() == 1).then_some(0),
        b'-' => -1,
        _ => 1,
    };
    let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let parts: Vec<_> = text.split(separator).collect();
    let fit = parts.len() == N && parts.iter().zip(lengths).all(|(part, length)| part.len() == length);
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !fit || !parts.iter().all(is_number) {
        return None;
    }
    let numbers: Vec<i64> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Days since 1970 in the Gregorian calendar, counted in years that begin in March: the leap day is their last.
///
/// Source: <https://howardhinnant.github.io/date_algorithms.html>.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<Start>) {
        assert_eq!(serde_json::from_str::<Start>(json).ok(), expected, "{json}");
    }

    #[test]
    fn words_numbers_and_dates_are_read() {
        check(r#""latest""#, Some(Start::Latest));
        check(r#""earliest""#, Some(Start::Earliest));
        check("1769817600000", Some(Start::At(1_769_817_600_000)));
        check(r#""1769817600000""#, Some(Start::At(1_769_817_600_000)));
        check(r#""2026-01-31""#, Some(Start::At(1_769_817_600_000)));
        check(r#""2026-01-31T00:00:00Z""#, Some(Start::At(1_769_817_600_000)));
        check(r#""2026-01-31T02:00:00.25+02:00""#, Some(Start::At(1_769_817_600_250)));
        check(r#""2024-02-29T23:59:59Z""#, Some(Start::At(1_709_251_199_000)));
        check(r#""1970-01-01""#, Some(Start::At(0)));
    }

    #[test]
    fn what_is_no_place_to_start_is_refused_in_words() {
        for json in ["\"newest\"", "-1", "true", "\"2026-02-30\"", "\"2026-13-01\"", "\"2026-01-31T25:00:00Z\""] {
            check(json, None);
        }
        for json in ["\"2026-01-31T00:00:00\"", "\"2026-1-31\"", "\"\"", "\"2026-01-31T00:00:00+2\"", "\"1969-12-31\""]
        {
            check(json, None);
        }
        let error = serde_json::from_str::<Start>("\"newest\"").unwrap_err().to_string();
        assert!(error.starts_with("invalid value: \"newest\", expected latest, earliest, a time such as"), "{error}");
    }
}
