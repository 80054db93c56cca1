//! All that is wrong with a configuration beyond its types, found without contacting anybody.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DefaultProducerContext};
use siphon_sdk::{Context, Finding, Weight};

use crate::config::{Config, STICKY, is_regex};
use crate::error::sentence;
use crate::properties::{self, Property, Role};

/// Bytes of a topic's name.
const LONGEST_TOPIC: usize = 249;

/// Words of properties whose values are not shown.
const SECRET: [&str; 4] = ["password", "secret", "pem", "token"];

impl Config {
    /// All that is wrong.
    pub fn findings(&self, context: &Context, role: Role) -> Vec<Finding> {
        let mut found = self.cluster_findings();
        found.extend(self.group_findings(context));
        found.extend(self.reading_findings(context));
        found.extend(self.free_findings());
        found.extend(topic_findings(&context.topics));
        self.tried(found, context, role)
    }

    /// All that is wrong with a backend that writes; `own`: what its own keys have shown.
    pub fn writing_findings(&self, own: Vec<Finding>, context: &Context) -> Vec<Finding> {
        let mut found = self.cluster_findings();
        found.extend(self.free_findings());
        found.extend(own);
        self.tried(found, context, Role::Producer)
    }

    /// Adds what librdkafka says, to each property by itself, then to all together.
    fn tried(&self, found: Vec<Finding>, context: &Context, role: Role) -> Vec<Finding> {
        let mut found = found;
        let refused: Vec<_> = self.properties(context, role).iter().filter_map(refusal).collect();
        // What was found wrong already is not told in librdkafka's words, too.
        let is_known = |new: &Finding| found.iter().any(|old| old.path.starts_with(&new.path));
        let unknown: Vec<_> = refused.into_iter().filter(|new| !is_known(new)).collect();
        found.extend(unknown);
        if !found.iter().any(|finding| finding.weight == Weight::ERROR) {
            found.extend(self.trial(context, role));
        }
        found
    }

    fn cluster_findings(&self) -> Vec<Finding> {
        let cluster = &self.cluster;
        let mut found = Vec::new();
        if cluster.brokers.is_empty() {
            found.push(Finding::error("cluster.brokers", "is empty: name a broker, such as kafka1:9092"));
        }
        for (index, broker) in cluster.brokers.iter().enumerate() {
            if let Some(message) = no_broker(broker) {
                found.push(Finding::error(format!("cluster.brokers[{index}]"), message));
            }
        }
        if cluster.metadata_retry_max.is_some() {
            let message = "has no effect: the brokers are asked until they answer";
            found.push(Finding::notice("cluster.metadata_retry_max", message));
        }
        found.extend(cluster.client_tls.iter().flat_map(|tls| tls.findings()));
        found.extend(cluster.sasl.iter().flat_map(|sasl| sasl.findings(cluster.client_tls.is_some())));
        found
    }

    fn group_findings(&self, context: &Context) -> Vec<Finding> {
        let group = &self.group;
        let mut found = self.group_id_findings(context);
        for (index, name) in group.rebalance_strategies.iter().enumerate() {
            if !["range", "roundrobin", "sticky", STICKY].contains(&name.as_str()) {
                let message = format!("is {name:?}: allowed are range, roundrobin and sticky");
                found.push(Finding::error(format!("group.rebalance_strategies[{index}]"), message));
            }
        }
        if group.rebalance_strategies.is_empty() {
            found.push(Finding::error("group.rebalance_strategies", "is empty: name one, such as range"));
        }
        if group.is_sticky() && group.rebalance_strategies != [STICKY] {
            let message =
                format!("sticky stands for {STICKY} alone: the Kafka client has no other, and mixes it with none");
            found.push(Finding::notice("group.rebalance_strategies", message));
        }
        if properties::isolation(&group.isolation_level).is_none() {
            let level = &group.isolation_level;
            let message = format!("is {level:?}: allowed are read_committed and read_uncommitted");
            found.push(Finding::error("group.isolation_level", message));
        }
        if group.heartbeat_interval.0 >= group.session_timeout.0 {
            let session = group.session_timeout;
            let message = format!("must be well below session_timeout, {session}: a third of it is usual");
            found.push(Finding::error("group.heartbeat_interval", message));
        }
        if group.rebalance_timeout.0 < group.session_timeout.0 {
            let message = format!("must not be below session_timeout, {}", group.session_timeout);
            found.push(Finding::error("group.rebalance_timeout", message));
        }
        found
    }

    fn group_id_findings(&self, context: &Context) -> Vec<Finding> {
        let ids = self.group_ids();
        let mut found = Vec::new();
        for (path, id) in &ids {
            if id.is_empty() {
                found.push(Finding::error(*path, "is empty: name the consumer group"));
            } else if *id != ids[0].1 {
                found.push(Finding::error(*path, format!("is {id:?}, but {} is {:?}: keep one", ids[0].0, ids[0].1)));
            }
        }
        if ids.is_empty() {
            let message = format!("none is named: the agent's name, {:?}, is the group's", context.agent);
            found.push(Finding::notice("group.id", message));
        }
        found
    }

