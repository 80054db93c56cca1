//! Backends of plugins: what reaches one is published, and the event goes on when the broker has confirmed.

use std::sync::Arc;

use serde_json::{Map, Value};
use siphon_config::model::{Agent, Backend, Component, Config};
use siphon_config::{Document, Problem};
use siphon_core::abi::ErrorKind;
use siphon_core::plugin::{DriverError, OpenOptions, Outgoing, Registered, Registry, Sink};
use siphon_pipe::http::Exchange;
use siphon_pipe::{Checked, Context, PipeError, Request, Response, Site, Stage, StageFuture, Transports};

use super::{in_pipe, placed, severity};

/// What the loaded plugins bring.
pub(super) struct PluginBackends<'r>(pub &'r Registry);

impl PluginBackends<'_> {
    /// The plugin that serves this backend, and how it is opened.
    ///
    /// # Errors
    ///
    /// No plugin serves the scheme of the backend's URL; says which ones are served.
    fn find(
        &self,
        component: &Component,
        agent: &Agent,
        backend: &Backend,
    ) -> Checked<(&Arc<Registered>, OpenOptions)> {
        let settings = settings(component);
        let scheme = scheme(&settings, backend);
        let Some(found) = self.0.publisher(&component.namespace, &scheme) else {
            return Err(vec![component.problem("topic_url", &self.unserved(&component.namespace, &scheme))]);
        };
        Ok((found, options(settings, found, agent, backend)))
    }

    fn unserved(&self, namespace: &str, scheme: &str) -> String {
        let mut served: Vec<_> = self.0.publishers(namespace).flat_map(|one| one.schemes.clone()).collect();
        served.sort();
        let served = served.join("://, ");
        match scheme {
            "" => format!("names no scheme, in itself or in host; served are {served}://"),
            _ => format!("no plugin serves {scheme}://; served are {served}://"),
        }
    }

    /// What the plugins have to say about the settings of an agent's backends, with the places in the file.
    pub fn findings(&self, config: &Config, document: &Document) -> Vec<Problem> {
        let agents = config.agents.iter();
        let backends = agents.flat_map(|agent| agent.all_backends().into_iter().map(move |backend| (agent, backend)));
        let all = backends.flat_map(|(agent, backend)| backend.components.iter().map(move |one| (agent, backend, one)));
        let ours = all.filter(|(_, _, component)| self.has(&component.namespace));
        ours.flat_map(|(agent, backend, component)| self.of_one(agent, backend, component, document)).collect()
    }

    fn of_one(&self, agent: &Agent, backend: &Backend, component: &Component, document: &Document) -> Vec<Problem> {
        match self.find(component, agent, backend) {
            Err(problems) => problems.into_iter().map(|problem| placed(problem, document)).collect(),
            Ok((plugin, options)) => {
                let found = plugin.check(&options).into_iter();
                let problem = |finding: siphon_core::abi::Finding| {
                    let path = siphon_config::tree::join(&component.path, &finding.path);
                    Problem { severity: severity(finding.weight), ..document.problem_at(&path, &finding.message) }
                };
                found.map(problem).collect()
            }
        }
    }
}

impl Transports for PluginBackends<'_> {
    fn has(&self, namespace: &str) -> bool {
        self.0.publishers(namespace).next().is_some()
    }

    fn build(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
        let Some(backend) = site.backend else {
            return Err(vec![
                component.problem("", "has no effect on an agent; it belongs in a backend's extra_config"),
            ]);
        };
        let (plugin, options) = self.find(component, site.agent, backend)?;
        let sink =
            Sink::open(plugin, &options).map_err(|error| vec![component.problem(&error.path, &error.message)])?;
        Ok(Box::new(Publishing { sink, namespace: component.namespace.as_str().into() }))
    }

    fn modify(&self, component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        in_pipe::modified(self.0, component, site, inner)
    }

    fn client(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Exchange>> {
        in_pipe::client(self.0, component, site)
    }
}

/// The component's object; the configuration has checked that it is one.
fn settings(component: &Component) -> Map<String, Value> {
    serde_json::from_str(&component.settings.to_json_text()).unwrap_or_default()
}

/// That of the topic's URL, else of the backend's first host.
fn scheme(settings: &Map<String, Value>, backend: &Backend) -> String {
    let topic = settings.get("topic_url").and_then(Value::as_str).unwrap_or_default();
    let host = backend.hosts.first().map_or("", String::as_str);
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme(topic).or_else(|| scheme(host)).unwrap_or_default()
}

/// The plugin gets the backend's `host` and `url_pattern` with its settings, where its schema knows such keys.
fn options(settings: Map<String, Value>, plugin: &Registered, agent: &Agent, backend: &Backend) -> OpenOptions {
    let schema: Value = serde_json::from_str(&plugin.schema).unwrap_or_default();
    let mut settings = settings;
    let given = [
        ("host", Value::from(backend.hosts.clone())),
        ("url_pattern", Value::from(backend.url_pattern_as_written.clone())),
    ];
    for (key, value) in given {
        if schema["properties"].get(key).is_some() {
            settings.entry(key).or_insert(value);
        }
    }
    OpenOptions {
        agent: agent.name.clone(),
        namespace: plugin.main_key().to_owned(),
        topics: Vec::new(),
        config: Value::Object(settings).to_string(),
        workers: agent.workers,
        read_ahead: 1,
        max_in_flight: agent.workers,
        max_bytes: u64::MAX,
    }
}

/// The innermost stage of a backend that publishes.
struct Publishing {
    sink: Sink,
    namespace: Arc<str>,
}

impl Stage for Publishing {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        let published = self.sink.publish(&[outgoing(request)]);
        Box::pin(async move {
            match published.await.1 {
                Ok(()) => Ok(Response::empty()).into(),
                Err(error) => self.failed(error).into(),
            }
        })
    }
}

impl Publishing {
    fn failed(&self, error: DriverError) -> PipeError {
        PipeError::Plugin {
            namespace: Arc::clone(&self.namespace),
            is_connection: error.kind == ErrorKind::CONNECTION,
            reason: error.message,
        }
    }
}

fn outgoing(request: Request) -> Outgoing {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    let params = request.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Outgoing { payload: request.body, headers: headers.collect(), attributes: params.collect(), ..Outgoing::default() }
}
