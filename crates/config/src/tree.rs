//! The one tree that every format is parsed into. Each value and each key knows where it stands.

use std::fmt::{self, Write as _};

use crate::redact;

/// Line and column of a file, both from 1; columns count characters.
///
/// Line 0 means "not from the file": the value came from an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: Position,
}

/// What a file can say. Numbers keep their text, so that nothing is lost before a type asks for them.
///
/// Debug output shows no secrets: neither passwords of URLs nor values under keys like `password`.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// Always in the grammar of a JSON number: YAML's `0x10` and TOML's `1_000` are rewritten.
    Number(String),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value. The key is spelt as in the file.
#[derive(Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub at: Position,
    pub value: Node,
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("Null"),
            Self::Bool(flag) => write!(formatter, "Bool({flag})"),
            Self::Number(text) => write!(formatter, "Number({text})"),
            Self::String(text) => write!(formatter, "String({:?})", redact::written(text)),
            Self::List(items) => formatter.debug_list().entries(items).finish(),
            Self::Map(entries) => formatter.debug_list().entries(entries).finish(),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: &dyn fmt::Debug = if redact::is_secret_path(&self.key) { &redact::HIDDEN } else { &self.value };
        formatter.debug_struct("Entry").field("key", &self.key).field("at", &self.at).field("value", value).finish()
    }
}

impl Entry {
    /// Whether the key marks a comment: it begins with `@`, `$`, `_` or `#`.
    pub fn is_comment(&self) -> bool {
        self.key.starts_with(['@', '$', '_', '#'])
    }
}

impl Node {
    /// The value under `key`, spelt exactly so. `None` also when this is no map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The keys and values of a map; empty for everything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value this is, for error texts: `a string`, `a list`.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// The deepest node that `path` (`consumer.topic`, `backend[0].host`) leads to. What is missing in the file
    /// ends the walk, so that a message about a missing key points to the object that should have it.
    ///
    /// Keys may contain dots and slashes (`github.com/…`); the longest key that fits is taken. A single object where a
    /// list is meant counts as the list's element 0.
    pub fn deepest(&self, path: &str) -> &Node {
        let path = path.trim_start_matches('.');
        self.child(path).map_or(self, |(child, rest)| child.deepest(rest))
    }

    fn child<'node, 'path>(&'node self, path: &'path str) -> Option<(&'node Node, &'path str)> {
        match &self.value {
            Value::List(items) => {
                let (index, rest) = index_of(path)?;
                Some((items.get(index)?, rest))
            }
            Value::Map(entries) => longest_key(entries, path).or_else(|| {
                let (_, rest) = path.strip_prefix("[0]").map(|rest| ((), rest))?;
                Some((self, rest))
            }),
            _ => None,
        }
    }

    /// This value as JSON text, on one line; numbers keep their digits.
    pub fn to_json_text(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }

    fn write_json(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Number(text) => out.push_str(text),
            Value::String(text) => write_text(text, out),
            Value::List(items) => write_joined(out, ('[', ']'), items, |item, out| item.write_json(out)),
            Value::Map(entries) => write_joined(out, ('{', '}'), entries, |entry, out| {
                write_text(&entry.key, out);
                out.push(':');
                entry.value.write_json(out);
            }),
        }
    }

    /// This value as serde_json has it. A number that fits neither 64-bit integers nor floats becomes its text.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
        }
    }
}

/// `base` and what is below it as one path: `a` + `b[0]` = `a.b[0]`; an empty part adds nothing.
pub fn join(base: &str, relative: &str) -> String {
    match (base.is_empty(), relative.is_empty() || relative.starts_with('[')) {
        (true, _) => relative.to_owned(),
        (false, true) => format!("{base}{relative}"),
        (false, false) => format!("{base}.{relative}"),
    }
}

/// `[3].rest` and `3.rest` → 3 and the rest.
fn index_of(path: &str) -> Option<(usize, &str)> {
    if let Some(inside) = path.strip_prefix('[') {
        let (index, rest) = inside.split_once(']')?;
        return Some((index.parse().ok()?, rest));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    Some((path[..end].parse().ok()?, &path[end..]))
}

fn longest_key<'node, 'path>(entries: &'node [Entry], path: &'path str) -> Option<(&'node Node, &'path str)> {
    entries
        .iter()
        .filter_map(|entry| Some((entry, rest_after(path, &entry.key)?)))
        .max_by_key(|(entry, _)| entry.key.len())
        .map(|(entry, rest)| (&entry.value, rest))
}

/// What follows `key` in `path`, when `path` begins with it in any letter case and it ends there.
fn rest_after<'path>(path: &'path str, key: &str) -> Option<&'path str> {
    let head = path.get(..key.len())?;
    let rest = &path[key.len()..];
    let ends = rest.is_empty() || rest.starts_with(['.', '[']);
    (!key.is_empty() && ends && head.eq_ignore_ascii_case(key)).then_some(rest)
}

fn write_joined<T>(out: &mut String, around: (char, char), items: &[T], write: impl Fn(&T, &mut String)) {
    out.push(around.0);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(around.1);
}

fn write_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}", serde_json::Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        crate::format::parse("x.json", text).expect("valid")
    }

    #[track_caller]
    fn check_deepest(path: &str, line: u32, column: u32) {
        let node = tree("{\"a\": {\"b.c\": [1,\n {\"d\": 2}],\n \"b\": 3}, \"One\": {\"x\": 1}}");
        assert_eq!(node.deepest(path).at, Position { line, column }, "{path}");
    }

    #[test]
    fn a_path_leads_to_its_node() {
        check_deepest("a", 1, 7);
        check_deepest("a.b", 3, 7);
    }

    #[test]
    fn keys_with_dots_are_found() {
        check_deepest("a.b.c[0]", 1, 16);
        check_deepest("a.b.c[1].d", 2, 8);
        check_deepest("a.b.c.1.d", 2, 8);
    }

    #[test]
    fn a_missing_key_ends_the_walk_at_its_object() {
        check_deepest("a.nothing.here", 1, 7);
        check_deepest("a.b.c[7]", 1, 15);
    }

    #[test]
    fn one_object_stands_for_a_list_and_letter_case_does_not_count() {
        check_deepest("one[0].X", 3, 24);
    }

    #[test]
    fn json_text_keeps_the_digits_of_numbers() {
        let text = r#"{"a":[1.50,12345678901234567890123,-0],"b\n":null,"c":{"d":true}}"#;
        assert_eq!(tree(text).to_json_text(), text);
    }

    #[test]
    fn debug_output_shows_no_secrets() {
        let node =
            tree(r#"{"password": "hunter2", "sasl": {"user": "servant"}, "host": "amqp://u:hunter2@h", "a": 1}"#);
        let text = format!("{node:?}");
        assert!(!text.contains("hunter2") && !text.contains("servant"), "{text}");
        assert!(text.contains("amqp://u:***@h") && text.contains("Number(1)"), "{text}");
    }

    #[test]
    fn paths_are_joined_with_a_dot_where_one_is_due() {
        assert_eq!(join("a", "b"), "a.b");
        assert_eq!(join("a", "[0]"), "a[0]");
        assert_eq!(join("", "b"), "b");
        assert_eq!(join("a", ""), "a");
    }
}
