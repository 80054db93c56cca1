//! Pipes from configurations as users write them.

use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_config::{Config, Document, Severity};
use siphon_pipe::{Pipe, component_table};

/// What the pipe answers to, and a driver `async/sqlite`.
pub fn catalogue() -> Catalogue {
    let components = component_table().iter().map(|entry| Entry {
        keys: entry.namespaces.iter().map(|key| (*key).to_owned()).collect(),
        level: match entry.level {
            siphon_pipe::Level::Agent => Level::Agent,
            siphon_pipe::Level::Backend => Level::Backend,
        },
        kind: if entry.build.is_instead_of_http() { Kind::Transport } else { Kind::Component },
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

/// The checked configuration. Warnings are fine, errors are not.
pub fn config(text: &str) -> Config {
    let checked = Document::parse("example.json", text).expect(text).check(&catalogue());
    let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{text}: {errors:?}");
    checked.config.expect("a configuration without errors")
}

/// The pipe of the first agent.
pub fn pipe_of(text: &str) -> Pipe {
    let config = config(text);
    match Pipe::build(&config.agents[0], &config.service.http) {
        Ok(pipe) => pipe,
        Err(problems) => panic!("{text}: {problems:?}"),
    }
}

/// The pipe of an agent with this `backend` list and this `proxy`; every backend is at `host`.
pub fn pipe_with_proxy(host: &str, backends: &str, proxy: &str) -> Pipe {
    let agent = format!(
        r#"{{"name": "x", "topic": "x", "timeout": "20s", "backend": {backends},
            "extra_config": {{"async/sqlite": {{}}, "proxy": {proxy}}}}}"#
    );
    pipe_of(&format!(r#"{{"version": 3, "host": ["{host}"], "async_agent": [{agent}]}}"#))
}
