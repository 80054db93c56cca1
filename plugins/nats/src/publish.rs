//! Events on their way to the server: `siphon publish`, and whoever publishes later.

use std::str::FromStr as _;
use std::sync::Arc;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use async_nats::jetstream;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::Config;
use crate::error;
use crate::link::Link;
use crate::message::MESSAGE_ID;
use crate::subject;
use crate::{KEYS, LABEL};

/// Messages that are on their way at once. The client waits for ever where its own limit, some thousands, is passed.
const AT_ONCE: usize = 256;

/// The server as a place to publish to.
pub struct Publisher {
    link: Arc<Link>,
    jetstream: jetstream::Context,
    stream: Option<String>,
    /// Where messages without a topic go: the agent's own topic, where it is only one.
    topic: Option<String>,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context)
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let link = Link::open(&config, &format!("{} publish", context.agent), 0).await?;
        let jetstream = jetstream::new(link.client.clone());
        let topic = <[String; 1]>::try_from(context.topics).ok().map(|[topic]| topic);
        Ok(Self { link, jetstream, stream: config.stream, topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(messages.len());
        for messages in messages.chunks(AT_ONCE) {
            results.extend(match &self.stream {
                Some(stream) => self.to_stream(stream, messages).await,
                None => self.to_subjects(messages).await,
            });
        }
        results
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.link.round_trip().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.link.require()?;
        self.link.client.flush().await.map_err(error::unexpected)
    }
}

impl Publisher {
    /// Sends the messages in order, then awaits the confirmation of each.
    async fn to_stream(&self, stream: &str, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        if let Err(error) = self.link.require() {
            return vec![Err(error); messages.len()];
        }
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(self.send(stream, message).await);
        }
        let mut results = Vec::with_capacity(messages.len());
        for confirmation in sent {
            results.push(match confirmation {
                Ok((subject, confirmation)) => {
                    let confirmed = confirmation.into_future().await;
                    confirmed.map(drop).map_err(|error| error::not_published(&subject, stream, &error))
                }
                Err(error) => Err(error),
            });
        }
        results
    }

    async fn send(&self, stream: &str, message: &OutgoingMessage) -> Result<(String, PublishAckFuture), Error> {
        let subject = target(message, self.topic.as_deref())?;
        // Another stream that takes the subject must not be taken for this one.
        let publish = PublishMessage::build().payload(message.payload.clone()).headers(headers(message)?);
        let sent = self.jetstream.send_publish(subject.clone(), publish.expected_stream(stream)).await;
        let confirmation = sent.map_err(|error| error::not_published(&subject, stream, &error))?;
        Ok((subject, confirmation))
    }

    /// Sends the messages, and waits until the server has read them. Whether anybody listens is not known.
    async fn to_subjects(&self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        if let Err(error) = self.link.require() {
            return vec![Err(error); messages.len()];
        }
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            results.push(self.send_plain(message).await);
        }
        let read = self.link.round_trip().await;
        let forbidden = self.link.seen().borrow().refusal.clone();
        let forbidden = forbidden.filter(|text| text.to_lowercase().contains("permissions violation for publish"));
        for (result, message) in results.iter_mut().zip(messages) {
            let subject = target(message, self.topic.as_deref()).unwrap_or_default();
            let is_forbidden = |text: &&String| text.contains(&format!("{subject:?}"));
            if let (Ok(()), Err(error)) = (&*result, &read) {
                *result = Err(error.clone());
            }
            if let Some(text) = forbidden.as_ref().filter(is_forbidden) {
                *result = Err(Error::fatal(format!("{} forbids to publish: {text}", self.link.servers)));
            }
        }
        results
    }

    async fn send_plain(&self, message: &OutgoingMessage) -> Result<(), Error> {
        let subject = target(message, self.topic.as_deref())?;
        let (headers, payload, client) = (headers(message)?, message.payload.clone(), &self.link.client);
        let reply = message.attribute("reply_to").map(|reply| text("reply_to", reply)).transpose()?;
        let sent = match reply {
            Some(reply) => client.publish_with_reply_and_headers(subject, reply.to_owned(), headers, payload).await,
            None if headers.is_empty() => client.publish(subject, payload).await,
            None => client.publish_with_headers(subject, headers, payload).await,
        };
        sent.map_err(|error| Error::fatal(format!("the message cannot be sent: {error}")))
    }
}

/// The subject of a message: its topic, else the agent's.
fn target(message: &OutgoingMessage, usual: Option<&str>) -> Result<String, Error> {
    let topic = text("topic", &message.topic)?;
    let subject = match topic {
        "" => usual.ok_or_else(|| Error::fatal("the message has no topic, and the agent not exactly one"))?,
        topic => topic,
    };
    match subject::fault_of_target(subject) {
        Some(fault) => Err(Error::fatal(format!("the topic {subject:?} {fault}"))),
        None => Ok(subject.to_owned()),
    }
}

fn headers(message: &OutgoingMessage) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let name = text("name of a header", name)?;
        let wrong = || Error::fatal(format!("the header {name:?} is none that NATS can carry"));
        let value = HeaderValue::from_str(text("value of a header", value)?).map_err(|_| wrong())?;
        headers.append(HeaderName::from_str(name).map_err(|_| wrong())?, value);
    }
    if let Some(id) = message.attribute("message_id") {
        let wrong = |_| Error::fatal("the message_id has a line break");
        headers.insert(MESSAGE_ID, HeaderValue::from_str(text("message_id", id)?).map_err(wrong)?);
    }
    Ok(headers)
}

fn text<'a>(name: &str, bytes: &'a Bytes) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::fatal(format!("the {name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, attributes: &[(&'static str, &'static str)]) -> OutgoingMessage {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        OutgoingMessage { topic: topic.to_owned().into(), attributes, ..OutgoingMessage::default() }
    }

    #[test]
    fn a_message_goes_to_its_topic_else_to_the_agents() {
        let target = |topic: &str, usual| target(&message(topic, &[]), usual).map_err(|error| error.to_string());
        assert_eq!(target("orders.new", None).as_deref(), Ok("orders.new"));
        assert_eq!(target("", Some("orders")).as_deref(), Ok("orders"));
        assert!(target("", None).unwrap_err().contains("no topic"));
        assert!(target("orders.>", None).unwrap_err().contains("holds wildcards"));
    }

    #[test]
    fn headers_are_the_messages_own_and_its_id() {
        let mut message = message("t", &[("message_id", "7")]);
        message.headers = vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into())];
        let found = headers(&message).unwrap();
        let values: Vec<_> = found.get_all("X-A").map(HeaderValue::as_str).collect();
        assert_eq!((values, found.get(MESSAGE_ID).map(HeaderValue::as_str)), (vec!["1", "2"], Some("7")));
        message.headers = vec![("a b".into(), "1".into())];
        assert!(headers(&message).unwrap_err().to_string().contains("\"a b\" is none that NATS"));
    }
}
