//! `modifier/lua-proxy` and `modifier/lua-backend`: scripts before and after the layers below them
//! (components-scripting.md §4).
//!
//! A script has the event for itself: its state is fresh, its time ends with the event's, its instructions and its
//! memory are bounded. What stops it fails the event with the script's name and line.

mod allowance;
mod arguments;
mod call;
mod concat;
mod data;
mod event;
mod fault;
mod fields;
mod headers;
mod library;
mod limits;
mod machine;
mod number;
mod program;
mod request;
mod response;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;
use siphon_telemetry::Label;

use self::call::Caller;
use self::machine::Machine;
use self::program::Program;
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};

pub(super) const AGENT: Entry = Entry {
    namespaces: &["modifier/lua-proxy", "github.com/devopsfaith/krakend-lua/proxy"],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "runs Lua before and after all backends",
    schema,
    build: Build::Stage(build),
};

pub(super) const BACKEND: Entry = Entry {
    namespaces: &["modifier/lua-backend", "github.com/devopsfaith/krakend-lua/proxy/backend"],
    level: Level::Backend,
    effect: "runs Lua before and after the call",
    ..AGENT
};

/// `modifier/lua-proxy` of an agent, `modifier/lua-backend` of a backend. The language is Lua 5.1 with `goto`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Files that are run before `pre`, in their order; relative to the working directory.
    sources: Vec<String>,
    /// MD5 of each source in hexadecimal digits, by the name that `sources` has. Default: none is checked.
    md5: BTreeMap<String, String>,
    /// Code that runs before the layers below. Example: `request.load():headers('X-From', 'queue')`.
    pre: String,
    /// Code that runs after them, when nothing failed. Example: `response.load():data():del('secret')`.
    post: String,
    /// Read the sources again for each event. Default: false.
    live: bool,
    /// Load `string`, `math`, `os`, `io`, `coroutine` and `debug` besides `table`. Default: false.
    allow_open_libs: bool,
    /// Call nothing below: `post` makes the response. Default: false.
    skip_next: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct Scripts {
    inner: Box<dyn Stage>,
    level: Level,
    skip_next: bool,
    caller: Caller,
    states: States,
}

impl Stage for Scripts {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.run(request, context).await.unwrap_or_else(Reply::from) })
    }
}

impl Scripts {
    async fn run(&self, request: Request, context: &Context) -> Result<Reply, PipeError> {
        let program = &self.states.program;
        let (mut request, mut state) = (request, None);
        if program.runs_before() {
            let mut taken = self.states.take()?;
            request = taken.machine()?.before(request, self.level, &self.caller, context).await?;
            // Without `post` the state is free for the next event while this one is on its way.
            state = Some(taken).filter(|_| program.runs_after());
        }
        let seen = program.runs_after().then(|| Request { body: Bytes::new(), ..request.clone() });
        let reply = match self.skip_next {
            true => Reply::from(Ok(event::skipped())),
            false => self.inner.call(request, context).await,
        };
        match (seen, reply) {
            (Some(seen), Reply { response: Some(response), error: None }) => {
                self.after(state, seen, response, context).await.map(|response| Reply::from(Ok(response)))
            }
            (Some(_), Reply { response: None, error: None }) => Err(PipeError::NoResponse),
            (_, reply) => Ok(reply),
        }
    }

    async fn after(
        &self,
        state: Option<Lease<'_>>,
        seen: Request,
        response: Response,
        context: &Context,
    ) -> Result<Response, PipeError> {
        let mut state = match state {
            Some(state) => state,
            None => {
                let mut taken = self.states.take()?;
                taken.machine()?.before(seen, self.level, &self.caller, context).await?;
                taken
            }
        };
        state.machine()?.after(response, &self.caller, context).await
    }
}

/// Lua states that are free, at most one for each worker of the agent.
struct States {
    program: Arc<Program>,
    label: Label,
    free: Mutex<Vec<Machine>>,
    most: usize,
}

/// A state in use. Dropping it gives it back, unless its script did not end.
struct Lease<'s> {
    machine: Option<Machine>,
    states: &'s States,
}

impl States {
    fn take(&self) -> Result<Lease<'_>, PipeError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let made = || Machine::new(&self.program, &self.label).map_err(unusable);
        Ok(Lease { machine: Some(free.map_or_else(made, Ok)?), states: self })
    }
}

impl Lease<'_> {
    fn machine(&mut self) -> Result<&mut Machine, PipeError> {
        self.machine.as_mut().ok_or(PipeError::NoResponse)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(mut machine) = self.machine.take() else { return };
        if !machine.forget() {
            return;
        }
        let mut free = self.states.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.states.most {
            free.push(machine);
        }
    }
}

fn unusable(error: mlua::Error) -> PipeError {
    PipeError::Script { reason: format!("lua: no state can be made: {error}"), status: None, is_late: false }
}

fn build(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let program = Arc::new(Program::load(&settings, component)?);
    let label = Label::new(site.agent.name.as_str(), "Lua");
    let first = Machine::new(&program, &label).map_err(|error| vec![component.problem("", &fault::text(&error))])?;
    Ok(Box::new(Scripts {
        inner,
        level: if site.backend.is_some() { Level::Backend } else { Level::Agent },
        skip_next: settings.skip_next,
        caller: Caller::new(site.service),
        states: States { program, label, free: Mutex::new(vec![first]), most: site.agent.workers.max(1) },
    }))
}
