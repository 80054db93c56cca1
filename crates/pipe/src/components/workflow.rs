//! `workflow`: a pipe of its own in the place of a backend's call (components-traffic.md §13).
//!
//! What stands in `backend` and `extra_config` of a workflow is checked and built as that of an agent is; this is the
//! rest: time limit, failures, and the outer backend's filters on the data.

mod concurrent;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::HumanDuration;
use siphon_config::model::{Agent, Backend, Component, Encoding, Workflow};
use tokio::time::Instant;

use super::{Build, BuildNested, Checked, Entry, Level, Site, UnknownKeys};
use crate::filter::Filter;
use crate::merge::in_time;
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};

pub(crate) use concurrent::Concurrent;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["workflow"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "is a pipe of its own in the place of a call",
    schema,
    build: Build::Nested(BuildNested(build)),
};

/// Calls of one backend at once, as the reference's schema has it.
const MOST_CALLS: usize = 5;

/// `workflow`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// What logs and metrics call it. Example: `enrich`.
    endpoint: String,
    /// Backends, as an agent has them.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    #[expect(dead_code, reason = "read with the agent's own backends")]
    backend: Option<IgnoredAny>,
    /// Time limit. Default: what the event has left.
    #[serde(default)]
    timeout: Option<HumanDuration>,
    /// How often each backend is called at once for one event, at most 5; the first complete answer counts. Default: 1.
    #[serde(default = "one")]
    concurrent_calls: usize,
    /// Go on after failures, and do not fail for them. Default: false.
    #[serde(default)]
    ignore_errors: bool,
    /// `json`, or `no-op` for the reply of its only backend as it came. Default: `json`.
    #[serde(default)]
    output_encoding: Option<String>,
    /// Components, as an agent has them.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    #[expect(dead_code, reason = "read with the agent's own components")]
    extra_config: Option<IgnoredAny>,
}

fn one() -> usize {
    1
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// A workflow without the stages inside.
pub(crate) struct Nested {
    /// `/__workflow/enrich`.
    pub name: String,
    pub concurrent_calls: usize,
    pub ignores_errors: bool,
    timeout: Option<Duration>,
    /// `None`: the reply is handed on as it is.
    filter: Option<Filter>,
}

impl Nested {
    /// The agent that the workflow's inside is built as.
    pub fn agent(&self, agent: &Agent, workflow: &Workflow) -> Agent {
        Agent {
            name: format!("{}{}", agent.name, self.name),
            path: workflow.path.clone(),
            timeout: self.timeout.map_or(agent.timeout, |timeout| timeout.min(agent.timeout)),
            backends: workflow.backends.clone(),
            components: workflow.components.clone(),
            ..agent.clone()
        }
    }

    /// The innermost stage of the backend.
    pub fn around(self, inside: Box<dyn Stage>) -> Box<dyn Stage> {
        Box::new(Inside { nested: self, inside })
    }

    fn finished(&self, reply: Reply) -> Reply {
        let Some(filter) = &self.filter else { return reply };
        let mut reply = reply;
        if self.ignores_errors {
            let response = reply.response.filter(|response| response.data.is_object()).unwrap_or_else(Response::empty);
            reply = Reply { response: Some(Response { complete: true, ..response }), error: None };
        }
        if let Some(response) = &mut reply.response {
            let data = std::mem::take(&mut response.data);
            // Status, headers and raw body are those of a backend inside.
            reply.response =
                Some(Response { data: filter.apply(data), complete: response.complete, ..Response::default() });
        }
        reply
    }
}

struct Inside {
    nested: Nested,
    inside: Box<dyn Stage>,
}

impl Stage for Inside {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let limit = self.nested.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let deadline = limit.map_or(context.deadline, |limit| limit.min(context.deadline));
            self.nested.finished(self.ended(request, &Context { deadline }).await)
        })
    }
}

impl Inside {
    /// Where a failure is no failure of the event, it gives back what was taken for its part.
    async fn ended(&self, request: Request, context: &Context) -> Reply {
        if !self.nested.ignores_errors {
            return in_time(self.inside.as_ref(), request, context).await;
        }
        let (event, part) = (request.taken.clone(), request.taken.apart());
        let request = Request { taken: part.clone(), ..request };
        let reply = in_time(self.inside.as_ref(), request, context).await;
        if reply.error.is_none() {
            event.adopt(&part);
        }
        reply
    }
}

fn build(component: &Component, site: &Site<'_>) -> Checked<Nested> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let backend = site.backend.expect("stands at the level of backends");
    let inside = backend.workflow.as_ref().map_or(0, |workflow| workflow.backends.len());
    checked(&settings, backend, inside).map_err(|(key, message)| vec![component.problem(key, &message)])?;
    let passes_on = backend.encoding == Encoding::NoOp;
    Ok(Nested {
        name: format!("/__workflow/{}", settings.endpoint.trim_start_matches('/')),
        concurrent_calls: settings.concurrent_calls,
        ignores_errors: settings.ignore_errors,
        timeout: settings.timeout.map(Duration::from),
        filter: if passes_on { None } else { Some(Filter::new(backend)?) },
    })
}

/// What cannot work, and its key. `inside`: how many backends the workflow has.
fn checked(settings: &Settings, backend: &Backend, inside: usize) -> Result<(), (&'static str, String)> {
    let refuse = |key, message: &str| Err((key, message.to_owned()));
    if settings.endpoint.trim_matches('/').is_empty() {
        return refuse("endpoint", "is empty; give the workflow a name for logs and metrics");
    }
    if settings.timeout.is_some_and(|timeout| Duration::from(timeout).is_zero()) {
        return refuse("timeout", "must be more than 0; write such as 500ms");
    }
    if !(1..=MOST_CALLS).contains(&settings.concurrent_calls) {
        return Err(("concurrent_calls", format!("{} is not from 1 to {MOST_CALLS}", settings.concurrent_calls)));
    }
    let is_raw = match settings.output_encoding.as_deref() {
        None | Some("" | "json" | "fast-json") => false,
        Some("no-op") => true,
        Some(other) => {
            let message = format!("{other:?} is not in this build of siphon; json and no-op are");
            return Err(("output_encoding", message));
        }
    };
    match (is_raw, backend.encoding) {
        (_, Encoding::Xml | Encoding::Rss | Encoding::String) => {
            refuse("", "gives data that needs no decoding; remove encoding from its backend")
        }
        _ if backend.is_collection => refuse("", "gives an object; remove is_collection from its backend"),
        (true, Encoding::NoOp) if inside > 1 => {
            refuse("output_encoding", "no-op is for one backend; leave one, or write json")
        }
        (true, Encoding::NoOp) if settings.ignore_errors => {
            refuse("ignore_errors", "has no effect with no-op; remove it")
        }
        (true, Encoding::NoOp) | (false, Encoding::Json | Encoding::SafeJson) => Ok(()),
        (true, _) => refuse("output_encoding", "needs \"encoding\": \"no-op\" of its backend as well"),
        (false, Encoding::NoOp) => {
            refuse("", "needs \"output_encoding\": \"no-op\" where the encoding of its backend is no-op")
        }
    }
}

#[cfg(test)]
mod tests;
