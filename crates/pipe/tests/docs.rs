//! The examples of docs/pipe.md and docs/components are configurations that load and make a pipe.

use std::path::Path;

use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_config::{Document, Severity};
use siphon_pipe::{Pipe, component_table};

const PAGE: &str = include_str!("../../../docs/pipe.md");

fn examples(page: &str) -> Vec<&str> {
    page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Name and text of each page about a component.
fn component_pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/components");
    let files = std::fs::read_dir(folder).expect("the pages").map(|entry| entry.expect("a file").path());
    files.map(|file| (file.display().to_string(), std::fs::read_to_string(&file).expect("a page"))).collect()
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

#[track_caller]
fn check(example: &str) {
    let document = Document::parse("example.json", &file(example)).expect(example);
    let checked = document.check(&catalogue());
    let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{example}: {errors:?}");
    let config = checked.config.expect("a configuration without errors");
    let built = Pipe::build(&config.agents[0], &config.service.http);
    assert!(built.is_ok(), "{example}: {:?}", built.err());
}

#[test]
fn every_example_of_the_pipe_s_page_loads_and_makes_a_pipe() {
    let examples = examples(PAGE);
    assert!(examples.len() >= 6, "{}", examples.len());
    examples.into_iter().for_each(check);
}

#[test]
fn every_page_about_a_component_has_an_example_that_makes_a_pipe() {
    let pages = component_pages();
    assert!(!pages.is_empty());
    for (name, page) in &pages {
        let examples = examples(page);
        assert!(!examples.is_empty(), "{name}");
        examples.into_iter().for_each(check);
    }
}
