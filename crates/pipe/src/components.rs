//! The component table: everything that a backend's or an agent's `extra_config` may name, one entry each.
//!
//! A new component is a file under `components/` and a line here. The order of the table is the order of the stages
//! of a level, the outermost first (pipeline.md §4).

mod api_key;
mod aws;
mod aws_sigv4;
mod basic;
mod body_extractor;
mod body_generator;
#[cfg(feature = "cel")]
mod cel;
mod changed_data;
mod circuit_breaker;
mod client_credentials;
pub(crate) mod conditional;
mod credentials;
mod gcp;
pub(crate) mod graphql;
#[cfg(feature = "grpc")]
mod grpc;
mod http_cache;
pub(crate) mod http_client;
mod http_failure;
#[cfg(feature = "jmespath")]
mod jmespath;
#[cfg(feature = "json-schema")]
mod json_schema;
mod lambda;
#[cfg(feature = "lua")]
mod lua;
mod martian;
#[cfg_attr(not(any(feature = "cel", feature = "json-schema")), allow(dead_code, reason = "only checks choose"))]
mod outcome;
mod plugins;
pub(crate) mod proxy;
mod rate_limit;
mod renewed;
mod response_body;
mod soap;
pub(crate) mod static_data;
pub(crate) mod static_files;
#[cfg(test)]
pub(crate) mod testing;
mod with_token;
pub(crate) mod workflow;

use std::sync::Arc;
use std::time::Duration;

use siphon_config::model::{Agent, Backend, Component};
use siphon_config::problem::{Problem, Severity};

use crate::backend::OnRefusal;
use crate::choice::Condition;
use crate::error::PipeError;
use crate::fixed::Fixed;
use crate::flatmap::Flatmap;
use crate::http::{Below, Client, ClientSettings, Exchange, Following, RedirectPolicy, Way};
use crate::message::Request;
use crate::reference::Reference;
use crate::stage::{Context, Stage, StageFuture, ready};

#[cfg(feature = "grpc")]
pub(crate) use grpc::Catalog;
use workflow::Nested;

pub use outcome::dead_letters;

static TABLE: &[Entry] = &[
    #[cfg(feature = "lua")]
    lua::AGENT,
    #[cfg(feature = "cel")]
    cel::AGENT,
    #[cfg(feature = "json-schema")]
    json_schema::EVENT,
    #[cfg(feature = "json-schema")]
    json_schema::RESPONSE_OF_AGENT,
    body_generator::RESPONSE_AT_AGENT,
    #[cfg(feature = "jmespath")]
    jmespath::AT_AGENT,
    response_body::AT_AGENT,
    body_extractor::ENTRY,
    body_generator::REQUEST_AT_AGENT,
    proxy::AGENT,
    proxy::BACKEND,
    conditional::ENTRY,
    plugins::AGENT,
    body_generator::RESPONSE_AT_BACKEND,
    #[cfg(feature = "jmespath")]
    jmespath::AT_BACKEND,
    response_body::AT_BACKEND,
    body_generator::REQUEST_AT_BACKEND,
    soap::ENTRY,
    graphql::ENTRY,
    plugins::BACKEND,
    soap::FAULTS,
    circuit_breaker::ENTRY,
    rate_limit::ENTRY,
    #[cfg(feature = "lua")]
    lua::BACKEND,
    #[cfg(feature = "cel")]
    cel::BACKEND,
    #[cfg(feature = "json-schema")]
    json_schema::RESPONSE_OF_BACKEND,
    martian::ENTRY,
    http_cache::ENTRY,
    client_credentials::ENTRY,
    gcp::ENTRY,
    basic::ENTRY,
    api_key::ENTRY,
    aws_sigv4::ENTRY,
    plugins::CLIENT,
    http_client::ENTRY,
    http_failure::ENTRY,
    lambda::ENTRY,
    #[cfg(feature = "grpc")]
    grpc::ENTRY,
    workflow::ENTRY,
    static_data::ENTRY,
    static_files::ENTRY,
];

/// Every component of this build.
pub fn component_table() -> &'static [Entry] {
    TABLE
}

