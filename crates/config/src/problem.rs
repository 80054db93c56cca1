//! What is wrong with a configuration, and where.

use crate::tree::Position;

/// How much a finding weighs. Only [`Severity::Error`] keeps siphon from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Notice,
    Warning,
    Error,
}

/// One finding. `path` is like `async_agent[0].consumer.timeout`, empty for the whole file.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub severity: Severity,
    pub file: String,
    pub at: Option<Position>,
    pub path: String,
    pub message: String,
}
