//! Keys of an object that its JSON schema does not know.
//!
//! The validator only finds them where a schema says `additionalProperties: false`, and then takes comments for
//! unknown keys as well. So every object whose keys a schema lists is gone through here before it is validated.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::tree::{Entry, Node, Position, Value};

/// `#/$defs/a` may lead to `#/$defs/b` and on; a longer chain is taken for a circle.
const LONGEST_REFERENCE_CHAIN: usize = 8;

/// A key that no alternative of the schema lists.
#[derive(Debug, PartialEq)]
pub(crate) struct UnknownKey {
    pub key: String,
    /// From the settings on: `nested.prefetch`.
    pub path: String,
    pub at: Position,
    pub known: Vec<String>,
}

/// `node` without comments and unknown keys, and the latter.
pub(crate) fn sweep(node: &Node, schema: &Json) -> (Node, Vec<UnknownKey>) {
    let mut unknown = Vec::new();
    let cleaned = Sweep { root: schema, unknown: &mut unknown }.node(node, &[schema], "");
    (cleaned, unknown)
}

struct Sweep<'schema, 'found> {
    root: &'schema Json,
    unknown: &'found mut Vec<UnknownKey>,
}

impl<'schema> Sweep<'schema, '_> {
    /// `node`, which any of `schemas` may describe.
    fn node(&mut self, node: &Node, schemas: &[&'schema Json], path: &str) -> Node {
        let alternatives = self.alternatives(schemas);
        let value = match &node.value {
            Value::List(items) => Value::List(self.items(items, &alternatives, path)),
            Value::Map(entries) => Value::Map(self.entries(entries, &alternatives, path)),
            other => other.clone(),
        };
        Node { value, at: node.at }
    }

    fn items(&mut self, items: &[Node], alternatives: &[&'schema Json], path: &str) -> Vec<Node> {
        let below: Vec<&Json> = alternatives.iter().filter_map(|schema| schema.get("items")).collect();
        let indexed = items.iter().enumerate();
        indexed.map(|(index, item)| self.node(item, &below, &format!("{path}[{index}]"))).collect()
    }

    fn entries(&mut self, entries: &[Entry], alternatives: &[&'schema Json], path: &str) -> Vec<Entry> {
        let known = listed_keys(alternatives);
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            let below = crate::tree::join(path, &entry.key);
            let key = match &known {
                None => Some(entry.key.as_str()),
                Some(known) => known.iter().copied().find(|key| is_meant(entry, key, entries)),
            };
            if let Some(key) = key {
                let value = self.node(&entry.value, &schemas_of(alternatives, key), &below);
                kept.push(Entry { key: key.to_owned(), at: entry.at, value });
            } else if !entry.is_comment() {
                let known = known.iter().flatten().map(|key| (*key).to_owned()).collect();
                self.unknown.push(UnknownKey { key: entry.key.clone(), path: below, at: entry.at, known });
            }
        }
        kept
    }

    /// The schemas themselves and what they refer to and combine.
    fn alternatives(&self, schemas: &[&'schema Json]) -> Vec<&'schema Json> {
        let mut found = Vec::new();
        schemas.iter().for_each(|schema| collect(self.root, schema, LONGEST_REFERENCE_CHAIN, &mut found));
        found
    }
}

/// Whether `entry` stands for `key`: letter case does not count, unless another entry is spelt as it should be.
fn is_meant(entry: &Entry, key: &str, entries: &[Entry]) -> bool {
    let spelt = || entries.iter().find(|other| other.key.eq_ignore_ascii_case(key));
    let meant = entries.iter().find(|other| other.key == key).or_else(spelt);
    meant.is_some_and(|meant| std::ptr::eq(meant, entry))
}

fn collect<'a>(root: &'a Json, schema: &'a Json, left: usize, found: &mut Vec<&'a Json>) {
    if left == 0 {
        return;
    }
    found.push(schema);
    let reference = schema.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'));
    if let Some(target) = reference.and_then(|pointer| root.pointer(pointer)) {
        collect(root, target, left - 1, found);
    }
    for combined in ["allOf", "anyOf", "oneOf"].iter().filter_map(|word| schema.get(word)?.as_array()) {
        combined.iter().for_each(|part| collect(root, part, left - 1, found));
    }
}

/// The keys that an object may have; `None` where it may have any.
fn listed_keys<'a>(alternatives: &[&'a Json]) -> Option<BTreeSet<&'a str>> {
    let is_open = |schema: &Json| {
        schema.get("patternProperties").is_some()
            || schema.get("additionalProperties").is_some_and(|more| *more != Json::Bool(false))
            || *schema == Json::Bool(true)
            || is_any_object(schema)
    };
    if alternatives.iter().any(|schema| is_open(schema)) {
        return None;
    }
    let listing = || alternatives.iter().filter_map(|schema| schema.get("properties")?.as_object());
    listing().next()?;
    Some(listing().flat_map(|properties| properties.keys().map(String::as_str)).collect())
}

