//! `backend/pubsub/publisher` for `rabbit://EXCHANGE`: an exchange that exists, at the broker that the environment names.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::LABEL;
use crate::config::{Config, Hosts};
use crate::connect::Link;
use crate::outgoing::{self, Confirming, Letter, short};

/// Names the broker: `amqp://user:password@host:5672/`.
const SERVER: &str = "RABBIT_SERVER_URL";

/// What a backend writes under `backend/pubsub/publisher`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// Whereto, behind the backend's first `host`: `rabbit://EXCHANGE`, with `?key_name=HEADER` for the header whose
    /// value is the routing key. The exchange must exist.
    pub topic_url: String,

    /// What stands before `topic_url`. Default: the backend's `host`.
    #[serde(default)]
    pub host: Vec<String>,
}

/// An exchange, and the header that holds the routing key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topic {
    exchange: String,
    key_name: Option<String>,
}

impl Topic {
    fn of(settings: &Settings) -> Result<Self, String> {
        let host = settings.host.first().map_or("", String::as_str);
        let url =
            if settings.topic_url.contains("://") { String::new() } else { host.to_owned() } + &settings.topic_url;
        let rest = url.strip_prefix("rabbit://").ok_or("is no rabbit://EXCHANGE")?;
        let (exchange, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut topic = Self { exchange: exchange.trim_matches('/').to_owned(), key_name: None };
        if topic.exchange.is_empty() {
            return Err("names no exchange: write rabbit://EXCHANGE".into());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("key_name", name)) if !name.is_empty() => topic.key_name = Some(name.to_owned()),
                _ => return Err(format!("has the parameter {pair:?}: only key_name=HEADER is known")),
            }
        }
        Ok(topic)
    }
}

/// The broker that the environment names.
fn broker() -> Result<Config, String> {
    let address = std::env::var(SERVER)
        .map_err(|_| format!("the environment names no broker: set {SERVER}, such as amqp://host:5672/"))?;
    let config = Config { passive: true, ..Config::new(Hosts::One(address), String::new(), String::new()) };
    match config.connection_findings().first() {
        Some(finding) => Err(format!("{SERVER} {}", finding.message)),
        None => Ok(config),
    }
}

/// An exchange as a place to publish to.
pub struct RabbitTopic {
    channel: Confirming,
    topic: Topic,
}

impl Sink for RabbitTopic {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/publisher", "github.com/devopsfaith/krakend-pubsub/publisher"];
    const LABEL: &'static str = LABEL;
    const SCHEMES: &'static [&'static str] = &["rabbit"];
    type Config = Settings;

    fn check(settings: &Settings, _: &Context) -> Vec<Finding> {
        let topic = Topic::of(settings).err().map(|message| Finding::error("topic_url", message));
        let broker = broker().err().map(|message| Finding::error("", message));
        topic.into_iter().chain(broker).collect()
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self, Error> {
        let topic = Topic::of(&settings).map_err(|message| Error::config("topic_url", message))?;
        let broker = broker().map_err(|message| Error::config("", message))?;
        let link = Link::open(&broker, &format!("{} publisher", context.agent)).await?;
        Ok(Self { channel: Confirming::new(link).await?, topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.channel.publish(messages.iter().map(|message| letter(message, &self.topic)).collect()).await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.channel.link.close().await
    }
}

/// What no queue takes comes back and fails: it would be gone otherwise.
fn letter(message: &OutgoingMessage, topic: &Topic) -> Result<Letter, Error> {
    let named = |name: &str| {
        let is_it = |header: &&(bytes::Bytes, bytes::Bytes)| header.0.eq_ignore_ascii_case(name.as_bytes());
        message.headers.iter().find(is_it).map(|(_, value)| value)
    };
    let key = topic.key_name.as_deref().and_then(named);
    Ok(Letter {
        exchange: short("exchange", topic.exchange.as_bytes())?,
        routing_key: key.map(|key| short("routing key", key)).transpose()?.unwrap_or_default(),
        mandatory: true,
        properties: outgoing::properties(message)?,
        payload: message.payload.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, topic_url: &str, expected: Result<(&str, Option<&str>), &str>) {
        let topic = Topic::of(&Settings { topic_url: topic_url.into(), host: vec![host.into()] });
        let found = topic.as_ref().map(|topic| (topic.exchange.as_str(), topic.key_name.as_deref()));
        assert_eq!(found.map_err(String::as_str), expected);
    }

    #[test]
    fn the_url_is_the_host_and_the_topic_together() {
        check("rabbit://", "shop", Ok(("shop", None)));
        check("rabbit://", "shop?key_name=X-Key", Ok(("shop", Some("X-Key"))));
        check("http://ignored", "rabbit://shop/", Ok(("shop", None)));
        check("rabbit://", "", Err("names no exchange: write rabbit://EXCHANGE"));
        check("rabbit://", "shop?x=1", Err("has the parameter \"x=1\": only key_name=HEADER is known"));
    }

    #[test]
    fn the_routing_key_is_the_value_of_a_header() {
        let topic = Topic { exchange: "shop".into(), key_name: Some("x-key".into()) };
        let headers = vec![("X-Key".into(), "order.new".into())];
        let message = OutgoingMessage { headers, ..OutgoingMessage::default() };
        let letter = letter(&message, &topic).unwrap();
        assert_eq!((letter.exchange.as_str(), letter.routing_key.as_str()), ("shop", "order.new"));
        let none = super::letter(&OutgoingMessage::default(), &topic).unwrap();
        assert_eq!(none.routing_key.as_str(), "");
    }
}
