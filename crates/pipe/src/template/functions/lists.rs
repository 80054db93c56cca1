//! Lists.

use std::collections::HashSet;

use super::super::run::SIZE_LIMIT;
use super::super::value::{Value, equal, number};
use super::{Arguments, Function, MANY, Made, function, too_large};
use crate::json::{Json, View};

pub(super) const TABLE: &[Function] = &[
    function("list", 0, MANY, |given| Ok(array(given.values))),
    function("first", 1, 1, |given| Ok(given.list(0)?.into_iter().next().unwrap_or_default())),
    function("last", 1, 1, |given| Ok(given.list(0)?.pop().unwrap_or_default())),
    function("rest", 1, 1, |given| Ok(array(given.list(0)?.get(1..).unwrap_or_default()))),
    function("append", 2, 2, |given| {
        let mut items = given.list(0)?;
        items.push(given.value(1).clone());
        Ok(array(&items))
    }),
    function("uniq", 1, 1, uniq),
    function("has", 2, 2, |given| {
        let (wanted, items) = (given.value(0), given.list(1)?);
        Ok(Value::bool(items.iter().any(|item| equal(item, wanted) == Ok(true))))
    }),
    function("sortAlpha", 1, 1, sort_alpha),
    function("join", 2, 2, join),
];

fn array<'d>(values: &[Value<'d>]) -> Value<'d> {
    Json::array(values.iter().map(Value::to_json).collect()).into()
}

/// Each value once, in the order of their first.
fn uniq<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let mut known = HashSet::new();
    let kept: Vec<_> = given.list(0)?.into_iter().filter(|item| known.insert(worth(item))).collect();
    Ok(array(&kept))
}

/// A text that equal values have in common.
fn worth(value: &Value<'_>) -> String {
    match value.view() {
        View::Number(text) => text.parse::<i128>().map_or_else(|_| number(text).to_string(), |whole| whole.to_string()),
        _ => value.to_json().to_string(),
    }
}

fn texts(given: &Arguments<'_, '_>, index: usize) -> Result<Vec<String>, String> {
    let text = |item: &Value<'_>| {
        let mut text = String::new();
        item.write(&mut text);
        text
    };
    Ok(given.list(index)?.iter().filter(|item| !item.is_nothing()).map(text).collect())
}

fn sort_alpha<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let mut texts = texts(given, 0)?;
    texts.sort();
    Ok(Json::array(texts.into_iter().map(Json::string).collect()).into())
}

/// `join SEPARATOR LIST`.
fn join<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (separator, texts) = (given.text(0)?, texts(given, 1)?);
    if texts.len().saturating_mul(separator.len()) > SIZE_LIMIT {
        return Err(too_large());
    }
    Ok(Value::string(texts.join(&separator)))
}
