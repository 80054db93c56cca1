//! Everything that the log says about an agent, each with its words in one place: the text is constant, the values are
//! fields.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::redact;
use crate::repeats::{Repeats, Summary};

/// Who speaks: the agent's name and its driver's log label, such as `SQLite`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    pub agent: Arc<str>,
    pub agent_type: Arc<str>,
}

impl Label {
    pub fn new(agent: impl Into<Arc<str>>, agent_type: impl Into<Arc<str>>) -> Self {
        Self { agent: agent.into(), agent_type: agent_type.into() }
    }
}

/// The start of a human log line: `[ASYNC: orders][SQLite]`.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[ASYNC: {}][{}]", self.agent, self.agent_type)
    }
}

// Each message is a constant, and each line carries the agent's name and type.
macro_rules! log {
    ($level:ident, $label:expr, { $($fields:tt)* } $message:literal) => {
        $level!(agent = &*$label.agent, agent_type = &*$label.agent_type, $($fields)* $message)
    };
}

/// The agent begins to connect.
#[derive(Clone, Copy, Debug)]
pub struct AgentStarted {
    /// Events that are in the pipe at once.
    pub workers: usize,
}

impl AgentStarted {
    pub fn emit(&self, label: &Label) {
        log!(info, label, { workers = self.workers, } "agent started");
    }
}

/// The driver reached its broker.
#[derive(Clone, Copy, Debug)]
pub struct AgentConnected;

impl AgentConnected {
    pub fn emit(&self, label: &Label) {
        log!(info, label, {} "connected");
    }
}

/// The connection is gone, or was not made; it is tried again after `wait`.
#[derive(Clone, Copy, Debug)]
pub struct AgentLost<'a> {
    pub reason: &'a str,
    pub wait: Duration,
}

impl AgentLost<'_> {
    pub fn emit(&self, label: &Label) {
        log!(warn, label, { reason = redact::message(self.reason), wait = ?self.wait, } "not connected, trying again");
    }
}

/// The driver has not answered a ping for so long. It is asked again when it does.
#[derive(Clone, Copy, Debug)]
pub struct AgentStalled {
    pub after: Duration,
}

impl AgentStalled {
    pub fn emit(&self, label: &Label) {
        log!(warn, label, { after = ?self.after, } "the driver does not answer");
    }
}

/// The agent has given up: its retries are used up, or waiting cannot help.
#[derive(Clone, Copy, Debug)]
pub struct AgentFailed<'a> {
    pub reason: &'a str,
    /// How often connecting was tried.
    pub attempts: u32,
}

impl AgentFailed<'_> {
    pub fn emit(&self, label: &Label) {
        log!(error, label, { reason = redact::message(self.reason), attempts = self.attempts, } "agent failed for good");
    }
}

/// A backend's circuit breaker opened, closed, or lets an event try.
#[derive(Clone, Copy, Debug)]
pub struct BreakerMoved<'a> {
    /// As the configuration names the breaker; may be empty.
    pub breaker: &'a str,
    /// The `url_pattern` as written, without secrets.
    pub backend: &'a str,
    pub from: &'static str,
    pub to: &'static str,
}

impl BreakerMoved<'_> {
    pub fn emit(&self, label: &Label) {
        let Self { breaker, backend, from, to } = *self;
        log!(warn, label, { breaker, backend, from, to, } "circuit breaker moved");
    }
}

/// A script's `print`.
#[derive(Clone, Copy, Debug)]
pub struct ScriptPrinted<'a> {
    pub text: &'a str,
}

impl ScriptPrinted<'_> {
    pub fn emit(&self, label: &Label) {
        log!(info, label, { text = redact::message(self.text), } "script printed");
    }
}

/// One event failed in the pipe. Written through a [`FailureLog`].
#[derive(Clone, Copy, Debug)]
pub struct EventFailed<'a> {
    /// Which event, such as `order.created offset=5`.
    pub event: &'a str,
    /// The run of the pipe that failed; the first is 1.
    pub attempt: u32,
    pub error: &'a str,
    pub end: End,
}

/// What becomes of an event that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It comes back after this time.
    Waits(Duration),
    /// Its broker was told that it failed for good.
    Rejected,
    /// A check of the configuration wants nothing more of it.
    Discarded,
}

impl EventFailed<'_> {
    pub fn emit(&self, label: &Label) {
        let Self { event, attempt, error, end } = *self;
        match end {
            End::Waits(wait) => log!(error, label, { attempt, ?wait, error, event, } "event failed"),
            End::Rejected => log!(error, label, { attempt, error, event, } "event failed for good"),
            End::Discarded => log!(error, label, { attempt, error, event, } "event failed and was discarded"),
        }
    }
}

/// The agent has stopped: what became of the events that it held.
#[derive(Clone, Copy, Debug)]
pub struct AgentDrained {
    /// Events that were in the pipe when the drain began and have finished.
    pub finished: usize,
    /// Events that were handed back to the broker untried.
    pub given_back: usize,
    /// Events that were still in the pipe when the grace period ended; their broker delivers them again.
    pub abandoned: usize,
    pub took: Duration,
}

impl AgentDrained {
    /// A warning when events were abandoned.
    pub fn emit(&self, label: &Label) {
        let Self { finished, given_back, abandoned, took } = *self;
        if abandoned == 0 {
            log!(info, label, { finished, given_back, ?took, } "agent drained");
        } else {
            log!(warn, label, { finished, given_back, abandoned, ?took, } "agent stopped before its pipe was empty");
        }
    }
}

/// Shadow backends are too slow for the events: some are not sent to them. Said when it begins.
#[derive(Clone, Copy, Debug)]
pub struct ShadowsOverrun {
    /// Calls to shadows that may be under way at once.
    pub limit: usize,
}

