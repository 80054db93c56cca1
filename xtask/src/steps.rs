//! Steps of a task: every one runs even if an earlier one failed, and a line per step closes the task.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::error::Result;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// With the reason.
    Failed(String),
    /// Not run, with the reason.
    Skipped(String),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        result.map_or_else(|error| Self::Failed(error.to_string()), |()| Self::Passed)
    }
}

/// The steps so far.
#[derive(Debug, Default)]
pub struct Steps {
    task: &'static str,
    done: Vec<(&'static str, Outcome, Duration)>,
}

impl Steps {
    pub fn of(task: &'static str) -> Self {
        Self { task, ..Self::default() }
    }

    /// Runs a step, with a heading before its output.
    pub fn run<O: Into<Outcome>>(&mut self, name: &'static str, step: impl FnOnce() -> O) {
        println!("==> {}: {name}", self.task);
        let began = Instant::now();
        let outcome = step().into();
        self.done.push((name, outcome, began.elapsed()));
    }

    /// Prints the closing lines. Skipped steps do not fail the task.
    pub fn finish(self) -> ExitCode {
        println!("\n{self}");
        if self.is_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn is_passed(&self) -> bool {
        !self.done.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
    }
}

/// A line per step, and one for all.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome, took) in &self.done {
            let seconds = took.as_secs_f64();
            match outcome {
                Outcome::Passed => writeln!(f, "{}: {name}: ok ({seconds:.1} s)", self.task)?,
                Outcome::Failed(reason) => writeln!(f, "{}: {name}: FAILED ({seconds:.1} s): {reason}", self.task)?,
                Outcome::Skipped(reason) => writeln!(f, "{}: {name}: skipped: {reason}", self.task)?,
            }
        }
        write!(f, "{}: {}", self.task, if self.is_passed() { "passed" } else { "FAILED" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outcomes: &[(&'static str, Outcome)], expected: &str) {
        let done = outcomes.iter().map(|(name, outcome)| (*name, outcome.clone(), Duration::from_millis(1_250)));
        assert_eq!(Steps { task: "test", done: done.collect() }.to_string(), expected);
    }

    #[test]
    fn each_step_has_its_closing_line() {
        let failed = Outcome::Failed("cargo test ended with exit status: 101".into());
        check(
            &[("build", Outcome::Passed), ("workspace", failed), ("cases", Outcome::Skipped("no python3".into()))],
            "test: build: ok (1.2 s)\n\
             test: workspace: FAILED (1.2 s): cargo test ended with exit status: 101\n\
             test: cases: skipped: no python3\n\
             test: FAILED",
        );
    }

    #[test]
    fn a_skipped_step_does_not_fail_the_task() {
        let skipped = Outcome::Skipped("no python3".into());
        check(&[("cases", skipped)], "test: cases: skipped: no python3\ntest: passed");
    }

    #[test]
    fn later_steps_run_after_a_failed_one() {
        let mut steps = Steps::of("test");
        steps.run("first", || Outcome::Failed("broken".into()));
        steps.run("second", || Outcome::Passed);
        assert_eq!(steps.done.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), ["first", "second"]);
        assert!(!steps.is_passed());
    }
}
