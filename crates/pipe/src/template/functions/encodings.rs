//! JSON, base64, digests, quotes, random names.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use super::super::run::SIZE_LIMIT;
use super::super::value::Value;
use super::{Arguments, Function, MANY, Made, function, too_large};
use crate::json::{Json, JsonRef, View};

pub(super) const TABLE: &[Function] = &[
    function("toJson", 1, 1, |given| Ok(Value::string(given.value(0).to_json().to_string()))),
    function("toRawJson", 1, 1, |given| Ok(Value::string(given.value(0).to_json().to_string()))),
    function("toPrettyJson", 1, 1, |given| {
        let (value, mut out) = (given.value(0).to_json(), String::new());
        pretty(JsonRef::from(&value), 0, &mut out);
        if out.len() > SIZE_LIMIT { Err(too_large()) } else { Ok(Value::string(out)) }
    }),
    function("fromJson", 1, 1, |given| {
        Json::parse_alone(given.text(0)?.as_bytes()).map(Value::from).map_err(|error| error.to_string())
    }),
    function("toString", 1, 1, |given| {
        let mut text = String::new();
        given.value(0).write(&mut text);
        Ok(Value::string(text))
    }),
    function("quote", 0, MANY, |given| Ok(Value::string(each(given, |text| Json::string(text).to_string())))),
    function("squote", 0, MANY, |given| Ok(Value::string(each(given, |text| format!("'{text}'"))))),
    function("b64enc", 1, 1, |given| Ok(Value::string(STANDARD.encode(given.text(0)?.as_bytes())))),
    function("b64dec", 1, 1, |given| {
        let bytes = STANDARD.decode(given.text(0)?.trim()).map_err(|error| format!("this is no base64: {error}"))?;
        String::from_utf8(bytes).map(Value::string).map_err(|_| "what was encoded is no text (UTF-8)".into())
    }),
    function("sha256sum", 1, 1, |given| Ok(Value::string(hex(&Sha256::digest(given.text(0)?.as_bytes()))))),
    function("uuidv4", 0, 0, uuid),
];

/// Each value that there is, as a text, with a space between.
fn each(given: &Arguments<'_, '_>, one: impl Fn(String) -> String) -> String {
    let values = given.values.iter().filter(|value| !value.is_nothing());
    let texts = values.map(|value| {
        let mut text = String::new();
        value.write(&mut text);
        one(text)
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 9562, version 4.
fn uuid<'d>(_: &Arguments<'_, 'd>) -> Made<'d> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random bytes")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(Value::string(parts.join("-")))
}

/// On a line each, indented by two spaces. Ends early where it gets too large.
fn pretty(value: JsonRef<'_>, depth: usize, out: &mut String) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    };
    match value.view() {
        _ if out.len() > SIZE_LIMIT => {}
        View::Array(items) if items.clone().next().is_some() => {
            for (index, item) in items.enumerate() {
                out.push(if index > 0 { ',' } else { '[' });
                indent(out, depth + 1);
                pretty(item, depth + 1, out);
            }
            indent(out, depth);
            out.push(']');
        }
        View::Object(fields) if fields.clone().next().is_some() => {
            for (index, (key, value)) in fields.enumerate() {
                out.push(if index > 0 { ',' } else { '{' });
                indent(out, depth + 1);
                _ = write!(out, "{}: ", Json::string(key));
                pretty(value, depth + 1, out);
            }
            indent(out, depth);
            out.push('}');
        }
        _ => _ = write!(out, "{}", value.to_json()),
    }
}
