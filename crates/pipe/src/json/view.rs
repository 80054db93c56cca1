//! Looking at a value without taking it apart: the same view of what was parsed and of what was built.

use std::sync::Arc;

use super::object::Object;
use super::tape::{Document, Tag, TapeFields, TapeItems};
use super::{Json, Repr, Text};

/// A borrowed value.
#[derive(Debug, Clone, Copy)]
pub struct JsonRef<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Built(&'a Json),
    Parsed(&'a Arc<Document>, u32),
}

/// What a value is. Numbers are their text.
#[derive(Debug, Clone)]
pub enum View<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(&'a str),
    Array(Items<'a>),
    Object(Fields<'a>),
}

impl<'a> From<&'a Json> for JsonRef<'a> {
    fn from(json: &'a Json) -> Self {
        match &json.0 {
            Repr::Parsed(document, node) => Self(Source::Parsed(document, *node)),
            _ => Self(Source::Built(json)),
        }
    }
}

impl<'a> JsonRef<'a> {
    pub fn view(self) -> View<'a> {
        match self.0 {
            Source::Built(json) => view_built(json),
            Source::Parsed(document, node) => view_parsed(document, node),
        }
    }

    /// An owned value; of something parsed it shares the text, so it is as cheap as counting one more owner.
    pub fn to_json(self) -> Json {
        match self.0 {
            Source::Built(json) => json.clone(),
            Source::Parsed(document, node) => Json::parsed(document, node),
        }
    }

    /// The field `key` of an object.
    pub fn get(self, key: &str) -> Option<JsonRef<'a>> {
        match self.view() {
            View::Object(mut fields) => fields.find(|(name, _)| *name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self.view(), View::Null)
    }

    /// `object`, `array`, `string`, `number`, `bool` or `null`.
    pub fn type_name(self) -> &'static str {
        match self.view() {
            View::Null => "null",
            View::Bool(_) => "bool",
            View::Number(_) => "number",
            View::String(_) => "string",
            View::Array(_) => "array",
            View::Object(_) => "object",
        }
    }
}

fn view_built(json: &Json) -> View<'_> {
    match &json.0 {
        Repr::Null => View::Null,
        Repr::Bool(value) => View::Bool(*value),
        Repr::Number(text) => View::Number(text.as_str()),
        Repr::String(text) => View::String(text.as_str()),
        Repr::Array(items) => View::Array(Items(ItemSource::Built(items.iter()))),
        Repr::Object(object) => View::Object(Fields(FieldSource::Built(object.fields().iter()))),
        Repr::Parsed(document, node) => view_parsed(document, *node),
    }
}

fn view_parsed(document: &Arc<Document>, node: u32) -> View<'_> {
    match document.node(node).tag {
        Tag::Null | Tag::Shadowed => View::Null,
        Tag::True => View::Bool(true),
        Tag::False => View::Bool(false),
        Tag::Number => View::Number(document.text(node)),
        Tag::Plain | Tag::Escaped => View::String(document.text(node)),
        Tag::Array => View::Array(Items(ItemSource::Parsed(TapeItems::of(document, node)))),
        Tag::Object => View::Object(Fields(FieldSource::Parsed(TapeFields(TapeItems::of(document, node))))),
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub struct Items<'a>(ItemSource<'a>);

#[derive(Debug, Clone)]
enum ItemSource<'a> {
    Built(std::slice::Iter<'a, Json>),
    Parsed(TapeItems<'a>),
}

impl<'a> Iterator for Items<'a> {
    type Item = JsonRef<'a>;

    fn next(&mut self) -> Option<JsonRef<'a>> {
        match &mut self.0 {
            ItemSource::Built(items) => items.next().map(JsonRef::from),
            ItemSource::Parsed(items) => items.next().map(|node| JsonRef(Source::Parsed(items.document, node))),
        }
    }
}

/// The fields of an object, each key once, in the order of the text.
#[derive(Debug, Clone)]
pub struct Fields<'a>(FieldSource<'a>);

#[derive(Debug, Clone)]
enum FieldSource<'a> {
    Built(std::slice::Iter<'a, (Text, Json)>),
    Parsed(TapeFields<'a>),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, JsonRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            FieldSource::Built(fields) => fields.next().map(|(key, value)| (key.as_str(), JsonRef::from(value))),
            FieldSource::Parsed(fields) => {
                let key = fields.next()?;
                let document = fields.0.document;
                Some((document.text(key), JsonRef(Source::Parsed(document, key + 1))))
            }
        }
    }
}

/// One level of a parsed object, as fields that can be changed; their values stay as they were parsed.
pub(super) fn take_apart(document: &Arc<Document>, node: u32) -> Object {
    let fields = TapeFields(TapeItems::of(document, node));
    fields.map(|key| (Text::parsed(document, key), Json::parsed(document, key + 1))).collect()
}
