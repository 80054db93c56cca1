//! What a checked configuration says: defaults filled in, values in their types, hosts cleaned.

use std::net::IpAddr;
use std::time::Duration;

use crate::tree::Node;

/// A whole file.
#[derive(Debug, Clone)]
pub struct Config {
    /// As given on the command line; relative paths inside a configuration are relative to the working directory.
    pub file: String,
    pub name: String,
    pub service: Service,
    pub agents: Vec<Agent>,
}

/// The root of the file, without its agents.
#[derive(Debug, Clone)]
pub struct Service {
    /// Default of an agent's `consumer.timeout`.
    pub timeout: Duration,
    pub port: u16,
    /// `None`: every interface.
    pub listen_ip: Option<IpAddr>,
    pub debug_endpoint: bool,
    pub echo_endpoint: bool,
    /// `None`: `router.disable_health`.
    pub health_path: Option<String>,
    pub http: HttpSettings,
    pub plugin: PluginSettings,
    /// `telemetry/logging`, when the file has it.
    pub logging: Option<Logging>,
    /// What else stands in the root's `extra_config`, by the main key of the catalogue's entry.
    pub components: Vec<Component>,
}

/// `plugin`: where the driver libraries are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginSettings {
    pub folder: Option<String>,
    /// Part of a library's file name.
    pub pattern: Option<String>,
}

/// `telemetry/logging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    pub level: LogLevel,
    pub prefix: String,
    pub stdout: bool,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// `default` is human lines; `json` and the reference's `logstash` are one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// How backends are called, for all agents.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `None`: no limit.
    pub max_idle_connections: Option<usize>,
    pub max_idle_connections_per_host: usize,
    /// `None`: never.
    pub idle_connection_timeout: Option<Duration>,
    /// `dialer_timeout`; `None`: the event's deadline alone.
    pub connect_timeout: Option<Duration>,
    /// `dialer_keep_alive`; `None`: off.
    pub tcp_keep_alive: Option<Duration>,
    pub response_header_timeout: Option<Duration>,
    pub disable_keep_alives: bool,
    pub disable_compression: bool,
    /// Root `client_tls`, keys in lower case; with `allow_insecure_connections` where the root says so.
    pub client_tls: Option<Component>,
    /// How long what service discovery found counts; at least 1 s.
    pub dns_cache_ttl: Duration,
    /// The root's `grpc`, when it has a `catalog`: the types of what `backend/grpc` calls.
    pub grpc: Option<Component>,
}

/// One entry of `async_agent`.
#[derive(Debug, Clone)]
pub struct Agent {
    pub name: String,
    /// Where the agent stands in the file: `async_agent[2]`.
    pub path: String,
    pub topics: Vec<String>,
    /// Events in the pipe at once; at least 1.
    pub workers: usize,
    /// Bounds the pipe for one event; above zero.
    pub timeout: Duration,
    /// Events per second; `None`: unlimited.
    pub max_rate: Option<f64>,
    /// Connection attempts after the first; `None`: unlimited.
    pub max_retries: Option<u32>,
    pub backoff: BackoffStrategy,
    /// At least 1 s.
    pub health_interval: Duration,
    pub backends: Vec<Backend>,
    pub driver: Driver,
    /// What else stands in `extra_config`, by the main key of the catalogue's entry.
    pub components: Vec<Component>,
    pub delivery: Delivery,
    /// Which message headers the pipe sees: names in canonical form, or `*`.
    pub input_headers: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackoffStrategy {
    Constant,
    Linear,
    LinearJitter,
    Exponential,
    ExponentialJitter,
}

/// The driver of an agent and its settings as the file has them.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The main key under which the driver is registered.
    pub namespace: String,
    /// `async_agent[0].extra_config.async/sqlite`.
    pub path: String,
    pub settings: Node,
}

/// A component's namespace (main key) and settings.
#[derive(Debug, Clone)]
pub struct Component {
    pub namespace: String,
    pub path: String,
    pub settings: Node,
}

/// `async/delivery`. Further keys of the design come with their own issue.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub retry: Retry,
    /// Grace period at shutdown.
    pub drain: Duration,
}

/// How long a failed event waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    pub strategy: BackoffStrategy,
    /// Zero: given back at once.
    pub base: Duration,
    pub max: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            retry: Retry {
                strategy: BackoffStrategy::ExponentialJitter,
                base: Duration::from_millis(100),
                max: Duration::from_secs(5),
            },
            drain: Duration::from_secs(30),
        }
    }
}

/// One entry of an agent's `backend`.
#[derive(Debug, Clone)]
pub struct Backend {
    /// `async_agent[2].backend[0]`.
    pub path: String,
    /// Scheme, name and port, without a trailing slash; as in the file with `disable_host_sanitize`. At least one,
    /// except for a backend that is not called over HTTP.
    pub hosts: Vec<String>,
    pub discovery: Discovery,
    /// Begins with one slash. `{placeholder}` and `{{.Placeholder}}` both stand as `{Placeholder}`, first letter upper-case.
    pub url_pattern: String,
    /// As the file spells it, for error texts.
    pub url_pattern_as_written: String,
    /// Upper-case.
    pub method: String,
    pub encoding: Encoding,
    pub is_collection: bool,
    /// Empty: none.
    pub target: String,
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// In the order of the file.
    pub mapping: Vec<(String, String)>,
    /// Empty: none.
    pub group: String,
    /// Canonical names. Empty: no filter. `[""]`: none pass.
    pub input_headers: Vec<String>,
    pub input_query_strings: Vec<String>,
    pub components: Vec<Component>,
    /// What stands inside its component `workflow`, when it has one.
    pub workflow: Option<Workflow>,
}

/// A pipe inside a backend, in the place of its call. Its other keys are the component's.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// `async_agent[2].backend[0].extra_config.workflow`.
    pub path: String,
    /// At least one.
    pub backends: Vec<Backend>,
    /// Those of its own `extra_config`: components of the agent's level.
    pub components: Vec<Component>,
}

impl Agent {
    /// Every backend, those inside workflows too, each before what it has inside.
    pub fn all_backends(&self) -> Vec<&Backend> {
        let mut all = Vec::new();
        self.backends.iter().for_each(|backend| backend.collect(&mut all));
        all
    }

    /// Every component: the agent's own, those of all backends, and those of workflows.
    pub fn all_components(&self) -> impl Iterator<Item = &Component> {
        let of_backends = self.all_backends().into_iter().flat_map(|backend| {
            let inside = backend.workflow.iter().flat_map(|workflow| &workflow.components);
            backend.components.iter().chain(inside)
        });
        self.components.iter().chain(of_backends)
    }
}

impl Backend {
    fn collect<'b>(&'b self, all: &mut Vec<&'b Backend>) {
        all.push(self);
        let inside = self.workflow.iter().flat_map(|workflow| &workflow.backends);
        inside.for_each(|backend| backend.collect(all));
    }
}

/// `sd`: what the hosts of a backend are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Discovery {
    /// Hosts.
    #[default]
    Static,
    /// One name whose SRV records name the hosts.
    Dns {
        /// `sd_scheme`: whether they are called over TLS.
        tls: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    SafeJson,
    Xml,
    Rss,
    String,
    NoOp,
}
