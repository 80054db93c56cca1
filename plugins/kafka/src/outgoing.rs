//! Records on their way to the cluster, each with the brokers' word that they have it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use siphon_sdk::{Error, OutgoingMessage};

use crate::connect::not_created;
use crate::error;
use crate::properties::CONFIRMED_WITHIN;
use crate::session::ANSWER;
use crate::token::{TokenSource, next_token};

/// How long a message may wait for a place in the client's queue before the next try.
const QUEUE_IS_FULL: Duration = Duration::from_millis(10);

/// Keeps the newest reason why a broker cannot be talked to, and knows where tokens come from.
#[derive(Debug, Clone)]
struct Trouble {
    newest: Arc<Mutex<Option<String>>>,
    tokens: Option<TokenSource>,
}

impl Trouble {
    fn newest(&self) -> Option<String> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Trouble {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        next_token(self.tokens.as_ref())
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(level = ?level, facility, "the Kafka client: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub topic: String,
    /// Empty: none.
    pub key: Bytes,
    /// `None`: the key says it, or chance.
    pub partition: Option<i32>,
}

/// A client whose brokers confirm.
pub struct Confirming {
    producer: FutureProducer<Trouble>,
    trouble: Trouble,
}

impl Confirming {
    /// It connects behind this call. `tokens`: where those of its login come from.
    ///
    /// # Errors
    ///
    /// The client cannot be made.
    pub fn new(client: &ClientConfig, tokens: Option<TokenSource>) -> Result<Self, Error> {
        let trouble = Trouble { newest: Arc::default(), tokens };
        let producer = client.create_with_context(trouble.clone()).map_err(not_created)?;
        Ok(Self { producer, trouble })
    }

    /// Hands the messages to the client in order, then awaits the brokers' confirmation of each. What could not be
    /// addressed keeps its error, and nobody else.
    pub async fn publish(
        &self,
        messages: &[OutgoingMessage],
        address: impl Fn(&OutgoingMessage) -> Result<Address, Error>,
    ) -> Vec<Result<(), Error>> {
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(match address(message) {
                Ok(address) => self.send(message, &address).await.map(|delivery| (address, delivery)),
                Err(error) => Err(error),
            });
        }
        let mut results = Vec::with_capacity(messages.len());
        for delivery in sent {
            results.push(match delivery {
                Ok((address, delivery)) => self.confirmed(&address.topic, delivery).await,
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Whether a broker answers, for `topic` or for all.
    ///
    /// # Errors
    ///
    /// None did in time.
    pub async fn ping(&self, topic: Option<String>) -> Result<(), Error> {
        let (producer, trouble) = (self.producer.clone(), self.trouble.newest());
        let ask = move || producer.client().fetch_metadata(topic.as_deref(), ANSWER).map(drop);
        match tokio::task::spawn_blocking(ask).await {
            Ok(answer) => answer.map_err(|error| error::no_answer(&error, trouble.as_deref())),
            Err(error) => Err(Error::fatal(format!("a thread of the Kafka driver broke: {error}"))),
        }
    }

    async fn send(&self, message: &OutgoingMessage, address: &Address) -> Result<DeliveryFuture, Error> {
        let mut record = record(message, address)?;
        loop {
            match self.producer.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((error, back)) if error.rdkafka_error_code() == Some(Code::QueueFull) => {
                    record = back;
                    tokio::time::sleep(QUEUE_IS_FULL).await;
                }
                Err((error, _)) => return Err(self.refused(&error, &address.topic)),
            }
        }
    }

    async fn confirmed(&self, topic: &str, delivery: DeliveryFuture) -> Result<(), Error> {
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.refused(&error, topic)),
            Err(_) => Err(Error::connection("the Kafka client ended before the brokers confirmed")),
        }
    }

    fn refused(&self, error: &KafkaError, topic: &str) -> Error {
        error::not_published(error, topic, self.trouble.newest().as_deref(), CONFIRMED_WITHIN)
    }
}

fn record<'a>(message: &'a OutgoingMessage, address: &'a Address) -> Result<FutureRecord<'a, [u8], [u8]>, Error> {
    let mut record = FutureRecord::to(&address.topic).payload(&message.payload[..]);
    if !address.key.is_empty() {
        record = record.key(&address.key[..]);
    }
    if let Some(partition) = address.partition {
        record = record.partition(partition);
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
