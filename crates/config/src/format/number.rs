//! Number texts of YAML and TOML in the grammar of JSON, digit for digit where that is possible.

/// `text`, a decimal integer or float that may have a sign, leading zeros or a bare point, as a JSON number.
/// `None` when it is no such number (`.inf`, `nan`, a word).
pub(crate) fn decimal(text: &str) -> Option<String> {
    let (sign, unsigned) = split_sign(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let fraction = fraction.unwrap_or_default();
    let is_number = is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if !is_number || !exponent.is_none_or(is_exponent) {
        return None;
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent = exponent.map(|digits| format!("e{digits}")).unwrap_or_default();
    Some(format!("{sign}{}{point}{fraction}{exponent}", without_leading_zeros(whole)))
}

/// An integer written with this radix, digits only, as a JSON number; `None` past 64 bits.
pub(crate) fn of_radix(sign: &str, digits: &str, radix: u32) -> Option<String> {
    let value = u64::from_str_radix(digits, radix).ok()?;
    Some(format!("{sign}{value}"))
}

/// Splits off a sign; a plus is dropped.
pub(crate) fn split_sign(text: &str) -> (&'static str, &str) {
    match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_exponent(text: &str) -> bool {
    let (_, digits) = split_sign(text);
    !digits.is_empty() && is_digits(digits)
}

fn without_leading_zeros(digits: &str) -> &str {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0" } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(decimal(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn decimals_become_json_numbers() {
        check("12", Some("12"));
        check("+5", Some("5"));
        check("-0.50", Some("-0.50"));
        check(".5", Some("0.5"));
        check("5.", Some("5"));
        check("007", Some("7"));
        check("1E+9", Some("1e+9"));
        check("0", Some("0"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", ".", "-", "e5", "1e", "0x1", "1_0", ".inf", "1.2.3", "1 ", "٣"] {
            check(text, None);
        }
    }
}
