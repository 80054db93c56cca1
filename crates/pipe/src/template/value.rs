//! What the expressions of a template have as values.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::json::{Extent, Json, JsonRef, View};
use crate::reference;

/// A value. Cloning copies nothing.
#[derive(Debug, Clone, Default)]
pub(super) enum Value<'d> {
    /// What is not there. Null is taken for it almost everywhere.
    #[default]
    Missing,
    /// A part of the data, where it lies.
    Data(JsonRef<'d>),
    /// What a function made.
    Made(Arc<Made>),
}

/// A value of the run's own, measured once.
#[derive(Debug)]
pub(super) struct Made {
    json: Json,
    extent: Extent,
}

/// Bytes that a value inside of another one takes, besides its text.
const NODE_SIZE: usize = 32;

/// Values that are copied as fast as a step is taken.
const NODES_PER_STEP: usize = 8;

/// Bytes of a text that are made as fast as a step is taken.
const BYTES_PER_STEP: usize = 64;

/// Bytes of a text that are read as fast as a step is taken.
const BYTES_READ_PER_STEP: usize = 1024;

impl From<Json> for Value<'_> {
    fn from(json: Json) -> Self {
        let extent = json.extent();
        Self::Made(Arc::new(Made { json, extent }))
    }
}

impl<'d> Value<'d> {
    pub fn bool(value: bool) -> Self {
        Json::bool(value).into()
    }

    pub fn string(text: impl Into<String>) -> Self {
        Json::string(text.into()).into()
    }

    /// # Errors
    ///
    /// What is no number: infinity.
    pub fn float(value: f64) -> Result<Self, String> {
        // Whole ones without a point; the sign of nothing is nothing.
        let value = if value == 0.0 { 0.0 } else { value };
        if value.is_finite() {
            Ok(Json::number(value.to_string()).into())
        } else {
            Err("the result is no number that JSON has".into())
        }
    }

    pub fn integer(value: usize) -> Self {
        Json::integer(i64::try_from(value).unwrap_or(i64::MAX)).into()
    }

