//! What an agent writes under `async/amqp`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_sdk::{Context, Finding};

use crate::arguments;
use crate::tls::TlsSettings;
use crate::uri::Address;

/// What `prefetch_count` 0 stands for. KrakenD takes it as "no bound": a long queue would then move into the memory of
/// one process, unseen by the others. This keeps the fastest pipe busy.
pub const MANY: u16 = 1_000;

/// The documented default of `prefetch_count`.
const USUAL_PREFETCH: usize = 10;

/// Exchange types that every broker has; others come with plugins and begin with `x-`.
const EXCHANGE_TYPES: [&str; 4] = ["topic", "direct", "fanout", "headers"];

/// A queue on RabbitMQ or another AMQP 0-9-1 broker, with the exchange that it is bound to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The broker's address, such as `amqp://user:password@host:5672/vhost`, or `amqps://…` with TLS; or a list of
    /// them, which are tried in turn. Parameters: `heartbeat` (seconds, 10), `connection_timeout` (milliseconds, 30000),
    /// `cacertfile`, `certfile`, `keyfile`, `server_name_indication`, `auth_mechanism`, `channel_max`, `frame_max`.
    pub host: Hosts,

    /// Name of the queue.
    pub name: String,

    /// Name of the exchange that the queue is bound to, with each of the agent's topics as binding key. Default: none.
    /// Without one the queue gets what is sent to it by its name.
    #[serde(default)]
    pub exchange: String,

    /// `topic`, `direct`, `fanout`, `headers`, or `x-…` of a broker's plugin. Default: `topic`.
    #[serde(default = "usual_exchange_type")]
    pub exchange_type: String,

    /// Exchange and queue outlive a restart of the broker. Default: `false`.
    #[serde(default)]
    pub durable: bool,

    /// Exchange and queue are deleted when nobody uses them any more. Default: `false`.
    #[serde(default)]
    pub delete: bool,

    /// The queue belongs to this connection alone and goes with it. Default: `false`.
    #[serde(default)]
    pub exclusive: bool,

    /// Declarations and subscription do not wait for an answer; errors come with the next step that does. Default: `false`.
    #[serde(default)]
    pub no_wait: bool,

    /// Messages that the broker sends ahead of their settlement. Default: 10 or 2 × `workers`, whichever is more. 0 stands
    /// for 1000. Fewer than `workers` keep workers idle.
    #[serde(default)]
    pub prefetch_count: Option<u16>,

    /// Bytes that the broker sends ahead of their settlement. Only 0, for unlimited: RabbitMQ refuses anything else.
    #[serde(default)]
    pub prefetch_size: u32,

    /// Events count as done when they arrive: what fails, or is in the pipe when siphon is killed, is lost. Default: `false`.
    #[serde(default)]
    pub auto_ack: bool,

    /// Asks the broker not to send back what this connection published. RabbitMQ ignores it. Default: `false`.
    #[serde(default)]
    pub no_local: bool,

    /// A failed event is rejected (the queue's dead-letter exchange, if it has one, takes it) and not given back.
    /// Default: `false`.
    #[serde(default)]
    pub nack_discard: bool,

    /// Declares and binds nothing: the queue must exist, and the topic has no effect. Default: `false`.
    #[serde(default)]
    pub passive: bool,

    /// Arguments of the exchange, such as `{"alternate-exchange": "unrouted"}`.
    #[serde(default)]
    pub exchange_arguments: Map<String, Value>,

    /// Arguments of the queue, such as `{"x-queue-type": "quorum", "x-dead-letter-exchange": "failed"}`.
    #[serde(default)]
    pub queue_arguments: Map<String, Value>,

    /// Arguments of each binding, for exchanges of type `headers`.
    #[serde(default)]
    pub binding_arguments: Map<String, Value>,

    /// TLS for `amqps` addresses, beside or instead of the address's parameters.
    #[serde(default)]
    pub client_tls: Option<TlsSettings>,
}

/// One address or several.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Hosts {
    One(String),
    Several(Vec<String>),
}

/// None at all, which is among the findings.
impl Default for Hosts {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Hosts {
    /// Each address with its path in the configuration.
    fn with_paths(&self) -> Vec<(String, &str)> {
        match self {
            Self::One(host) => vec![("host".to_owned(), host)],
            Self::Several(hosts) => {
                hosts.iter().enumerate().map(|(index, host)| (format!("host[{index}]"), host.as_str())).collect()
            }
        }
    }
}

/// Addresses hold passwords.
impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hosts({})", self.with_paths().len())
    }
}

