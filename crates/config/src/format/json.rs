//! Strict JSON: no comments, no trailing commas, one value.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::SyntaxError;
use super::lines::Lines;
use crate::tree::{Entry, Node, Position, Value};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines::new(text);
    let parsed =
        parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| syntax_error(&error, &lines))?;
    let value = parsed.value.ok_or_else(|| empty(&lines))?;
    confirm(text)?;
    Ok(node(value, &lines))
}

fn empty(lines: &Lines<'_>) -> SyntaxError {
    SyntaxError::new(lines.position(0), "the file is empty; the least that works is {\"version\": 3}")
}

/// serde_json has the last word on what JSON is: the spanned parser lets control characters in strings, numbers with
/// leading zeros and the like pass.
fn confirm(text: &str) -> Result<(), SyntaxError> {
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) else { return Ok(()) };
    let at = byte_column(text, error.line(), error.column());
    let message = crate::component::without_place(&error.to_string());
    Err(SyntaxError::new(at, message))
}

/// serde_json counts the bytes of the line that it had read.
fn byte_column(text: &str, line: usize, column: usize) -> Position {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    Lines::new(text).position(start + column)
}

fn node(value: ast::Value<'_>, lines: &Lines<'_>) -> Node {
    let at = lines.position(value.start());
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::Array(array) => Value::List(array.elements.into_iter().map(|item| node(item, lines)).collect()),
        ast::Value::Object(object) => {
            Value::Map(object.properties.into_iter().map(|property| entry(property, lines)).collect())
        }
    };
    Node { value, at }
}

fn entry(property: ast::ObjectProp<'_>, lines: &Lines<'_>) -> Entry {
    let at = lines.position(property.name.start());
    Entry { key: property.name.into_string(), at, value: node(property.value, lines) }
}

fn syntax_error(error: &ParseError, lines: &Lines<'_>) -> SyntaxError {
    SyntaxError::new(lines.position(error.range().start), advice(error.kind()))
}

/// What is wrong and what to do, for the mistakes that people make.
fn advice(kind: &ParseErrorKind) -> String {
    use ParseErrorKind as Kind;
    let advice = match kind {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => {
            "JSON has no comments; use a key that begins with @, as in \"@comment\": \"…\""
        }
        Kind::TrailingCommasNotAllowed => "a comma before a closing bracket; remove it",
        Kind::ExpectedComma => "a comma is missing here",
        Kind::ExpectedColonAfterObjectKey => "a key needs a colon and a value after it",
        Kind::ExpectedObjectValue => "a value is missing after the colon",
        Kind::ExpectedStringObjectProperty | Kind::UnexpectedTokenInObject => "a key in double quotes is expected here",
        Kind::SingleQuotedStringsNotAllowed => "a string stands in double quotes, not in single ones",
        Kind::MultipleRootJsonValues => "the file goes on after its first value; remove what follows",
        Kind::UnterminatedArray => "this list is never closed; a ] is missing",
        Kind::UnterminatedObject => "this object is never closed; a } is missing",
        Kind::UnexpectedCloseBrace => "a } that closes nothing",
        Kind::UnexpectedCloseBracket => "a ] that closes nothing",
        Kind::UnexpectedWord | Kind::UnexpectedToken => {
            "a value is expected here; texts stand in double quotes, only true, false, null and numbers go without"
        }
        Kind::NestingDepthExceeded => return super::too_deep(),
        other => return lower_first(&other.to_string()),
    };
    advice.to_owned()
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, line: u32, column: u32, part: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!(error.at, Some(Position { line, column }), "{text}: {}", error.message);
        assert!(error.message.contains(part), "{text}: {}", error.message);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        check("", 1, 1, "empty");
        check("{\"a\": 1,\n}", 1, 8, "remove it");
        check("{\"a\": 1\n \"b\": 2}", 1, 8, "comma is missing");
        check("{\n // note\n \"a\": 1}", 2, 2, "no comments");
        check("{'a': 1}", 1, 2, "double quotes");
        check("{a: 1}", 1, 2, "double quotes");
        check("{\"a\" 1}", 1, 6, "colon");
        check("{\"a\": [1, 2}", 1, 12, "}");
        check("{\"a\": {\"b\": 1}", 1, 1, "never closed");
        check("{} {}", 1, 4, "goes on");
        check("{\"a\": yes}", 1, 7, "double quotes");
        check("{\"a\": 01}", 1, 8, "comma is missing");
        check("{\"é\": \"a\tb\"}", 1, 9, "control character");
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }

    proptest! {
        #[test]
        fn strict_json_is_what_serde_json_takes(text in "[\\[\\]{}\",:0-9eE.+\\- \\\\ntrufalsn/*'\u{7f}\u{1}ü]{0,24}") {
            prop_assert_eq!(parse(&text).is_ok(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
