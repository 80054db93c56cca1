//! An agent's pipe, from its configuration to its runs.

use std::sync::Arc;

use ::http::Method;
use siphon_config::model::{Agent, Backend, Encoding, HttpSettings};
use siphon_config::problem::Problem;
use siphon_telemetry::metrics::{PipeMetrics, Timer};
use siphon_telemetry::redact;
use tokio::time::{Instant, timeout_at};

use crate::backend::{HttpCall, Prepare, Reading, header_filter, method, query_filter};
use crate::calling::{self, Calling};
use crate::components::workflow::{Concurrent, Nested};
use crate::components::{
    Answering, Checked, Components, Joining, Known, Level, NoTransports, Part, Site, Transports, component_table,
    problem_at,
};
use crate::error::PipeError;
use crate::http::ClientSettings;
use crate::join::{self, Joined, Member};
use crate::message::{Reply, Request};
use crate::shadow::Shadows;
use crate::stage::{Context, Stage};
use crate::target::Target;
use crate::timed::{Timed, outcome_of};

/// The stages of one agent. Its connections live on the runtime that runs it: use a pipe on one runtime.
pub struct Pipe {
    runs: Timer,
    root: Box<dyn Stage>,
    /// Those of the agent and of its workflows.
    shadows: Vec<Arc<Shadows>>,
    description: Description,
}

/// What a pipe would do, for `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Main key and effect of the agent's components, outermost first.
    pub components: Vec<(&'static str, &'static str)>,
    /// In the order of the configuration; two or more are called at once and merged, without the shadows.
    pub backends: Vec<BackendDescription>,
    /// They are called one after another instead.
    pub is_sequential: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendDescription {
    /// The namespace of what answers in the place of HTTP; `None`: `method` and `urls` say what is called.
    pub transport: Option<String>,
    pub method: String,
    /// Host and pattern, one for each host, without secrets.
    pub urls: Vec<String>,
    pub encoding: &'static str,
    pub is_collection: bool,
    /// Which of `target`, `flatmap_filter`, `allow`, `deny`, `mapping` and `group` have an effect.
    pub filters: Vec<&'static str>,
    /// Nothing that it answers counts.
    pub is_shadow: bool,
    /// Main key and effect, outermost first.
    pub components: Vec<(&'static str, &'static str)>,
    /// The pipe inside a backend that is a workflow.
    pub workflow: Option<Description>,
}

impl Pipe {
    /// A pipe whose metrics nobody sees.
    ///
    /// # Errors
    ///
    /// Everything that keeps this pipe from working, at once. The file's name is missing: `Problem::in_file` adds it.
    pub fn build(agent: &Agent, http: &HttpSettings) -> Checked<Self> {
        Self::build_with(agent, calling::settings(http)?)
    }

    /// With settings that no configuration has.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with(agent: &Agent, settings: ClientSettings) -> Checked<Self> {
        let known = Known { table: component_table(), transports: &NoTransports };
        assemble(agent, settings, known, PipeMetrics::default())
    }

    /// A pipe with the backends that plugins bring, which tells how long its runs and its backends take.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with_plugins(
        agent: &Agent,
        http: &HttpSettings,
        transports: &dyn Transports,
        metrics: PipeMetrics,
    ) -> Checked<Self> {
        let known = Known { table: component_table(), transports };
        assemble(agent, calling::settings(http)?, known, metrics)
    }

    /// Pushes one event through the pipe. At `deadline` it is given up: dropped calls are closed, the error is
    /// [`PipeError::TimedOut`]. The same happens when the future is dropped.
    pub async fn run(&self, request: Request, deadline: Instant) -> Reply {
        let (context, running) = (Context { deadline }, self.runs.start());
        let run = timeout_at(deadline, self.root.call(request, &context));
        match run.await {
            Ok(reply) => {
                running.end(outcome_of(&reply));
                reply
            }
            Err(_) => PipeError::TimedOut.into(),
        }
    }

    /// Waits for calls to shadow backends that are still under way: at most as long as their time limits.
    pub async fn finish(&self) {
        for shadows in &self.shadows {
            shadows.finish().await;
        }
    }

    /// How many calls to shadow backends may be under way, when calls had to be left out for it since this was asked
    /// last. Said once for each time that the limit is reached.
    pub fn overrun_shadows(&self) -> Option<usize> {
        self.shadows.iter().find(|shadows| shadows.take_news()).map(|shadows| shadows.limit())
    }

    pub fn describe(&self) -> &Description {
        &self.description
    }
}

