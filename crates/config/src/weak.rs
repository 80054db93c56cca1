//! KrakenD's weak typing of the typed part: `"4"` is the number 4, `1` is true, a number is a text.
//!
//! Source: `mapstructure` with weak decoding, as observed on KrakenD CE 2.13.

use crate::tree::{Node, Value};
use siphon_duration::SignedDuration;

/// What a reader should know about a value that was taken all the same. Reads on after the value.
#[derive(Debug, PartialEq)]
pub(crate) struct Note(pub String);

/// The value with a note, or why it cannot be read; the reason reads on after the value.
pub(crate) type Read<T> = Result<(T, Option<Note>), String>;

/// Bare numbers below this many nanoseconds (one millisecond) were hardly meant as nanoseconds.
const SUSPICIOUS_NANOSECONDS: i64 = 1_000_000;

pub(crate) fn text(node: &Node) -> Read<String> {
    match &node.value {
        Value::String(text) | Value::Number(text) => Ok((text.clone(), None)),
        Value::Bool(flag) => Err(format!("is a boolean where a text is due; write \"{flag}\"")),
        _ => Err("found where a text is due".into()),
    }
}

pub(crate) fn boolean(node: &Node) -> Read<bool> {
    let value = match &node.value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(text) | Value::String(text) => word_of_boolean(text),
        _ => None,
    };
    value.map(|flag| (flag, None)).ok_or_else(|| "is no boolean; write true or false".into())
}

/// Go's `strconv.ParseBool`, and the empty text as false.
fn word_of_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A whole number; a fraction is cut off with a note, as the reference does without one.
pub(crate) fn integer(node: &Node) -> Read<i64> {
    let text = match &node.value {
        Value::String(text) if text.is_empty() => return Ok((0, None)),
        Value::Number(text) | Value::String(text) => text,
        _ => return Err("found where a whole number is due".into()),
    };
    if let Ok(number) = text.parse() {
        return Ok((number, None));
    }
    match &node.value {
        Value::Number(text) => from_float(text),
        _ => Err("is no whole number".into()),
    }
}

fn from_float(text: &str) -> Read<i64> {
    /// Floats of this size and above do not tell whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if number.abs() >= EXACT {
        return Err("is too large a number".into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let whole = number.trunc() as i64;
    let note = (number.fract() != 0.0).then(|| Note(format!("is no whole number; {whole} is used")));
    Ok((whole, note))
}

pub(crate) fn float(node: &Node) -> Read<f64> {
    let number = match &node.value {
        Value::String(text) if text.is_empty() => Some(0.0),
        Value::Number(text) | Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let finite = number.filter(|number: &f64| number.is_finite());
    finite.map(|number| (number, None)).ok_or_else(|| "is no number".into())
}

/// Go's syntax, or a bare number of nanoseconds.
pub(crate) fn duration(node: &Node) -> Read<SignedDuration> {
    match &node.value {
        Value::String(text) => {
            SignedDuration::parse(text).map(|duration| (duration, None)).map_err(|error| error.to_string())
        }
        Value::Number(_) => {
            let (number, note) = integer(node)?;
            let suspicious = number != 0 && number.abs() < SUSPICIOUS_NANOSECONDS;
            let nanoseconds = || Note(format!("without a unit means nanoseconds; write {number}s or {number}ms"));
            Ok((SignedDuration::from_nanoseconds(number), suspicious.then(nanoseconds).or(note)))
        }
        _ => Err("found where a duration is due; write something like 5s or 500ms".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        crate::format::parse("x.json", json).expect("valid")
    }

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(convert: fn(&Node) -> Read<T>, json: &str, expected: T) {
        let read = convert(&node(json)).map(|(value, _)| value);
        assert_eq!(read, Ok(expected), "{json}");
    }

    #[track_caller]
    fn check_error<T: std::fmt::Debug>(convert: fn(&Node) -> Read<T>, json: &str, part: &str) {
        let error = convert(&node(json)).expect_err(json);
        assert!(error.contains(part), "{json}: {error}");
    }

    #[test]
    fn numbers_are_texts_and_texts_are_numbers() {
        check(text, "5", "5".to_owned());
        check(text, "1.50", "1.50".to_owned());
        check(integer, "\"4\"", 4);
        check(integer, "\"\"", 0);
        check(integer, "2.0", 2);
        check(integer, "2.9", 2);
        check(integer, "1e3", 1000);
        check(float, "\"0.5\"", 0.5);
        check(float, "50", 50.0);
    }

    #[test]
    fn words_and_numbers_are_booleans() {
        for yes in ["true", "1", "\"true\"", "\"1\"", "\"T\""] {
            check(boolean, yes, true);
        }
        for no in ["false", "0", "\"false\"", "\"\""] {
            check(boolean, no, false);
        }
    }

    #[test]
    fn durations_are_texts_or_nanoseconds() {
        check(duration, "\"2s\"", SignedDuration::from_nanoseconds(2_000_000_000));
        check(duration, "500000000", SignedDuration::from_nanoseconds(500_000_000));
    }

    #[test]
    fn what_cannot_be_read_says_what_is_due() {
        check_error(boolean, "\"maybe\"", "true or false");
        check_error(boolean, "2", "true or false");
        check_error(text, "true", "write \"true\"");
        check_error(text, "[]", "a text is due");
        check_error(integer, "\"x\"", "no whole number");
        check_error(integer, "1e300", "too large");
        check_error(integer, "true", "a whole number is due");
        check_error(float, "\"NaN\"", "no number");
        check_error(duration, "\"5\"", "has no unit");
        check_error(duration, "{}", "a duration is due");
    }

    #[test]
    fn values_that_were_hardly_meant_so_get_a_note() {
        let cut = integer(&node("2.9")).map(|(_, note)| note);
        assert_eq!(cut, Ok(Some(Note("is no whole number; 2 is used".into()))));
        let nanoseconds = duration(&node("3")).map(|(_, note)| note);
        assert!(matches!(nanoseconds, Ok(Some(Note(text))) if text.contains("write 3s")));
    }
}
