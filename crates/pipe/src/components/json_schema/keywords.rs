//! The keywords of JSON Schema, of all drafts, and where schemas stand within a schema.

use serde_json::{Map, Value};
use siphon_config::nearest;

/// What they hold are schemas, by name.
const MAPS: [&str; 6] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// What they hold is a schema, or a list of schemas.
const BELOW: [&str; 9] = [
    "items",
    "prefixItems",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contains",
    "propertyNames",
    "contentSchema",
];

/// The same, about the value itself and nothing inside it.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// What they hold is no schema.
const LIMITS: [&str; 20] = [
    "$ref",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
];

const OTHERS: [&str; 23] = [
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "example", // of OpenAPI, as the next
    "nullable",
    "deprecated",
    "readOnly",
    "writeOnly",
    "maxContains",
    "minContains",
    "contentEncoding",
    "contentMediaType",
];

fn all() -> impl Iterator<Item = &'static str> {
    MAPS.into_iter().chain(BELOW).chain(IN_PLACE).chain(LIMITS).chain(OTHERS)
}

pub(super) fn is_known(key: &str) -> bool {
    all().any(|known| known == key)
}

/// `; did you mean "required"?` for a key that is meant to be a keyword that asks for something. Others are free to be
/// there: the standard has it so.
pub(super) fn misspelt(key: &str) -> Option<String> {
    if is_known(key) {
        return None;
    }
    // A short one is near to anything.
    let meant = MAPS
        .into_iter()
        .chain(BELOW)
        .chain(IN_PLACE)
        .chain(LIMITS)
        .filter(|known| known.len() > 4 || *known == "type" || *known == "$ref");
    Some(nearest::hint(key, meant)).filter(|hint| !hint.is_empty())
}

/// A schema within a schema.
pub(super) struct Inner {
    /// Of it, from the schema around it: `/properties/id`.
    pub pointer: String,
    /// Whether it is about the same value.
    pub is_in_place: bool,
}

pub(super) fn inner(schema: &Map<String, Value>) -> Vec<Inner> {
    let mut found = Vec::new();
    for (key, value) in schema {
        let is_in_place = IN_PLACE.contains(&key.as_str()) || key == "dependentSchemas";
        let mut add = |pointer: String| found.push(Inner { pointer, is_in_place });
        match value {
            Value::Object(schemas) if MAPS.contains(&key.as_str()) => {
                schemas.keys().for_each(|name| add(format!("/{key}/{}", name.replace('~', "~0").replace('/', "~1"))));
            }
            Value::Array(schemas) if holds_schemas(key) => {
                (0..schemas.len()).for_each(|index| add(format!("/{key}/{index}")));
            }
            Value::Object(_) if holds_schemas(key) => add(format!("/{key}")),
            _ => {}
        }
    }
    found
}

fn holds_schemas(key: &str) -> bool {
    BELOW.contains(&key) || IN_PLACE.contains(&key)
}
