//! Events on their way into an agent's own queue: `siphon publish`.

use lapin::BasicProperties;
use lapin::types::{FieldTable, ShortString};
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::Config;
use crate::connect::Link;
use crate::declare;
use crate::message::TOPIC_HEADER;
use crate::outgoing::{self, Confirming, Letter, short, text};
use crate::{KEYS, LABEL};

/// The broker as a place to publish to.
pub struct Publisher {
    channel: Confirming,
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
        // An agent that never ran has no queue yet. An exclusive one would be this connection's own, and go with it.
        if !config.exclusive {
            declare::topology(&link, &config, &context.topics).await?;
        }
        Ok(Self { channel: Confirming::new(link).await?, queue: config.name })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.channel.publish(messages.iter().map(|message| letter(message, &self.queue)).collect()).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.channel.ping_queue(&self.queue).await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.channel.link.close().await
    }
}

fn letter(message: &OutgoingMessage, queue: &str) -> Result<Letter, Error> {
    let (exchange, routing_key) = target(message, queue)?;
    let properties = properties(message)?;
    Ok(Letter { exchange, routing_key, mandatory: true, properties, payload: message.payload.clone() })
}

/// Exchange and routing key: straight to the agent's own queue, unless the message says otherwise.
fn target(message: &OutgoingMessage, queue: &str) -> Result<(ShortString, ShortString), Error> {
    let attribute = |name: &str| message.attribute(name).map(|value| short(name, value)).transpose();
    match attribute("exchange")? {
        Some(exchange) => {
            let key = attribute("routing_key")?;
            Ok((exchange, key.map_or_else(|| short("topic", &message.topic), Ok)?))
        }
        None => Ok(("".into(), queue.into())),
    }
}

fn properties(message: &OutgoingMessage) -> Result<BasicProperties, Error> {
    let mut properties = outgoing::properties(message)?;
    if !message.topic.is_empty() {
        let mut headers: FieldTable = properties.headers().clone().unwrap_or_default();
        headers.insert(TOPIC_HEADER.into(), text(&message.topic));
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
    Ok(properties)
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
        assert_eq!(target(message, "orders"), Ok((exchange.into(), routing_key.into())));
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
        assert_eq!(*properties.delivery_mode(), Some(outgoing::PERSISTENT));
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