impl ShadowsOverrun {
    pub fn emit(&self, label: &Label) {
        log!(warn, label, { limit = self.limit, } "shadow backends are too slow, they miss events");
    }
}

/// The failed events of one agent on the log: one line each, until thousands fail the same way.
#[derive(Debug)]
pub struct FailureLog {
    label: Label,
    repeats: Mutex<Repeats>,
}

impl FailureLog {
    pub fn new(label: Label) -> Self {
        Self { label, repeats: Mutex::default() }
    }

    /// Writes the failure, or counts it when its error was written often enough lately.
    pub fn record(&self, failure: EventFailed<'_>, now: Instant) {
        let (ended, is_written) = self.locked(|repeats| {
            let ended = repeats.ended(now);
            (ended, repeats.is_written(failure.error, now))
        });
        self.write_all(ended);
        if is_written {
            failure.emit(&self.label);
        }
    }

    /// Writes the summaries that are due. Call it now and then (the health interval is fine): without a further
    /// failure nothing else would.
    pub fn write_due(&self, now: Instant) {
        let ended = self.locked(|repeats| repeats.ended(now));
        self.write_all(ended);
    }

    /// Writes every open summary: the agent ends.
    pub fn finish(&self, now: Instant) {
        let ended = self.locked(|repeats| repeats.finish(now));
        self.write_all(ended);
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Repeats) -> T) -> T {
        act(&mut self.repeats.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_all(&self, summaries: Vec<Summary>) {
        for Summary { text, hidden, over } in summaries {
            let error = text.as_deref().unwrap_or("various");
            log!(error, self.label, { hidden, ?over, error, } "more events failed like this");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{LogSettings, subscriber_to};

    /// What `act` writes for the agent `orders`, without the times and the agent's prefix.
    fn lines(act: impl FnOnce(&Label)) -> Vec<String> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&written);
        let subscriber = subscriber_to(LogSettings::default(), move |line| {
            copy.lock().expect("no panic").push(line.trim_end().to_owned());
        });
        let label = Label::new("orders", "SQLite");
        tracing::subscriber::with_default(subscriber, || act(&label));
        let prefix = format!(" {label} ");
        let lines = written.lock().expect("no panic");
        lines.iter().map(|line| line.split_once(&prefix).expect("the agent's prefix").1.to_owned()).collect()
    }

    #[test]
    fn each_thing_that_happens_to_an_agent_has_its_line() {
        let second = Duration::from_secs(1);
        let found = lines(|label| {
            AgentStarted { workers: 4 }.emit(label);
            AgentConnected.emit(label);
            AgentLost { reason: "disk full", wait: second }.emit(label);
            AgentStalled { after: second }.emit(label);
            AgentFailed { reason: "disk full", attempts: 3 }.emit(label);
            let failed =
                EventFailed { event: "a.b offset=5", attempt: 2, error: "timed out", end: End::Waits(second / 4) };
            failed.emit(label);
            EventFailed { end: End::Rejected, ..failed }.emit(label);
            EventFailed { end: End::Discarded, ..failed }.emit(label);
            AgentDrained { finished: 1, given_back: 2, abandoned: 0, took: second }.emit(label);
            AgentDrained { finished: 1, given_back: 2, abandoned: 3, took: second }.emit(label);
            ShadowsOverrun { limit: 64 }.emit(label);
            ScriptPrinted { text: "at redis://u:hunter2@h/" }.emit(label);
        });
        let expected = [
            "agent started workers=4",
            "connected",
            "not connected, trying again reason=\"disk full\" wait=1s",
            "the driver does not answer after=1s",
            "agent failed for good reason=\"disk full\" attempts=3",
            "event failed attempt=2 wait=250ms error=\"timed out\" event=\"a.b offset=5\"",
            "event failed for good attempt=2 error=\"timed out\" event=\"a.b offset=5\"",
            "event failed and was discarded attempt=2 error=\"timed out\" event=\"a.b offset=5\"",
            "agent drained finished=1 given_back=2 took=1s",
            "agent stopped before its pipe was empty finished=1 given_back=2 abandoned=3 took=1s",
            "shadow backends are too slow, they miss events limit=64",
            "script printed text=\"at redis://u:***@h/\"",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn why_an_agent_is_not_connected_is_told_without_secrets() {
        let reason = "no answer from amqp://u:hunter2@mq/?token=hunter2";
        let found = lines(|label| {
            AgentLost { reason, wait: Duration::from_secs(1) }.emit(label);
            AgentFailed { reason, attempts: 3 }.emit(label);
        });
        let shown = "reason=\"no answer from amqp://u:***@mq/?token=***\"";
        let expected = [
            format!("not connected, trying again {shown} wait=1s"),
            format!("agent failed for good {shown} attempts=3"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn thousands_of_equal_failures_are_a_few_lines_and_a_sum() {
        let start = Instant::now();
        let failure = EventFailed { event: "a.b", attempt: 1, error: "refused", end: End::Waits(Duration::ZERO) };
        let found = lines(|label| {
            let log = FailureLog::new(label.clone());
            (0..5_000).for_each(|_| log.record(failure, start));
            log.write_due(start + Duration::from_secs(9));
            log.write_due(start + Duration::from_secs(10));
            log.record(failure, start + Duration::from_secs(11));
            log.finish(start + Duration::from_secs(12));
        });
        let line = "event failed attempt=1 wait=0ns error=refused event=a.b";
        let sum = "more events failed like this hidden=4995 over=10s error=refused";
        assert_eq!(found, [line, line, line, line, line, sum, line]);
    }
}
