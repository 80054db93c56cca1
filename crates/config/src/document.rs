//! From a file to its checked configuration.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::catalogue::Catalogue;
use crate::component::problem_below;
use crate::components::Components;
use crate::environment;
use crate::format;
use crate::model::{Config, PluginSettings};
use crate::problem::{FromEnvironment, Problem, Report, Severity};
use crate::redact;
use crate::root;
use crate::section::Section;
use crate::tree::{Node, Value};

/// Bytes of a configuration file, at most. Larger ones are something else: a dump, a device.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Syntax errors of one file that are shown.
const SYNTAX_ERRORS: usize = 10;

/// A file that could be parsed.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    root: Node,
    origins: Vec<FromEnvironment>,
    problems: Vec<Problem>,
}

/// What came of a check.
#[derive(Debug, Clone)]
pub struct Checked {
    /// There when no problem is an error.
    pub config: Option<Config>,
    /// What could be understood in spite of errors, without the agents that have no driver or no backend: drivers
    /// look at their settings in it, so that all problems are shown at once. Never run it.
    pub draft: Option<Config>,
    /// Errors, warnings and notices, by their place in the file.
    pub problems: Vec<Problem>,
}

impl Document {
    /// Reads and parses a file; its ending tells the format: `.yaml`, `.yml`, `.toml`, everything else is JSON.
    ///
    /// # Errors
    ///
    /// That the file cannot be read, or every syntax error and key given twice that could be found.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let name = path.display().to_string();
        let text = read_text(path).map_err(|message| vec![about_file(&name, message)])?;
        Self::parse(&name, &text)
    }

    /// Parses `text`, which stands in the file `name` or is called so in messages.
    ///
    /// # Errors
    ///
    /// As [`Document::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let root = format::parse(name, text).map_err(|errors| {
            let problem = |error: format::SyntaxError| Problem { at: error.at, ..about_file(name, error.message) };
            // Behind the first errors of a broken file are mostly their own consequences.
            errors.into_iter().take(SYNTAX_ERRORS).map(problem).collect::<Vec<_>>()
        })?;
        if !matches!(root.value, Value::Map(_)) {
            let message = match root.value {
                Value::Null if text.trim() != "null" => {
                    "the file is empty; the least that works is version: 3".to_owned()
                }
                _ => format!("a configuration is an object, this is {}", root.kind()),
            };
            return Err(vec![Problem { at: Some(root.at), ..about_file(name, message) }]);
        }
        Ok(Self { file: name.to_owned(), root, origins: Vec::new(), problems: Vec::new() })
    }

    /// Lets the `KRAKEND_<KEY>` variables among `variables` stand in for scalar keys of the root.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let applied = environment::apply(&mut self.root, &self.file, variables);
        self.origins.extend(applied.origins);
        self.problems.extend(applied.problems);
        self
    }

    /// The whole file as it was parsed.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Where the plugins are: needed before they are loaded, and before the rest can be checked. What is wrong with
    /// it, [`Document::check`] says.
    pub fn plugin_settings(&self) -> PluginSettings {
        let report = Report::new(&self.file, &self.origins);
        Section::open(&self.root, "", &report).map(|root| root::plugin(&root)).unwrap_or_default()
    }

    /// Checks everything against what this process can do.
    pub fn check(&self, catalogue: &Catalogue) -> Checked {
        let report = Report::new(&self.file, &self.origins);
        report.add_all(self.problems.iter().cloned());
        let config = Section::open(&self.root, "", &report).map(|root| {
            let components = Components::new(catalogue, &report);
            let config = root::read(&self.file, root, &components);
            components.finish();
            config
        });
        let problems = report.into_problems();
        let works = !problems.iter().any(Problem::is_error);
        Checked { config: config.clone().filter(|_| works), draft: config, problems }
    }

    /// An error about the value at `path` (`async_agent[0].extra_config.async/sqlite.lease`), for what a plugin or a
    /// component finds wrong with its settings. A path that leads nowhere points to the deepest object that is there.
    /// Secrets of the file are taken out of `message`.
    pub fn problem_at(&self, path: &str, message: &str) -> Problem {
        problem_below(&self.root, "", path, message).in_file(&self.file)
    }
}

fn about_file(name: &str, message: String) -> Problem {
    let message = redact::message(&message);
    Problem { severity: Severity::Error, file: name.to_owned(), at: None, path: String::new(), message }
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| cannot_read(&error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err("is a folder; name the configuration file in it".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| cannot_read(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("is larger than {} MiB; this is no configuration", LARGEST_FILE / 1024 / 1024));
    }
    text_of(bytes)
}

fn cannot_read(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file; -c takes the path of the configuration".to_owned(),
        ErrorKind::PermissionDenied => "may not be read; check the file's permissions".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16; save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 (line {line}); save it as UTF-8")
    })
}
