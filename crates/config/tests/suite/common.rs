//! The one place where the tests touch the crate's interface.

use serde_json::json;
use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_config::{Checked, Config, Document, Severity};

/// A catalogue with a strict driver of siphon's own and a component on backends and agents.
pub fn catalogue() -> Catalogue {
    Catalogue {
        entries: vec![sqlite(), limiter(Level::Backend), limiter(Level::Agent), proxy()],
        plugin_folder: Some("plugins".into()),
    }
}

/// The same with the AMQP driver.
pub fn catalogue_with_amqp() -> Catalogue {
    let mut catalogue = catalogue();
    catalogue.entries.push(amqp());
    catalogue
}

fn sqlite() -> Entry {
    Entry {
        keys: vec!["async/sqlite".into()],
        level: Level::Agent,
        kind: Kind::Driver,
        schema: Some(json!({
            "type": "object",
            "required": ["path"],
            "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "queue": {"type": "string"},
                "prefetch": {"type": "integer", "minimum": 1},
                "mode": {"oneOf": [{"const": "fast"}, {"const": "safe"}]},
                "password": {"type": "integer"},
                "nested": {"$ref": "#/$defs/nested"},
                "maybe": {"anyOf": [{"$ref": "#/$defs/nested"}, {"type": "null"}]}
            },
            "$defs": {"nested": {"type": "object", "properties": {"depth": {"type": ["integer", "null"]}}}}
        })),
        unknown_keys: UnknownKeys::Refuse,
        effect: "takes events from a queue in a file".into(),
        origin: "libsqlite.so".into(),
    }
}

/// A component whose keys nobody lists here.
fn proxy() -> Entry {
    Entry {
        keys: vec!["proxy".into()],
        level: Level::Backend,
        kind: Kind::Component,
        schema: None,
        unknown_keys: UnknownKeys::Warn,
        effect: String::new(),
        origin: "built in".into(),
    }
}

fn amqp() -> Entry {
    let texts = ["name", "host", "exchange"].map(|key| (key.to_owned(), json!({"type": "string"})));
    let flags = ["durable", "delete", "exclusive", "no_wait", "auto_ack", "no_local", "nack_discard"]
        .map(|key| (key.to_owned(), json!({"type": "boolean"})));
    let counts = ["prefetch_count", "prefetch_size"].map(|key| (key.to_owned(), json!({"type": "integer"})));
    let properties: serde_json::Map<_, _> = texts.into_iter().chain(flags).chain(counts).collect();
    Entry {
        keys: vec!["async/amqp".into(), "github.com/devopsfaith/krakend-amqp/agent".into()],
        level: Level::Agent,
        kind: Kind::Driver,
        schema: Some(json!({"type": "object", "required": ["name", "host", "exchange"], "properties": properties})),
        unknown_keys: UnknownKeys::Warn,
        effect: String::new(),
        origin: "libamqp.so".into(),
    }
}

fn limiter(level: Level) -> Entry {
    Entry {
        keys: vec!["backend/http".into(), "github.com/devopsfaith/krakend/http".into()],
        level,
        kind: Kind::Component,
        schema: Some(json!({
            "type": "object",
            "properties": {
                "return_error_details": {"type": "string"},
                "parts": {"type": "array", "items": {"properties": {"kind": {"enum": ["move", "del"]}}}}
            }
        })),
        unknown_keys: UnknownKeys::Warn,
        effect: String::new(),
        origin: "built in".into(),
    }
}

/// Every problem of a text, as it prints.
pub fn problems_of(name: &str, text: &str, catalogue: &Catalogue) -> Vec<String> {
    let problems = match Document::parse(name, text) {
        Ok(document) => document.check(catalogue).problems,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

/// The configuration of a text that has no errors.
#[track_caller]
pub fn config_of(name: &str, text: &str, catalogue: &Catalogue) -> Config {
    let checked = Document::parse(name, text).expect("parses").check(catalogue);
    let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    checked.config.expect("no errors, so there is a configuration")
}

pub fn check_with(text: &str, variables: &[(&str, &str)]) -> Checked {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Document::parse("s.json", text).expect("parses").with_environment(variables).check(&catalogue())
}

/// A whole file around the inside of an agent; the agent's text begins in line 2, column 2.
pub fn agent(inside: &str) -> String {
    format!("{{\"version\": 3, \"host\": [\"h\"], \"async_agent\": [{{\n {inside}\n}}]}}")
}

/// An agent that works, with more inside of its only backend, which begins in line 4.
pub fn backend(inside: &str) -> String {
    let driver = "\"extra_config\": {\"async/sqlite\": {\"path\": \"q.db\"}}";
    agent(&format!("\"topic\": \"t\", {driver},\n \"backend\": [{{\n {inside}}}]"))
}
