//! `backend/kafka/publisher` and KrakenD's `backend/pubsub/publisher/kafka`: what reaches such a backend becomes a record;
//! the event goes on when the brokers have confirmed it.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::LABEL;
use crate::check::fault_of_topic;
use crate::config::{Cluster, Config};
use crate::outgoing::{Address, Confirming};
use crate::properties::{Role, free_path, own_name};
use crate::writing::Writing;

/// What a backend writes under `backend/kafka/publisher`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// Where the brokers are, and how to talk to them.
    pub cluster: Cluster,

    /// Topic of the record; it must exist. `{name}` stands for a param of the event, such as `{topic}` or `{resp0_id}`.
    pub topic: String,

    /// Key of the record, with `{name}` as in `topic`. Records of one key stay in order. Default: none.
    #[serde(default)]
    pub key: String,

    /// Name of the header whose value is the key, such as `X-Key`; the backend's `input_headers` must let it pass. A
    /// request without it makes a record without a key.
    #[serde(default)]
    pub key_meta: Option<String>,

    /// How records are written.
    #[serde(default)]
    pub producer: Writing,

    /// Properties of librdkafka by their own names, such as `{"linger.ms": 5}`, for what no other key says.
    #[serde(default)]
    pub librdkafka: Map<String, Value>,
}

impl Writer {
    fn config(&self) -> Config {
        Config::writing(self.cluster.clone(), self.producer.clone(), self.librdkafka.clone())
    }

    fn findings(&self, context: &Context) -> Vec<Finding> {
        let mut own = self.producer.findings();
        // A name that is filled in later is the brokers' to judge.
        let fault = Some(&self.topic).filter(|topic| !topic.contains('{')).and_then(|topic| fault_of_topic(topic));
        own.extend(fault.map(|fault| Finding::error("topic", fault)));
        own.extend(Finding::of_template("topic", &self.topic));
        own.extend(Finding::of_template("key", &self.key));
        if self.key_meta.as_deref() == Some("") {
            own.push(Finding::error("key_meta", "is empty: name a header"));
        }
        if self.key_meta.is_some() && !self.key.is_empty() {
            own.push(Finding::error("key_meta", "names the key, and so does key: keep one"));
        }
        for property in self.producer.properties() {
            let is_same = |name: &&String| own_name(name) == own_name(&property.name);
            let message = format!("is what `{}` says: set that", property.path);
            let twice = self.librdkafka.keys().filter(is_same);
            own.extend(twice.map(|name| Finding::error(free_path(name), message.clone())));
        }
        self.config().writing_findings(own, context)
    }

    fn address(&self, message: &OutgoingMessage) -> Result<Address, Error> {
        let key = match &self.key_meta {
            Some(name) => header(message, name).unwrap_or_default(),
            None => message.fill(&self.key)?.into(),
        };
        Ok(Address { topic: message.fill(&self.topic)?, key, partition: None })
    }
}

/// The value of a header, whatever the case of its name.
pub fn header(message: &OutgoingMessage, name: &str) -> Option<Bytes> {
    let is_it = |header: &&(Bytes, Bytes)| header.0.eq_ignore_ascii_case(name.as_bytes());
    message.headers.iter().find(is_it).map(|(_, value)| value.clone())
}

/// A topic as a backend.
pub struct Producer {
    cluster: Confirming,
    writer: Writer,
}

impl Sink for Producer {
    const KEYS: &'static [&'static str] = &["backend/kafka/publisher"];
    const LABEL: &'static str = LABEL;
    type Config = Writer;

    fn check(writer: &Writer, context: &Context) -> Vec<Finding> {
        writer.findings(context)
    }

    async fn connect(writer: Writer, context: Context) -> Result<Self, Error> {
        let cluster = Confirming::new(&writer.config().client(&context, Role::Producer)?, writer.cluster.tokens())?;
        Ok(Self { cluster, writer })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.cluster.publish(messages, |message| self.writer.address(message)).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.cluster.ping(None).await
    }
}

