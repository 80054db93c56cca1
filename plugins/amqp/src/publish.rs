//! Events on their way to the broker: `siphon publish`, and whoever publishes later.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Confirmation, PublisherConfirm};
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::Config;
use crate::connect::Link;
use crate::declare;
use crate::error::{self, Doing};
use crate::message::TOPIC_HEADER;
use crate::{KEYS, LABEL};

/// How long the broker may take to confirm. It takes nothing while its memory or disk is low.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages outlive a restart of the broker, where their queue does.
const PERSISTENT: u8 = 2;

/// The broker as a place to publish to.
pub struct Publisher {
    link: Arc<Link>,
    queue: String,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context)
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let link = Link::open(&config, &format!("{} publish", context.agent)).await?;
        let refused = |error: lapin::Error| link.refused(Doing::Publishing, &error);
        // An agent that never ran has no queue yet. An exclusive one would be this connection's own, and go with it.
        if !config.exclusive {
            declare::topology(&link, &config, &context.topics).await?;
        }
        link.channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(refused)?;
        Ok(Self { link, queue: config.name })
    }

    /// Sends the messages in order, then awaits the confirmation of each.
    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(self.bounded(self.send(message)).await);
            if sent.last().is_some_and(Result::is_err) {
                break; // those after it must not arrive before it
            }
        }
        let mut results = Vec::with_capacity(messages.len());
        for confirmation in sent {
            results.push(match confirmation {
                Ok(confirmation) => self.bounded(self.confirmed(confirmation)).await,
                Err(error) => Err(error),
            });
        }
        results.resize(messages.len(), Err(Error::fatal("not published: the one before it was not")));
        results
    }

    async fn ping(&mut self) -> Result<(), Error> {
        let name = self.queue.as_str().into();
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let asked = self.link.channel.queue_declare(name, options, FieldTable::default()).await;
        asked.map(drop).map_err(|error| error::ended(&self.link.address, &error))
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.link.close().await
    }
}

impl Publisher {
    async fn bounded<T>(&self, publishing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let address = &self.link.address;
        let late =
            || Error::connection(format!("{address} did not confirm within {PATIENCE:?}: is its memory or disk low?"));
        tokio::time::timeout(PATIENCE, publishing).await.unwrap_or_else(|_| Err(late()))
    }

    async fn send(&self, message: &OutgoingMessage) -> Result<PublisherConfirm, Error> {
        let target = Target::of(message, &self.queue)?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = properties(message)?;
        let (exchange, key) = (target.exchange, target.routing_key);
        let sent = self.link.channel.basic_publish(exchange, key, options, &message.payload, properties).await;
        sent.map_err(|error| error::ended(&self.link.address, &error))
    }

    async fn confirmed(&self, confirmation: PublisherConfirm) -> Result<(), Error> {
        match confirmation.await.map_err(|error| error::ended(&self.link.address, &error))? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                let (code, text) = (returned.reply_code, returned.reply_text.as_str());
                let (exchange, key) = (returned.exchange.as_str(), returned.routing_key.as_str());
                Err(Error::fatal(format!(
                    "the broker returned the message: no queue takes {key:?} of exchange {exchange:?} ({code} {text})"
                )))
            }
            Confirmation::Nack(None) => Err(Error::fatal("the broker did not take the message: is the queue full?")),
            Confirmation::NotRequested => Err(error::unexpected("the broker confirms nothing")),
        }
    }
}

/// Where a message goes: straight to the agent's own queue, unless it says otherwise.
#[derive(Debug, PartialEq)]
struct Target {
    exchange: ShortString,
    routing_key: ShortString,
}

impl Target {
    fn of(message: &OutgoingMessage, queue: &str) -> Result<Self, Error> {
        let attribute = |name: &str| message.attribute(name).map(|value| short(name, value)).transpose();
        match attribute("exchange")? {
            Some(exchange) => {
                let key = attribute("routing_key")?;
                let routing_key = key.map_or_else(|| short("topic", &message.topic), Ok)?;
                Ok(Self { exchange, routing_key })
            }
            None => Ok(Self { exchange: "".into(), routing_key: queue.into() }),
        }
    }
}

fn properties(message: &OutgoingMessage) -> Result<BasicProperties, Error> {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        if name.eq_ignore_ascii_case(b"content-type") {
            properties = properties.with_content_type(short("content-type", value)?);
        } else {
            headers.insert(short("name of a header", name)?, text(value));
        }
    }
    if !message.topic.is_empty() {
        headers.insert(TOPIC_HEADER.into(), text(&message.topic));
    }
    if !headers.inner().is_empty() {
        properties = properties.with_headers(headers);
    }
    let attribute = |name: &str| message.attribute(name).map(|value| short(name, value)).transpose();
    if let Some(id) = attribute("message_id")? {
        properties = properties.with_message_id(id);
    }
    if let Some(id) = attribute("correlation_id")? {
        properties = properties.with_correlation_id(id);
    }
    if let Some(queue) = attribute("reply_to")? {
        properties = properties.with_reply_to(queue);
    }
    if let Some(seconds) = message.timestamp_ms.and_then(|ms| u64::try_from(ms / 1_000).ok()) {
        properties = properties.with_timestamp(seconds);
    }
    Ok(properties)
}

fn text(bytes: &[u8]) -> AMQPValue {
    AMQPValue::LongString(LongString::from(bytes.to_vec()))
}

fn short(name: &str, bytes: &[u8]) -> Result<ShortString, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::fatal(format!("the {name} is not UTF-8")))?;
    ShortString::try_new(text).map_err(|_| Error::fatal(format!("the {name} has more than 255 bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, attributes: &[(&'static str, &'static str)]) -> OutgoingMessage {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        OutgoingMessage { topic: topic.to_owned().into(), attributes, ..OutgoingMessage::default() }
    }

    #[track_caller]
    fn check(message: &OutgoingMessage, exchange: &str, routing_key: &str) {
        let expected = Target { exchange: exchange.into(), routing_key: routing_key.into() };
        assert_eq!(Target::of(message, "orders"), Ok(expected));
    }

    #[test]
    fn a_message_goes_to_the_agents_own_queue_unless_it_names_an_exchange() {
        check(&message("", &[]), "", "orders");
        check(&message("order.new", &[]), "", "orders");
        check(&message("order.new", &[("exchange", "shop")]), "shop", "order.new");
        check(&message("order.new", &[("exchange", "shop"), ("routing_key", "k")]), "shop", "k");
    }

    #[test]
    fn properties_come_from_headers_and_attributes() {
        let mut message = message("order.new", &[("message_id", "7")]);
        message.headers = vec![("Content-Type".into(), "text/plain".into()), ("x-a".into(), "1".into())];
        let properties = properties(&message).unwrap();
        assert_eq!(properties.content_type().as_ref().map(ShortString::as_str), Some("text/plain"));
        assert_eq!(properties.message_id().as_ref().map(ShortString::as_str), Some("7"));
        assert_eq!(*properties.delivery_mode(), Some(PERSISTENT));
        let headers = properties.headers().as_ref().unwrap();
        assert_eq!(headers.inner().keys().map(ShortString::as_str).collect::<Vec<_>>(), ["siphon-topic", "x-a"]);
    }

    #[test]
    fn what_does_not_fit_the_protocol_is_refused() {
        let error = properties(&message("", &[("message_id", LONG)])).unwrap_err();
        assert_eq!(error.to_string(), "the message_id has more than 255 bytes");
    }

    const LONG: &str = match std::str::from_utf8(&[b'x'; 256]) {
        Ok(text) => text,
        Err(_) => "",
    };
}
