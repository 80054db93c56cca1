//! Durations in Go's syntax: `150ms`, `1m30.5s`, `-2h`, `0`.
//!
//! Source: Go, `time.ParseDuration` and `Duration.String`: <https://pkg.go.dev/time#ParseDuration>.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time that may be negative, as Go has it: 64 bits of nanoseconds, 292 years either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedDuration {
    nanoseconds: i64,
}

/// Why a text is no duration. Reads on after the text: `"5" has no unit; write 5s or 500ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    Empty,
    NoUnit,
    UnknownUnit(String),
    OutOfRange,
    NoDuration,
    /// Only of [`HumanDuration`].
    Negative,
}

impl fmt::Display for DurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("is empty; write a duration such as 5s or 500ms"),
            Self::NoUnit => formatter.write_str("has no unit; write 5s or 500ms"),
            Self::UnknownUnit(unit) => {
                write!(formatter, "has the unknown unit {unit:?}; the units are ns, us, ms, s, m and h")
            }
            Self::OutOfRange => formatter.write_str("is out of range; a duration has at most 292 years"),
            Self::NoDuration => formatter.write_str("is no duration; write something like 5s or 500ms"),
            Self::Negative => formatter.write_str("is negative"),
        }
    }
}

impl std::error::Error for DurationError {}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// An hour has 13 digits of nanoseconds; with 20 the product with it fits 128 bits.
const FRACTION_DIGITS: usize = 20;

impl SignedDuration {
    pub const ZERO: Self = Self { nanoseconds: 0 };

    pub fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// Reads Go's syntax: an optional sign, then one or more of digits (a fraction is allowed) with a unit.
    ///
    /// # Errors
    ///
    /// [`DurationError`], which says what is missing.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            None => return Err(DurationError::Empty),
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
        };
        let total = if unsigned == "0" { 0 } else { sum_of_parts(unsigned)? };
        let signed = if negative { -total } else { total };
        let nanoseconds = i64::try_from(signed).map_err(|_| DurationError::OutOfRange)?;
        Ok(Self { nanoseconds })
    }

    pub fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    pub fn is_negative(self) -> bool {
        self.nanoseconds < 0
    }

    pub fn is_zero(self) -> bool {
        self.nanoseconds == 0
    }

    /// The same length where it is not negative.
    pub fn unsigned(self) -> Option<Duration> {
        u64::try_from(self.nanoseconds).ok().map(Duration::from_nanos)
    }
}

impl fmt::Display for SignedDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative() { "-" } else { "" };
        write!(formatter, "{sign}{}", go_text(self.nanoseconds.unsigned_abs()))
    }
}

fn sum_of_parts(text: &str) -> Result<i128, DurationError> {
    let mut rest = text;
    let mut total = 0_i128;
    if rest.is_empty() {
        return Err(DurationError::NoDuration);
    }
    while !rest.is_empty() {
        let (part, after) = one_part(rest)?;
        total += part;
        if total > i128::from(i64::MAX) + 1 {
            return Err(DurationError::OutOfRange);
        }
        rest = after;
    }
    Ok(total)
}

/// Nanoseconds of the first `<decimal><unit>`, and the rest of the text.
fn one_part(text: &str) -> Result<(i128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::NoDuration);
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    let size = unit_size(unit)?;
    Ok((whole_part(whole, size)? + fraction_part(fraction, size), after))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn unit_size(unit: &str) -> Result<i128, DurationError> {
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, size)) => Ok(*size),
        None if unit.is_empty() => Err(DurationError::NoUnit),
        None if unit.chars().all(char::is_alphabetic) => Err(DurationError::UnknownUnit(unit.to_owned())),
        None => Err(DurationError::NoDuration),
    }
}

fn whole_part(digits: &str, size: i128) -> Result<i128, DurationError> {
    if digits.is_empty() {
        return Ok(0);
    }
    let count: u64 = digits.parse().map_err(|_| DurationError::OutOfRange)?;
    Ok(i128::from(count) * size)
}

/// Nanoseconds of the digits after the point, rounded down; past [`FRACTION_DIGITS`] they make no difference.
fn fraction_part(digits: &str, size: i128) -> i128 {
    let digits = &digits[..digits.len().min(FRACTION_DIGITS)];
    let scaled = digits.bytes().fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let scale = digits.bytes().fold(1, |scale, _| scale * 10);
    scaled * size / scale
}

/// Go's `Duration.String`: `1h0m0s`, `1.5s`, `150ms`, `0s`.
fn go_text(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => decimal(nanoseconds, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(nanoseconds, 1_000_000, "ms"),
        _ => clock(nanoseconds),
    }
}

