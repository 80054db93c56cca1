//! The pipe's JSON as CEL values, looked at where it is.

use std::collections::HashMap;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as Values, Sizer, Zeroer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE, Type,
};
use cel::common::value::{BuiltinRef, CowVal, Val};

use crate::json::{Fields, JsonRef, View};

/// What stands below `path` (`a.b`; empty: `json` itself).
pub(super) fn at_path<'j>(json: JsonRef<'j>, path: &str) -> Option<JsonRef<'j>> {
    if path.is_empty() { Some(json) } else { path.split('.').try_fold(json, |json, key| json.get(key)) }
}

/// A number is an int where it fits, else a uint, else a double. Of an object nothing is copied; of a list its level.
pub(super) fn value<'j>(json: JsonRef<'j>) -> Box<dyn Val + 'j> {
    match json.view() {
        View::Null => Box::new(CelNull),
        View::Bool(value) => Box::new(CelBool::from(value)),
        View::Number(text) => number(text),
        View::String(text) => Box::new(CelString::from(text)),
        View::Array(items) => Box::new(CelList::from(items.map(value).collect::<Vec<_>>())),
        View::Object(fields) => Box::new(ObjectValue { json, fields, whole: OnceLock::new() }),
    }
}

fn number<'j>(text: &str) -> Box<dyn Val + 'j> {
    if let Ok(number) = text.parse::<i64>() {
        return Box::new(CelInt::from(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Box::new(CelUInt::from(number));
    }
    Box::new(CelDouble::from(text.parse::<f64>().unwrap_or(f64::NAN)))
}

/// An object. Its fields become values when they are asked for.
#[derive(Debug)]
struct ObjectValue<'j> {
    json: JsonRef<'j>,
    fields: Fields<'j>,
    /// All of it, for what needs more than a field: comparing and iterating.
    whole: OnceLock<CelMap<'j>>,
}

impl<'j> ObjectValue<'j> {
    fn whole(&self) -> &CelMap<'j> {
        self.whole.get_or_init(|| {
            let entry = |(key, json): (&'j str, JsonRef<'j>)| (CelMapKey::String(CelString::from(key)), value(json));
            CelMap::from(self.fields.clone().map(entry).collect::<HashMap<_, _>>())
        })
    }

    fn find(&self, key: &dyn Val) -> Result<Option<JsonRef<'j>>, ExecutionError> {
        match key.downcast_ref::<CelString>() {
            Some(key) => Ok(self.json.get(key.inner())),
            // What other keys mean, and which are none, the map of the crate knows.
            None => self.whole().contains(key).map(|_| None),
        }
    }
}

impl<'j> Val for ObjectValue<'j> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = MAP_TYPE;
        &TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn into_indexer<'v>(self: Box<Self>) -> Option<Box<dyn Indexer + 'v>>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.whole().equals(other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(ObjectValue { json: self.json, fields: self.fields.clone(), whole: OnceLock::new() })
    }

    /// A map of the crate compares itself with others by this; without it `{'a': 1} == event.payload` would be false.
    fn as_builtin<'b, 'v>(&'b self) -> BuiltinRef<'b, 'v>
    where
        Self: 'v,
    {
        BuiltinRef::Map(self.whole())
    }
}

impl Container for ObjectValue<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        self.find(key).map(|found| found.is_some())
    }
}

impl<'j> Indexer for ObjectValue<'j> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match self.find(key)? {
            Some(json) => Ok(CowVal::Owned(value(json))),
            None => Err(ExecutionError::no_such_key(key.downcast_ref::<CelString>().map_or("", CelString::inner))),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl<'j> Iterable for ObjectValue<'j> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Values<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        self.whole().iter()
    }
}

impl Sizer for ObjectValue<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.fields.clone().count()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for ObjectValue<'_> {
    fn is_zero_value(&self) -> bool {
        self.fields.clone().next().is_none()
    }
}
