//! Go's `text/template`, with the functions of Sprig that bodies need, over the pipe's own [`Json`].
//!
//! A template is read once, into a tree in which every function, variable and template is resolved, so that a typing
//! error is found at load. Running it looks at the data where it lies: numbers keep their text, nothing is taken apart.
//! The work of one run is bounded.
//!
//! Source: the language as <https://pkg.go.dev/text/template> describes it; where it differs,
//! docs/components/body-generator.md says so.

mod expression;
mod functions;
mod lexer;
mod parse;
mod range;
mod run;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use siphon_config::nearest::hint;

use crate::json::Json;
use crate::place::Place;

use parse::Parsed;

/// A template, ready to run.
#[derive(Debug)]
pub(crate) struct Template {
    name: Arc<str>,
    source: String,
    parsed: Parsed,
}

/// What is wrong with a template, or with a run of it, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}, {place}: {message}")]
pub(crate) struct TemplateError {
    name: Arc<str>,
    place: Place,
    message: String,
}

/// Something wrong at a byte of the text.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl Template {
    /// Reads a template; `name` stands for it in errors.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(name: &str, source: &str) -> Result<Self, TemplateError> {
        let parsed = parse::parse(source).map_err(|fault| located(&name.into(), source, fault))?;
        Ok(Self { name: name.into(), source: source.to_owned(), parsed })
    }

    /// # Errors
    ///
    /// The first field of the data that is none of `known`: it would never have a value.
    pub fn check_fields(&self, known: &[&str]) -> Result<(), TemplateError> {
        let stranger = self.parsed.roots.iter().find(|(name, _)| !known.contains(&name.as_str()));
        let Some((name, at)) = stranger else { return Ok(()) };
        let message = format!("there is no .{name}{}", hint(name, known.iter().copied()));
        Err(located(&self.name, &self.source, Fault::new(*at, message)))
    }

    /// Whether the field `name` of the data stands in the template.
    pub fn names(&self, name: &str) -> bool {
        self.parsed.roots.iter().any(|(root, _)| root == name)
    }

    /// Whether a run may look at the field `name` of its data. What nobody looks at need not be made.
    pub fn needs(&self, name: &str) -> bool {
        self.parsed.uses_all || self.parsed.used.iter().any(|used| used == name)
    }

    /// Runs it over `data`. `now` is what the function of that name gives.
    ///
    /// # Errors
    ///
    /// What cannot be done with these data, and what would be without end.
    pub fn run(&self, data: &Json, now: SystemTime) -> Result<String, TemplateError> {
        run::run(&self.parsed, data, now).map_err(|fault| located(&self.name, &self.source, fault))
    }
}

fn located(name: &Arc<str>, source: &str, fault: Fault) -> TemplateError {
    let place = Place::of(source.as_bytes(), fault.at);
    TemplateError { name: Arc::clone(name), place, message: fault.message }
}
