//! Numbers as text: the reference's, not C's. `%.14g` would make `1.7e+15` of a time in microseconds.

/// The first number that the reference no longer writes in plain digits: 2^63.
const PLAIN_END: f64 = 9_223_372_036_854_775_808.0;

/// Whole numbers below 2^63 in plain digits; others as short as they can be, with an exponent from a million on and
/// below 0.0001 (components-scripting.md §4.8).
pub(super) fn text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    if number.fract() == 0.0 && (-PLAIN_END..PLAIN_END).contains(&number) {
        return (number as i64).to_string();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn numbers_read_as_in_the_reference() {
        let cases = [
            (5.0, "5"),
            (-0.0, "0"),
            (-0.5, "-0.5"),
            (1e15, "1000000000000000"),
            (2f64.powi(53), "9007199254740992"),
            (2f64.powi(63), "9.223372036854776e+18"),
            (-(2f64.powi(63)), "-9223372036854775808"),
            (123_456.75, "123456.75"),
            (1_234_567.5, "1.2345675e+06"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100.0 / 3.0, "33.333333333333336"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (number, expected) in cases {
            assert_eq!(text(number), expected);
        }
    }
}
