//! Texts inside of HTML, of JavaScript and of the query of a URL.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::value::Value;
use super::logic::printed;
use super::{Function, MANY, function};

pub(super) const TABLE: &[Function] = &[
    function("html", 1, MANY, |given| Ok(Value::string(html(&printed(given.values))))),
    function("js", 1, MANY, |given| Ok(Value::string(js(&printed(given.values))))),
    function("urlquery", 1, MANY, |given| Ok(Value::string(query(&printed(given.values))))),
];

/// Good for XML too.
fn html(text: &str) -> String {
    replaced(text, |character| {
        Some(Cow::Borrowed(match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&#34;",
            '\'' => "&#39;",
            '\0' => "\u{fffd}",
            _ => return None,
        }))
    })
}

fn js(text: &str) -> String {
    replaced(text, |character| match character {
        '\\' => Some("\\\\".into()),
        '\'' => Some("\\'".into()),
        '"' => Some("\\\"".into()),
        '<' | '>' | '&' | '=' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
            Some(format!("\\u{:04X}", u32::from(character)).into())
        }
        _ => None,
    })
}

fn replaced(text: &str, replacement: impl Fn(char) -> Option<Cow<'static, str>>) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match replacement(character) {
            Some(replacement) => out.push_str(&replacement),
            None => out.push(character),
        }
        out
    })
}

/// A blank is `+`.
fn query(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => _ = write!(out, "%{byte:02X}"),
        }
        out
    })
}
