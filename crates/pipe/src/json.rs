//! The pipe's one JSON type. Numbers are their text, so `1.50` and `12345678901234567890` stay what they were.
//!
//! A value that was parsed is a place in a shared [`tape`]; only the levels that somebody changes are taken apart.
//! Look at a value with [`Json::view`], change an object with [`Json::object_mut`].

mod error;
mod extent;
mod object;
mod parse;
mod strings;
mod tape;
mod view;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use error::JsonError;
pub(crate) use extent::Extent;
pub use object::Object;
pub use view::{Fields, Items, JsonRef, View};

use siphon_config::tree::Node;
use tape::{Document, Tag};

/// A JSON value. Cloning something parsed copies nothing.
#[derive(Clone)]
pub struct Json(Repr);

#[derive(Clone)]
enum Repr {
    Null,
    Bool(bool),
    Number(Text),
    String(Text),
    Array(Vec<Json>),
    Object(Object),
    /// A value of a parsed text, as it was.
    Parsed(Arc<Document>, u32),
}

impl Json {
    pub const NULL: Self = Self(Repr::Null);

    /// Reads the first value of a text; what follows it is ignored.
    ///
    /// # Errors
    ///
    /// [`JsonError`] with the reference's words (pipeline.md §7.4) and the place.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        parse::parse(text, false).map(|document| Self(Repr::Parsed(Arc::new(document), 0)))
    }

    /// Reads a text that is one value and nothing else.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and `invalid character 'x' after top-level value`.
    pub fn parse_alone(text: &[u8]) -> Result<Self, JsonError> {
        parse::parse(text, true).map(|document| Self(Repr::Parsed(Arc::new(document), 0)))
    }

    /// A value of a configuration; its numbers keep their text. Files nest less deep than a reply may.
    pub fn of_setting(setting: &Node) -> Self {
        Self::parse(setting.to_json_text().as_bytes()).unwrap_or_default()
    }

    pub fn bool(value: bool) -> Self {
        Self(Repr::Bool(value))
    }

    pub fn integer(value: i64) -> Self {
        Self(Repr::Number(value.to_string().into()))
    }

    /// A number by its text, which is one that JSON has.
    pub(crate) fn number(text: impl Into<Text>) -> Self {
        Self(Repr::Number(text.into()))
    }

    pub fn string(text: impl Into<Text>) -> Self {
        Self(Repr::String(text.into()))
    }

    pub fn array(items: Vec<Json>) -> Self {
        Self(Repr::Array(items))
    }

    pub fn object(object: Object) -> Self {
        Self(Repr::Object(object))
    }

    /// An object with one field.
    pub fn field(key: impl Into<Text>, value: Json) -> Self {
        Self::object(Object::from_iter([(key.into(), value)]))
    }

    fn parsed(document: &Arc<Document>, node: u32) -> Self {
        Self(Repr::Parsed(Arc::clone(document), node))
    }

    pub fn view(&self) -> View<'_> {
        JsonRef::from(self).view()
    }

    pub fn get(&self, key: &str) -> Option<JsonRef<'_>> {
        JsonRef::from(self).get(key)
    }

    pub fn is_object(&self) -> bool {
        matches!(self.view(), View::Object(_))
    }

    pub fn is_null(&self) -> bool {
        JsonRef::from(self).is_null()
    }

    pub fn type_name(&self) -> &'static str {
        JsonRef::from(self).type_name()
    }

    /// The fields, to be changed; `None` when this is no object. Takes one level apart if it is as it was parsed.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        if let Repr::Parsed(document, node) = &self.0
            && document.node(*node).tag == Tag::Object
        {
            self.0 = Repr::Object(view::take_apart(document, *node));
        }
        match &mut self.0 {
            Repr::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The fields of an object, owned; `None` for anything else.
    pub fn into_object(mut self) -> Option<Object> {
        self.object_mut().map(std::mem::take)
    }

    /// Bytes of the text and of the tape that this is a place in; 0 for what was built.
    pub(crate) fn parsed_bytes(&self) -> usize {
        match &self.0 {
            Repr::Parsed(document, _) => document.bytes(),
            _ => 0,
        }
    }

    /// The value as JSON text without spaces.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write::write(self.into(), &mut out);
        out
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::object(object)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_vec()))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::NULL
    }
}

/// The same value: numbers by their text, fields in any order.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        JsonRef::from(self) == JsonRef::from(other)
    }
}

impl PartialEq for JsonRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.view(), other.view()) {
            (View::Null, View::Null) => true,
            (View::Bool(one), View::Bool(two)) => one == two,
            (View::Number(one), View::Number(two)) | (View::String(one), View::String(two)) => one == two,
            (View::Array(one), View::Array(two)) => one.eq(two),
            (View::Object(mut one), View::Object(two)) => {
                one.clone().count() == two.count() && one.all(|(key, value)| other.get(key) == Some(value))
            }
            _ => false,
        }
    }
}

/// A string of a value: part of a parsed text, or its own.
#[derive(Clone)]
pub struct Text(TextRepr);

#[derive(Clone)]
enum TextRepr {
    Own(Arc<str>),
    Parsed(Arc<Document>, u32),
}

impl Text {
    fn parsed(document: &Arc<Document>, node: u32) -> Self {
        Self(TextRepr::Parsed(Arc::clone(document), node))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            TextRepr::Own(text) => text,
            TextRepr::Parsed(document, node) => document.text(*node),
        }
    }
}

impl<T: Into<Arc<str>>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(TextRepr::Own(text.into()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

/// A text is found by what it says: its hash and its equality are those of `str`.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
