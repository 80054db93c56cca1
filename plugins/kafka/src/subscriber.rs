//! KrakenD's `backend/pubsub/subscriber/kafka`, and `backend/pubsub/subscriber` for `kafka://GROUP?topic=TOPIC`: an event that
//! reaches such a backend takes a record as a member of a consumer group; it is committed when the event is done.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_sdk::{Capabilities, Context, Error, Finding, PubsubSubscription, Source};

use crate::LABEL;
use crate::config::{self, Cluster, Config};
use crate::connect::Group;
use crate::consume::Records;
use crate::properties::Role;
use crate::pubsub::{cluster, placed};
use crate::settle::Verdicts;
use crate::start::Start;

/// What a backend writes under `backend/pubsub/subscriber/kafka`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// Where records come from, and how.
    pub reader: Reader,
}

/// A member of a consumer group.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// Where the brokers are, and how to talk to them.
    pub cluster: Cluster,

    /// Topics' names, or `^` and a regular expression.
    pub topics: Vec<String>,

    /// The consumer group.
    #[serde(default)]
    pub group: config::Group,

    /// Without effect: a record's key has no place in a reply.
    #[serde(default)]
    pub key_meta: Option<String>,

    /// Where the group begins to read a partition of which it has committed nothing: `latest`, `earliest`, or a time, as of
    /// `async/kafka`. Default: `latest`, which is when the first event needs a record.
    #[serde(default)]
    pub start: Start,

    /// Properties of librdkafka by their own names, such as `{"fetch.wait.max.ms": 100}`, for what no other key says.
    #[serde(default)]
    pub librdkafka: Map<String, Value>,
}

impl Reader {
    /// The same as the settings of an agent, and its topics.
    fn shared(&self, context: &Context) -> (Config, Context) {
        let config = Config::reading(self.cluster.clone(), self.group.clone(), self.librdkafka.clone());
        (Config { start: self.start, ..config }, Context { topics: self.topics.clone(), ..context.clone() })
    }
}

/// A group as a place to take records from.
pub struct Subscriber;

impl Source for Subscriber {
    const KEYS: &'static [&'static str] = &["backend/pubsub/subscriber/kafka"];
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Group::CAPABILITIES;
    type Config = Settings;
    type Receiver = Records;
    type Settler = Verdicts;

    fn check(settings: &Settings, context: &Context) -> Vec<Finding> {
        let reader = &settings.reader;
        let (config, context) = reader.shared(context);
        let mut found = config.findings(&context, Role::Consumer);
        if reader.topics.is_empty() {
            found.retain(|finding| !finding.path.is_empty());
            found.push(Finding::error("topics", "is empty: name a topic"));
        }
        if reader.key_meta.is_some() {
            found.push(Finding::notice("key_meta", "has no effect: a record's key has no place in a reply"));
        }
        let below = |finding: Finding| {
            let path = if finding.path.is_empty() { "reader".into() } else { format!("reader.{}", finding.path) };
            Finding { path, ..finding }
        };
        found.into_iter().map(below).collect()
    }

    async fn connect(settings: Settings, context: Context) -> Result<(Records, Verdicts), Error> {
        let (config, context) = settings.reader.shared(&context);
        Group::connect(config, context).await
    }
}

/// The same for a group of the cluster that the environment names.
pub struct KafkaGroup;

/// Group, topics and where the group begins.
#[derive(Debug, PartialEq, Eq)]
struct Membership {
    group: String,
    topics: Vec<String>,
    start: Start,
}

impl Membership {
    fn of(settings: &PubsubSubscription) -> Result<Self, String> {
        let mut url = settings.url("kafka")?;
        let topics = url.take("topic");
        let start = match url.take_one("offset")?.as_deref() {
            None | Some("newest") => Start::Latest,
            Some("oldest") => Start::Earliest,
            Some(other) => return Err(format!("has offset={other}: write oldest or newest")),
        };
        let group = url.finish("topic=TOPIC or offset=oldest")?;
        if topics.is_empty() {
            return Err("names no topic: write kafka://GROUP?topic=TOPIC".into());
        }
        Ok(Self { group, topics, start })
    }

    fn shared(self, context: &Context) -> Result<(Config, Context), String> {
        let group = config::Group { id: Some(self.group), ..config::Group::default() };
        let config = Config { start: self.start, ..Config::reading(cluster()?, group, Map::new()) };
        Ok((config, Context { topics: self.topics, ..context.clone() }))
    }
}

impl Source for KafkaGroup {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/subscriber", "github.com/devopsfaith/krakend-pubsub/subscriber"];
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Group::CAPABILITIES;
    const SCHEMES: &'static [&'static str] = &["kafka"];
    type Config = PubsubSubscription;
    type Receiver = Records;
    type Settler = Verdicts;

    fn check(settings: &PubsubSubscription, context: &Context) -> Vec<Finding> {
        let membership = match Membership::of(settings) {
            Ok(membership) => membership,
            Err(message) => return vec![Finding::error("subscription_url", message)],
        };
        match membership.shared(context) {
            Ok((config, context)) => placed(config.findings(&context, Role::Consumer), "subscription_url").collect(),
            Err(message) => vec![Finding::error("", message)],
        }
    }

    async fn connect(settings: PubsubSubscription, context: Context) -> Result<(Records, Verdicts), Error> {
        let shared = Membership::of(&settings).and_then(|membership| membership.shared(&context));
        let (config, context) = shared.map_err(|message| Error::config("subscription_url", message))?;
        Group::connect(config, context).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            agent: "a".into(),
            namespace: "backend/pubsub/subscriber/kafka".into(),
            topics: Vec::new(),
            workers: 1,
            read_ahead: 1,
            max_in_flight: 2,
        }
    }

    #[track_caller]
    fn check(reader: &str, expected: &[&str]) {
        let settings = serde_json::from_str(&format!(r#"{{"reader": {reader}}}"#)).unwrap();
        let found: Vec<_> = Subscriber::check(&settings, &context()).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_reader_that_cannot_work_is_told_with_its_place() {
        check(r#"{"cluster": {"brokers": ["k:9092"]}, "topics": ["t"], "group": {"id": "g"}}"#, &[]);
        check(
            r#"{"cluster": {"brokers": ["k"]}, "topics": [], "group": {"id": "g"}, "key_meta": "X-Key"}"#,
            &["reader.cluster.brokers[0]", "reader.topics", "reader.key_meta"],
        );
    }

    #[test]
    fn a_group_url_names_its_topics_and_where_to_begin() {
        let of = |rest: &str| {
            Membership::of(&PubsubSubscription { subscription_url: rest.into(), host: vec!["kafka://".into()] })
        };
        let topics = vec!["a".to_owned(), "b".to_owned()];
        let expected = Membership { group: "g".into(), topics, start: Start::Earliest };
        assert_eq!(of("g?topic=a&topic=b&offset=oldest"), Ok(expected));
        assert!(of("g?topic=a").is_ok_and(|found| found.start == Start::Latest));
        assert_eq!(of("g"), Err("names no topic: write kafka://GROUP?topic=TOPIC".into()));
        assert_eq!(of("g?topic=a&offset=7"), Err("has offset=7: write oldest or newest".into()));
    }
}
