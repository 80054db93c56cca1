//! What does not fit a schema, in the reference's words (components-scripting.md §6.1): one line each, with the place in
//! the event. Numbers are shown, texts of the event are not.

use std::fmt::Write as _;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;
use siphon_config::tree::{self, Node, Value as Setting};

/// Findings that are listed; a payload may have any number of them.
const LISTED: usize = 10;

/// `- at '/number': got string, want number`, a line each.
pub(super) fn listed<'e>(errors: impl Iterator<Item = ValidationError<'e>>, event: &Value) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let mut more = 0;
    for error in errors {
        let is_joined = lines.iter_mut().any(|line| line.join(&error));
        match is_joined {
            true => {}
            false if lines.len() < LISTED => lines.push(Line::of(&error, event)),
            false => more += 1,
        }
    }
    let mut text = lines.iter().map(Line::to_text).collect::<Vec<_>>().join("\n");
    if more > 0 {
        let _ = write!(text, "\n- and {more} more"); // writing to a string cannot fail
    }
    text
}

/// One line; missing properties of one object share theirs.
struct Line {
    at: String,
    missing: Vec<String>,
    message: String,
}

impl Line {
    fn of(error: &ValidationError<'_>, event: &Value) -> Self {
        let missing = missing(error).into_iter().collect();
        let message = excess(error, event).unwrap_or_else(|| message(error));
        Self { at: error.instance_path().as_str().to_owned(), missing, message }
    }

    fn join(&mut self, error: &ValidationError<'_>) -> bool {
        match missing(error) {
            Some(name) if !self.missing.is_empty() && self.at == error.instance_path().as_str() => {
                self.missing.push(name);
                true
            }
            _ => false,
        }
    }

    fn to_text(&self) -> String {
        let message = match self.missing.as_slice() {
            [] => self.message.clone(),
            [name] => format!("missing property {name}"),
            names => format!("missing properties {}", names.join(", ")),
        };
        format!("- at '{}': {message}", self.at)
    }
}

fn missing(error: &ValidationError<'_>) -> Option<String> {
    match error.kind() {
        Kind::Required { property } => Some(quoted(property)),
        _ => None,
    }
}

fn message(error: &ValidationError<'_>) -> String {
    let instance: &Value = error.instance();
    let limited = |keyword: &str, limit: &dyn std::fmt::Display| {
        format!("{keyword}: got {}, want {limit}", got(keyword, instance))
    };
    match error.kind() {
        Kind::Type { kind } => format!("got {}, want {}", type_of(instance), types(kind)),
        Kind::AdditionalProperties { unexpected } => not_allowed(unexpected),
        Kind::Enum { options } => match options.as_array().map(Vec::as_slice) {
            Some([one]) => format!("value must be {}", quoted(one)),
            Some(options) => {
                format!("value must be one of {}", options.iter().map(quoted).collect::<Vec<_>>().join(", "))
            }
            None => "'enum' failed".to_owned(),
        },
        Kind::Constant { expected_value } => format!("value must be {}", quoted(expected_value)),
        Kind::Minimum { limit } => limited("minimum", limit),
        Kind::Maximum { limit } => limited("maximum", limit),
        Kind::ExclusiveMinimum { limit } => limited("exclusiveMinimum", limit),
        Kind::ExclusiveMaximum { limit } => limited("exclusiveMaximum", limit),
        Kind::MultipleOf { multiple_of } => limited("multipleOf", multiple_of),
        Kind::MinLength { limit } => limited("minLength", limit),
        Kind::MaxLength { limit } => limited("maxLength", limit),
        Kind::MinItems { limit } => limited("minItems", limit),
        Kind::MaxItems { limit } => limited("maxItems", limit),
        Kind::MinProperties { limit } => limited("minProperties", limit),
        Kind::MaxProperties { limit } => limited("maxProperties", limit),
        Kind::Pattern { pattern } => format!("does not match pattern '{pattern}'"),
        Kind::Format { format } => format!("is not valid {format}"),
        Kind::UniqueItems => "items are not unique".to_owned(),
        Kind::Contains => "no items match contains schema".to_owned(),
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Not { .. } => "'not' failed".to_owned(),
        Kind::AnyOf { context } => format!("'anyOf' failed{}", causes(context)),
        Kind::OneOfNotValid { context } => format!("'oneOf' failed, none matched{}", causes(context)),
        Kind::OneOfMultipleValid { .. } => "'oneOf' failed, several subschemas matched".to_owned(),
        Kind::PropertyNames { error } => format!("invalid propertyName: {}", message(error)),
        _ => error.masked().to_string(),
    }
}

/// Of a schema that allows no properties at all the validator does not name them.
fn excess(error: &ValidationError<'_>, event: &Value) -> Option<String> {
    let is_of_properties = error.schema_path().as_str().ends_with("/additionalProperties");
    let (Kind::FalseSchema, true) = (error.kind(), is_of_properties) else { return None };
    let fields = event.pointer(error.instance_path().as_str())?.as_object()?;
    Some(not_allowed(fields.keys().take(LISTED)))
}

fn not_allowed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("'{name}'")).collect();
    format!("additional properties {} not allowed", names.join(", "))
}

/// Why each alternative failed, indented. Alternatives of alternatives are left out: the text has to end.
fn causes(context: &[Vec<ValidationError<'static>>]) -> String {
    let errors = context.iter().flatten().take(LISTED);
    let line = |error: &ValidationError<'static>| {
        let message = match error.kind() {
            Kind::AnyOf { .. } => "'anyOf' failed".to_owned(),
            Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
            Kind::Required { property } => format!("missing property {}", quoted(property)),
            _ => message(error),
        };
        format!("\n  - at '{}': {message}", error.instance_path().as_str())
    };
    errors.map(line).collect()
}

/// What a limit is about: the number itself, or how many there are.
fn got(keyword: &str, instance: &Value) -> String {
    match instance {
        Value::String(text) => text.chars().count().to_string(),
        Value::Array(items) => items.len().to_string(),
        Value::Object(fields) => fields.len().to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) => keyword.to_owned(),
    }
}

/// A value of the schema.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "\\'")),
        other => other.to_string(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

/// A JSON pointer into `settings` as messages spell it: `a.b[0]`.
pub(super) fn path_in(settings: &Node, pointer: &str) -> String {
    let mut node = Some(settings);
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let items = node.and_then(|node| match &node.value {
            Setting::List(items) => Some(items),
            _ => None,
        });
        path = match items {
            Some(_) => tree::join(&path, &format!("[{segment}]")),
            None => tree::join(&path, &segment),
        };
        node = match items {
            Some(items) => segment.parse().ok().and_then(|index: usize| items.get(index)),
            None => node.and_then(|node| node.get(&segment)),
        };
    }
    path
}
