//! Comparing, choosing, looking into, printing.

use super::super::value::{Value, equal, ordered};
use super::{Arguments, Function, Lazy, MANY, Made, Work, function, printf};
use crate::json::{Json, View};

pub(super) const TABLE: &[Function] = &[
    lazy("and", Lazy::And),
    lazy("or", Lazy::Or),
    function("not", 1, 1, |given| Ok(Value::bool(!given.value(0).is_true()))),
    function("eq", 2, MANY, is_one_of),
    function("ne", 2, 2, |given| equal(given.value(0), given.value(1)).map(|equal| Value::bool(!equal))),
    function("lt", 2, 2, |given| ordered(given.value(0), given.value(1)).map(|order| Value::bool(order.is_lt()))),
    function("le", 2, 2, |given| ordered(given.value(0), given.value(1)).map(|order| Value::bool(order.is_le()))),
    function("gt", 2, 2, |given| ordered(given.value(0), given.value(1)).map(|order| Value::bool(order.is_gt()))),
    function("ge", 2, 2, |given| ordered(given.value(0), given.value(1)).map(|order| Value::bool(order.is_ge()))),
    function("len", 1, 1, length),
    function("index", 1, MANY, index),
    function("slice", 1, 3, slice),
    function("print", 0, MANY, |given| Ok(Value::string(printed(given.values)))),
    function("println", 0, MANY, |given| Ok(Value::string(printed_line(given.values)))),
    function("printf", 1, MANY, printf::printf),
    function("default", 1, 2, or_default),
    function("empty", 1, 1, |given| Ok(Value::bool(!given.value(0).is_true()))),
    function("coalesce", 1, MANY, |given| Ok(first_that_is(given.values))),
    function("ternary", 3, 3, |given| Ok(given.value(usize::from(!given.value(2).is_true())).clone())),
    function("fail", 1, 1, |given| Err(given.text(0)?.into_owned())),
    function("required", 2, 2, required),
];

const fn lazy(name: &'static str, work: Lazy) -> Function {
    Function { name, least: 1, most: MANY, is_paired: false, wants_regex: false, work: Work::Lazy(work) }
}

/// `eq A B C…`: whether the first is one of the others.
fn is_one_of<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    for other in &given.values[1..] {
        if equal(given.value(0), other)? {
            return Ok(Value::bool(true));
        }
    }
    Ok(Value::bool(false))
}

/// Bytes of a text, elements of a list, fields of an object.
fn length<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let length = match given.value(0).view() {
        View::String(text) => text.len(),
        View::Array(items) => items.count(),
        View::Object(fields) => fields.count(),
        _ => return Err(given.refused(0, "a text, a list or an object")),
    };
    Ok(Value::integer(length))
}

/// `index VALUE KEY…`: a step into a list or an object for each key.
fn index<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let mut value = given.value(0).clone();
    for (position, key) in given.values.iter().enumerate().skip(1) {
        value = match value.view() {
            View::Object(_) => {
                let key = key.as_text().ok_or_else(|| given.refused(position, "the key of an object, a text"))?;
                value.field(key).unwrap_or_default()
            }
            View::Array(items) => {
                let length = items.count();
                let place = given.integer(position)?;
                let item = usize::try_from(place).ok().and_then(|place| value.item(place));
                item.ok_or_else(|| format!("there is no element {place} in a list of {length}"))?
            }
            _ => return Err(format!("argument {} leads into {}", position + 1, value.type_name())),
        };
    }
    Ok(value)
}

/// `slice VALUE FROM TO`, in bytes of a text or elements of a list.
fn slice<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let bound = |index: usize, otherwise: usize| match given.values.get(index) {
        Some(_) => given.count(index),
        None => Ok(otherwise),
    };
    let outside = |from, to, length| format!("{from} to {to} is outside of 0 to {length}");
    if let Some(items) = given.value(0).items() {
        let (from, to) = (bound(1, 0)?, bound(2, items.len())?);
        let part = items.get(from..to).ok_or_else(|| outside(from, to, items.len()))?;
        return Ok(Json::array(part.iter().map(Value::to_json).collect()).into());
    }
    let text = given.text(0)?;
    let (from, to) = (bound(1, 0)?, bound(2, text.len())?);
    let part = text.get(from..to).ok_or_else(|| outside(from, to, text.len()) + ", or inside a character")?;
    Ok(Value::string(part))
}

/// A space stands between two values when neither is a text.
pub(super) fn printed(values: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        let is_apart = index > 0 && values[index - 1].as_text().is_none() && value.as_text().is_none();
        out.push_str(if is_apart { " " } else { "" });
        value.write(&mut out);
    }
    out
}

fn printed_line(values: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        out.push_str(if index > 0 { " " } else { "" });
        value.write(&mut out);
    }
    out.push('\n');
    out
}

/// `default OTHERWISE VALUE`.
fn or_default<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let value = given.values.get(1).filter(|value| value.is_true());
    Ok(value.unwrap_or(given.value(0)).clone())
}

fn first_that_is<'d>(values: &[Value<'d>]) -> Value<'d> {
    values.iter().find(|value| value.is_true()).cloned().unwrap_or_default()
}

/// `required MESSAGE VALUE`: the event fails where there is no value.
fn required<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let value = given.value(1);
    if value.is_nothing() || value.as_text() == Some("") { Err(given.text(0)?.into_owned()) } else { Ok(value.clone()) }
}