impl Config {
    /// With the default of everything else.
    pub fn new(host: Hosts, name: String, exchange: String) -> Self {
        Self {
            host,
            name,
            exchange,
            exchange_type: usual_exchange_type(),
            durable: false,
            delete: false,
            exclusive: false,
            no_wait: false,
            prefetch_count: None,
            prefetch_size: 0,
            auto_ack: false,
            no_local: false,
            nack_discard: false,
            passive: false,
            exchange_arguments: Map::new(),
            queue_arguments: Map::new(),
            binding_arguments: Map::new(),
            client_tls: None,
        }
    }

    /// The brokers, in the order in which they are tried; those that cannot be read are among the findings.
    pub fn addresses(&self) -> Vec<Address> {
        self.host.with_paths().iter().filter_map(|(_, host)| Address::parse(host).ok()).collect()
    }

    /// Messages that the broker may have sent and not got settled.
    pub fn prefetch(&self, workers: usize) -> u16 {
        match self.prefetch_count {
            Some(0) => MANY,
            Some(count) => count,
            None => u16::try_from(workers.saturating_mul(2).max(USUAL_PREFETCH)).unwrap_or(u16::MAX),
        }
    }

    /// All that is wrong beyond the types.
    pub fn findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = self.connection_findings();
        found.extend(self.queue_findings());
        found.extend(self.bound_findings(context));
        found
    }

    /// What is wrong with the addresses and with what is declared there.
    pub fn connection_findings(&self) -> Vec<Finding> {
        let mut found = self.host_findings();
        found.extend(self.name_findings());
        for (path, arguments) in [
            ("exchange_arguments", &self.exchange_arguments),
            ("queue_arguments", &self.queue_arguments),
            ("binding_arguments", &self.binding_arguments),
        ] {
            found.extend(arguments::findings(path, arguments));
        }
        found
    }

    fn host_findings(&self) -> Vec<Finding> {
        let hosts = self.host.with_paths();
        let mut found = Vec::new();
        if hosts.is_empty() {
            found.push(Finding::error(
                "host",
                "is empty: name the broker, such as amqp://host:5672/, with user and password before the host",
            ));
        }
        for (path, host) in hosts {
            match Address::parse(host) {
                Ok(address) => found.extend(self.address_findings(&path, &address)),
                Err(error) => found.push(Finding::error(path, error)),
            }
        }
        found
    }

    fn address_findings(&self, path: &str, address: &Address) -> Vec<Finding> {
        let mut found = Vec::new();
        for name in &address.unknown {
            found.push(Finding::warning(path, format!("the parameter {name} has no effect")));
        }
        if address.dead_after().is_none() {
            found.push(Finding::warning(path, "heartbeat=0: a link that dies silently goes unnoticed"));
        }
        found.extend(crate::tls::findings(path, address, self.client_tls.as_ref()));
        found
    }

    fn queue_findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.name.is_empty() {
            found.push(Finding::error("name", "is empty: name the queue"));
        }
        if self.exchange.is_empty() && !self.passive {
            let message = "no exchange: the queue gets what is sent to it by its name, and the topic has no effect";
            found.push(Finding::notice("exchange", message));
        }
        found
    }

    fn name_findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (path, name) in [("name", &self.name), ("exchange", &self.exchange)] {
            if name.len() > LONGEST_NAME {
                let length = name.len();
                found.push(Finding::error(path, format!("has {length} bytes: allowed are {LONGEST_NAME}")));
            }
        }
        let kind = self.exchange_type.as_str();
        if !EXCHANGE_TYPES.contains(&kind) && !kind.starts_with("x-") {
            let allowed = EXCHANGE_TYPES.join(", ");
            let message = format!("is {kind:?}: allowed are {allowed}, and x-… of the broker's plugins");
            found.push(Finding::error("exchange_type", message));
        }
        found
    }

    fn bound_findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.prefetch_size > 0 {
            found.push(Finding::error(
                "prefetch_size",
                "RabbitMQ refuses any but 0: bound the number of messages instead",
            ));
        }
        let (prefetch, workers) = (usize::from(self.prefetch(context.workers)), context.workers);
        if self.prefetch_count == Some(0) {
            found.push(Finding::notice("prefetch_count", format!("0 stands for {MANY} here, not for no bound")));
        }
        if prefetch < workers {
            let message =
                format!("{prefetch} keeps all but {prefetch} of the {workers} workers idle: set {workers} or more");
            found.push(Finding::warning("prefetch_count", message));
        }
        if self.auto_ack {
            found.push(Finding::notice(
                "auto_ack",
                "events that fail, or are in the pipe when siphon is killed, are lost",
            ));
        }
        if self.nack_discard {
            found.push(match self.auto_ack {
                true => Finding::warning("nack_discard", "has no effect with auto_ack: nothing is left to reject"),
                false => Finding::notice("nack_discard", "a failed event is rejected at once: nothing retries it"),
            });
        }
        if self.passive && self.exclusive {
            found.push(Finding::error("passive", "an exclusive queue cannot exist before its connection: remove one"));
        }
        found
    }
}

