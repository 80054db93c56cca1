//! What is wrong with a configuration, and where.

use std::cell::RefCell;
use std::fmt;

use crate::redact;
use crate::tree::Position;

/// How much a finding weighs. Only [`Severity::Error`] keeps siphon from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Notice,
    Warning,
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding. `path` is like `async_agent[0].consumer.timeout`, empty for the whole file.
///
/// Prints as `error: siphon.json:12:17: async_agent[0].consumer.timeout: "5" has no unit; write 5s or 500ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub severity: Severity,
    /// Empty where the place is known inside a file that is not, as in [`Component::read`](crate::model::Component::read).
    pub file: String,
    pub at: Option<Position>,
    pub path: String,
    pub message: String,
}

impl Problem {
    /// The same finding, in the file of this name.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        file.clone_into(&mut self.file);
        self
    }

    /// The place and the message, without the severity: for a log, which has levels of its own.
    pub fn placed(&self) -> impl fmt::Display {
        Placed(self)
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.severity, self.placed())
    }
}

/// See [`Problem::placed`].
struct Placed<'a>(&'a Problem);

impl fmt::Display for Placed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, at, path, message, .. } = self.0;
        if !file.is_empty() {
            write!(formatter, "{file}")?;
            if let Some(at) = at {
                write!(formatter, ":{}:{}", at.line, at.column)?;
            }
            formatter.write_str(": ")?;
        }
        if !path.is_empty() {
            write!(formatter, "{path}: ")?;
        }
        formatter.write_str(message)
    }
}

/// A value of the environment: the path that it set, and the variable's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FromEnvironment {
    pub path: String,
    pub variable: String,
}

/// Collects the findings of one file while it is read.
pub(crate) struct Report<'a> {
    file: &'a str,
    environment: &'a [FromEnvironment],
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str, environment: &'a [FromEnvironment]) -> Self {
        Self { file, environment, problems: RefCell::default() }
    }

    pub fn error(&self, at: Position, path: &str, message: impl AsRef<str>) {
        self.add(Severity::Error, at, path, message.as_ref());
    }

    pub fn warning(&self, at: Position, path: &str, message: impl AsRef<str>) {
        self.add(Severity::Warning, at, path, message.as_ref());
    }

    pub fn notice(&self, at: Position, path: &str, message: impl AsRef<str>) {
        self.add(Severity::Notice, at, path, message.as_ref());
    }

    pub fn add(&self, severity: Severity, at: Position, path: &str, message: &str) {
        let mut message = redact::urls(message);
        if let Some(origin) = self.variable(at, path) {
            message = format!("{message} (from the environment variable {origin})");
        }
        self.problems.borrow_mut().push(Problem {
            severity,
            file: self.file.to_owned(),
            at: (at.line > 0).then_some(at),
            path: path.to_owned(),
            message,
        });
    }

    pub fn add_all(&self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    fn variable(&self, at: Position, path: &str) -> Option<&str> {
        if at.line > 0 {
            return None;
        }
        let belongs = |known: &&FromEnvironment| path.starts_with(&known.path);
        self.environment.iter().find(belongs).map(|known| known.variable.as_str())
    }

    /// Everything found, by place; what has no place comes first.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|left, right| (left.at, &left.path).cmp(&(right.at, &right.path)));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, at: Option<(u32, u32)>, path: &str, expected: &str) {
        let at = at.map(|(line, column)| Position { line, column });
        let problem =
            Problem { severity: Severity::Warning, file: file.into(), at, path: path.into(), message: "no".into() };
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn a_problem_prints_what_it_knows() {
        check("a.json", Some((3, 4)), "x.y", "warning: a.json:3:4: x.y: no");
        check("a.json", None, "x.y", "warning: a.json: x.y: no");
        check("a.json", None, "", "warning: a.json: no");
        check("", Some((3, 4)), "x", "warning: x: no");
    }

    #[test]
    fn problems_are_sorted_by_place() {
        let report = Report::new("f", &[]);
        for (line, path) in [(9, "c"), (2, "b"), (0, "a")] {
            report.error(Position { line, column: 1 }, path, "x");
        }
        let paths: Vec<_> = report.into_problems().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["a", "b", "c"]);
    }
}