/// One component.
pub struct Entry {
    /// The main key, then its aliases.
    pub namespaces: &'static [&'static str],
    pub level: Level,
    pub unknown_keys: UnknownKeys,
    /// One line for `check`.
    pub effect: &'static str,
    /// JSON schema of the configuration.
    pub schema: fn() -> serde_json::Value,
    pub build: Build,
}

/// Where a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Agent,
    Backend,
}

/// What happens to keys that the schema does not know: a warning for the reference's components, a refusal for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    Warn,
    Refuse,
}

/// From configuration to effect.
#[derive(Clone, Copy)]
pub enum Build {
    /// A stage around what is below it.
    Stage(BuildStage),
    /// A change of how a backend is called over HTTP.
    Call(fn(&Component, &mut CallOptions) -> Checked<()>),
    /// A change of how a backend's answer is judged, whoever makes the call.
    Judge(fn(&Component, &mut CallOptions) -> Checked<()>),
    /// A change of how an agent's backends become one.
    Join(fn(&Component, &mut Joining) -> Checked<()>),
    /// A change of what a backend is among the others.
    Part(fn(&Component, &Site<'_>, &mut Part) -> Checked<()>),
    /// A part of a backend's HTTP call, below all stages and above the status, encoding and filters.
    Exchange(Layer),
    /// Takes the place of the HTTP call: the innermost stage of a backend. At most one for a backend.
    Transport(BuildTransport),
    /// A pipe in the place of the HTTP call, built as an agent's. At most one of these and of transports for a backend.
    Nested(BuildNested),
    /// A stage that hands requests and replies to plugins: in a backend it stands where the table has it, of an agent
    /// between `static` and `flatmap_filter` (pipeline.md §4).
    Modifiers,
}

impl Build {
    /// Whether a backend with it is not called over HTTP, and needs no host.
    pub fn is_instead_of_http(self) -> bool {
        matches!(self, Self::Transport(_) | Self::Nested(_))
    }
}

/// From configuration and the stage below to the stage around it.
pub type BuildStage = fn(&Component, &Site<'_>, Box<dyn Stage>) -> Checked<Box<dyn Stage>>;

/// From configuration to what answers instead of an HTTP backend. It applies the backend's encoding and filters itself.
pub type BuildTransport = fn(&Component, &Site<'_>) -> Checked<Box<dyn Stage>>;

/// From configuration to what is around the pipe inside a backend. Only this crate has such components.
#[derive(Clone, Copy)]
pub struct BuildNested(pub(crate) fn(&Component, &Site<'_>) -> Checked<Nested>);

/// What answers in the place of HTTP.
pub(crate) enum Answering {
    Stage(Box<dyn Stage>),
    Nested(Nested),
}

/// Where a component stands in the stack of an HTTP call; see [`Exchange`]. Of equal layers the table's order counts,
/// the outermost first.
#[derive(Clone, Copy)]
pub enum Layer {
    /// Around redirects and all below: sees the call once, and the last answer.
    AroundCall(BuildLayer),
    /// Below redirects: sees each request that goes out.
    AroundHop(BuildLayer),
    /// Makes the call in its own way, in the place of redirects, hops and connections. At most one for a backend.
    Instead(BuildCaller),
    /// A plugin does so.
    InsteadByPlugin,
}

/// From configuration and what is below to the layer around it.
pub type BuildLayer = fn(&Component, &Site<'_>, Box<dyn Exchange>) -> Checked<Box<dyn Exchange>>;

/// From configuration to what calls in its own way.
pub type BuildCaller = fn(&Component, &Site<'_>) -> Checked<Box<dyn Exchange>>;

/// What plugins bring to a pipe: backends that are not HTTP and that this crate does not know, modifiers, HTTP clients.
pub trait Transports {
    /// Whether one of them answers to this namespace in a backend.
    fn has(&self, namespace: &str) -> bool;

    /// What answers for the backend of `site`.
    ///
    /// # Errors
    ///
    /// All that is wrong with the component's settings.
    fn build(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>>;

    /// The stage around `inner` that hands requests and replies to the modifiers which `component` names.
    ///
    /// # Errors
    ///
    /// Names that nobody registered; all that is wrong with the settings.
    fn modify(&self, component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>>;

    /// The HTTP client that `component` names, for the backend of `site`.
    ///
    /// # Errors
    ///
    /// As [`modify`](Self::modify).
    fn client(&self, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Exchange>>;
}

/// No plugin brings any.
pub struct NoTransports;

impl Transports for NoTransports {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn build(&self, component: &Component, _: &Site<'_>) -> Checked<Box<dyn Stage>> {
        Err(vec![lacking(component)])
    }

    fn modify(&self, component: &Component, _: &Site<'_>, _: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        Err(vec![lacking(component)])
    }

    fn client(&self, component: &Component, _: &Site<'_>) -> Checked<Box<dyn Exchange>> {
        Err(vec![lacking(component)])
    }
}

/// What a component may be: built in, or brought by a plugin.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    pub table: &'static [Entry],
    pub transports: &'k dyn Transports,
}

/// Where a component stands, and what it may use.
#[derive(Clone, Copy)]
pub struct Site<'s> {
    pub agent: &'s Agent,
    /// `None` at the agent's level.
    pub backend: Option<&'s Backend>,
    /// The connections to the backend.
    pub client: &'s Arc<Client>,
    /// The connections of the pipe as the service's settings make them, to whom else is asked. What a backend changes
    /// about its own (`client_tls`, proxy, HTTP/2) does not count there.
    pub service: &'s Arc<Client>,
    /// The service's settings.
    pub settings: &'s ClientSettings,
    /// What gRPC services are called with.
    #[cfg(feature = "grpc")]
    pub(crate) catalog: &'s Catalog,
}

/// Something built from a configuration, or all that is wrong with it.
pub type Checked<T> = Result<T, Vec<Problem>>;

/// How a backend is called; the default without any component.
#[derive(Debug, Default)]
pub struct CallOptions {
    pub(crate) redirect: RedirectPolicy,
    pub(crate) connection: Way,
    pub(crate) on_refusal: OnRefusal,
}

/// How an agent's backends become one; the default without any component: all at once, merged.
#[derive(Debug, Default)]
pub struct Joining {
    pub(crate) is_sequential: bool,
    pub(crate) propagated: Vec<Propagated>,
    /// On the merged data, when no backend failed.
    pub(crate) flatmap: Option<Flatmap>,
    pub(crate) fixed: Option<Fixed>,
    /// A sequence goes on after failures: that of a workflow may.
    pub(crate) goes_on: bool,
}

/// A value of a reply that later backends may use though their `url_pattern` does not name it.
#[derive(Debug)]
pub(crate) struct Propagated {
    pub reference: Reference,
    /// Where the configuration says so.
    pub path: String,
}

/// What a backend is among the others; the default without any component: one whose answer counts.
#[derive(Debug, Default, Clone)]
pub struct Part {
    /// The time limit of a shadow; `None`: no shadow.
    pub(crate) shadow: Option<Duration>,
    /// Which events it takes; `None`: all.
    pub(crate) condition: Option<Condition>,
    /// Whether `flatmap_filter` stands in the place of `allow`, `deny` and `mapping`.
    pub(crate) has_flatmap: bool,
}

/// The components of one level of one agent, checked against the table.
pub(crate) struct Components<'c> {
    known: Known<'c>,
    level: Level,
    given: &'c [Component],
}

impl<'c> Components<'c> {
    /// # Errors
    ///
    /// One problem for each component that this build lacks at this level.
    pub fn new(known: Known<'c>, level: Level, given: &'c [Component]) -> Checked<Self> {
        let components = Self { known, level, given };
        let is_known =
            |component: &&Component| components.entry(component).is_some() || components.is_foreign(component);
        let strangers: Vec<_> = given.iter().filter(|component| !is_known(component)).map(lacking).collect();
        if strangers.is_empty() { Ok(components) } else { Err(strangers) }
    }

    fn is_foreign(&self, component: &Component) -> bool {
        self.level == Level::Backend && self.known.transports.has(&component.namespace)
    }

    /// The component of a plugin that answers for this backend.
    fn foreign(&self) -> Option<&'c Component> {
        self.given.iter().find(|component| self.is_foreign(component))
    }

    fn entry(&self, component: &Component) -> Option<&'static Entry> {
        self.entries().find(|entry| entry.namespaces.contains(&component.namespace.as_str()))
    }

    fn entries(&self) -> impl DoubleEndedIterator<Item = &'static Entry> + use<> {
        let level = self.level;
        self.known.table.iter().filter(move |entry| entry.level == level)
    }

    /// What is configured, outermost first.
    fn configured(&self) -> impl DoubleEndedIterator<Item = (&'static Entry, &'c Component)> + use<'c> {
        let given = self.given;
        self.entries().filter_map(move |entry| {
            let named = |component: &&Component| entry.namespaces.contains(&component.namespace.as_str());
            given.iter().find(named).map(|component| (entry, component))
        })
    }

    /// Puts the configured stages around `inner`.
    ///
    /// # Errors
    ///
    /// What all of them find.
    pub fn wrap(&self, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        let (mut stage, mut problems) = (inner, Vec::new());
        for (entry, component) in self.configured().rev() {
            let built = match entry.build {
                Build::Stage(build) => build(component, site, stage),
                Build::Modifiers if self.level == Level::Backend => {
                    self.known.transports.modify(component, site, stage)
                }
                _ => continue,
            };
            stage = built.unwrap_or_else(|more| {
                problems.extend(more);
                Box::new(Refused) // never called: the others are only asked what they find
            });
        }
        if problems.is_empty() { Ok(stage) } else { Err(problems) }
    }

    /// What [`wrap`](Self::wrap) would find, where there is nothing to wrap.
    pub fn findings(&self, site: &Site<'_>) -> Vec<Problem> {
        self.wrap(site, Box::new(Refused)).err().unwrap_or_default()
    }

    /// Puts the agent's modifiers around `inner`, its joined backends or one of its shadows.
    pub fn modified(&self, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        match self.configured().find(|(entry, _)| matches!(entry.build, Build::Modifiers)) {
            Some((_, component)) => self.known.transports.modify(component, site, inner),
            None => Ok(inner),
        }
    }

    /// What answers instead of an HTTP backend, when something is configured that does.
    ///
    /// # Errors
    ///
    /// What the component finds; one problem for each transport after the first, and for each layer of an HTTP call
    /// that is not made.
    pub fn transport(&self, site: &Site<'_>) -> Checked<Option<Answering>> {
        let found = self.one(|build| build.is_instead_of_http().then_some(build))?;
        let is_layer = |build: Build| matches!(build, Build::Exchange(_));
        match (found, self.foreign()) {
            (None, None) => Ok(None),
            (Some((_, first)), Some(second)) => {
                let message = format!("{} answers for this backend already; keep one", first.namespace);
                Err(vec![second.problem("", &message)])
            }
            (Some((build, component)), None) => {
                self.refuse_beside(component, |build| is_layer(build) || matches!(build, Build::Call(_)))?;
                match build {
                    Build::Transport(build) => build(component, site).map(Answering::Stage).map(Some),
                    Build::Nested(BuildNested(build)) => build(component, site).map(Answering::Nested).map(Some),
                    _ => Ok(None),
                }
            }
            (None, Some(component)) => {
                self.refuse_beside(component, is_layer)?;
                self.known.transports.build(component, site).map(Answering::Stage).map(Some)
            }
        }
    }

    /// The namespace of what [`transport`](Self::transport) gives.
    pub fn transport_name(&self) -> Option<String> {
        let is_transport = |entry: &Entry| entry.build.is_instead_of_http();
        let own = self.configured().find(|(entry, _)| is_transport(entry)).map(|(_, component)| component);
        own.or(self.foreign()).map(|component| component.namespace.clone())
    }

    /// The stack of an HTTP call.
    ///
    /// # Errors
    ///
    /// What the components find; one problem for each caller after the first, and for each layer that it leaves out.
    pub fn exchange(&self, site: &Site<'_>, redirect: RedirectPolicy) -> Checked<Box<dyn Exchange>> {
        let found = self.one(|build| match build {
            Build::Exchange(Layer::Instead(build)) => Some(Some(build)),
            Build::Exchange(Layer::InsteadByPlugin) => Some(None),
            _ => None,
        })?;
        let call = match found {
            None => Box::new(Following { below: self.hops(site)?, policy: redirect }) as Box<dyn Exchange>,
            Some((build, component)) => {
                let is_left_out = |build: Build| matches!(build, Build::Call(_) | Build::Exchange(Layer::AroundHop(_)));
                self.refuse_beside(component, is_left_out)?;
                match build {
                    Some(build) => build(component, site)?,
                    None => self.known.transports.client(component, site)?,
                }
            }
        };
        self.configured().rev().try_fold(call, |below, (entry, component)| match entry.build {
            Build::Exchange(Layer::AroundCall(build)) => build(component, site, below),
            _ => Ok(below),
        })
    }

    fn hops(&self, site: &Site<'_>) -> Checked<Below> {
        let client = Below::Client(Arc::clone(site.client));
        self.configured().rev().try_fold(client, |below, (entry, component)| match entry.build {
            Build::Exchange(Layer::AroundHop(build)) => build(component, site, below.boxed()).map(Below::Layers),
            _ => Ok(below),
        })
    }

    /// The one component that `pick` takes, if there is any; a second one is a problem.
    fn one<B>(&self, pick: impl Fn(Build) -> Option<B>) -> Checked<Option<(B, &'c Component)>> {
        let mut found = self.configured().filter_map(|(entry, component)| Some((pick(entry.build)?, component)));
        let Some(first) = found.next() else { return Ok(None) };
        let second = |component: &Component| {
            component.problem("", &format!("{} answers for this backend already; keep one", first.1.namespace))
        };
        let others: Vec<_> = found.map(|(_, component)| second(component)).collect();
        if others.is_empty() { Ok(Some(first)) } else { Err(others) }
    }

    /// Components that would silently do nothing, because `caller` calls in its own way.
    fn refuse_beside(&self, caller: &Component, is_left_out: impl Fn(Build) -> bool) -> Checked<()> {
        let left_out = self.configured().filter(|(entry, _)| is_left_out(entry.build));
        let problem = |component: &Component| {
            component.problem("", &format!("has no effect beside {}; remove one of them", caller.namespace))
        };
        let problems: Vec<_> = left_out.map(|(_, component)| problem(component)).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// How the configured components want the backend to be called.
    pub fn call_options(&self) -> Checked<CallOptions> {
        let mut options = CallOptions::default();
        for (entry, component) in self.configured() {
            if let Build::Call(build) | Build::Judge(build) = entry.build {
                build(component, &mut options)?;
            }
        }
        Ok(options)
    }

    /// How the configured components want the backends to be joined.
    pub fn joining(&self) -> Checked<Joining> {
        let mut joining = Joining::default();
        for (entry, component) in self.configured() {
            if let Build::Join(build) = entry.build {
                build(component, &mut joining)?;
            }
        }
        Ok(joining)
    }

    /// What the configured components make of the backend.
    pub fn part(&self, site: &Site<'_>) -> Checked<Part> {
        let mut part = Part::default();
        for (entry, component) in self.configured() {
            if let Build::Part(build) = entry.build {
                build(component, site, &mut part)?;
            }
        }
        Ok(part)
    }

    /// Main key and effect of what is configured.
    pub fn describe(&self) -> Vec<(&'static str, &'static str)> {
        self.configured().map(|(entry, _)| (entry.namespaces[0], entry.effect)).collect()
    }
}

/// Stands where a stage could not be built.
struct Refused;

impl Stage for Refused {
    fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
        ready(PipeError::NoResponse)
    }
}

fn lacking(component: &Component) -> Problem {
    let name = &component.namespace;
    component.problem("", &format!("{name} is not in this build of siphon, or does nothing at this level; remove it"))
}

/// An error about a part of the configuration whose place is not known here.
pub(crate) fn problem_at(path: &str, message: impl Into<String>) -> Problem {
    Problem { severity: Severity::Error, file: String::new(), at: None, path: path.to_owned(), message: message.into() }
}
