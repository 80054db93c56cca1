//! `backend/amqp/consumer`: an event that reaches this backend takes a message of a queue, which is settled with the event's
//! outcome.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use siphon_sdk::{Capabilities, Context, Error, Finding, Source};

use crate::LABEL;
use crate::config::{Config, Hosts, usual_exchange_type};
use crate::connect::Broker;
use crate::consume::Deliveries;
use crate::settle::Judge;
use crate::tls::TlsSettings;

/// What a backend writes under `backend/amqp/consumer`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// The broker's address, such as `amqp://user:password@host:5672/`, or a list of them, which are tried in turn.
    /// Default: the backend's `host`.
    #[serde(default)]
    pub host: Hosts,

    /// Name of the queue; it is declared unless `passive`.
    pub name: String,

    /// Name of the exchange that the queue is bound to. Empty: none, the queue gets what is sent to it by its name.
    pub exchange: String,

    /// Binding keys, such as `["order.*"]`. Default: one, the empty key.
    #[serde(default)]
    pub routing_key: Vec<String>,

    /// Type of the exchange: `topic`, `direct`, `fanout`, `headers`, or that of a plugin, `x-…`. Default: `topic`.
    #[serde(default = "usual_exchange_type")]
    pub exchange_type: String,

    /// Exchange and queue outlive a restart of the broker. Default: false.
    #[serde(default)]
    pub durable: bool,

    /// Exchange and queue are deleted when nobody uses them any more. Default: false.
    #[serde(default)]
    pub delete: bool,

    /// The queue belongs to this connection alone and goes with it. Default: false.
    #[serde(default)]
    pub exclusive: bool,

    /// Does not wait for the broker's answer to each declaration. Default: false.
    #[serde(default)]
    pub no_wait: bool,

    /// Asks the broker not to send back what this connection published. RabbitMQ ignores it. Default: false.
    #[serde(default)]
    pub no_local: bool,

    /// Messages that the broker sends ahead of their settlement; nobody else gets them meanwhile. Default: the agent's
    /// `workers`. 0 stands for 1000.
    #[serde(default)]
    pub prefetch_count: Option<u16>,

    /// Only 0, for unlimited: RabbitMQ refuses anything else.
    #[serde(default)]
    pub prefetch_size: u32,

    /// Messages count as done when they arrive: that of an event which fails is lost. Default: false.
    #[serde(default)]
    pub auto_ack: bool,

    /// A message that the backend's `encoding` cannot read is rejected (the queue's dead-letter exchange, if it has one,
    /// takes it) and not given back. Default: false.
    #[serde(default)]
    pub nack_discard: bool,

    /// Declares and binds nothing: the queue must exist. Default: false.
    #[serde(default)]
    pub passive: bool,

    /// Without effect: the connection is made again with the next event, as often as it takes.
    #[serde(default)]
    #[schemars(with = "Value")]
    max_retries: Option<IgnoredAny>,

    /// Without effect: the agent's own `backoff_strategy` holds.
    #[serde(default)]
    #[schemars(with = "Value")]
    backoff_strategy: Option<IgnoredAny>,

    /// Arguments of the exchange, such as `{"alternate-exchange": "unrouted"}`.
    #[serde(default)]
    pub exchange_arguments: Map<String, Value>,

    /// Arguments of the queue, such as `{"x-queue-type": "quorum", "x-dead-letter-exchange": "failed"}`.
    #[serde(default)]
    pub queue_arguments: Map<String, Value>,

    /// TLS for `amqps` addresses.
    #[serde(default)]
    pub client_tls: Option<TlsSettings>,
}

impl Settings {
    /// The same as the settings of an agent.
    fn shared(&self, context: &Context) -> Config {
        let usual = u16::try_from(context.workers).unwrap_or(u16::MAX);
        Config {
            exchange_type: self.exchange_type.clone(),
            durable: self.durable,
            delete: self.delete,
            exclusive: self.exclusive,
            no_wait: self.no_wait,
            no_local: self.no_local,
            prefetch_count: Some(self.prefetch_count.unwrap_or(usual)),
            prefetch_size: self.prefetch_size,
            auto_ack: self.auto_ack,
            nack_discard: self.nack_discard,
            passive: self.passive,
            exchange_arguments: self.exchange_arguments.clone(),
            queue_arguments: self.queue_arguments.clone(),
            client_tls: self.client_tls.clone(),
            ..Config::new(self.host.clone(), self.name.clone(), self.exchange.clone())
        }
    }

    fn findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = self.shared(context).findings(context);
        // What is said of an agent's failed events does not hold here.
        found.retain(|finding| !matches!(finding.path.as_str(), "auto_ack" | "nack_discard"));
        if self.auto_ack {
            found.push(Finding::notice("auto_ack", "the message of an event that fails is lost"));
        }
        let without_effect = [("max_retries", self.max_retries), ("backoff_strategy", self.backoff_strategy)];
        for (key, _) in without_effect.into_iter().filter(|(_, value)| value.is_some()) {
            found.push(Finding::notice(key, "has no effect on a backend: it connects again as often as it takes"));
        }
        found
    }
}

/// A queue to take messages from.
pub struct Consumer;

impl Source for Consumer {
    const KEYS: &'static [&'static str] = &["backend/amqp/consumer", "github.com/devopsfaith/krakend-amqp/consume"];
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Broker::CAPABILITIES;
    type Config = Settings;
    type Receiver = Deliveries;
    type Settler = Judge;

    fn check(settings: &Settings, context: &Context) -> Vec<Finding> {
        settings.findings(context)
    }

    async fn connect(settings: Settings, context: Context) -> Result<(Deliveries, Judge), Error> {
        let (agent, topics) = (format!("{} consumer", context.agent), settings.routing_key.clone());
        Broker::connect(settings.shared(&context), Context { agent, topics, ..context }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            agent: "a".into(),
            namespace: "backend/amqp/consumer".into(),
            topics: Vec::new(),
            workers: 3,
            read_ahead: 1,
            max_in_flight: 4,
        }
    }

    fn settings(more: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{"host": ["amqp://mq"], "name": "q", "exchange": "x"{more}}}"#)).unwrap()
    }

    #[track_caller]
    fn check(more: &str, expected: &[&str]) {
        let found: Vec<_> = settings(more).findings(&context()).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_more_is_prefetched_than_the_workers_can_take() {
        let prefetch = |more: &str| settings(more).shared(&context()).prefetch(3);
        assert_eq!([prefetch(""), prefetch(r#", "prefetch_count": 1"#)], [3, 1]);
    }

    #[test]
    fn what_cannot_work_or_has_no_effect_is_told() {
        check(r#", "routing_key": ["a.#", "b.*"], "durable": true"#, &[]);
        check(r#", "auto_ack": true, "nack_discard": true"#, &["auto_ack"]);
        check(
            r#", "prefetch_count": 1, "max_retries": 3, "backoff_strategy": "linear""#,
            &["prefetch_count", "max_retries", "backoff_strategy"],
        );
        check(r#", "exchange_type": "topics", "prefetch_size": 5"#, &["exchange_type", "prefetch_size"]);
    }
}