    fn reading_findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = Vec::new();
        let in_flight = context.max_in_flight as u64;
        if self.window == 0 {
            found.push(Finding::error("window", "is 0: nothing could be read"));
        } else if self.window < in_flight {
            let message = format!(
                "{} is less than the {in_flight} events that the agent may hold: workers may be idle",
                self.window
            );
            found.push(Finding::warning("window", message));
        }
        let is_token = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            !name.is_empty() && name.bytes().all(is_plain)
        };
        if let Some(name) = self.key_meta.as_ref().filter(|name| !is_token(name)) {
            found.push(Finding::error("key_meta", format!("is {name:?}: that is no name of a header")));
        }
        found
    }

    fn free_findings(&self) -> Vec<Finding> {
        let wrong = |(name, value): (&String, &serde_json::Value)| {
            let message = match properties::scalar(value) {
                None => Some("is neither a text, a number, nor true or false".to_owned()),
                Some(_) => properties::why_reserved(name).or_else(|| self.told_already(name)),
            };
            message.map(|message| Finding::error(properties::free_path(name), message))
        };
        self.librdkafka.iter().filter_map(wrong).collect()
    }

    /// Why a property is left to another one of the free map.
    fn told_already(&self, name: &str) -> Option<String> {
        let mut before = self.librdkafka.keys().take_while(|other| *other != name);
        let same = before.find(|other| properties::own_name(other) == properties::own_name(name))?;
        Some(format!("is another name of `{same}`, which is given, too: keep one"))
    }

    /// Makes a client that knows no brokers: librdkafka looks at what belongs together, at files, and at the topics.
    fn trial(&self, context: &Context, role: Role) -> Option<Finding> {
        let mut client = match self.client(context, role) {
            Ok(client) => client,
            Err(error) => return Some(Finding::error("", error.to_string())),
        };
        client.remove("bootstrap.servers");
        let refused = match role {
            Role::Consumer => trial_consumer(&client, &context.topics),
            Role::Producer => {
                client.create::<BaseProducer<DefaultProducerContext>>().map(drop).map_err(|error| refused_whole(&error))
            }
        };
        refused.err().map(|message| Finding::error("", message))
    }
}

fn trial_consumer(client: &ClientConfig, topics: &[String]) -> Result<(), String> {
    // Without a group it has nothing to say goodbye to when it ends; but it cannot look at topics then.
    let consumer: BaseConsumer<DefaultConsumerContext> = client.create().map_err(|error| refused_whole(&error))?;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let Err(error) = consumer.subscribe(&topics) else { return Ok(()) };
    // It does not say which one.
    let unreadable = topics.iter().find(|topic| is_regex(topic) && consumer.subscribe(&[topic]).is_err());
    Err(unreadable.map_or_else(
        || refused_whole(&error),
        |topic| format!("the Kafka client cannot read topic {topic:?} as a regular expression: correct it"),
    ))
}

fn refused_whole(error: &KafkaError) -> String {
    format!("the Kafka client refuses it: {}", sentence(error))
}

/// librdkafka's word on one property by itself.
fn refusal(property: &Property) -> Option<Finding> {
    let Property { path, name, value } = property;
    if path.is_empty() {
        return None;
    }
    let mut client = ClientConfig::new();
    client.set(name, value);
    let error = client.create_native_config().err()?;
    let is_secret = SECRET.iter().any(|word| name.contains(word));
    let message = if is_secret { "the Kafka client refuses the value".to_owned() } else { sentence(&error) };
    Some(Finding::error(path.clone(), message))
}

/// Why a text is no address of a broker.
fn no_broker(broker: &str) -> Option<String> {
    if broker.contains("://") {
        return Some(format!("is {broker:?}: write host:port, without a scheme"));
    }
    if broker.contains([',', ' ', '/', '@']) {
        return Some(format!("is {broker:?}: write one host:port in each entry"));
    }
    let (host, port) = broker.rsplit_once(':').unwrap_or((broker, ""));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (host.is_empty() || !is_port).then(|| format!("is {broker:?}: write host:port, such as kafka1:9092"))
}

fn topic_findings(topics: &[String]) -> Vec<Finding> {
    if topics.is_empty() {
        return vec![Finding::error("", "the agent has no topic: name it in `consumer.topic`")];
    }
    let wrong = topics.iter().filter(|topic| !is_regex(topic)).filter_map(|topic| fault_of_topic(topic));
    wrong.map(|fault| Finding::error("", format!("{fault}; a regular expression begins with ^"))).collect()
}

/// Why a text is no name of a topic.
pub fn fault_of_topic(topic: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = !topic.is_empty() && topic.len() <= LONGEST_TOPIC && topic.bytes().all(is_plain);
    let allowed = format!("(letters, digits, `.`, `_`, `-`; up to {LONGEST_TOPIC})");
    (!is_name).then(|| format!("{topic:?} is no name of a topic {allowed}"))
}

#[cfg(test)]
mod tests;
