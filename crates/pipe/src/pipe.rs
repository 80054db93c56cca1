//! An agent's pipe, from its configuration to its runs.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use rustls::ClientConfig;
use siphon_config::model::{Agent, Backend, Discovery, Encoding, HttpSettings};
use siphon_telemetry::redact;
use tokio::time::{Instant, timeout_at};

use crate::backend::{HttpCall, Prepare, Reading, header_filter, method};
use crate::components::{Checked, Components, Entry, Level, Site, component_table, problem_at};
use crate::discovery;
use crate::error::PipeError;
use crate::http::{Client, ClientSettings, Proxies, TlsSettings, Way};
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
        let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
        let proxies = proxies.map_err(|why| vec![problem_at("", format!("environment: {why}"))])?;
        Self::build_with(agent, ClientSettings { proxies, ..ClientSettings::from(http) })
    }

    /// With settings that no configuration has.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with(agent: &Agent, settings: ClientSettings) -> Checked<Self> {
        assemble(agent, settings, component_table())
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

fn assemble(agent: &Agent, settings: ClientSettings, table: &'static [Entry]) -> Checked<Pipe> {
    let plain = Way { tls: service_tls(&settings)?, ..Way::default() };
    let client = Arc::new(Client::new(&settings, &plain));
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    for backend in &agent.backends {
        let site = Site { agent, backend: Some(backend), client: &client };
        match backend_stack(&site, backend, &settings, &plain, table) {
            Ok(part) => parts.push(part),
            Err(more) => problems.extend(more),
        }
    }
    if agent.backends.is_empty() {
        problems.push(problem_at(&agent.path, "all endpoints must have at least one backend; add one to backend"));
    }
    let components = Components::new(table, Level::Agent, &agent.components).map_err(|more| problems.extend(more)).ok();
    let Some(components) = components.filter(|_| problems.is_empty()) else { return Err(problems) };
    let (parts, backends): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let root = components.wrap(&Site { agent, backend: None, client: &client }, joined(parts))?;
    Ok(Pipe { root, description: Description { components: components.describe(), backends } })
}

/// The service's `client_tls`, its files read.
fn service_tls(settings: &ClientSettings) -> Checked<Option<Arc<ClientConfig>>> {
    let Some(component) = &settings.http.client_tls else { return Ok(None) };
    let tls: TlsSettings = component.read().map_err(|problem| vec![problem])?;
    let problems =
        |wrongs: Vec<(String, String)>| wrongs.iter().map(|(key, why)| component.problem(key, why)).collect();
    tls.client_config(&settings.roots()).map(|config| Some(Arc::new(config))).map_err(problems)
}

/// The connections of one backend: those of the agent, unless its configuration changes how they are opened.
fn connections(shared: &Arc<Client>, settings: &ClientSettings, plain: &Way, own: &Way) -> Arc<Client> {
    if own.is_plain() {
        return Arc::clone(shared);
    }
    let tls = own.tls.clone().or_else(|| plain.tls.clone());
    Arc::new(Client::new(settings, &Way { tls, ..own.clone() }))
}

fn target(backend: &Backend, settings: &ClientSettings) -> Result<Target, Vec<String>> {
    let Discovery::Dns { tls } = backend.discovery else {
        return Target::new(&backend.hosts, &backend.url_pattern, random());
    };
    Target::discovered(&backend.url_pattern, |path| {
        let [host] = backend.hosts.as_slice() else { return Err("service discovery takes one name".into()) };
        let name = host.rsplit_once("://").map_or(host.as_str(), |(_, name)| name);
        if name.is_empty() || name.contains([':', '/', '@']) {
            let shown = redact::written(host);
            return Err(format!("host {shown} is no name of a service; write one such as _http._tcp.orders.example"));
        }
        let (ttl, server, path) = (settings.http.dns_cache_ttl, settings.name_server, path.map(str::to_owned));
        Ok(discovery::Discovery::new(discovery::Name { name: name.to_owned(), tls, ttl, server, path }))
    })
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
    settings: &ClientSettings,
    plain: &Way,
    table: &'static [Entry],
) -> Checked<(Box<dyn Stage>, BackendDescription)> {
    let at = |key: &str, message| problem_at(&format!("{}.{key}", backend.path), message);
    let components = Components::new(table, Level::Backend, &backend.components)?;
    let method = method(&backend.method).map_err(|message| vec![at("method", message)])?;
    let target = target(backend, settings).map_err(|messages| {
        messages.into_iter().map(|message| problem_at(&backend.path, message)).collect::<Vec<_>>()
    })?;
    let options = components.call_options()?;
    let client = connections(site.client, settings, plain, &options.connection);
    let site = &Site { client: &client, ..*site };
    if target.has_tls() {
        client.prepare_tls().map_err(|message| vec![at("host", message)])?;
    }
    let target = Arc::new(target);
    let description = describe(backend, &target, &components);
    let call = match components.transport(site)? {
        Some(transport) => transport,
        None => {
            let reading = Reading::new(backend, method.clone(), options.on_refusal);
            let exchange = components.exchange(site, options.redirect)?;
            Box::new(HttpCall { exchange, target: Arc::clone(&target), reading })
        }
    };
    let inner = components.wrap(site, call)?;
    let headers = header_filter(&backend.input_headers);
    let query = Some(backend.input_query_strings.clone()).filter(|names| !names.is_empty());
    Ok((Box::new(Prepare { method, target, headers, query, inner }), description))
}

fn describe(backend: &Backend, target: &Target, components: &Components<'_>) -> BackendDescription {
    let pattern = &backend.url_pattern_as_written;
    let slash = if pattern.starts_with('/') { "" } else { "/" };
    BackendDescription {
        method: backend.method.clone(),
        urls: target.hosts().iter().map(|host| redact::url(&format!("{host}{slash}{pattern}"))).collect(),
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