/// What a backend writes under `backend/pubsub/publisher/kafka`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// Where records go, and how: the keys of `backend/kafka/publisher`.
    pub writer: Writer,

    /// Without effect: an event is done or failed, and nobody is answered. `200` or `201`.
    #[serde(default)]
    pub success_status_code: Option<u16>,
}

/// The same under KrakenD's name, with its keys one level deeper.
pub struct KrakendProducer(Producer);

impl Sink for KrakendProducer {
    const KEYS: &'static [&'static str] = &["backend/pubsub/publisher/kafka"];
    const LABEL: &'static str = LABEL;
    type Config = Settings;

    fn check(settings: &Settings, context: &Context) -> Vec<Finding> {
        let mut found = settings.writer.findings(context);
        for finding in &mut found {
            finding.path = if finding.path.is_empty() { "writer".into() } else { format!("writer.{}", finding.path) };
        }
        if settings.success_status_code.is_some_and(|code| !matches!(code, 200 | 201)) {
            found.push(Finding::error("success_status_code", "is neither 200 nor 201"));
        }
        found
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self, Error> {
        Producer::connect(settings.writer, context).await.map(Self)
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.0.publish(messages).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.0.ping().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            agent: "a".into(),
            namespace: "backend/kafka/publisher".into(),
            topics: Vec::new(),
            workers: 1,
            read_ahead: 1,
            max_in_flight: 1,
        }
    }

    fn writer(more: &str) -> Writer {
        serde_json::from_str(&format!(r#"{{"cluster": {{"brokers": ["k:9092"]}}{more}}}"#)).unwrap()
    }

    #[track_caller]
    fn check(more: &str, expected: &[&str]) {
        let found = writer(more).findings(&context());
        let found: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        found.iter().zip(expected).for_each(|(found, expected)| assert!(found.starts_with(expected), "{found}"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        check(r#", "topic": "orders""#, &[]);
        check(r#", "topic": "done.{topic}", "key": "{key}""#, &[]);
        check(r#", "topic": "a b""#, &["topic \"a b\" is no name of a topic"]);
        check(r#", "topic": "t", "key": "k", "key_meta": "X-Key""#, &["key_meta names the key, and so does key"]);
        check(
            r#", "topic": "t", "librdkafka": {"compression.type": "lz4", "acks": "1"}, "producer": {"compression_codec": "zstd"}"#,
            &["librdkafka.acks cannot be changed", "librdkafka.compression.type is what `producer.compression_codec`"],
        );
        check(
            r#", "topic": "t", "librdkafka": {"compression.codec": "lz4"}, "producer": {"compression_codec": "zstd"}"#,
            &["librdkafka.compression.codec is what `producer.compression_codec`"],
        );
        check(
            r#", "topic": "t", "producer": {"compression_codec": "brotli"}"#,
            &["producer.compression_codec is \"brotli\": allowed are none, gzip, snappy, lz4 and zstd"],
        );
    }

    #[test]
    fn krakends_spelling_has_its_keys_one_level_deeper() {
        let json = r#"{"success_status_code": 500, "writer": {"topic": "t", "cluster": {"brokers": []}}}"#;
        let found = KrakendProducer::check(&serde_json::from_str(json).unwrap(), &context());
        let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["writer.cluster.brokers", "success_status_code"]);
    }

    #[test]
    fn topic_and_key_come_from_the_event() {
        let message = OutgoingMessage {
            headers: vec![("X-Key".into(), "k-7".into())],
            attributes: vec![("Topic".into(), "orders".into())],
            ..OutgoingMessage::default()
        };
        let address = |more: &str| writer(more).address(&message).map_err(|error| error.to_string());
        let expected =
            |topic: &str, key: &'static str| Ok(Address { topic: topic.into(), key: key.into(), partition: None });
        assert_eq!(address(r#", "topic": "done.{topic}", "key_meta": "x-key""#), expected("done.orders", "k-7"));
        assert_eq!(address(r#", "topic": "t", "key": "{topic}""#), expected("t", "orders"));
        assert_eq!(address(r#", "topic": "t", "key_meta": "x-other""#), expected("t", ""));
        assert!(address(r#", "topic": "{tenant}""#).unwrap_err().contains("no param \"tenant\""));
    }
}
