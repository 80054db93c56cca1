//! YAML 1.2 with the core schema, anchors, aliases and merge keys.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::lines::narrow;
use super::{MAX_DEPTH, SyntaxError, duplicates, number};
use crate::tree::{Entry, Node, Position, Value};

/// Values that a file may have, those that aliases repeat counted each time: a few lines of aliases of aliases could
/// otherwise fill the memory.
const MAX_VALUES: usize = 200_000;

pub(crate) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| vec![syntax_error(&error)])?;
        builder.take(event, span).map_err(|error| vec![error])?;
    }
    let root = builder.root.unwrap_or(Node { value: Value::Null, at: Position { line: 1, column: 1 } });
    if builder.repeated.is_empty() { Ok(root) } else { Err(builder.repeated) }
}

fn syntax_error(error: &ScanError) -> SyntaxError {
    SyntaxError::new(position(*error.marker()), error.info())
}

fn position(marker: Marker) -> Position {
    Position { line: narrow(marker.line()), column: narrow(marker.col() + 1) }
}

/// Turns events into a tree.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    documents: usize,
    values: usize,
    /// Keys given twice; found before merge keys bring in more.
    repeated: Vec<SyntaxError>,
}

/// A list or map that is not closed yet.
struct Open {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, merged: Vec<Node> },
}