fn clock(nanoseconds: u64) -> String {
    let minutes = nanoseconds / 60_000_000_000;
    let seconds = decimal(nanoseconds % 60_000_000_000, 1_000_000_000, "s");
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

fn decimal(nanoseconds: u64, unit: u64, name: &str) -> String {
    let fraction = nanoseconds % unit;
    if fraction == 0 {
        return format!("{}{name}", nanoseconds / unit);
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{}.{}{name}", nanoseconds / unit, digits.trim_end_matches('0'))
}

/// A duration of a component's settings: Go's syntax, or a number of nanoseconds; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HumanDuration(pub Duration);

impl From<HumanDuration> for Duration {
    fn from(human: HumanDuration) -> Self {
        human.0
    }
}

impl FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        SignedDuration::parse(text)?.unsigned().map(Self).ok_or(DurationError::Negative)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        formatter.write_str(&go_text(nanoseconds))
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HumanVisitor)
    }
}

impl JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The title is what manuals call the type; a `format` would mean another syntax (ISO 8601).
        json_schema!({ "title": "duration", "type": ["string", "integer"] })
    }
}

struct HumanVisitor;

impl de::Visitor<'_> for HumanVisitor {
    type Value = HumanDuration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a duration such as 5s or 500ms")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        text.parse().map_err(|error: DurationError| E::custom(format!("{text:?} {error}")))
    }

    fn visit_u64<E: de::Error>(self, nanoseconds: u64) -> Result<HumanDuration, E> {
        Ok(HumanDuration(Duration::from_nanos(nanoseconds)))
    }

    fn visit_i64<E: de::Error>(self, nanoseconds: i64) -> Result<HumanDuration, E> {
        let unsigned = u64::try_from(nanoseconds).map_err(|_| E::custom(format!("{nanoseconds} is negative")))?;
        self.visit_u64(unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, nanoseconds: i64) {
        assert_eq!(SignedDuration::parse(text), Ok(SignedDuration { nanoseconds }), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: DurationError) {
        assert_eq!(SignedDuration::parse(text), Err(expected), "{text}");
    }

    #[test]
    fn go_syntax_is_read() {
        check("0", 0);
        check("-0", 0);
        check("150ms", 150_000_000);
        check("1m30.5s", 90_500_000_000);
        check("1h30m5.5s", 5_405_500_000_000);
        check("-1.5h", -5_400_000_000_000);
        check("+.5us", 500);
        check("5.µs", 5_000);
        check("1μs", 1_000);
        check("0.3333333333333333333h", 1_199_999_999_999);
        check("9223372036854775807ns", i64::MAX);
        check("-9223372036854775808ns", i64::MIN);
    }

    #[test]
    fn what_is_no_duration_says_why() {
        check_error("", DurationError::Empty);
        check_error("5", DurationError::NoUnit);
        check_error("1m5", DurationError::NoUnit);
        check_error("1d", DurationError::UnknownUnit("d".into()));
        check_error("1S", DurationError::UnknownUnit("S".into()));
        for text in ["soon", "-", ".", ".s", "1 minute", "5 s", "s"] {
            check_error(text, DurationError::NoDuration);
        }
        for text in ["9223372036854775808ns", "300000000h", "99999999999999999999s"] {
            check_error(text, DurationError::OutOfRange);
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for text in ["0s", "3ns", "1.5µs", "500ms", "1.5s", "1m0s", "1h30m5.5s", "-2h0m0s"] {
            assert_eq!(SignedDuration::parse(text).map(|read| read.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn settings_take_texts_and_nanoseconds() {
        let read = |text: &str| serde_json::from_str::<HumanDuration>(text).map_err(|error| error.to_string());
        assert_eq!(read("\"2s\""), Ok(HumanDuration(Duration::from_secs(2))));
        assert_eq!(read("1000"), Ok(HumanDuration(Duration::from_micros(1))));
        assert!(read("\"-2s\"").expect_err("negative").contains("\"-2s\" is negative"));
        assert!(read("\"5\"").expect_err("no unit").contains("has no unit; write 5s"));
        assert!(read("true").expect_err("boolean").contains("a duration such as"));
    }

    #[test]
    fn its_schema_takes_texts_and_numbers() {
        let schema = schemars::schema_for!(HumanDuration).to_value();
        assert_eq!(schema["type"], serde_json::json!(["string", "integer"]));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanoseconds in any::<i64>()) {
            let duration = SignedDuration { nanoseconds };
            prop_assert_eq!(SignedDuration::parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.a-zµ ]{0,40}") {
            let _ = SignedDuration::parse(&text).map(SignedDuration::unsigned);
        }
    }
}
