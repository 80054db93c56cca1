//! `backend/pubsub/publisher` for `rabbit://EXCHANGE` and `backend/pubsub/subscriber` for `rabbit://QUEUE`: both must exist, at
//! the broker that the environment names.

use siphon_sdk::{
    Capabilities, Context, Error, Finding, OutgoingMessage, PubsubSubscription, PubsubTopic, Sink, Source,
};

use crate::LABEL;
use crate::config::{Config, Hosts};
use crate::connect::{Broker, Link};
use crate::consume::Deliveries;
use crate::outgoing::{self, Confirming, Letter, short};
use crate::settle::Judge;

/// Names the broker: `amqp://user:password@host:5672/`.
const SERVER: &str = "RABBIT_SERVER_URL";

/// An exchange, and the header that holds the routing key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topic {
    exchange: String,
    key_name: Option<String>,
}

impl Topic {
    fn of(settings: &PubsubTopic) -> Result<Self, String> {
        let mut url = settings.url("rabbit")?;
        let key_name = url.take_one("key_name")?;
        Ok(Self { exchange: url.finish("key_name=HEADER")?, key_name })
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
    type Config = PubsubTopic;

    fn check(settings: &PubsubTopic, _: &Context) -> Vec<Finding> {
        let topic = Topic::of(settings).err().map(|message| Finding::error("topic_url", message));
        let broker = broker().err().map(|message| Finding::error("", message));
        topic.into_iter().chain(broker).collect()
    }

    async fn connect(settings: PubsubTopic, context: Context) -> Result<Self, Error> {
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

/// A queue to take messages from.
pub struct RabbitQueue;

/// The queue at the broker that the environment names. `usual`: messages that are sent ahead.
fn queue(settings: &PubsubSubscription, usual: usize) -> Result<Config, String> {
    let mut url = settings.url("rabbit")?;
    let prefetch = url.take_one("prefetch_count")?;
    let name = url.finish("prefetch_count=NUMBER")?;
    let prefetch_count = match prefetch {
        Some(number) => {
            number.parse().map_err(|_| format!("has prefetch_count={number}: write a number up to 65535"))?
        }
        None => u16::try_from(usual).unwrap_or(u16::MAX),
    };
    Ok(Config { name, prefetch_count: Some(prefetch_count), ..broker()? })
}

impl Source for RabbitQueue {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/subscriber", "github.com/devopsfaith/krakend-pubsub/subscriber"];
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Broker::CAPABILITIES;
    const SCHEMES: &'static [&'static str] = &["rabbit"];
    type Config = PubsubSubscription;
    type Receiver = Deliveries;
    type Settler = Judge;

    fn check(settings: &PubsubSubscription, context: &Context) -> Vec<Finding> {
        let queue = queue(settings, context.workers);
        queue.err().map(|message| Finding::error("subscription_url", message)).into_iter().collect()
    }

    async fn connect(settings: PubsubSubscription, context: Context) -> Result<(Deliveries, Judge), Error> {
        let queue = queue(&settings, context.workers).map_err(|message| Error::config("subscription_url", message))?;
        let agent = format!("{} subscriber", context.agent);
        Broker::connect(queue, Context { agent, ..context }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_an_exchange_and_perhaps_the_header_that_holds_the_key() {
        let topic = |topic_url: &str| Topic::of(&PubsubTopic { topic_url: topic_url.into(), host: Vec::new() });
        let key_name = Some("X-Key".to_owned());
        assert_eq!(topic("rabbit://shop?key_name=X-Key"), Ok(Topic { exchange: "shop".into(), key_name }));
        assert!(topic("rabbit://shop?x=1").unwrap_err().contains("only key_name=HEADER is known"));
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