fn assemble(agent: &Agent, settings: ClientSettings, known: Known<'_>, metrics: PipeMetrics) -> Checked<Pipe> {
    let calling = Calling::new(settings)?;
    let mut assembly = Assembly { calling: &calling, known, metrics, shadows: Vec::new() };
    let (root, description) = assembly.stages(agent, None)?;
    Ok(Pipe { runs: assembly.metrics.run(), root, shadows: assembly.shadows, description })
}

/// What the pipe of an agent and those inside its backends are built with.
struct Assembly<'k> {
    calling: &'k Calling,
    known: Known<'k>,
    metrics: PipeMetrics,
    /// Found so far.
    shadows: Vec<Arc<Shadows>>,
}

/// A stage and what it does.
type Described = (Box<dyn Stage>, Description);

impl Assembly<'_> {
    /// All stages of an agent, or of the workflow that `agent` stands for.
    fn stages(&mut self, agent: &Agent, workflow: Option<&Nested>) -> Checked<Described> {
        let site = self.calling.site(agent);
        let mut problems = Vec::new();
        let (members, backends) =
            self.members(&site, workflow).map_err(|more| problems.extend(more)).unwrap_or_default();
        let mut keep = |more: Vec<Problem>| problems.extend(more);
        let components = Components::new(self.known, Level::Agent, &agent.components).map_err(&mut keep).ok();
        let joining = components.as_ref().and_then(|components| components.joining().map_err(&mut keep).ok());
        if members.len() == agent.backends.len() {
            let parts: Vec<_> = members.iter().map(|member| member.part.clone()).collect();
            join::check(agent, &parts, joining.as_ref(), workflow.is_some()).unwrap_or_else(&mut keep);
        }
        if let (Some(components), false) = (&components, problems.is_empty()) {
            problems.extend(components.findings(&site));
        }
        let (Some(components), Some(joining), true) = (components, joining, problems.is_empty()) else {
            return Err(problems);
        };
        let is_sequential = joining.is_sequential;
        let joining = Joining { goes_on: workflow.is_some_and(|workflow| workflow.ignores_errors), ..joining };
        let modified = |stage| components.modified(&site, stage);
        let Joined { stage, shadows } = join::joined(agent, members, joining, &modified)?;
        self.shadows.extend(shadows);
        let description = Description { components: components.describe(), backends, is_sequential };
        Ok((components.wrap(&site, stage)?, description))
    }

    /// The backends, or all that is wrong with them.
    fn members(
        &mut self,
        site: &Site<'_>,
        workflow: Option<&Nested>,
    ) -> Checked<(Vec<Member>, Vec<BackendDescription>)> {
        let (mut problems, mut built) = (Vec::new(), Vec::new());
        for backend in &site.agent.backends {
            let stack = self.backend_stack(&Site { backend: Some(backend), ..*site }, backend);
            if let Ok((member, description)) = stack.map_err(|more| problems.extend(more)) {
                let name = workflow.map_or("", |workflow| workflow.name.as_str());
                let stage = Timed::around(member.stage, backend, name, &mut self.metrics);
                let calls = workflow.map_or(1, |workflow| workflow.concurrent_calls);
                built.push((Member { stage: Concurrent::of(calls, stage), ..member }, description));
            }
        }
        if problems.is_empty() { Ok(built.into_iter().unzip()) } else { Err(problems) }
    }

    fn backend_stack(&mut self, site: &Site<'_>, backend: &Backend) -> Checked<(Member, BackendDescription)> {
        let at = |key: &str, message| problem_at(&format!("{}.{key}", backend.path), message);
        let components = Components::new(self.known, Level::Backend, &backend.components)?;
        let method = method(&backend.method).map_err(|message| vec![at("method", message)])?;
        let part = components.part(site)?;
        let local = || calling::local_target(backend).map(Arc::new);
        let (target, call, workflow) = match components.transport(site)? {
            Some(Answering::Stage(stage)) => (local()?, stage, None),
            Some(Answering::Nested(nested)) => {
                let (inside, description) = self.inside(site.agent, backend, &nested)?;
                (local()?, nested.around(inside), Some(description))
            }
            None => {
                let (target, call) = http_call(site, backend, self.calling, method.clone(), &components)?;
                (target, call, None)
            }
        };
        let description = BackendDescription { workflow, ..describe(backend, &target, &components, &part) };
        let inner = components.wrap(site, call)?;
        let headers = header_filter(&backend.input_headers);
        let query = query_filter(&backend.input_query_strings);
        Ok((Member { stage: Box::new(Prepare { method, target, headers, query, inner }), part }, description))
    }

    /// The pipe inside a backend.
    fn inside(&mut self, agent: &Agent, backend: &Backend, nested: &Nested) -> Checked<Described> {
        let lacking = || vec![problem_at(&backend.path, "its workflow has no backends; add one")];
        let workflow = backend.workflow.as_ref().ok_or_else(lacking)?;
        self.stages(&nested.agent(agent, workflow), Some(nested))
    }
}

