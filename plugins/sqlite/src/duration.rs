//! Durations in Go's syntax: `30s`, `1m30s`, `1.5h`, `500ms`.
//!
//! Source: Go's `time.ParseDuration`, <https://pkg.go.dev/time#ParseDuration>; negative ones are
//! refused here, they mean nothing.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, de};

const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

/// The duration that `text` names; none when it names none.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| c.is_alphabetic());
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// For `#[serde(deserialize_with)]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || de::Error::custom(format!("`{text}` is not a duration: write `30s`, `1m30s` or `500ms`"));
    parse(&text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, milliseconds: impl Into<Option<u64>>) {
        assert_eq!(parse(text), milliseconds.into().map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_numbers_with_units() {
        check("30s", 30_000);
        check("1m30s", 90_000);
        check("1.5h", 5_400_000);
        check("500ms", 500);
        check(".5s", 500);
        check("0", 0);
        check("0s", 0);
        check("1000000ns", 1);
        check("1000µs", 1);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "30 s", "-1s", "1d", "1.2.3s", "1s2", "99999999999999999999999h"] {
            check(text, None);
        }
    }
}
