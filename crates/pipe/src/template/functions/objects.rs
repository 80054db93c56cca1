//! Objects, which Sprig calls dictionaries. They are values: what changes one gives another one.

use super::super::value::Value;
use super::{Arguments, Eager, Function, MANY, Made, Work, function};
use crate::json::{Json, Object};

pub(super) const TABLE: &[Function] = &[
    paired("dict", |given| {
        let mut object = Object::new();
        for (index, pair) in given.values.chunks_exact(2).enumerate() {
            object.insert(&*given.text(index * 2)?, pair[1].to_json());
        }
        Ok(Json::object(object).into())
    }),
    function("get", 2, 2, |given| {
        let found = given.value(0).field(&given.text(1)?).ok_or_else(|| given.refused(0, "an object"))?;
        Ok(if matches!(found, Value::Missing) { Value::string("") } else { found })
    }),
    function("set", 3, 3, |given| {
        let mut object = given.object(0)?;
        object.insert(&*given.text(1)?, given.value(2).to_json());
        Ok(Json::object(object).into())
    }),
    function("hasKey", 2, 2, |given| Ok(Value::bool(given.object(0)?.get(&given.text(1)?).is_some()))),
    function("keys", 1, MANY, |given| {
        let mut keys = Vec::new();
        for index in 0..given.values.len() {
            keys.extend(given.object(index)?.fields().iter().map(|(key, _)| Json::string(key.as_str())));
        }
        Ok(Json::array(keys).into())
    }),
    function("values", 1, 1, |given| {
        Ok(Json::array(given.object(0)?.into_fields().into_iter().map(|(_, value)| value).collect()).into())
    }),
    function("pick", 1, MANY, |given| chosen(given, true)),
    function("omit", 1, MANY, |given| chosen(given, false)),
    function("merge", 1, MANY, merge),
];

const fn paired(name: &'static str, work: Eager) -> Function {
    Function { name, least: 0, most: MANY, is_paired: true, wants_regex: false, work: Work::Eager(work) }
}

/// The fields that are named, or the others.
fn chosen<'d>(given: &Arguments<'_, 'd>, keeps_named: bool) -> Made<'d> {
    let names: Vec<_> = (1..given.values.len()).map(|index| given.text(index)).collect::<Result<_, _>>()?;
    let fields = given.object(0)?.into_fields().into_iter();
    let kept = fields.filter(|(key, _)| names.iter().any(|name| name == key.as_str()) == keeps_named);
    Ok(Json::object(kept.collect()).into())
}

/// `merge OBJECT OTHER…`: what stands first wins, inside of objects too.
fn merge<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let mut merged = given.object(0)?;
    for index in 1..given.values.len() {
        lay_under(&mut merged, given.object(index)?);
    }
    Ok(Json::object(merged).into())
}

/// Objects nest no deeper than a parsed text may.
fn lay_under(upper: &mut Object, lower: Object) {
    for (key, value) in lower.into_fields() {
        match upper.get_mut(key.as_str()) {
            None => upper.insert(key, value),
            Some(known) => {
                if let (Some(known), Some(value)) = (known.object_mut(), value.into_object()) {
                    lay_under(known, value);
                }
            }
        }
    }
}