/// Where the calls of a backend go, and the stage that makes them.
fn http_call(
    site: &Site<'_>,
    backend: &Backend,
    calling: &Calling,
    method: Method,
    components: &Components<'_>,
) -> Checked<(Arc<Target>, Box<dyn Stage>)> {
    let target = Arc::new(calling.target(backend)?);
    let options = components.call_options()?;
    let client = calling.client(&options.connection);
    if target.has_tls() {
        let place = format!("{}.host", backend.path);
        client.prepare_tls().map_err(|message| vec![problem_at(&place, message)])?;
    }
    let exchange = components.exchange(&Site { client: &client, ..*site }, options.redirect)?;
    let reading = Reading::new(backend, method)?.on_refusal(options.on_refusal);
    Ok((Arc::clone(&target), Box::new(HttpCall { exchange, target, reading })))
}

fn describe(backend: &Backend, target: &Target, components: &Components<'_>, part: &Part) -> BackendDescription {
    let pattern = &backend.url_pattern_as_written;
    let slash = if pattern.starts_with('/') { "" } else { "/" };
    // Who answers without a host is asked for the path alone.
    let hosts = Some(target.hosts()).filter(|hosts| !hosts.is_empty()).unwrap_or_else(|| vec![String::new()]);
    BackendDescription {
        transport: components.transport_name(),
        method: backend.method.clone(),
        urls: hosts.iter().map(|host| redact::url(&format!("{host}{slash}{pattern}"))).collect(),
        encoding: encoding_name(backend.encoding),
        is_collection: backend.is_collection,
        filters: filters(backend, part),
        is_shadow: part.shadow.is_some(),
        components: components.describe(),
        workflow: None,
    }
}

fn filters(backend: &Backend, part: &Part) -> Vec<&'static str> {
    let is_plain = !part.has_flatmap;
    let set = [
        ("target", !backend.target.is_empty()),
        ("flatmap_filter", part.has_flatmap),
        ("allow", is_plain && !backend.allow.is_empty()),
        ("deny", is_plain && backend.allow.is_empty() && !backend.deny.is_empty()),
        ("mapping", is_plain && !backend.mapping.is_empty()),
        ("group", !backend.group.is_empty()),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "json",
        Encoding::SafeJson => "safejson",
        Encoding::Xml => "xml",
        Encoding::Rss => "rss",
        Encoding::String => "string",
        Encoding::NoOp => "no-op",
    }
}

#[cfg(test)]
mod tests;
