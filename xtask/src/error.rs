//! What ends a task early: one sentence that says what went wrong and what to do.

use std::fmt;
use std::path::Path;

pub type Result<T> = std::result::Result<T, TaskError>;

#[derive(Debug)]
pub struct TaskError(String);

impl TaskError {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was done, and to what, in front of an error: `cannot copy a/b: no space left`.
pub trait Context<T> {
    fn context(self, doing: &str) -> Result<T>;
    fn at(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: &str) -> Result<T> {
        self.map_err(|error| TaskError(format!("cannot {doing}: {error}")))
    }

    fn at(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|error| TaskError(format!("cannot {doing} {}: {error}", path.display())))
    }
}
