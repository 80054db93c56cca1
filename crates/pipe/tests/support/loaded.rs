//! Configurations as users write them, checked as `siphon check` does.

use siphon_config::problem::Problem;
use siphon_config::{Config, Document};
use siphon_pipe::Pipe;
use siphon_pipe::http::ClientSettings;

use super::settings::{catalogue, config};

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
