//! An agent's pipe, from its configuration to its runs.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use ::http::Method;
use siphon_config::model::{Agent, Backend, Encoding, HttpSettings};
use siphon_telemetry::redact;
use tokio::time::{Instant, timeout_at};

use crate::backend::{HttpCall, Prepare, Reading, header_filter, method};
use crate::components::{
    Checked, Components, Known, Level, NoTransports, Site, Transports, component_table, problem_at,
};
use crate::error::PipeError;
use crate::http::{Client, ClientSettings};
use crate::merge::Merge;
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage};
use crate::target::Target;

/// The stages of one agent. Its connections live on the runtime that runs it: use a pipe on one runtime.
pub struct Pipe {
    root: Box<dyn Stage>,
    description: Description,
}

/// What a pipe would do, for `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Main key and effect of the agent's components, outermost first.
    pub components: Vec<(&'static str, &'static str)>,
    /// In the order of the configuration; two or more are called at once and merged.
    pub backends: Vec<BackendDescription>,
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
    /// Which of `target`, `allow`, `deny`, `mapping` and `group` are set.
    pub filters: Vec<&'static str>,
    /// Main key and effect, outermost first.
    pub components: Vec<(&'static str, &'static str)>,
}

impl Pipe {
    /// # Errors
    ///
    /// Everything that keeps this pipe from working, at once. The file's name is missing: `Problem::in_file` adds it.
    pub fn build(agent: &Agent, http: &HttpSettings) -> Checked<Self> {
        Self::build_with(agent, ClientSettings::from(http))
    }

    /// With settings that no configuration has.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with(agent: &Agent, settings: ClientSettings) -> Checked<Self> {
        assemble(agent, settings, Known { table: component_table(), transports: &NoTransports })
    }

    /// With the backends that plugins bring.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with_plugins(agent: &Agent, http: &HttpSettings, transports: &dyn Transports) -> Checked<Self> {
        assemble(agent, ClientSettings::from(http), Known { table: component_table(), transports })
    }

    /// Pushes one event through the pipe. At `deadline` it is given up: dropped calls are closed, the error is
    /// [`PipeError::TimedOut`]. The same happens when the future is dropped.
    pub async fn run(&self, request: Request, deadline: Instant) -> Reply {
        let context = Context { deadline };
        let run = timeout_at(deadline, self.root.call(request, &context));
        run.await.unwrap_or_else(|_| PipeError::TimedOut.into())
    }

    pub fn describe(&self) -> &Description {
        &self.description
    }
}

fn assemble(agent: &Agent, settings: ClientSettings, known: Known<'_>) -> Checked<Pipe> {
    let client = Arc::new(Client::new(settings));
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    for backend in &agent.backends {
        match backend_stack(&Site { agent, backend: Some(backend), client: &client }, backend, known) {
            Ok(part) => parts.push(part),
            Err(more) => problems.extend(more),
        }
    }
    if agent.backends.is_empty() {
        problems.push(problem_at(&agent.path, "all endpoints must have at least one backend; add one to backend"));
    }
    let components = Components::new(known, Level::Agent, &agent.components).map_err(|more| problems.extend(more)).ok();
    let Some(components) = components.filter(|_| problems.is_empty()) else { return Err(problems) };
    let (parts, backends): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let root = components.wrap(&Site { agent, backend: None, client: &client }, joined(parts))?;
    Ok(Pipe { root, description: Description { components: components.describe(), backends } })
}

/// One backend needs no merge.
fn joined(parts: Vec<Box<dyn Stage>>) -> Box<dyn Stage> {
    match <[_; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => Box::new(Merge { parts }),
    }
}

fn backend_stack(
    site: &Site<'_>,
    backend: &Backend,
    known: Known<'_>,
) -> Checked<(Box<dyn Stage>, BackendDescription)> {
    let at = |key: &str, message| problem_at(&format!("{}.{key}", backend.path), message);
    let components = Components::new(known, Level::Backend, &backend.components)?;
    let method = method(&backend.method).map_err(|message| vec![at("method", message)])?;
    let (target, call) = match components.transport(site)? {
        Some(transport) => (target(&[], backend)?.local(), transport),
        None => http_call(site, backend, method.clone(), &components)?,
    };
    let description = describe(backend, &target, &components);
    let inner = components.wrap(site, call)?;
    let headers = header_filter(&backend.input_headers);
    let query = Some(backend.input_query_strings.clone()).filter(|names| !names.is_empty());
    Ok((Box::new(Prepare { method, target, headers, query, inner }), description))
}

/// Where the calls of a backend go, and the stage that makes them.
fn http_call(
    site: &Site<'_>,
    backend: &Backend,
    method: Method,
    components: &Components<'_>,
) -> Checked<(Target, Box<dyn Stage>)> {
    let target = target(&backend.hosts, backend)?;
    if target.has_tls() {
        let place = format!("{}.host", backend.path);
        site.client.prepare_tls().map_err(|message| vec![problem_at(&place, message)])?;
    }
    let redirect = components.call_options()?.redirect;
    let reading = Reading::new(backend, method);
    let call = HttpCall { exchange: components.exchange(site, redirect)?, reading };
    Ok((target, Box::new(call)))
}

fn target(hosts: &[String], backend: &Backend) -> Checked<Target> {
    let target = Target::new(hosts, &backend.url_pattern, random());
    target.map_err(|messages| messages.into_iter().map(|message| problem_at(&backend.path, message)).collect())
}

fn describe(backend: &Backend, target: &Target, components: &Components<'_>) -> BackendDescription {
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
        filters: filters(backend),
        components: components.describe(),
    }
}

fn filters(backend: &Backend) -> Vec<&'static str> {
    let set = [
        ("target", !backend.target.is_empty()),
        ("allow", !backend.allow.is_empty()),
        ("deny", backend.allow.is_empty() && !backend.deny.is_empty()),
        ("mapping", !backend.mapping.is_empty()),
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

/// Which host is asked first, so that many agents do not all begin with the same one.
fn random() -> usize {
    RandomState::new().build_hasher().finish() as usize
}

#[cfg(test)]
mod tests;
