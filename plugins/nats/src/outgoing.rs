//! Messages on their way to the server, each with its word that it has them.

use std::str::FromStr as _;
use std::sync::Arc;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use async_nats::jetstream;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use siphon_sdk::{Error, OutgoingMessage};

use crate::error;
use crate::link::Link;
use crate::message::MESSAGE_ID;
use crate::subject;

/// Messages that are on their way at once. The client waits for ever where its own limit, some thousands, is passed.
const AT_ONCE: usize = 256;

/// One message, addressed.
#[derive(Debug)]
pub struct Letter {
    pub subject: String,
    pub headers: HeaderMap,
    /// A subject for answers; for plain subjects only.
    pub reply: Option<String>,
    pub payload: Bytes,
}

/// Who confirms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// JetStream, when this stream has stored it; `None`: whichever stream takes the subject.
    Stored(Option<String>),
    /// The server, when it has read it. Whether anybody listens is not known.
    Read,
}

/// A connection whose server confirms.
pub struct Confirming {
    pub link: Arc<Link>,
    jetstream: jetstream::Context,
    confirmation: Confirmation,
}

impl Confirming {
    pub fn new(link: Arc<Link>, confirmation: Confirmation) -> Self {
        let jetstream = jetstream::new(link.client.clone());
        Self { link, jetstream, confirmation }
    }

    /// Sends the letters in order, then awaits the confirmation of each: one result a letter. What could not be addressed
    /// keeps its error, and nobody else.
    pub async fn publish(&self, letters: Vec<Result<Letter, Error>>) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(letters.len());
        let mut letters = letters.into_iter().peekable();
        while letters.peek().is_some() {
            let some = letters.by_ref().take(AT_ONCE).collect();
            results.extend(match &self.confirmation {
                Confirmation::Stored(stream) => self.to_stream(stream.as_deref(), some).await,
                Confirmation::Read => self.to_subjects(some).await,
            });
        }
        results
    }

    /// Says goodbye.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub async fn close(&self) -> Result<(), Error> {
        self.link.require()?;
        self.link.client.flush().await.map_err(error::unexpected)
    }

    async fn to_stream(&self, stream: Option<&str>, letters: Vec<Result<Letter, Error>>) -> Vec<Result<(), Error>> {
        let mut sent = Vec::with_capacity(letters.len());
        for letter in letters {
            sent.push(match letter {
                Ok(letter) => self.send(stream, letter).await,
                Err(error) => Err(error),
            });
        }
        let mut results = Vec::with_capacity(sent.len());
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

    async fn send(&self, stream: Option<&str>, letter: Letter) -> Result<(String, PublishAckFuture), Error> {
        self.link.require()?;
        let Letter { subject, headers, payload, .. } = letter;
        let mut publish = PublishMessage::build().payload(payload).headers(headers);
        if let Some(stream) = stream {
            // Another stream that takes the subject must not be taken for this one.
            publish = publish.expected_stream(stream);
        }
        let sent = self.jetstream.send_publish(subject.clone(), publish).await;
        let confirmation = sent.map_err(|error| error::not_published(&subject, stream, &error))?;
        Ok((subject, confirmation))
    }

    /// Sends the messages, and waits until the server has read them. Whether anybody listens is not known.
    async fn to_subjects(&self, letters: Vec<Result<Letter, Error>>) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(letters.len());
        for letter in letters {
            results.push(match letter {
                Ok(letter) => self.send_plain(letter).await,
                Err(error) => Err(error),
            });
        }
        let read = self.link.round_trip().await;
        let forbidden = self.link.seen().borrow().refusal.clone();
        let forbidden = forbidden.filter(|text| text.to_lowercase().contains("permissions violation for publish"));
        let judged = |subject: String| {
            read.clone()?;
            match forbidden.as_ref().filter(|text| text.contains(&format!("{subject:?}"))) {
                Some(text) => Err(Error::fatal(format!("{} forbids to publish: {text}", self.link.servers))),
                None => Ok(()),
            }
        };
        results.into_iter().map(|sent| sent.and_then(judged)).collect()
    }

    /// Returns the subject.
    async fn send_plain(&self, letter: Letter) -> Result<String, Error> {
        self.link.require()?;
        let (Letter { subject, headers, reply, payload }, client) = (letter, &self.link.client);
        let to = subject.clone();
        let sent = match reply {
            Some(reply) => client.publish_with_reply_and_headers(to, reply, headers, payload).await,
            None if headers.is_empty() => client.publish(to, payload).await,
            None => client.publish_with_headers(to, headers, payload).await,
        };
        sent.map(|()| subject).map_err(|error| Error::fatal(format!("the message cannot be sent: {error}")))
    }
}

/// The subject, if a message can be sent to it.
///
/// # Errors
///
/// What is wrong with it.
pub fn target(subject: String) -> Result<String, Error> {
    match subject::fault_of_target(&subject) {
        Some(fault) => Err(Error::fatal(format!("the subject {subject:?} {fault}"))),
        None => Ok(subject),
    }
}

/// The message's own headers. `id`: what JetStream tells repetitions by, within the stream's `duplicate_window`.
///
/// # Errors
///
/// A header that NATS cannot carry.
pub fn headers(message: &OutgoingMessage, id: Option<&str>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let name = text("name of a header", name)?;
        let wrong = || Error::fatal(format!("the header {name:?} is none that NATS can carry"));
        let value = HeaderValue::from_str(text("value of a header", value)?).map_err(|_| wrong())?;
        headers.append(HeaderName::from_str(name).map_err(|_| wrong())?, value);
    }
    if let Some(id) = id {
        let wrong = |_| Error::fatal("the message_id has a line break");
        headers.insert(MESSAGE_ID, HeaderValue::from_str(id).map_err(wrong)?);
    }
    Ok(headers)
}

/// `bytes` as a text; `name` says in the error what they are.
///
/// # Errors
///
/// They are none.
pub fn text<'a>(name: &str, bytes: &'a Bytes) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::fatal(format!("the {name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_the_messages_own_and_its_id() {
        let headers_of = |given| OutgoingMessage { headers: given, ..OutgoingMessage::default() };
        let message = headers_of(vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into())]);
        let found = headers(&message, Some("7")).unwrap();
        let values: Vec<_> = found.get_all("X-A").map(HeaderValue::as_str).collect();
        assert_eq!((values, found.get(MESSAGE_ID).map(HeaderValue::as_str)), (vec!["1", "2"], Some("7")));
        let message = headers_of(vec![("a b".into(), "1".into())]);
        assert!(headers(&message, None).unwrap_err().to_string().contains("\"a b\" is none that NATS"));
    }
}
