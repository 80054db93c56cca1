//! Events on their way to the cluster: `siphon publish`, and whoever publishes later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::{Config, is_regex};
use crate::connect::not_created;
use crate::error;
use crate::properties::{CONFIRMED_WITHIN, Role};
use crate::session::ANSWER;
use crate::{KEYS, LABEL};

/// How long a message may wait for a place in the client's queue before the next try.
const QUEUE_IS_FULL: Duration = Duration::from_millis(10);

/// Keeps the newest reason why a broker cannot be talked to.
#[derive(Debug, Clone, Default)]
struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn newest(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Trouble {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(level = ?level, facility, "the Kafka client: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

/// The cluster as a place to publish to.
pub struct Publisher {
    producer: FutureProducer<Trouble>,
    trouble: Trouble,
    /// The agent's topic, where it names exactly one.
    topic: Option<String>,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context, Role::Producer)
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let trouble = Trouble::default();
        let client = config.client(&context, Role::Producer)?;
        let producer = client.create_with_context(trouble.clone()).map_err(not_created)?;
        let topic = match context.topics.as_slice() {
            [topic] if !is_regex(topic) => Some(topic.clone()),
            _ => None,
        };
        Ok(Self { producer, trouble, topic })
    }

    /// Hands the messages to the client in order, then awaits the brokers' confirmation of each.
    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(self.send(message).await);
        }
        let mut results = Vec::with_capacity(messages.len());
        for (message, delivery) in messages.iter().zip(sent) {
            results.push(match delivery {
                Ok(delivery) => self.confirmed(message, delivery).await,
                Err(error) => Err(error),
            });
        }
        results
    }

    async fn ping(&mut self) -> Result<(), Error> {
        let (producer, trouble) = (self.producer.clone(), self.trouble.newest());
        let topic = self.topic.clone();
        let ask = move || producer.client().fetch_metadata(topic.as_deref(), ANSWER).map(drop);
        match tokio::task::spawn_blocking(ask).await {
            Ok(answer) => answer.map_err(|error| error::no_answer(&error, trouble.as_deref())),
            Err(error) => Err(Error::fatal(format!("a thread of the Kafka driver broke: {error}"))),
        }
    }
}

impl Publisher {
    async fn send(&self, message: &OutgoingMessage) -> Result<DeliveryFuture, Error> {
        let topic = self.topic_of(message)?;
        let mut record = record(message, topic)?;
        loop {
            match self.producer.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((error, back)) if error.rdkafka_error_code() == Some(Code::QueueFull) => {
                    record = back;
                    tokio::time::sleep(QUEUE_IS_FULL).await;
                }
                Err((error, _)) => return Err(self.refused(&error, topic)),
            }
        }
    }

    async fn confirmed(&self, message: &OutgoingMessage, delivery: DeliveryFuture) -> Result<(), Error> {
        let topic = self.topic_of(message)?;
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.refused(&error, topic)),
            Err(_) => Err(Error::connection("the Kafka client ended before the brokers confirmed")),
        }
    }

    fn topic_of<'a>(&'a self, message: &'a OutgoingMessage) -> Result<&'a str, Error> {
        if message.topic.is_empty() {
            return self
                .topic
                .as_deref()
                .ok_or_else(|| Error::fatal("the message names no topic, and the agent none or several"));
        }
        std::str::from_utf8(&message.topic).map_err(|_| Error::fatal("the topic is not UTF-8"))
    }

    fn refused(&self, error: &KafkaError, topic: &str) -> Error {
        error::not_published(error, topic, self.trouble.newest().as_deref(), CONFIRMED_WITHIN)
    }
}

fn record<'a>(message: &'a OutgoingMessage, topic: &'a str) -> Result<FutureRecord<'a, [u8], [u8]>, Error> {
    let mut record = FutureRecord::to(topic).payload(&message.payload[..]);
    if !message.key.is_empty() {
        record = record.key(&message.key[..]);
    }
    if let Some(partition) = message.attribute("partition") {
        let number = std::str::from_utf8(partition).ok().and_then(|text| text.parse::<i32>().ok());
        let number = number.filter(|number| *number >= 0);
        record = record.partition(number.ok_or_else(|| Error::fatal("the partition is no number"))?);
    }
    if let Some(milliseconds) = message.timestamp_ms {
        record = record.timestamp(milliseconds);
    }
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
    for (name, value) in &message.headers {
        let key = std::str::from_utf8(name).map_err(|_| Error::fatal("the name of a header is not UTF-8"))?;
        headers = headers.insert(Header { key, value: Some(&value[..]) });
    }
    Ok(if message.headers.is_empty() { record } else { record.headers(headers) })
}
