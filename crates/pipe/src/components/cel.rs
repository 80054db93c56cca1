//! `validation/cel`: conditions that an event, or what a backend answered, has to meet (components-scripting.md §5).
//!
//! An expression that names `req_…` is evaluated before the call, one that names `resp_…` after it, one that names both
//! at both times, and one that names neither before. The reference decides by the letters `req` and `resp` anywhere in
//! the text, and never evaluates what has neither.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::outcome::{Outcome, refused};
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::expression::{Expression, Facts, Unanswered};
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture, ready};

const NAMESPACES: &[&str] = &["validation/cel", "github.com/devopsfaith/krakend-cel"];

pub(super) const AGENT: Entry = Entry {
    namespaces: NAMESPACES,
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "fails events, and merged data, that do not meet its expressions",
    schema,
    build: Build::Stage(build),
};

pub(super) const BACKEND: Entry = Entry {
    level: Level::Backend,
    effect: "fails events for this backend, and its answers, that do not meet its expressions",
    ..AGENT
};

/// One entry of `validation/cel`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// What has to be true. Example: `event.payload.total > 0`.
    check_expr: String,
    /// What happens to an event that is refused: `retry`, `dead-letter` or `discard`. Default: what `async/delivery`
    /// says.
    #[serde(default)]
    outcome: Option<Outcome>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Vec<Settings>).to_value()
}

fn build(component: &Component, _site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Vec<Settings> = component.read().map_err(|problem| vec![problem])?;
    let (mut gate, mut problems) = (Gate { before: Vec::new(), after: Vec::new(), inner }, Vec::new());
    for (index, settings) in settings.into_iter().enumerate() {
        match Expression::compile(&settings.check_expr) {
            Ok(expression) => gate.add(&Arc::new(expression), settings.outcome),
            Err(found) => {
                let place = format!("[{index}].check_expr");
                problems.extend(found.iter().map(|message| component.problem(&place, message)));
            }
        }
    }
    if problems.is_empty() { Ok(Box::new(gate)) } else { Err(problems) }
}

/// The checks around a stage.
struct Gate {
    before: Vec<Check>,
    after: Vec<Check>,
    inner: Box<dyn Stage>,
}

struct Check {
    expression: Arc<Expression>,
    outcome: Option<Outcome>,
}

impl Gate {
    fn add(&mut self, expression: &Arc<Expression>, outcome: Option<Outcome>) {
        let uses = expression.uses();
        let check = || Check { expression: Arc::clone(expression), outcome };
        if uses.response {
            self.after.push(check());
        }
        if uses.request || !uses.response {
            self.before.push(check());
        }
    }

    /// After a success; a failure passes through as it is.
    fn judge(&self, request: &Request, reply: Reply, context: &Context) -> Reply {
        match (&reply.error, &reply.response) {
            (None, Some(response)) => match refusal(&self.after, &Facts::after(request, response, context.deadline)) {
                Some(error) => error.into(),
                None => reply,
            },
            _ => reply,
        }
    }
}

impl Stage for Gate {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        if let Some(error) = refusal(&self.before, &Facts::before(&request, context.deadline)) {
            return ready(error);
        }
        if self.after.is_empty() {
            return self.inner.call(request, context);
        }
        let kept = request.clone();
        Box::pin(async move { self.judge(&kept, self.inner.call(request, context).await, context) })
    }
}

/// What the first check says that is not met; they are counted from 0 on each side.
fn refusal(checks: &[Check], facts: &Facts<'_>) -> Option<PipeError> {
    checks.iter().enumerate().find_map(|(index, check)| {
        let (why, outcome) = match check.expression.holds(facts) {
            Ok(true) => return None,
            Ok(false) => ("is false".to_owned(), check.outcome),
            Err(Unanswered::Late) => return Some(PipeError::TimedOut),
            Err(Unanswered::Because(reason)) => (reason, check.outcome.map(Outcome::without_answer)),
        };
        let source = check.expression.source();
        Some(refused(format!("request aborted by evaluator #{index}: {source}: {why}"), outcome))
    })
}

#[cfg(test)]
mod tests;
