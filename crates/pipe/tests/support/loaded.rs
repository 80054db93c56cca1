//! Configurations as users write them, checked as `siphon check` does.

use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_config::problem::Problem;
use siphon_config::{Config, Document, Severity};
use siphon_pipe::http::ClientSettings;
use siphon_pipe::{Pipe, component_table};

/// Every component of this build, and a driver.
pub fn catalogue() -> Catalogue {
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

/// A file with one agent that has one backend; `root` stands before it: `"timeout": "1s",`.
pub fn file(root: &str, backend: &str) -> String {
    let driver = r#""extra_config": {"async/sqlite": {}}"#;
    format!(
        r#"{{"version": 3, {root} "async_agent": [{{"name": "x", "topic": "x", "backend": [{backend}], {driver}}}]}}"#
    )
}

/// The configuration, and what was found about it.
pub fn checked(text: &str) -> (Option<Config>, Vec<Problem>) {
    let document = Document::parse("example.json", text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let checked = document.check(&catalogue());
    (checked.config, checked.problems)
}

pub fn config(text: &str) -> Config {
    let (config, problems) = checked(text);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{text}: {errors:?}");
    config.expect("a configuration without errors")
}

/// A pipe with one backend; `change` sets what no file says.
pub fn pipe_of(root: &str, backend: &str, change: impl FnOnce(&mut ClientSettings)) -> Result<Pipe, Vec<Problem>> {
    let config = config(&file(root, backend));
    let mut settings = ClientSettings::from(&config.service.http);
    change(&mut settings);
    Pipe::build_with(&config.agents[0], settings)
}

pub fn pipe(backend: &str) -> Pipe {
    pipe_of("", backend, |_| ()).expect("a pipe")
}
