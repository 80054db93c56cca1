//! The keys of a configuration, read from its JSON schema: what `siphon plugins inspect` shows, and what the tables of the
//! manual are made of.

use std::fmt;

use serde_json::{Value, json};

/// Deepest nesting that is followed. A schema may contain itself.
const DEEPEST: usize = 8;

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// From the top of the object: `client_tls.ca_certs`, `rules[].pattern` inside a list, `headers.*` for any name.
    pub path: String,
    /// `string`, `list of string`, `"a" or "b"`, `duration`, `anything`.
    pub kind: String,
    pub is_required: bool,
    /// JSON text; `None` where there is none or it is null.
    pub default: Option<String>,
    /// Its doc comment, on one line; may be empty.
    pub text: String,
}

/// The keys of `schema`: the required ones first, nested ones behind the one that holds them. None where the text is no
/// schema.
pub fn fields(schema: &str) -> Vec<Field> {
    let root: Value = serde_json::from_str(schema).unwrap_or_default();
    let mut found = Vec::new();
    Reader { root: &root }.object(&root, "", 0, &mut found);
    found
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    fn object(&self, schema: &'a Value, prefix: &str, depth: usize, found: &mut Vec<Field>) {
        let required: Vec<&str> = items(&schema["required"]).filter_map(Value::as_str).collect();
        let is_required = |key: &str| required.contains(&key);
        let mut properties: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
        properties.sort_by_key(|(key, _)| !is_required(key)); // stable: the order of the letters stays
        for (key, property) in properties {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            found.push(self.field(path.clone(), property, is_required(key)));
            self.below(property, &path, depth, found);
        }
    }

    fn field(&self, path: String, property: &'a Value, is_required: bool) -> Field {
        let own = property["description"].as_str();
        let text = own.or_else(|| self.resolved(property)["description"].as_str()).unwrap_or_default();
        let default = property.get("default").filter(|default| !default.is_null()).map(Value::to_string);
        Field { path, kind: self.kind(property), is_required, default, text: in_one_line(text) }
    }

    /// The keys of the objects that a value is, holds in a list, or has under free names.
    fn below(&self, schema: &'a Value, path: &str, depth: usize, found: &mut Vec<Field>) {
        if depth == DEEPEST {
            return;
        }
        for schema in self.alternatives(schema) {
            self.object(schema, path, depth + 1, found);
            let inner = [("items", format!("{path}[]")), ("additionalProperties", format!("{path}.*"))];
            for (key, path) in inner.iter().filter(|(key, _)| schema[*key].is_object()) {
                self.below(&schema[*key], path, depth + 1, found);
            }
        }
    }

    /// What a value may be, with references followed.
    fn alternatives(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let listed: Vec<&Value> = items(&schema["anyOf"]).chain(items(&schema["oneOf"])).collect();
        match listed.is_empty() {
            true => vec![schema],
            false => listed.into_iter().map(|one| self.resolved(one)).collect(),
        }
    }

    /// A reference inside the schema is followed; others have nothing to show.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn kind(&self, schema: &'a Value) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for kind in self.alternatives(schema).into_iter().flat_map(|one| self.names(one)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() { "anything".to_owned() } else { kinds.join(" or ") }
    }

    fn names(&self, schema: &'a Value) -> Vec<String> {
        if schema["title"] == "duration" {
            return vec!["duration".to_owned()];
        }
        if let Some(constant) = schema.get("const") {
            return vec![constant.to_string()];
        }
        if schema["enum"].is_array() {
            return items(&schema["enum"]).filter(|one| !one.is_null()).map(Value::to_string).collect();
        }
        let kinds = schema["type"].as_str().into_iter().chain(items(&schema["type"]).filter_map(Value::as_str));
        kinds.filter(|kind| *kind != "null").map(|kind| self.name(kind, schema)).collect()
    }

    fn name(&self, kind: &str, schema: &'a Value) -> String {
        match kind {
            "array" if schema["items"].is_object() => format!("list of {}", self.kind(&schema["items"])),
            "array" => "list".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Field {
    /// For programs: `path`, `type`, `required`, `default`, `description`.
    pub fn to_json(&self) -> Value {
        let default: Value =
            self.default.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        json!({
            "path": self.path, "type": self.kind, "required": self.is_required, "default": default,
            "description": self.text,
        })
    }
}

/// `path (string, required): Where the file is.`
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.path, self.kind)?;
        if self.is_required {
            f.write_str(", required")?;
        }
        // A doc comment says it better than JSON does.
        if let Some(default) = self.default.as_ref().filter(|_| !self.text.contains("Default: ")) {
            write!(f, ", default {default}")?;
        }
        write!(f, "): {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: &[&str]) {
        let found: Vec<String> = fields(schema).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_are_one_line_each_with_type_default_and_meaning() {
        check(
            r#"{"properties": {"path": {"type": "string", "description": "Where\nit is."},
                "lease": {"title": "duration", "type": ["string", "integer", "null"], "default": "30s"},
                "size": {"type": "integer", "default": 4, "description": "Default: four."},
                "any": true, "none": {"type": "boolean", "default": null}}, "required": ["path"]}"#,
            &[
                "path (string, required): Where it is.",
                "any (anything): ",
                "lease (duration, default \"30s\"): ",
                "none (boolean): ",
                "size (integer): Default: four.",
            ],
        );
    }

    #[test]
    fn nested_objects_lists_and_free_names_have_their_paths() {
        check(
            r##"{"properties": {"tls": {"anyOf": [{"$ref": "#/$defs/Tls"}, {"type": "null"}], "description": "TLS."}},
                "$defs": {"Tls": {"type": "object", "properties": {
                    "certs": {"type": "array", "items": {"$ref": "#/$defs/Cert"}},
                    "rules": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Cert"}}}, "required": ["certs"]},
                "Cert": {"type": "object", "properties": {"file": {"type": "string"}}}}}"##,
            &[
                "tls (object): TLS.",
                "tls.certs (list of object, required): ",
                "tls.certs[].file (string): ",
                "tls.rules (object): ",
                "tls.rules.*.file (string): ",
            ],
        );
    }

    #[test]
    fn alternatives_are_told_in_their_order() {
        check(
            r#"{"properties": {"host": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                "mode": {"oneOf": [{"const": "fast", "description": "x"}, {"enum": ["slow", null]}]}}}"#,
            &["host (string or list of string): ", "mode (\"fast\" or \"slow\"): "],
        );
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let found = fields(r##"{"properties": {"next": {"$ref": "#"}}}"##);
        assert_eq!(found.len(), DEEPEST + 1);
        assert!(found.last().is_some_and(|field| field.path.ends_with("next.next")));
    }

    #[test]
    fn what_is_no_schema_has_no_keys() {
        check("{}", &[]);
        check("no json", &[]);
    }
}
