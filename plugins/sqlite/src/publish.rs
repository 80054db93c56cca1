//! Events on their way into the queue: `siphon publish`, and whoever publishes later.

use std::path::Path;
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
        Self::open(&config.path, config.queue, context.topics).await
    }

    /// Stores the messages in one transaction, without those that are refused.
    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let mut events = Vec::with_capacity(messages.len());
        let mut store = |message| event(message, &self.topics).map(|event| events.push(event));
        let mut results: Vec<_> = messages.iter().map(&mut store).collect();
        if !events.is_empty()
            && let Err(error) = self.store(events).await
        {
            results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(error.clone()));
        }
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
    /// `topics`: what an event without a topic of its own may get.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub async fn open(path: &Path, queue: String, topics: Vec<String>) -> Result<Self, Error> {
        let store = Store::open(path).await.map_err(cannot_open)?;
        Ok(Self { store: Some(store), queue, topics })
    }

    async fn store(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        let store = self.store.as_ref().ok_or_else(closed)?;
        store.publish(&self.queue, events).await.map(drop).map_err(broken)
    }
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
    use crate::store::Route;

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

    /// Publishes one message to each topic; whether each was stored, and the topics in the queue afterwards.
    #[track_caller]
    fn check_stored(topics: &[&str], expected: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let found = runtime.block_on(async {
            let store = Store::open(&folder.path().join("events.db")).await.unwrap();
            let mut publisher = Publisher { store: Some(store.clone()), queue: "q".into(), topics: Vec::new() };
            let messages: Vec<_> = topics.iter().map(|topic| message(topic, &[])).collect();
            let results = publisher.publish(&messages).await;
            let is_refused: Vec<bool> = results.iter().map(Result::is_err).collect();
            assert_eq!(is_refused, topics.iter().map(|topic| !topic::is_exact(topic)).collect::<Vec<_>>());
            publisher.close().await.unwrap();
            assert_eq!(publisher.ping().await, Err(closed()));
            let route = Route { queue: "q".into(), dead_letter_queue: "q.dead".into() };
            let filter = topic::TopicFilter::new::<&str>(&[]);
            let consumer = store.consumer(route, filter, Duration::from_secs(30)).await.unwrap();
            let claim = tokio::time::timeout(Duration::from_secs(1), consumer.claim(9)).await;
            claim.map(Result::unwrap).unwrap_or_default()
        });
        assert_eq!(found.iter().map(|event| event.topic.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_refused_message_does_not_keep_the_others_from_being_stored() {
        check_stored(&["a", "*", "b", "c.#", "c"], &["a", "b", "c"]);
        check_stored(&["*"], &[]);
    }
}
