//! `backend/pubsub/publisher` for `kafka://TOPIC`: a topic of the cluster that the environment names.

use siphon_sdk::{Context, Error, Finding, OutgoingMessage, PubsubTopic, Sink};

use crate::LABEL;
use crate::check::fault_of_topic;
use crate::config::{Cluster, Config};
use crate::outgoing::{Address, Confirming};
use crate::producer::header;
use crate::properties::Role;
use crate::writing::Writing;

/// Names the brokers: `host:9092,host:9092`.
const BROKERS: &str = "KAFKA_BROKERS";

/// A topic, and the header that holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topic {
    name: String,
    key_name: Option<String>,
}

impl Topic {
    fn of(settings: &PubsubTopic) -> Result<Self, String> {
        let mut url = settings.url("kafka")?;
        let key_name = url.take_one("key_name")?;
        let name = url.finish("key_name=HEADER")?;
        match fault_of_topic(&name) {
            Some(fault) => Err(fault),
            None => Ok(Self { name, key_name }),
        }
    }

    fn address(&self, message: &OutgoingMessage) -> Address {
        let key = self.key_name.as_deref().and_then(|name| header(message, name)).unwrap_or_default();
        Address { topic: self.name.clone(), key, partition: None }
    }
}

/// The cluster that the environment names, in the clear and without a login.
///
/// # Errors
///
/// It names none.
pub fn cluster() -> Result<Cluster, String> {
    let brokers = std::env::var(BROKERS).unwrap_or_default();
    let brokers: Vec<_> = brokers.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
    match brokers.as_slice() {
        [] => Err(format!("the environment names no broker: set {BROKERS}, such as kafka1:9092,kafka2:9092")),
        brokers => Ok(Cluster::at(brokers)),
    }
}

/// How it is written to.
fn config() -> Result<Config, String> {
    cluster().map(|cluster| Config::writing(cluster, Writing::default(), serde_json::Map::new()))
}

/// What was found about a configuration that is not in the file: the brokers are the environment's, the rest stands in `url`.
pub fn placed(found: Vec<Finding>, url: &'static str) -> impl Iterator<Item = Finding> {
    found.into_iter().map(move |finding| match finding.path.starts_with("cluster.") {
        true => Finding { path: String::new(), message: format!("{BROKERS} {}", finding.message), ..finding },
        false => Finding { path: url.to_owned(), ..finding },
    })
}

/// A topic as a place to publish to.
pub struct KafkaTopic {
    cluster: Confirming,
    topic: Topic,
}

impl Sink for KafkaTopic {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/publisher", "github.com/devopsfaith/krakend-pubsub/publisher"];
    const LABEL: &'static str = LABEL;
    const SCHEMES: &'static [&'static str] = &["kafka"];
    type Config = PubsubTopic;

    fn check(settings: &PubsubTopic, context: &Context) -> Vec<Finding> {
        let mut found: Vec<_> =
            Topic::of(settings).err().map(|message| Finding::error("topic_url", message)).into_iter().collect();
        match config() {
            Ok(config) => found.extend(placed(config.writing_findings(Vec::new(), context), "topic_url")),
            Err(message) => found.push(Finding::error("", message)),
        }
        found
    }

    async fn connect(settings: PubsubTopic, context: Context) -> Result<Self, Error> {
        let topic = Topic::of(&settings).map_err(|message| Error::config("topic_url", message))?;
        let config = config().map_err(|message| Error::config("", message))?;
        Ok(Self { cluster: Confirming::new(&config.client(&context, Role::Producer)?, None)?, topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.cluster.publish(messages, |message| Ok(self.topic.address(message))).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.cluster.ping(Some(self.topic.name.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_url_and_its_key_a_header() {
        let topic = |rest: &str| Topic::of(&PubsubTopic { topic_url: rest.into(), host: vec!["kafka://".into()] });
        let orders = topic("orders?key_name=X-Key").unwrap();
        assert_eq!(orders, Topic { name: "orders".into(), key_name: Some("X-Key".into()) });
        let message = OutgoingMessage { headers: vec![("x-key".into(), "7".into())], ..OutgoingMessage::default() };
        assert_eq!(orders.address(&message), Address { topic: "orders".into(), key: "7".into(), partition: None });
        assert!(topic("a/b").unwrap_err().contains("is no name of a topic"));
        assert!(topic("orders?offset=newest").unwrap_err().contains("only key_name=HEADER is known"));
    }

    #[test]
    fn the_environment_and_the_url_are_told_apart() {
        let found =
            vec![Finding::error("cluster.brokers[0]", "is \"k\": write host:port"), Finding::error("", "no topic")];
        let placed: Vec<_> = placed(found, "subscription_url").map(|one| (one.path, one.message)).collect();
        let expected = [("", "KAFKA_BROKERS is \"k\": write host:port"), ("subscription_url", "no topic")];
        assert_eq!(placed, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
    }
}
