//! Texts. Positions and lengths are in characters.

use super::super::run::SIZE_LIMIT;
use super::super::value::Value;
use super::{Arguments, Function, Made, Work, function, regex, too_large};
use crate::json::{Json, Object};

pub(super) const TABLE: &[Function] = &[
    function("upper", 1, 1, |given| Ok(Value::string(given.text(0)?.to_uppercase()))),
    function("lower", 1, 1, |given| Ok(Value::string(given.text(0)?.to_lowercase()))),
    function("title", 1, 1, |given| Ok(Value::string(titled(&given.text(0)?)))),
    function("trim", 1, 1, |given| Ok(Value::string(given.text(0)?.trim()))),
    function("trimAll", 2, 2, trim_all),
    function("trimPrefix", 2, 2, |given| {
        let (prefix, text) = (given.text(0)?, given.text(1)?);
        Ok(Value::string(text.strip_prefix(&*prefix).unwrap_or(&text)))
    }),
    function("trimSuffix", 2, 2, |given| {
        let (suffix, text) = (given.text(0)?, given.text(1)?);
        Ok(Value::string(text.strip_suffix(&*suffix).unwrap_or(&text)))
    }),
    function("replace", 3, 3, replace),
    function("contains", 2, 2, |given| Ok(Value::bool(given.text(1)?.contains(&*given.text(0)?)))),
    function("hasPrefix", 2, 2, |given| Ok(Value::bool(given.text(1)?.starts_with(&*given.text(0)?)))),
    function("hasSuffix", 2, 2, |given| Ok(Value::bool(given.text(1)?.ends_with(&*given.text(0)?)))),
    function("split", 2, 2, split),
    function("splitList", 2, 2, |given| {
        let (separator, text) = (given.text(0)?, given.text(1)?);
        Ok(Json::array(parts(&text, &separator).map(Json::string).collect()).into())
    }),
    function("repeat", 2, 2, repeat),
    function("substr", 3, 3, substr),
    function("trunc", 2, 2, trunc),
    with_regex("regexMatch", 2, regex_match),
    with_regex("regexReplaceAll", 3, regex_replace_all),
];

const fn with_regex(name: &'static str, count: usize, work: super::Eager) -> Function {
    Function { name, least: count, most: count, is_paired: false, wants_regex: true, work: Work::Eager(work) }
}

/// `regexMatch PATTERN TEXT`.
fn regex_match<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let text = given.text(1)?;
    Ok(Value::bool(match given.regex {
        Some(regex) => regex.is_match(&text),
        None => regex(&given.text(0)?)?.is_match(&text),
    }))
}

/// `regexReplaceAll PATTERN TEXT REPLACEMENT`.
fn regex_replace_all<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (text, replacement) = (given.text(1)?, given.text(2)?);
    let groups = replacement.matches('$').count().saturating_mul(text.len());
    let is_large = |regex: &regex::Regex| {
        let literals = regex.find_iter(&text).count().saturating_mul(replacement.len());
        literals.saturating_add(groups) > SIZE_LIMIT
    };
    let replaced =
        |regex: &regex::Regex| (!is_large(regex)).then(|| regex.replace_all(&text, &*replacement).into_owned());
    let replaced = match given.regex {
        Some(regex) => replaced(regex),
        None => replaced(&regex(&given.text(0)?)?),
    };
    replaced.map(Value::string).ok_or_else(too_large)
}

/// The first letter of each word is made a capital.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for character in text.chars() {
        if !before.is_alphanumeric() && before != '_' {
            out.extend(character.to_uppercase());
        } else {
            out.push(character);
        }
        before = character;
    }
    out
}

/// `trimAll CHARACTERS TEXT`.
fn trim_all<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (characters, text) = (given.text(0)?, given.text(1)?);
    Ok(Value::string(text.trim_matches(|character| characters.contains(character))))
}

/// `replace OLD NEW TEXT`.
fn replace<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (old, new, text) = (given.text(0)?, given.text(1)?, given.text(2)?);
    let most = text.len().saturating_add(text.len().saturating_add(1).saturating_mul(new.len()));
    if most > SIZE_LIMIT && text.matches(&*old).count().saturating_mul(new.len()) > SIZE_LIMIT {
        return Err(too_large());
    }
    Ok(Value::string(text.replace(&*old, &new)))
}

fn parts<'t>(text: &'t str, separator: &'t str) -> Box<dyn Iterator<Item = &'t str> + 't> {
    if separator.is_empty() {
        return Box::new(text.char_indices().map(|(at, character)| &text[at..at + character.len_utf8()]));
    }
    Box::new(text.split(separator))
}

/// `split SEPARATOR TEXT`: an object with the keys `_0`, `_1` …
fn split<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (separator, text) = (given.text(0)?, given.text(1)?);
    let fields =
        parts(&text, &separator).enumerate().map(|(index, part)| (format!("_{index}").into(), Json::string(part)));
    Ok(Json::object(Object::from_iter(fields)).into())
}

/// `repeat COUNT TEXT`.
fn repeat<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (count, text) = (given.count(0)?, given.text(1)?);
    if count.saturating_mul(text.len()) > SIZE_LIMIT {
        return Err(too_large());
    }
    Ok(Value::string(text.repeat(count)))
}

/// `substr FROM TO TEXT`; a negative FROM is the beginning, a negative TO the end.
fn substr<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (from, to, text) = (given.integer(0)?, given.integer(1)?, given.text(2)?);
    let from = usize::try_from(from).unwrap_or_default();
    let to = usize::try_from(to).unwrap_or(usize::MAX);
    Ok(Value::string(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()))
}

/// `trunc COUNT TEXT`: the first characters, or with a negative number the last.
fn trunc<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (count, text) = (given.integer(0)?, given.text(1)?);
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if count < 0 { text.chars().count().saturating_sub(length) } else { 0 };
    Ok(Value::string(text.chars().skip(skipped).take(length).collect::<String>()))
}
