//! Messages on the wire, each with the broker's word that it has it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Confirmation, PublisherConfirm};
use siphon_sdk::{Error, OutgoingMessage};

use crate::connect::Link;
use crate::error::{self, Doing};

/// How long the broker may take to confirm. It takes nothing while its memory or disk is low.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages outlive a restart of the broker, where their queue does.
pub const PERSISTENT: u8 = 2;

/// One message, addressed.
#[derive(Debug)]
pub struct Letter {
    pub exchange: ShortString,
    pub routing_key: ShortString,
    /// The broker returns what no queue takes; it would drop it otherwise.
    pub mandatory: bool,
    pub properties: BasicProperties,
    pub payload: Bytes,
}

/// A channel whose broker confirms.
pub struct Confirming {
    pub link: Arc<Link>,
}

impl Confirming {
    /// # Errors
    ///
    /// The broker does not confirm, or is gone.
    pub async fn new(link: Arc<Link>) -> Result<Self, Error> {
        let selected = link.channel.confirm_select(ConfirmSelectOptions::default()).await;
        selected.map_err(|error| link.refused(Doing::Publishing, &error))?;
        Ok(Self { link })
    }

    /// Sends the letters in order, then awaits the confirmation of each: one result a letter. What could not be addressed
    /// keeps its error and nobody else; after a broken connection all others have that error.
    pub async fn publish(&self, letters: Vec<Result<Letter, Error>>) -> Vec<Result<(), Error>> {
        let mut sent = Vec::with_capacity(letters.len());
        let mut broken = None;
        for letter in letters {
            sent.push(match (letter, &broken) {
                (Err(error), _) => Err(error),
                (Ok(_), Some(error)) => Err(Error::clone(error)),
                (Ok(letter), None) => {
                    let sent = self.bounded(self.send(letter)).await;
                    broken = sent.as_ref().err().cloned();
                    sent
                }
            });
        }
        let mut results = Vec::with_capacity(sent.len());
        for confirmation in sent {
            results.push(match confirmation {
                Ok(confirmation) => self.bounded(self.confirmed(confirmation)).await,
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Whether the broker still answers on this connection.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub async fn ping_queue(&self, queue: &str) -> Result<(), Error> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let asked = self.link.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        asked.map(drop).map_err(|error| error::ended(&self.link.address, &error))
    }

    async fn bounded<T>(&self, publishing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let address = &self.link.address;
        let late =
            || Error::connection(format!("{address} did not confirm within {PATIENCE:?}: is its memory or disk low?"));
        tokio::time::timeout(PATIENCE, publishing).await.unwrap_or_else(|_| Err(late()))
    }

    async fn send(&self, letter: Letter) -> Result<PublisherConfirm, Error> {
        let Letter { exchange, routing_key, mandatory, properties, payload } = letter;
        let options = BasicPublishOptions { mandatory, immediate: false };
        let sent = self.link.channel.basic_publish(exchange, routing_key, options, &payload, properties).await;
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

/// Persistent, with the message's own headers; its content type is the property of that name.
///
/// # Errors
///
/// A name or content type that AMQP cannot carry.
pub fn properties(message: &OutgoingMessage) -> Result<BasicProperties, Error> {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        if name.eq_ignore_ascii_case(b"content-type") {
            properties = properties.with_content_type(short("content-type", value)?);
        } else {
            headers.insert(short("name of a header", name)?, text(value));
        }
    }
    if !headers.inner().is_empty() {
        properties = properties.with_headers(headers);
    }
    if let Some(seconds) = message.timestamp_ms.and_then(|ms| u64::try_from(ms / 1_000).ok()) {
        properties = properties.with_timestamp(seconds);
    }
    Ok(properties)
}

/// Bytes as a text of any length.
pub fn text(bytes: &[u8]) -> AMQPValue {
    AMQPValue::LongString(LongString::from(bytes.to_vec()))
}

/// Bytes as one of AMQP's short texts; `name` says in the error what they are.
///
/// # Errors
///
/// No UTF-8, or more than 255 bytes.
pub fn short(name: &str, bytes: &[u8]) -> Result<ShortString, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::fatal(format!("the {name} is not UTF-8")))?;
    ShortString::try_new(text).map_err(|_| Error::fatal(format!("the {name} has more than 255 bytes")))
}
