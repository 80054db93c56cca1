//! `printf`, with the verbs that have a meaning for JSON.

use super::super::value::Value;
use super::{Arguments, Made};
use crate::json::{Json, View};

/// Characters that a width or a precision may ask for.
const WIDEST: usize = 10_000;

/// `printf FORMAT VALUE…`.
pub(super) fn printf<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let format = given.text(0)?;
    let (mut out, mut rest, mut next) = (String::new(), &*format, 1);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, after) = Verb::parse(after)?;
        rest = after;
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let value = given.values.get(next).ok_or_else(|| format!("no value is left for %{}", verb.letter))?;
        out.push_str(&verb.written(value, next + 1)?);
        next += 1;
    }
    if next < given.values.len() {
        return Err(format!("{} values for {} verbs", given.values.len() - 1, next - 1));
    }
    out.push_str(rest);
    Ok(Value::string(out))
}

#[derive(Default)]
struct Verb {
    is_left: bool,
    has_plus: bool,
    has_zeros: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

impl Verb {
    /// What stands behind a `%`, and the rest.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        let mut verb = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|flag| "-+0 #".contains(*flag)) {
            verb.is_left |= flag == '-';
            verb.has_plus |= flag == '+';
            verb.has_zeros |= flag == '0';
            rest = &rest[1..];
        }
        (verb.width, rest) = number(rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after)?;
            (verb.precision, rest) = (Some(precision), after);
        }
        verb.letter = rest.chars().next().ok_or("a % ends the format; write %% for the sign itself")?;
        let after = &rest[verb.letter.len_utf8()..];
        Ok((verb, after))
    }

    fn written(&self, value: &Value<'_>, position: usize) -> Result<String, String> {
        let refused =
            |wanted: &str| format!("%{} wants {wanted}, argument {position} is {}", self.letter, value.type_name());
        let text = match self.letter {
            'v' | 's' => self.cut(plain(value)),
            'q' => Json::string(self.cut(plain(value))).to_string(),
            't' => match value.view() {
                View::Bool(value) => value.to_string(),
                _ => return Err(refused("a boolean")),
            },
            'x' | 'X' => self.hexadecimal(value).ok_or_else(|| refused("a text or a whole number"))?,
            'd' => self.signed(whole(value).ok_or_else(|| refused("a whole number"))?.to_string()),
            'f' | 'F' | 'e' | 'g' => self.float(value).ok_or_else(|| refused("a number"))?,
            other => return Err(format!("%{other} is not known; there are %v %s %q %d %f %e %g %x %X %t and %%")),
        };
        Ok(self.padded(text))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text,
        }
    }

    fn float(&self, value: &Value<'_>) -> Option<String> {
        let View::Number(text) = value.view() else { return None };
        let number: f64 = text.parse().ok()?;
        Some(self.signed(match (self.letter, self.precision) {
            ('e', precision) => exponent(&format!("{number:.*e}", precision.unwrap_or(6))),
            ('g', precision) => shortest(number, precision),
            (_, precision) => format!("{number:.*}", precision.unwrap_or(6)),
        }))
    }

    fn hexadecimal(&self, value: &Value<'_>) -> Option<String> {
        let lower = match value.view() {
            View::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            _ => {
                let whole = whole(value)?;
                format!("{}{:x}", if whole < 0 { "-" } else { "" }, whole.unsigned_abs())
            }
        };
        Some(if self.letter == 'X' { lower.to_uppercase() } else { lower })
    }

    fn signed(&self, number: String) -> String {
        if self.has_plus && !number.starts_with('-') { format!("+{number}") } else { number }
    }

    fn padded(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let is_number = matches!(self.letter, 'd' | 'f' | 'F' | 'e' | 'g' | 'x' | 'X');
        if self.is_left {
            return text + &" ".repeat(missing);
        }
        if self.has_zeros && is_number {
            let sign = text.len() - text.trim_start_matches(['+', '-']).len();
            return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
        }
        " ".repeat(missing) + &text
    }
}

/// The number at the beginning of a text, 0 where there is none, and the rest.
fn number(text: &str) -> Result<(usize, &str), String> {
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let number = if end == 0 { Some(0) } else { text[..end].parse().ok().filter(|number| *number <= WIDEST) };
    number.map(|number| (number, &text[end..])).ok_or_else(|| format!("a width is at most {WIDEST}"))
}

fn plain(value: &Value<'_>) -> String {
    let mut text = String::new();
    value.write(&mut text);
    text
}

/// A whole number of JSON, `7.0` and `1e3` included.
fn whole(value: &Value<'_>) -> Option<i128> {
    let View::Number(text) = value.view() else { return None };
    let float = || text.parse::<f64>().ok().filter(|float| float.fract() == 0.0 && float.abs() < 1e15);
    text.parse().ok().or_else(|| float().map(|float| float as i128))
}

/// Go writes two digits of an exponent and always its sign.
fn exponent(text: &str) -> String {
    let Some((number, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{number}e{sign}{digits:0>2}")
}

/// `%g`: the digits that are needed, or asked for, with an exponent where the number is very large or small.
fn shortest(number: f64, digits: Option<usize>) -> String {
    let text = match digits {
        Some(digits) => format!("{number:.*e}", digits.max(1) - 1),
        None => format!("{number:e}"),
    };
    let power = text.split_once('e').and_then(|(_, power)| power.parse::<i64>().ok()).unwrap_or_default();
    let most = digits.map_or(21, |digits| i64::try_from(digits.max(1)).unwrap_or(i64::MAX));
    if (-4..most).contains(&power) {
        return text.parse().map(|number: f64| number.to_string()).unwrap_or(text);
    }
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    exponent(&format!("{mantissa}e{power}"))
}
