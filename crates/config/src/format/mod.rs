//! Text of a configuration file to the spanned tree.

mod duplicates;
mod json;
mod lines;
mod number;
mod toml;
mod yaml;

use crate::tree::{Node, Position, Value};

/// Objects and lists inside each other, at most. Deeper files are a mistake, and would end in a stack overflow.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub at: Option<Position>,
    pub message: String,
}

impl SyntaxError {
    fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at: Some(at), message: message.into() }
    }
}

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Toml,
}

impl Format {
    /// By the ending of the name; everything that is not YAML or TOML counts as JSON.
    pub fn of(name: &str) -> Self {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Self::Yaml,
            "toml" => Self::Toml,
            _ => Self::Json,
        }
    }
}

/// Parses `text` in the format that `name`'s ending tells. A byte order mark at the start is passed over.
///
/// # Errors
///
/// Every syntax error that could be found: of JSON and YAML the first, of keys given twice all.
pub(crate) fn parse(name: &str, text: &str) -> Result<Node, Vec<SyntaxError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = match Format::of(name) {
        Format::Json => json::parse(text).map_err(|error| vec![explained(name, error)])?,
        Format::Yaml => yaml::parse(text)?,
        Format::Toml => toml::parse(text)?,
    };
    if let Some(at) = deeper_than(&node, MAX_DEPTH) {
        return Err(vec![SyntaxError::new(at, too_deep())]);
    }
    let repeated = duplicates::of(&node);
    if repeated.is_empty() { Ok(node) } else { Err(repeated) }
}

fn deeper_than(node: &Node, levels: usize) -> Option<Position> {
    if levels == 0 {
        return Some(node.at);
    }
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => &[],
    };
    let children = items.iter().chain(node.entries().iter().map(|entry| &entry.value));
    children.into_iter().find_map(|child| deeper_than(child, levels - 1))
}

fn too_deep() -> String {
    format!("objects and lists are nested deeper than {MAX_DEPTH}")
}

/// Says that a file was taken for JSON where its name does not.
fn explained(name: &str, mut error: SyntaxError) -> SyntaxError {
    if !name.to_ascii_lowercase().ends_with(".json") {
        error.message += " (read as JSON: the name of a YAML file ends in .yaml or .yml, of a TOML file in .toml)";
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Format) {
        assert_eq!(Format::of(name), expected, "{name}");
    }

    #[test]
    fn the_ending_of_the_name_decides() {
        check("a.json", Format::Json);
        check("a.b/c.yml", Format::Yaml);
        check("x.YAML", Format::Yaml);
        check("x.toml", Format::Toml);
        check("x.conf", Format::Json);
        check("x", Format::Json);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        for (name, text) in [("a.json", "{\"a\": 1}"), ("a.yaml", "a: 1"), ("a.toml", "a = 1")] {
            let marked = parse(name, &format!("\u{feff}{text}"));
            assert_eq!(marked, parse(name, text));
            assert!(marked.is_ok());
        }
    }

    #[test]
    fn nesting_is_bounded_in_every_format() {
        for depth in [MAX_DEPTH + 1, 400] {
            let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            for (name, text) in
                [("a.json", lists.clone()), ("a.yaml", lists.clone()), ("a.toml", format!("a = {lists}"))]
            {
                assert!(parse(name, &text).is_err(), "{name} {depth}");
            }
        }
    }

    #[test]
    fn a_file_taken_for_json_by_its_name_says_so() {
        let errors = parse("siphon.conf", "a: 1").expect_err("no JSON");
        assert!(errors[0].message.contains("read as JSON"), "{errors:?}");
    }
}
