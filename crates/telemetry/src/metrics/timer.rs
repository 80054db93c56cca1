//! How long things take.

use std::collections::HashSet;
use std::time::Instant;

use prometheus::{Histogram, HistogramVec};

use super::{Families, Metrics, free_name};

/// How a run of the pipe, or a call of a backend, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    Done,
    Failed,
    /// Given up before its end: the event's time was up, or the process ends.
    Late,
}

impl RunOutcome {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Late];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Late => "late",
        }
    }
}

/// Durations of one thing, by outcome. Clones are the same durations.
#[derive(Clone, Debug)]
pub struct Timer([Histogram; 3]);

impl Timer {
    /// Something begins.
    pub fn start(&self) -> Running<'_> {
        Running { timer: self, began: Instant::now(), outcome: RunOutcome::Late }
    }
}

/// Something is going on. Dropped without an [`end`](Self::end), it counts as late.
#[derive(Debug)]
#[must_use = "dropping it records that it was given up"]
pub struct Running<'a> {
    timer: &'a Timer,
    began: Instant,
    outcome: RunOutcome,
}

impl Running<'_> {
    pub fn end(mut self, outcome: RunOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.timer.0[self.outcome as usize].observe(self.began.elapsed().as_secs_f64());
    }
}

/// What the pipe of an agent records.
#[derive(Clone, Debug)]
pub struct PipeMetrics {
    agent: String,
    run: Timer,
    backends: HistogramVec,
    /// Names of the backends there are.
    taken: HashSet<String>,
}

impl Default for PipeMetrics {
    /// Of no agent, and shown by nobody.
    fn default() -> Self {
        Self::new(&Metrics::default().families, "")
    }
}

impl PipeMetrics {
    pub(super) fn new(families: &Families, agent: &str) -> Self {
        let run = |outcome: RunOutcome| families.pipe.with_label_values(&[agent, outcome.name()]);
        let run = Timer(RunOutcome::ALL.map(run));
        Self { agent: agent.to_owned(), run, backends: families.backend.clone(), taken: HashSet::new() }
    }

    /// Runs of the whole pipe.
    pub fn run(&self) -> Timer {
        self.run.clone()
    }

    /// Calls of one more backend. `name` is shown: without secrets. A second backend of the same name is `name#2`.
    pub fn backend(&mut self, name: &str) -> Timer {
        let name = free_name(&mut self.taken, name);
        let call = |outcome: RunOutcome| self.backends.with_label_values(&[&self.agent, &name, outcome.name()]);
        Timer(RunOutcome::ALL.map(call))
    }
}
