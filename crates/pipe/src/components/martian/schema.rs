//! The schema of the whole block: a modifier is an object with one key, and some hold others.
//!
//! A key that no modifier has is left to the reader, which names those that there are.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::read::{Holds, KINDS, Kind};
use super::scope::Scope;

/// That of a settings type.
pub(super) fn of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

pub(super) fn schema() -> Value {
    let of_name = |kind: &Kind| (kind.name.to_owned(), json!({"$ref": format!("#/$defs/{}", kind.name)}));
    let names: Map<String, Value> = KINDS.iter().map(of_name).collect();
    let mut definitions: Map<String, Value> =
        KINDS.iter().map(|kind| (kind.name.to_owned(), definition(kind))).collect();
    definitions
        .insert("modifier".to_owned(), json!({"type": "object", "properties": names, "additionalProperties": true}));
    json!({"$ref": "#/$defs/modifier", "$defs": definitions})
}

fn definition(kind: &Kind) -> Value {
    let modifier = json!({"$ref": "#/$defs/modifier"});
    let ranked = json!({"type": "object", "properties": {"priority": {"type": "integer"}, "modifier": modifier}});
    let held = match kind.holds {
        Holds::Nothing => vec![],
        Holds::One => vec![("modifier", modifier)],
        Holds::Either => vec![("modifier", modifier.clone()), ("else", modifier)],
        Holds::Many => vec![("modifiers", json!({"type": "array", "items": modifier}))],
        Holds::Ranked => vec![("modifiers", json!({"type": "array", "items": ranked}))],
    };
    let mut definition = (kind.schema)();
    let scope = of::<Scope>()["properties"]["scope"].clone();
    if let Some(fields) = definition.as_object_mut() {
        fields.remove("$schema");
    }
    for (key, schema) in held.into_iter().chain([("scope", scope)]) {
        definition["properties"][key] = schema;
    }
    definition
}
