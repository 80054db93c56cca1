//! The configuration in librdkafka's words.
//!
//! Source: <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde_json::Value;
use siphon_sdk::{Context, Error, HumanDuration};

use crate::config::Config;
use crate::writing::Writing;

/// One property, and the key of the configuration that it comes from.
#[derive(Debug, PartialEq)]
pub struct Property {
    pub path: String,
    pub name: String,
    pub value: String,
}

/// How a client is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Consumer,
    Producer,
}

/// How long the brokers may take to confirm what is published.
pub const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// Records of each partition that are fetched ahead, unless the configuration says otherwise.
const FETCHED_AHEAD: u32 = 1_000;

/// What siphon's work rests on: `librdkafka` must not change it.
const FIXED: [(&str, &str, Role); 9] = [
    // Only what is done is committed, and siphon alone knows what is.
    ("enable.auto.commit", "false", Role::Consumer),
    ("enable.auto.offset.store", "false", Role::Consumer),
    // A committed position that retention has deleted: nothing is skipped that is still there. `start` is siphon's own work.
    ("auto.offset.reset", "earliest", Role::Consumer),
    ("enable.partition.eof", "false", Role::Consumer),
    ("group.protocol", "classic", Role::Consumer),
    ("statistics.interval.ms", "2000", Role::Consumer),
    ("acks", "all", Role::Producer),
    // In order and once, also when a request is repeated.
    ("enable.idempotence", "true", Role::Producer),
    ("message.timeout.ms", "30000", Role::Producer),
];

/// What suits siphon; `librdkafka` may change it.
const USUAL: [(&str, &str, Role); 5] = [
    // For each partition: siphon reads them one by one, and only as fast as the pipe is.
    ("queued.max.messages.kbytes", "1024", Role::Consumer),
    // A full queue is looked at again after this time. librdkafka's second would starve a fast pipe.
    ("fetch.queue.backoff.ms", "20", Role::Consumer),
    // New topics of a regular expression and new partitions are found after that time, where librdkafka takes five minutes.
    ("topic.metadata.refresh.interval.ms", "30000", Role::Consumer),
    // A topic that is not there after that time is missing, not just created. librdkafka's 30 s are those of the confirmation.
    ("topic.metadata.propagation.max.ms", "5000", Role::Producer),
    // All that waits is handed over at once: librdkafka's 5 ms for more to come would be latency for nothing.
    ("linger.ms", "1", Role::Producer),
];

/// Properties that have a key of their own, or that would undo what siphon promises.
const RESERVED: [(&str, &str); 27] = [
    ("bootstrap.servers", "cluster.brokers"),
    ("client.id", "cluster.client_id"),
    ("client.rack", "cluster.rack_id"),
    ("socket.connection.setup.timeout.ms", "cluster.dial_timeout"),
    ("socket.timeout.ms", "cluster.read_timeout"),
    ("socket.keepalive.enable", "cluster.keep_alive"),
    ("queued.min.messages", "cluster.channel_buffer_size"),
    ("topic.metadata.refresh.fast.interval.ms", "cluster.metadata_retry_backoff"),
    ("security.protocol", "cluster.client_tls and cluster.sasl"),
    ("ssl.ca.location", "cluster.client_tls.ca_certs"),
    ("ssl.ca.pem", "cluster.client_tls.ca_certs"),
    ("ssl.certificate.location", "cluster.client_tls.client_certs"),
    ("ssl.key.location", "cluster.client_tls.client_certs"),
    ("ssl.curves.list", "cluster.client_tls.curve_preferences"),
    ("enable.ssl.certificate.verification", "cluster.client_tls"),
    ("ssl.endpoint.identification.algorithm", "cluster.client_tls"),
    ("sasl.mechanism", "cluster.sasl.mechanism"),
    ("sasl.username", "cluster.sasl.user"),
    ("sasl.password", "cluster.sasl.password"),
    ("group.id", "group.id"),
    ("group.instance.id", "group.instance_id"),
    ("session.timeout.ms", "group.session_timeout"),
    ("heartbeat.interval.ms", "group.heartbeat_interval"),
    ("partition.assignment.strategy", "group.rebalance_strategies"),
    ("max.poll.interval.ms", "group.rebalance_timeout"),
    ("fetch.message.max.bytes", "group.fetch_default"),
    ("isolation.level", "group.isolation_level"),
];

/// Properties that are not for siphon, and why.
const REFUSED: [(&str, &str); 3] = [
    ("transactional.id", "cannot be set: siphon opens no transactions, and its records would all be refused"),
    ("plugin.library.paths", "cannot be set: the Kafka client would load foreign code, by a mere `check` already"),
    ("topic.blacklist", "cannot be set: its topics would look as if they did not exist; name only the topics to read"),
];

/// Other names of properties, and the names that siphon uses: to librdkafka both are the same, and what is set last counts.
/// (`auto.commit.enable` is the same for its older consumer.)
const ALIASES: [(&str, &str); 12] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("auto.commit.enable", "enable.auto.commit"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("request.required.acks", "acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
];

/// The one name of a property that may have two.
pub fn own_name(name: &str) -> &str {
    ALIASES.iter().find(|(other, _)| *other == name).map_or(name, |(_, own)| *own)
}

/// Why a property of the free map is none for it, whichever of its names is written.
pub fn why_reserved(name: &str) -> Option<String> {
    let name = own_name(name);
    let own = RESERVED.iter().find(|(own, _)| *own == name).map(|(_, key)| format!("is what `{key}` says: set that"));
    let refused = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| (*reason).to_owned());
    let is_fixed = FIXED.iter().any(|(fixed, _, _)| *fixed == name);
    own.or(refused).or_else(|| is_fixed.then(|| "cannot be changed: siphon's promises rest on it".to_owned()))
}

