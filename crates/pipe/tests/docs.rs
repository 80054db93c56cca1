//! The examples of docs/pipe.md are configurations that load and make a pipe.

use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_config::{Document, Severity};
use siphon_pipe::{Pipe, component_table};

const PAGE: &str = include_str!("../../../docs/pipe.md");

fn examples() -> Vec<&'static str> {
    PAGE.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// A whole file; an example that is none stands for a backend.
fn file(example: &str) -> String {
    if example.contains("\"version\"") {
        return example.to_owned();
    }
    let driver = r#""extra_config": {"async/sqlite": {}}"#;
    format!(r#"{{"version": 3, "async_agent": [{{"name": "x", "topic": "x", "backend": [{example}], {driver}}}]}}"#)
}

fn catalogue() -> Catalogue {
    let components = component_table().iter().map(|entry| Entry {
        keys: entry.namespaces.iter().map(|key| (*key).to_owned()).collect(),
        level: match entry.level {
            siphon_pipe::Level::Agent => Level::Agent,
            siphon_pipe::Level::Backend => Level::Backend,
        },
        kind: Kind::Component,
        schema: Some((entry.schema)()),
        unknown_keys: UnknownKeys::Refuse,
        effect: String::new(),
        origin: String::new(),
    });
    let driver = Entry {
        keys: vec!["async/sqlite".into()],
        level: Level::Agent,
        kind: Kind::Driver,
        schema: None,
        unknown_keys: UnknownKeys::Warn,
        effect: String::new(),
        origin: String::new(),
    };
    Catalogue { entries: components.chain([driver]).collect(), plugin_folder: None }
}

#[test]
fn every_example_loads_and_makes_a_pipe() {
    let examples = examples();
    assert!(examples.len() >= 6, "{}", examples.len());
    for example in examples {
        let document = Document::parse("example.json", &file(example)).expect(example);
        let checked = document.check(&catalogue());
        let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{example}: {errors:?}");
        let config = checked.config.expect("a configuration without errors");
        assert!(Pipe::build(&config.agents[0], &config.service.http).is_ok(), "{example}");
    }
}
