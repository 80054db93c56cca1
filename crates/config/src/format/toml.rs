//! TOML.

use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue, Error};

use super::duplicates::given_twice;
use super::lines::Lines;
use super::{SyntaxError, number};
use crate::tree::{Entry, Node, Position, Value};

pub(crate) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let at = lines.position(table.span().start);
    let root = Node { value: map(table.into_inner(), &lines), at };
    if errors.is_empty() {
        return Ok(root);
    }
    Err(errors.iter().map(|error| syntax_error(error, text, &root, &lines)).collect())
}

fn map(table: DeTable<'_>, lines: &Lines<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            at: lines.position(key.span().start),
            key: key.into_inner().into_owned(),
            value: node(value, lines),
        })
        .collect();
    // The parser sorts by name; `mapping` and the like keep the order of the file.
    entries.sort_by_key(|entry| entry.at);
    Value::Map(entries)
}

fn node(value: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let at = lines.position(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(integer) => whole(&integer),
        DeValue::Float(float) => fractional(&float),
        DeValue::Boolean(flag) => Value::Bool(flag),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(item, lines)).collect()),
        DeValue::Table(table) => map(table, lines),
    };
    Node { value, at }
}

fn whole(integer: &DeInteger<'_>) -> Value {
    let (sign, digits) = number::split_sign(integer.as_str());
    let text = match integer.radix() {
        10 => number::decimal(integer.as_str()),
        radix => number::of_radix(sign, digits, radix),
    };
    text.map_or_else(|| Value::String(integer.to_string()), Value::Number)
}

/// `inf` and `nan` stay texts: nothing in a configuration takes them, and the message then shows them.
fn fractional(float: &DeFloat<'_>) -> Value {
    number::decimal(float.as_str()).map_or_else(|| Value::String(float.to_string()), Value::Number)
}

fn syntax_error(error: &Error, text: &str, root: &Node, lines: &Lines<'_>) -> SyntaxError {
    let Some(span) = error.span() else {
        return SyntaxError { at: None, message: error.message().to_owned() };
    };
    let at = lines.position(span.start);
    if error.message().contains("duplicate key") {
        let key = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        if let Some(earlier) = first_place(key, at, &text[..span.start], root) {
            return SyntaxError::new(at, given_twice(key, earlier));
        }
    }
    SyntaxError::new(at, error.message().replace('\n', ", "))
}

/// The parser does not tell where a key was given first, and a table header given twice takes over the first one's
/// place. The lines before it, parsed again, still have that.
fn first_place(key: &str, at: Position, before: &str, root: &Node) -> Option<Position> {
    let whole_lines = &before[..before.rfind('\n').map_or(0, |end| end + 1)];
    let (table, _) = DeTable::parse_recoverable(whole_lines);
    let lines = Lines::new(whole_lines);
    let earlier = Node { value: map(table.into_inner(), &lines), at };
    last_before(root, key, at).max(last_before(&earlier, key, at))
}

/// Where `key` was last given before `at`.
fn last_before(node: &Node, key: &str, at: Position) -> Option<Position> {
    let children: Box<dyn Iterator<Item = &Node>> = match &node.value {
        Value::List(items) => Box::new(items.iter()),
        _ => Box::new(node.entries().iter().map(|entry| &entry.value)),
    };
    let here = node.entries().iter().filter(|entry| entry.key == key && entry.at < at).map(|entry| entry.at);
    here.chain(children.filter_map(|child| last_before(child, key, at))).max()
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
    fn values_become_what_json_would_say() {
        check("z = 1_000\na = 0x10\nf = 1.50\nb = true", r#"{"z":1000,"a":16,"f":1.50,"b":true}"#);
        check(
            "[[async_agent]]\nname='x'\n[[async_agent]]\nname=\"y\"",
            r#"{"async_agent":[{"name":"x"},{"name":"y"}]}"#,
        );
        check("d = 2026-01-02\ni = inf", r#"{"d":"2026-01-02","i":"inf"}"#);
    }

    #[test]
    fn the_order_of_the_file_is_kept() {
        check("[m]\nz = 1\nb = 2\na = 3", r#"{"m":{"z":1,"b":2,"a":3}}"#);
    }

    #[test]
    fn values_know_their_place() {
        let root = parse("a = 1\n[b]\n  c = \"x\"").expect("valid");
        assert_eq!(root.deepest("b.c").at, Position { line: 3, column: 7 });
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        check_error("a = 1\nb = ", 2, 5, "string");
        check_error("a = 1\nb = 2\na = 3", 3, 1, "first in line 1 column 1");
        check_error("[a]\nx = 1\n[a]", 3, 2, "first in line 1 column 2");
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        assert!(parse(&format!("a = {}", "[".repeat(50_000))).is_err());
    }
}