impl Config {
    /// All properties for that role, in order: a later one of the same name counts. Files are not read.
    pub fn properties(&self, context: &Context, role: Role) -> Vec<Property> {
        let mut all = fixed(&USUAL, role);
        all.extend(self.free());
        all.extend(self.cluster_properties());
        if role == Role::Consumer {
            all.extend(self.group_properties(context));
        }
        if role == Role::Producer {
            all.extend(self.writing.iter().flat_map(Writing::properties));
        }
        all.extend(fixed(&FIXED, role));
        all
    }

    /// A client's configuration.
    ///
    /// # Errors
    ///
    /// A file for TLS cannot be used.
    pub fn client(&self, context: &Context, role: Role) -> Result<ClientConfig, Error> {
        let mut client = ClientConfig::new();
        for property in self.properties(context, role) {
            client.set(own_name(&property.name), property.value);
        }
        if let Some(tls) = &self.cluster.client_tls {
            let refused = |(key, message)| Error::config(format!("cluster.client_tls.{key}"), message);
            for (name, value) in tls.properties().map_err(refused)? {
                client.set(name, value);
            }
        }
        client.set_log_level(RDKafkaLogLevel::Info);
        Ok(client)
    }

    /// The free map. What is reserved is left out, and values that are neither text, number nor truth value: `check` refuses
    /// them, and must not try them at the client before.
    fn free(&self) -> Vec<Property> {
        let property = |(name, value): (&String, &Value)| {
            Some(Property { path: free_path(name), name: name.clone(), value: scalar(value)? })
        };
        self.librdkafka.iter().filter(|(name, _)| why_reserved(name).is_none()).filter_map(property).collect()
    }

    fn cluster_properties(&self) -> Vec<Property> {
        let cluster = &self.cluster;
        let answer = cluster.read_timeout.0.max(cluster.write_timeout.0);
        let protocol = match (&cluster.client_tls, &cluster.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut all = vec![
            property("cluster.brokers", "bootstrap.servers", cluster.brokers.join(",")),
            property("cluster.client_id", "client.id", cluster.client_id.clone()),
            property("cluster.client_tls", "security.protocol", protocol.into()),
            property("cluster.dial_timeout", "socket.connection.setup.timeout.ms", milliseconds(cluster.dial_timeout)),
            property("cluster.read_timeout", "socket.timeout.ms", milliseconds(HumanDuration(answer))),
            property(
                "cluster.metadata_retry_backoff",
                "topic.metadata.refresh.fast.interval.ms",
                milliseconds(cluster.metadata_retry_backoff),
            ),
        ];
        if !cluster.rack_id.is_empty() {
            all.push(property("cluster.rack_id", "client.rack", cluster.rack_id.clone()));
        }
        if !cluster.keep_alive.0.is_zero() {
            all.push(property("cluster.keep_alive", "socket.keepalive.enable", "true".into()));
        }
        if let Some(sasl) = &cluster.sasl {
            all.extend(sasl.properties().into_iter().map(|(name, value)| property("cluster.sasl", name, value)));
        }
        all
    }

    fn group_properties(&self, context: &Context) -> Vec<Property> {
        let group = &self.group;
        let isolation = isolation(&group.isolation_level).unwrap_or(&group.isolation_level);
        let ahead = self.cluster.channel_buffer_size.unwrap_or(FETCHED_AHEAD);
        let mut all = vec![
            property("group.id", "group.id", self.group_id(context)),
            property("group.session_timeout", "session.timeout.ms", milliseconds(group.session_timeout)),
            property("group.heartbeat_interval", "heartbeat.interval.ms", milliseconds(group.heartbeat_interval)),
            property("group.rebalance_timeout", "max.poll.interval.ms", milliseconds(group.rebalance_timeout)),
            property("group.rebalance_strategies", "partition.assignment.strategy", group.strategies()),
            property("group.fetch_default", "fetch.message.max.bytes", group.fetch_default.to_string()),
            property("group.isolation_level", "isolation.level", isolation.into()),
            property("cluster.channel_buffer_size", "queued.min.messages", ahead.to_string()),
        ];
        if let Some(instance) = &group.instance_id {
            all.push(property("group.instance_id", "group.instance.id", instance.clone()));
        }
        all
    }
}

/// Kafka's word for an isolation level in any spelling that KrakenD or Kafka knows.
pub fn isolation(level: &str) -> Option<&'static str> {
    match level {
        "read_committed" | "read_commited" => Some("read_committed"),
        "read_uncommitted" | "read_uncommited" => Some("read_uncommitted"),
        _ => None,
    }
}

/// A value of the free map as librdkafka reads it.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Where a property of the free map stands.
pub fn free_path(name: &str) -> String {
    format!("librdkafka.{name}")
}

fn fixed(all: &[(&str, &str, Role)], wanted: Role) -> Vec<Property> {
    let of_role = all.iter().filter(|(_, _, role)| *role == wanted);
    of_role.map(|(name, value, _)| property("", name, (*value).to_owned())).collect()
}

fn property(path: &str, name: &str, value: String) -> Property {
    Property { path: path.into(), name: name.into(), value }
}

fn milliseconds(duration: HumanDuration) -> String {
    duration.0.as_millis().to_string()
}
