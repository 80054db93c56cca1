//! Events on their way into the queue: `siphon publish`, and whoever publishes later.

use std::time::Duration;

use bytes::Bytes;
use siphon_sdk::{Context, Error, Finding, HumanDuration, OutgoingMessage, Sink};

use crate::config::Config;
use crate::connect::{broken, cannot_open, closed};
use crate::store::{MAX_EVENT_BYTES, NewEvent, Store};
use crate::{KEYS, LABEL, topic};

/// The queue as a place to publish to.
pub struct Publisher {
    /// None after the goodbye.
    store: Option<Store>,
    queue: String,
    topics: Vec<String>,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, _: &Context) -> Vec<Finding> {
        config.findings()
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let store = Store::open(&config.path).await.map_err(cannot_open)?;
        Ok(Self { store: Some(store), queue: config.queue, topics: context.topics })
    }

    /// Stores the messages before the first one that cannot be stored, in one transaction.
    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let (events, refused) = until_refused(messages, &self.topics);
        let count = events.len();
        let stored = self.store(events).await;
        let rest = messages.len() - count;
        let not_tried = refused.unwrap_or_else(|| Error::fatal("not published"));
        let mut results = vec![stored; count];
        results.extend(vec![Err(not_tried); rest]);
        results
    }

    async fn ping(&mut self) -> Result<(), Error> {
        match &self.store {
            Some(store) => store.ping().await.map_err(broken),
            None => Err(closed()),
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        Ok(())
    }
}

impl Publisher {
    async fn store(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        let store = self.store.as_ref().ok_or_else(closed)?;
        store.publish(&self.queue, events).await.map(drop).map_err(broken)
    }
}

/// The messages as events up to the first that is refused, and why it is.
fn until_refused(messages: &[OutgoingMessage], topics: &[String]) -> (Vec<NewEvent>, Option<Error>) {
    let mut events = Vec::with_capacity(messages.len());
    for message in messages {
        match event(message, topics) {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

fn event(message: &OutgoingMessage, topics: &[String]) -> Result<NewEvent, Error> {
    let event = NewEvent {
        topic: topic_of(message, topics)?,
        key: (!message.key.is_empty()).then(|| message.key.to_vec()),
        message_id: message.attribute("message_id").map(|id| text("message_id", id)).transpose()?,
        headers: message.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        payload: message.payload.clone(),
        delay: message.attribute("delay").map_or(Ok(Duration::ZERO), delay)?,
    };
    match event.size() {
        ..=MAX_EVENT_BYTES => Ok(event),
        size => Err(refused(format!("an event of {size} bytes is over the limit of {MAX_EVENT_BYTES} bytes"))),
    }
}

/// The message's own topic, else that of the agent when it listens to exactly one.
fn topic_of(message: &OutgoingMessage, topics: &[String]) -> Result<String, Error> {
    if message.topic.is_empty() {
        return match topics {
            [] => Ok(String::new()),
            [only] if topic::is_exact(only) => Ok(only.clone()),
            several => {
                Err(refused(format!("no topic given, and the agent's `{}` is not one: name it", several.join("`, `"))))
            }
        };
    }
    let topic = text("topic", &message.topic)?;
    if topic::is_exact(&topic) {
        return Ok(topic);
    }
    Err(refused(format!("`{topic}` is a pattern: an event needs a topic without `*` and `#`")))
}

fn delay(value: &Bytes) -> Result<Duration, Error> {
    let text = text("delay", value)?;
    let delay = text.parse::<HumanDuration>().map_err(|error| refused(format!("delay {text:?} {error}")))?;
    Ok(delay.0)
}

fn text(name: &str, value: &Bytes) -> Result<String, Error> {
    String::from_utf8(value.to_vec()).map_err(|_| refused(format!("the {name} is not UTF-8")))
}

/// The message's own fault: the connection stays, and trying again is vain.
fn refused(message: String) -> Error {
    Error::fatal(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, attributes: &[(&'static str, &'static str)]) -> OutgoingMessage {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        OutgoingMessage { topic: topic.to_owned().into(), attributes, ..OutgoingMessage::default() }
    }

    /// The topic that a message without or with one of its own gets, or what the refusal says.
    #[track_caller]
    fn check(own: &str, topics: &[&str], expected: Result<&str, &str>) {
        let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
        match (event(&message(own, &[]), &topics), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.topic, expected),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, _) => panic!("{own} {topics:?}: {found:?}"),
        }
    }

    #[test]
    fn a_message_goes_to_its_own_topic_or_to_the_only_one_of_its_agent() {
        check("orders.eu", &["orders.*"], Ok("orders.eu"));
        check("", &["orders"], Ok("orders"));
        check("", &[], Ok(""));
    }

    #[test]
    fn a_message_without_one_topic_is_refused() {
        check("", &["orders.*"], Err("no topic given, and the agent's `orders.*` is not one"));
        check("", &["a", "b"], Err("the agent's `a`, `b` is not one"));
        check("orders.#", &["orders"], Err("`orders.#` is a pattern"));
    }

    #[test]
    fn a_message_brings_its_id_and_its_delay() {
        let found = event(&message("a", &[("message_id", "7"), ("delay", "1m30s")]), &[]).unwrap();
        assert_eq!((found.message_id.as_deref(), found.delay), (Some("7"), Duration::from_secs(90)));
        let error = event(&message("a", &[("delay", "soon")]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "delay \"soon\" is no duration; write something like 5s or 500ms");
    }

    #[test]
    fn messages_before_a_bad_one_are_stored_and_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let results = runtime.block_on(async {
            let store = Store::open(&folder.path().join("events.db")).await.unwrap();
            let mut publisher = Publisher { store: Some(store), queue: "q".into(), topics: Vec::new() };
            let results = publisher.publish(&[message("a", &[]), message("*", &[]), message("b", &[])]).await;
            publisher.close().await.unwrap();
            assert_eq!(publisher.ping().await, Err(closed()));
            results
        });
        let is_stored: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(is_stored, [true, false, false]);
    }
}
