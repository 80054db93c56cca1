//! What `range` goes through.

use super::value::Value;
use crate::json::{Json, View};

/// Index or key, and element. Objects are in the order of their keys, numbers count from 0.
pub(super) type Steps<'d> = Box<dyn Iterator<Item = (Value<'d>, Value<'d>)> + 'd>;

/// # Errors
///
/// Of what has no elements.
pub(super) fn steps<'d>(value: &Value<'d>) -> Result<Steps<'d>, String> {
    match value.view() {
        View::Null => Ok(Box::new(std::iter::empty())),
        View::Array(_) => {
            let items = value.items().unwrap_or_default();
            Ok(Box::new(items.into_iter().enumerate().map(|(index, item)| (Value::integer(index), item))))
        }
        View::Object(fields) => {
            let mut keys: Vec<_> = fields.map(|(key, _)| key.to_owned()).collect();
            keys.sort();
            let object = value.clone();
            Ok(Box::new(keys.into_iter().map(move |key| {
                let element = object.field(&key).unwrap_or_default();
                (Value::string(key), element)
            })))
        }
        View::Number(text) => {
            let count = text.parse::<i64>().map_err(|_| format!("range over {text}, which is no whole number"))?;
            Ok(Box::new((0..count).map(|number| (Json::integer(number).into(), Json::integer(number).into()))))
        }
        View::Bool(_) | View::String(_) => Err(format!("range over {}, which has no elements", value.type_name())),
    }
}