/// Bytes of a name in AMQP, a "short string".
const LONGEST_NAME: usize = 255;

/// The reference's only one.
pub fn usual_exchange_type() -> String {
    "topic".into()
}

#[cfg(test)]
mod tests {
    use siphon_sdk::schemars::schema_for;

    use super::*;

    fn context(workers: usize) -> Context {
        Context {
            agent: "a".into(),
            namespace: "async/amqp".into(),
            topics: vec!["#".into()],
            workers,
            read_ahead: 4,
            max_in_flight: 100,
        }
    }

    fn parse(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    /// What is wrong with the shortest configuration and `more`, beginning with the path.
    #[track_caller]
    fn check(more: &str, expected: &[&str]) {
        let json = format!(r#"{{"host": "amqp://mq", "name": "q", "exchange": "x"{more}}}"#);
        let findings = parse(&json).findings(&context(4));
        let found: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn the_founding_pages_settings_are_read() {
        let config = parse(
            r#"{"name":"krakend","host":"amqp://guest:guest@localhost:5672/","exchange":"foo","durable":true,
                "delete":false,"exclusive":false,"no_wait":true,"prefetch_count":5,"auto_ack":false,"no_local":true}"#,
        );
        assert!(config.durable && config.no_wait && config.no_local && !config.passive);
        assert_eq!((config.prefetch(1), config.exchange_type.as_str()), (5, "topic"));
        assert_eq!(config.findings(&context(1)), []);
    }

    #[test]
    fn without_a_prefetch_it_is_ten_or_twice_the_workers() {
        let prefetch = |more: &str, workers| parse(&format!(r#"{{"host": "", "name": ""{more}}}"#)).prefetch(workers);
        assert_eq!([prefetch("", 1), prefetch("", 5), prefetch("", 64), prefetch("", 99_999)], [10, 10, 128, 65_535]);
        assert_eq!([prefetch(r#", "prefetch_count": 0"#, 1), prefetch(r#", "prefetch_count": 3"#, 9)], [MANY, 3]);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        check("", &[]);
        check(
            r#", "prefetch_size": 1, "exchange_type": "topics""#,
            &["exchange_type is \"topics\"", "prefetch_size RabbitMQ"],
        );
        check(r#", "prefetch_count": 2"#, &["prefetch_count 2 keeps all but 2 of the 4 workers idle"]);
        check(r#", "prefetch_count": 0"#, &["prefetch_count 0 stands for 1000"]);
        check(r#", "queue_arguments": {"x-max": null}"#, &["queue_arguments.x-max is null"]);
        check(r#", "passive": true, "exclusive": true"#, &["passive an exclusive queue"]);
        check(
            r#", "auto_ack": true, "nack_discard": true"#,
            &["auto_ack events that fail", "nack_discard has no effect"],
        );
        check(r#", "nack_discard": true"#, &["nack_discard a failed event is rejected at once"]);
        check(r#", "client_tls": {}"#, &["client_tls has no effect on amqp://mq:5672: write amqps://"]);
    }

    #[test]
    fn each_address_of_a_list_is_judged() {
        let json =
            r#"{"host": ["amqp://a", "http://u:hunter2@b", "amqp://c?verify=none"], "name": "q", "exchange": "x"}"#;
        let findings = parse(json).findings(&context(1));
        let found: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(found, ["host[1]", "host[2]"]);
        assert!(!format!("{findings:?} {:?}", parse(json)).contains("hunter2"));
    }

    #[test]
    fn the_schema_tells_every_key_and_lets_krakends_unknown_ones_pass() {
        let schema = schema_for!(Config).to_value();
        let properties = schema["properties"].as_object().unwrap();
        for key in
            ["host", "name", "exchange", "durable", "delete", "exclusive", "no_wait", "prefetch_count", "auto_ack"]
        {
            assert!(properties.contains_key(key), "{key}");
        }
        for (key, property) in properties {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 15), "{key}");
        }
        assert_eq!(schema["required"], serde_json::json!(["host", "name"]));
        assert_eq!(schema.get("additionalProperties"), None);
    }
}