/// `{"type": "object"}` and no word about its keys.
fn is_any_object(schema: &Json) -> bool {
    let says_more = ["properties", "$ref", "allOf", "anyOf", "oneOf", "additionalProperties"];
    schema.get("type").is_some_and(|kind| kind == "object") && says_more.iter().all(|word| schema.get(word).is_none())
}

fn schemas_of<'a>(alternatives: &[&'a Json], key: &str) -> Vec<&'a Json> {
    let listed = alternatives.iter().filter_map(|schema| schema.get("properties")?.get(key));
    let others = alternatives.iter().filter_map(|schema| schema.get("additionalProperties"));
    let listed: Vec<&Json> = listed.collect();
    if listed.is_empty() { others.collect() } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(schema: &Json, settings: &str, unknown: &[&str], cleaned: &str) {
        let node = crate::format::parse("x.json", settings).expect("valid");
        let (node, found) = sweep(&node, schema);
        let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, unknown);
        assert_eq!(node.to_json_text(), cleaned);
    }

    #[test]
    fn letter_case_does_not_count_unless_a_key_is_spelt_right_as_well() {
        let schema = json!({"properties": {"contentType": {}, "part": {"properties": {"name": {}}}}});
        let cleaned = r#"{"contentType":"x","part":{"name":1}}"#;
        check(&schema, r#"{"ContentType": "x", "PART": {"Name": 1}}"#, &[], cleaned);
        check(&schema, r#"{"CONTENTTYPE": 1, "contentType": 2}"#, &["CONTENTTYPE"], r#"{"contentType":2}"#);
        check(&schema, r#"{"CONTENTTYPE": 1, "contenttype": 2}"#, &["contenttype"], r#"{"contentType":1}"#);
    }

    #[test]
    fn keys_that_no_schema_lists_are_found_at_every_depth() {
        let schema = json!({
            "properties": {"a": {"type": "integer"}, "b": {"items": {"$ref": "#/$defs/part"}}},
            "$defs": {"part": {"anyOf": [{"properties": {"c": {}}}, {"type": "null"}]}}
        });
        check(&schema, r#"{"a":1,"A":2,"b":[{"c":1,"d":2}]}"#, &["A", "b[0].d"], r#"{"a":1,"b":[{"c":1}]}"#);
    }

    #[test]
    fn comments_are_left_out_where_keys_are_listed() {
        check(&json!({"properties": {"a": {}}}), r#"{"@why":"x","a":{"_b":1}}"#, &[], r#"{"a":{"_b":1}}"#);
    }

    #[test]
    fn open_objects_keep_everything() {
        let open = json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}});
        check(&open, r#"{"x":"1","$ref":"2"}"#, &[], r#"{"x":"1","$ref":"2"}"#);
        check(&json!({"type": "object"}), r#"{"x":1}"#, &[], r#"{"x":1}"#);
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        check(&json!({"$ref": "#", "properties": {"a": {"$ref": "#"}}}), r#"{"a":{"a":{}}}"#, &[], r#"{"a":{"a":{}}}"#);
    }
}