struct Key {
    text: String,
    at: Position,
    merges: bool,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let at = position(span.start);
        match event {
            Event::DocumentStart(_) => self.start_document(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, tag.as_deref(), (anchor, at)),
            Event::SequenceStart(anchor, tag) => self.begin(Content::List(Vec::new()), anchor, at, tag),
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), key: None, merged: Vec::new() };
                self.begin(content, anchor, at, tag)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn start_document(&mut self, at: Position) -> Result<(), SyntaxError> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(SyntaxError::new(at, "a second document begins here; a configuration is one document"));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), SyntaxError> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(SyntaxError::new(at, "an alias inside of what it stands for"));
        };
        self.count(size(&node), at)?;
        self.put(node, false)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        (anchor, at): (usize, Position),
    ) -> Result<(), SyntaxError> {
        let plain = style == ScalarStyle::Plain;
        let merges = plain && tag.is_none() && text == "<<";
        let value = match tag {
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Value::String(text.to_owned()),
            Some(tag) if !tag.is_yaml_core_schema() => return Err(unknown_tag(tag, at)),
            Some(_) => resolve(text),
            None if plain => resolve(text),
            None => Value::String(text.to_owned()),
        };
        if self.is_at_key() {
            return self.key(Key { text: text.to_owned(), at, merges });
        }
        let node = Node { value, at };
        self.remember(anchor, &node);
        self.put(node, false)
    }

    /// Whether the next value is the key of a map.
    fn is_at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, new: Key) -> Result<(), SyntaxError> {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        content: Content,
        anchor: usize,
        at: Position,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<(), SyntaxError> {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(unknown_tag(&tag, at));
        }
        if self.is_at_key() {
            return Err(SyntaxError::new(at, "a key is a list or a map; keys are texts"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(SyntaxError::new(at, super::too_deep()));
        }
        self.open.push(Open { at, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(Open { at, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, merged, .. } => {
                let own = Node { value: Value::Map(entries), at };
                self.repeated.extend(duplicates::of_one(&own));
                merge(own.value, merged)
            }
        };
        let node = Node { value, at };
        self.remember(anchor, &node);
        self.put(node, true)
    }

    fn put(&mut self, node: Node, counted: bool) -> Result<(), SyntaxError> {
        if !counted {
            self.count(1, node.at)?;
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key, merged }) => match key.take() {
                Some(key) if key.merges => merged.extend(merge_sources(node)?),
                Some(key) => entries.push(Entry { key: key.text, at: key.at, value: node }),
                None => *key = Some(alias_as_key(&node)?),
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn count(&mut self, more: usize, at: Position) -> Result<(), SyntaxError> {
        self.values += more;
        if self.values > MAX_VALUES {
            return Err(SyntaxError::new(at, format!("aliases blow the file up past {MAX_VALUES} values")));
        }
        Ok(())
    }
}

fn unknown_tag(tag: &Tag, at: Position) -> SyntaxError {
    SyntaxError::new(at, format!("the tag {tag} has no meaning in a configuration; remove it"))
}

fn alias_as_key(node: &Node) -> Result<Key, SyntaxError> {
    match node.as_str() {
        Some(text) => Ok(Key { text: text.to_owned(), at: node.at, merges: false }),
        None => Err(SyntaxError::new(node.at, "an alias used as a key stands for no text")),
    }
}

/// What `<<` brings in: one map or a list of them.
fn merge_sources(node: Node) -> Result<Vec<Node>, SyntaxError> {
    let at = node.at;
    let sources = match node.value {
        Value::List(items) => items,
        value => vec![Node { value, at }],
    };
    match sources.iter().find(|source| !matches!(source.value, Value::Map(_))) {
        Some(other) => Err(SyntaxError::new(other.at, format!("<< takes maps, this is {}", other.kind()))),
        None => Ok(sources),
    }
}

/// The map's own keys win over merged ones, earlier sources over later ones.
fn merge(own: Value, sources: Vec<Node>) -> Value {
    let Value::Map(mut entries) = own else { return own };
    for source in sources {
        let Value::Map(more) = source.value else { continue };
        let missing: Vec<Entry> = more.into_iter().filter(|new| entries.iter().all(|old| old.key != new.key)).collect();
        entries.extend(missing);
    }
    Value::Map(entries)
}

fn size(node: &Node) -> usize {
    let children: usize = match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    };
    children + 1
}

/// A plain scalar by the core schema: <https://yaml.org/spec/1.2.2/#103-core-schema>. `.inf` and `.nan` stay texts.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let number = match text.get(..2) {
        Some("0x") => number::of_radix("", &text[2..], 16),
        Some("0o") => number::of_radix("", &text[2..], 8),
        _ => number::decimal(text),
    };
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).expect(text).to_json_text(), expected);
    }

    #[track_caller]
    fn check_error(text: &str, line: u32, column: u32, part: &str) {
        let errors = parse(text).expect_err(text);
        assert_eq!(errors[0].at, Some(Position { line, column }), "{errors:?}");
        assert!(errors[0].message.contains(part), "{errors:?}");
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        check(
            "a: 1\nb: 0x1F\nc: 1.50\nd: yes\ne: ~\nf: 'true'\ng: true\nh: 0o17\ni: !!str 5",
            r#"{"a":1,"b":31,"c":1.50,"d":"yes","e":null,"f":"true","g":true,"h":15,"i":"5"}"#,
        );
    }

    #[test]
    fn lists_blocks_and_flow_styles_are_read() {
        check(
            "a:\n  - x: 1\n    y: [1, {z: 2}]\n  - |\n    two\n    lines\n404: n",
            r#"{"a":[{"x":1,"y":[1,{"z":2}]},"two\nlines\n"],"404":"n"}"#,
        );
    }

    #[test]
    fn aliases_and_merge_keys_are_filled_in() {
        check(
            "base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\nd: *b",
            r#"{"base":{"x":1,"y":2},"c":{"y":3,"x":1},"d":{"x":1,"y":2}}"#,
        );
        check(
            "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}",
            r#"{"a":{"x":1},"b":{"x":2,"z":3},"c":{"x":1,"z":3}}"#,
        );
    }

    #[test]
    fn values_know_their_place() {
        let root = parse("a: 1\nb:\n  c: \"x\"\n  é: [1, 2]").expect("valid");
        assert_eq!(root.deepest("b.c").at, Position { line: 3, column: 6 });
        assert_eq!(root.deepest("b.é[1]").at, Position { line: 4, column: 10 });
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        check_error("a: 1\nb: [1, 2", 3, 1, "flow");
        check_error("a: 1\nb: 2\na: 3", 3, 1, "first in line 1 column 1");
        check_error("a: 1\n---\nb: 2", 2, 1, "one document");
        check_error("a: !thing 1", 1, 4, "!thing");
        check_error("? [a]\n: 1", 1, 3, "keys are texts");
        check_error("a: &x 1\nb: {<<: *x}", 1, 4, "<< takes maps");
    }

    #[test]
    fn aliases_of_aliases_do_not_fill_the_memory() {
        let mut text = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(","));
        }
        assert!(parse(&text).expect_err("too large")[0].message.contains("200000 values"));
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        assert!(parse(&"[".repeat(20_000)).is_err());
    }
}
