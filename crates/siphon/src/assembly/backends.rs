//! Backends of plugins: which plugin serves one, how it is opened, and what it has to say about its settings.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};
use siphon_config::model::{Agent, Backend, Component, Config};
use siphon_config::{Document, Problem};
use siphon_core::Subscription;
use siphon_core::abi::Kind;
use siphon_core::delivery::Backoff;
use siphon_core::plugin::{OpenOptions, Registered, Registry, Sink};
use siphon_pipe::http::Exchange;
use siphon_pipe::{Checked, Reading, Site, Stage, Transports};

use super::publish::Publishing;
use super::subscribe::Subscribing;
use super::{in_pipe, is_refused, placed, severity, spec};

/// What the loaded plugins bring.
pub(super) struct PluginBackends<'r> {
    registry: &'r Registry,
    /// Those of the pipe that is being built; whoever runs it closes them.
    subscriptions: RefCell<Vec<Arc<Subscription>>>,
}

impl<'r> PluginBackends<'r> {
    pub fn new(registry: &'r Registry) -> Self {
        Self { registry, subscriptions: RefCell::default() }
    }

    /// The subscriptions that were built.
    pub fn into_subscriptions(self) -> Vec<Arc<Subscription>> {
        self.subscriptions.into_inner()
    }

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
    ) -> Checked<(&'r Arc<Registered>, OpenOptions)> {
        let settings = settings(component);
        let (key, scheme) = scheme(&settings, backend);
        let Some(found) = self.registry.backend(&component.namespace, &scheme) else {
            return Err(vec![component.problem(key, &self.unserved(&component.namespace, &scheme))]);
        };
        if found.kind == Kind::SOURCE && is_shadow(backend) {
            let message = "takes messages for an event whose outcome a shadow does not share: remove proxy.shadow";
            return Err(vec![component.problem("", message)]);
        }
        Ok((found, options(settings, found, agent, backend)))
    }

    fn unserved(&self, namespace: &str, scheme: &str) -> String {
        let mut served: Vec<_> = self.registry.backends(namespace).flat_map(|one| one.schemes.clone()).collect();
        served.sort();
        let served = served.join("://, ");
        match scheme {
            "" => format!("names no scheme, in itself or in host; served are {served}://"),
            _ => format!("no plugin serves {scheme}://; served are {served}://"),
        }
    }

    /// What the plugins have to say about the settings of an agent's backends, with the places in the file. Settings that their
    /// schema has refused are not shown to them: they would only repeat that.
    pub fn findings(&self, config: &Config, document: &Document, known: &[Problem]) -> Vec<Problem> {
        let agents = config.agents.iter();
        let backends = agents.flat_map(|agent| agent.all_backends().into_iter().map(move |backend| (agent, backend)));
        let all = backends.flat_map(|(agent, backend)| backend.components.iter().map(move |one| (agent, backend, one)));
        let ours =
            all.filter(|(_, _, component)| self.has(&component.namespace) && !is_refused(known, &component.path));
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

    fn subscription(&self, plugin: &Arc<Registered>, options: OpenOptions, agent: &Agent) -> Arc<Subscription> {
        let backoff = Backoff::connection(spec::strategy(agent.backoff));
        let subscription = Subscription::new(plugin, options, backoff);
        self.subscriptions.borrow_mut().push(Arc::clone(&subscription));
        subscription
    }
}

impl Transports for PluginBackends<'_> {
    fn has(&self, namespace: &str) -> bool {
        self.registry.backends(namespace).next().is_some()
    }

    fn build(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
        let Some(backend) = site.backend else {
            return Err(vec![
                component.problem("", "has no effect on an agent; it belongs in a backend's extra_config"),
            ]);
        };
        let (plugin, options) = self.find(component, site.agent, backend)?;
        let namespace = component.namespace.as_str().into();
        if plugin.kind == Kind::SOURCE {
            let reading = Reading::of(backend)?;
            let subscription = self.subscription(plugin, options, site.agent);
            return Ok(Box::new(Subscribing { subscription, reading, namespace }));
        }
        let sink =
            Sink::open(plugin, &options).map_err(|error| vec![component.problem(&error.path, &error.message)])?;
        Ok(Box::new(Publishing { sink, namespace }))
    }

    fn modify(&self, component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        in_pipe::modified(self.registry, component, site, inner)
    }

    fn client(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Exchange>> {
        in_pipe::client(self.registry, component, site)
    }
}

/// The component's object; the configuration has checked that it is one.
fn settings(component: &Component) -> Map<String, Value> {
    serde_json::from_str(&component.settings.to_json_text()).unwrap_or_default()
}

/// That of the URL, else of the backend's first host; and the key that holds the URL.
fn scheme(settings: &Map<String, Value>, backend: &Backend) -> (&'static str, String) {
    let named = |key: &'static str| Some((key, settings.get(key)?.as_str()?));
    let (key, url) = named("subscription_url").or_else(|| named("topic_url")).unwrap_or(("topic_url", ""));
    let host = backend.hosts.first().map_or("", String::as_str);
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    (key, scheme(url).or_else(|| scheme(host)).unwrap_or_default())
}

fn is_shadow(backend: &Backend) -> bool {
    let proxies = backend.components.iter().filter(|component| component.namespace == "proxy");
    proxies.map(settings).any(|settings| settings.get("shadow").is_some_and(|shadow| *shadow != Value::Bool(false)))
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
        max_in_flight: agent.workers.saturating_add(1),
        max_bytes: u64::MAX,
    }
}
