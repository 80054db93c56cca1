//! `qos/circuit-breaker`: a backend that keeps failing is left alone for a while (components-traffic.md §5).
//!
//! Everything below it counts: status, connection, deadline, a reply that cannot be read, a script, a rate limit. While
//! it is open events fail without a call, and say when it lets one try: the agent gives them back no earlier.

mod machine;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;
use siphon_telemetry::{BreakerMoved, Label, redact};
use tokio::time::Instant;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture, ready};

use machine::{Ending, Limits, Machine, Move, Refusal, Ticket};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["qos/circuit-breaker", "github.com/devopsfaith/krakend-circuitbreaker/gobreaker"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "leaves the backend alone for a while when it keeps failing",
    schema,
    build: Build::Stage(build),
};

/// Times past ten years are as good as for ever, and can still be added to a clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// `timeout` without a value.
const USUAL_TIMEOUT: Duration = Duration::from_secs(60);

/// `qos/circuit-breaker`. An object without any of these is refused: it would never open.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Seconds after which failures are forgotten while all is well. Default: 0, never.
    interval: f64,
    /// Seconds that the breaker stays open before one event tries. Default: 60.
    timeout: f64,
    /// Failures in a row that are borne; the next one opens the breaker. Default: 0, the first failure opens it.
    max_errors: u32,
    /// What the log calls it. Default: none.
    name: String,
    /// Log each change between closed, open and half-open. Default: false.
    log_status_change: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct CircuitBreaker {
    breaker: Breaker,
    inner: Box<dyn Stage>,
}

impl Stage for CircuitBreaker {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        let ticket = match self.breaker.admit(Instant::now()) {
            Ok(ticket) => ticket,
            Err(Refusal::Open { left }) => return ready(PipeError::BreakerOpen { retry_after: left }),
            Err(Refusal::Trying) => return ready(PipeError::BreakerTrying),
        };
        let running = Running { breaker: &self.breaker, ticket, deadline: context.deadline, has_ended: false };
        Box::pin(async move {
            let reply = self.inner.call(request, context).await;
            running.end(&reply);
            reply
        })
    }
}

/// A call that was let through. Dropped before its end it counts too: the pipe drops what is late.
struct Running<'a> {
    breaker: &'a Breaker,
    ticket: Ticket,
    deadline: Instant,
    has_ended: bool,
}

impl Running<'_> {
    fn end(mut self, reply: &Reply) {
        self.has_ended = true;
        let ending = if reply.error.is_none() { Ending::Success } else { Ending::Failure };
        self.breaker.end(self.ticket, ending, Instant::now());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let now = Instant::now();
        // Dropped in time: siphon stops, the event goes elsewhere. That says nothing about the backend.
        let is_failure = now >= self.deadline || std::thread::panicking();
        self.breaker.end(self.ticket, if is_failure { Ending::Failure } else { Ending::GivenUp }, now);
    }
}

/// The machine, and who hears of its moves.
struct Breaker {
    machine: Mutex<Machine>,
    log: Option<Log>,
}

impl Breaker {
    fn admit(&self, now: Instant) -> Result<Ticket, Refusal> {
        let (admitted, moved) = self.machine.lock().unwrap_or_else(PoisonError::into_inner).admit(now);
        self.tell(moved);
        admitted
    }

    fn end(&self, ticket: Ticket, ending: Ending, now: Instant) {
        let moved = self.machine.lock().unwrap_or_else(PoisonError::into_inner).end(ticket, ending, now);
        self.tell(moved);
    }

    fn tell(&self, moved: Option<Move>) {
        if let (Some(log), Some(Move { from, to })) = (&self.log, moved) {
            BreakerMoved { breaker: &log.name, backend: &log.backend, from, to }.emit(&log.label);
        }
    }
}

struct Log {
    label: Label,
    name: Arc<str>,
    /// Without secrets.
    backend: Arc<str>,
}

fn build(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let limits = limits(&settings).map_err(|(key, message)| vec![component.problem(key, &message)])?;
    let backend = site.backend.expect("stands at the level of backends");
    let log = settings.log_status_change.then(|| Log {
        label: Label::new(site.agent.name.as_str(), "CB"),
        name: settings.name.into(),
        backend: redact::url(&backend.url_pattern_as_written).into(),
    });
    Ok(Box::new(CircuitBreaker { breaker: Breaker { machine: Mutex::new(Machine::new(limits)), log }, inner }))
}

/// When the breaker opens, or what is wrong with which key.
fn limits(settings: &Settings) -> Result<Limits, (&'static str, String)> {
    let Settings { interval, timeout, max_errors, name, log_status_change } = settings;
    if *interval == 0.0 && *timeout == 0.0 && *max_errors == 0 && name.is_empty() && !log_status_change {
        let message = "qos/circuit-breaker sets nothing, which makes no breaker; set interval, timeout and max_errors";
        return Err(("", message.to_owned()));
    }
    let seconds = |key, seconds: f64| {
        let duration = Duration::try_from_secs_f64(seconds).map(|duration| duration.min(LONGEST));
        duration.map_err(|_| (key, format!("{seconds} is no number of seconds")))
    };
    let given = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
    Ok(Limits {
        interval: given(seconds("interval", *interval)?),
        timeout: given(seconds("timeout", *timeout)?).unwrap_or(USUAL_TIMEOUT),
        max_errors: *max_errors,
    })
}

#[cfg(test)]
mod tests;