    pub fn view(&self) -> View<'_> {
        match self {
            Self::Missing => View::Null,
            Self::Data(data) => data.view(),
            Self::Made(made) => made.json.view(),
        }
    }

    pub fn to_json(&self) -> Json {
        match self {
            Self::Missing => Json::NULL,
            Self::Data(data) => data.to_json(),
            Self::Made(made) => made.json.clone(),
        }
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self.view(), View::Null)
    }

    /// The value of a key of an object; missing where it has none. `None`: this is no object.
    pub fn field(&self, key: &str) -> Option<Value<'d>> {
        match self {
            Self::Missing => Some(Self::Missing),
            Self::Data(data) => match data.view() {
                View::Null => Some(Self::Missing),
                View::Object(_) => Some(data.get(key).map_or(Self::Missing, Self::Data)),
                _ => None,
            },
            Self::Made(made) => match made.json.view() {
                View::Null => Some(Self::Missing),
                View::Object(_) => Some(made.json.get(key).map_or(Self::Missing, |value| value.to_json().into())),
                _ => None,
            },
        }
    }

    /// The elements of an array; `None`: this is none.
    pub fn items(&self) -> Option<Vec<Value<'d>>> {
        match self {
            Self::Data(data) => match data.view() {
                View::Array(items) => Some(items.map(Self::Data).collect()),
                _ => None,
            },
            _ => match self.view() {
                View::Array(items) => Some(items.map(|item| item.to_json().into()).collect()),
                _ => None,
            },
        }
    }

    /// One element of an array; `None`: there is none.
    pub fn item(&self, index: usize) -> Option<Value<'d>> {
        match self {
            Self::Data(data) => match data.view() {
                View::Array(mut items) => items.nth(index).map(Self::Data),
                _ => None,
            },
            _ => match self.view() {
                View::Array(mut items) => items.nth(index).map(|item| item.to_json().into()),
                _ => None,
            },
        }
    }

    /// Whether `if` takes it for true: not false, 0, empty or missing.
    pub fn is_true(&self) -> bool {
        match self.view() {
            View::Null => false,
            View::Bool(value) => value,
            View::Number(text) => number(text) != 0.0,
            View::String(text) => !text.is_empty(),
            View::Array(mut items) => items.next().is_some(),
            View::Object(mut fields) => fields.next().is_some(),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self.view() {
            View::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a text, a number or a boolean.
    pub fn scalar(&self) -> Option<Cow<'_, str>> {
        match self.view() {
            View::String(text) | View::Number(text) => Some(text.into()),
            View::Bool(value) => Some(if value { "true" } else { "false" }.into()),
            _ => None,
        }
    }

    /// As an action prints it.
    pub fn print(&self, out: &mut String) {
        match self.view() {
            View::Null => out.push_str("<no value>"),
            View::String(text) | View::Number(text) => out.push_str(text),
            _ => self.write(out),
        }
    }

    /// As it is written as a part of something: nothing is `<nil>`.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Missing => out.push_str("<nil>"),
            Self::Data(data) => reference::write(*data, out),
            Self::Made(made) => reference::write(JsonRef::from(&made.json), out),
        }
    }

    /// What it is, for errors.
    pub fn type_name(&self) -> &'static str {
        match self.view() {
            View::Null => "nothing",
            View::Bool(_) => "a boolean",
            View::Number(_) => "a number",
            View::String(_) => "a text",
            View::Array(_) => "a list",
            View::Object(_) => "an object",
        }
    }

    /// How many levels of lists and objects were put around what was parsed.
    pub fn made_depth(&self) -> usize {
        match self {
            Self::Made(made) => made.extent.depth,
            _ => 0,
        }
    }

    /// Bytes that it has with all that is inside of it, for the bound of what a run may make. Of data they are about those
    /// of the text that was parsed.
    pub fn size(&self) -> usize {
        let extent = match self {
            Self::Missing => return 0,
            Self::Data(data) => data.to_json().extent(),
            Self::Made(made) => made.extent,
        };
        extent.nodes.saturating_mul(NODE_SIZE).saturating_add(extent.bytes)
    }

    /// Steps that making it takes.
    pub fn cost_of_making(&self) -> usize {
        self.as_text().map_or_else(|| self.values() / NODES_PER_STEP, |text| text.len() / BYTES_PER_STEP)
    }

    /// Steps that a function takes to look at it.
    pub fn cost_of_reading(&self) -> usize {
        self.as_text().map_or_else(|| self.values() / NODES_PER_STEP, |text| text.len() / BYTES_READ_PER_STEP)
    }

    /// How many values a copy of its elements makes.
    fn values(&self) -> usize {
        let at_the_top = match self.view() {
            View::Array(items) => items.count(),
            View::Object(fields) => fields.count(),
            _ => 0,
        };
        match self {
            Self::Made(made) => made.extent.nodes.max(at_the_top),
            _ => at_the_top,
        }
    }
}

/// `eq`: numbers by what they are worth.
///
/// # Errors
///
/// Of two kinds that cannot be compared, except with nothing.
pub(super) fn equal(one: &Value<'_>, two: &Value<'_>) -> Result<bool, String> {
    match (one.view(), two.view()) {
        (View::Null, View::Null) => Ok(true),
        (View::Null, _) | (_, View::Null) => Ok(false),
        (View::Bool(one), View::Bool(two)) => Ok(one == two),
        (View::String(one), View::String(two)) => Ok(one == two),
        (View::Number(one), View::Number(two)) => Ok(in_order(one, two) == Ordering::Equal),
        (View::Array(_), View::Array(_)) | (View::Object(_), View::Object(_)) => Ok(one.to_json() == two.to_json()),
        _ => Err(incomparable(one, two)),
    }
}

/// # Errors
///
/// Of what is neither two numbers nor two texts.
pub(super) fn ordered(one: &Value<'_>, two: &Value<'_>) -> Result<Ordering, String> {
    match (one.view(), two.view()) {
        (View::String(one), View::String(two)) => Ok(one.cmp(two)),
        (View::Number(one), View::Number(two)) => Ok(in_order(one, two)),
        _ => Err(incomparable(one, two)),
    }
}

fn incomparable(one: &Value<'_>, two: &Value<'_>) -> String {
    let (one, two) = (one.type_name(), two.type_name());
    format!("{one} cannot be compared with {two}; int, float64 and toString convert, default stands in")
}

/// Integers to the last digit.
fn in_order(one: &str, two: &str) -> Ordering {
    match (one.parse::<i128>(), two.parse::<i128>()) {
        (Ok(one), Ok(two)) => one.cmp(&two),
        _ => number(one).total_cmp(&number(two)),
    }
}

/// The nearest number of 64 bits.
pub(super) fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}
