//! A delivery as a message: payload, headers, and what the server says about it.
//!
//! Source of the subject for answers: ADR-15 of NATS' architecture,
//! <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md>.

use async_nats::{HeaderMap, Message as Delivery};
use bytes::Bytes;
use siphon_sdk::Message;

use crate::link::GENERATION;

/// The header by which servers tell repeated publishes.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

const ANSWERS: &str = "$JS.ACK.";

/// What stands in the subject for answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// In the stream, from 1.
    pub sequence: u64,
    /// How often it was delivered, from 1.
    pub count: u32,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
}

impl Place {
    /// `$JS.ACK.STREAM.CONSUMER.COUNT.SEQUENCE.SEQUENCE_OF_CONSUMER.NANOSECONDS.WAITING`; newer servers put a domain and
    /// the hash of an account before the stream. `None`: it is neither.
    pub fn of(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix(ANSWERS)?;
        let before = match rest.split('.').count() {
            7 => 2,
            9.. => 4,
            _ => return None,
        };
        let mut parts = rest.split('.').skip(before);
        let count = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        let nanoseconds: i64 = parts.nth(1)?.parse().ok()?;
        Some(Self { sequence, count, timestamp_ms: nanoseconds / 1_000_000 })
    }
}

/// Names that most messages share: kept, not made anew.
#[derive(Debug, Default)]
pub struct Names {
    stream: Bytes,
    consumer: Bytes,
    subject: Bytes,
}

impl Names {
    pub fn of_consumer(stream: &str, consumer: &str) -> Self {
        let bytes = |name: &str| Bytes::copy_from_slice(name.as_bytes());
        Self { stream: bytes(stream), consumer: bytes(consumer), subject: Bytes::new() }
    }

    /// An event of a stream. Its sequence names it in the settlement, and in the log.
    pub fn of_stream(&mut self, delivery: Delivery, place: &Place) -> Message {
        let sequence = place.sequence;
        self.message(sequence, delivery)
            .attempt(place.count)
            .timestamp_ms(place.timestamp_ms)
            .offset(i64::try_from(sequence).unwrap_or(i64::MAX))
            .attribute("stream", self.stream.clone())
            .attribute("consumer", self.consumer.clone())
            .attribute("stream_sequence", sequence.to_string())
    }

    /// A message of a plain subject.
    pub fn of_subject(&mut self, id: u64, delivery: Delivery) -> Message {
        let reply = delivery.reply.as_ref().map(|reply| Bytes::copy_from_slice(reply.as_bytes()));
        let message = self.message(id, delivery);
        match reply {
            Some(reply) => message.attribute("reply_to", reply),
            None => message,
        }
    }

    fn message(&mut self, id: u64, delivery: Delivery) -> Message {
        if self.subject != delivery.subject.as_bytes() {
            self.subject = Bytes::copy_from_slice(delivery.subject.as_bytes());
        }
        let message = Message::new(id, delivery.payload)
            .generation(GENERATION)
            .topic(self.subject.clone())
            .attribute("subject", self.subject.clone());
        match &delivery.headers {
            Some(headers) => with_headers(message, headers),
            None => message,
        }
    }
}

fn with_headers(mut message: Message, headers: &HeaderMap) -> Message {
    for (name, values) in headers.iter() {
        let name: &str = name.as_ref();
        for value in values {
            let value = Bytes::copy_from_slice(value.as_str().as_bytes());
            if name.eq_ignore_ascii_case(MESSAGE_ID) {
                message = message.attribute("message_id", value.clone());
            }
            message = message.header(Bytes::copy_from_slice(name.as_bytes()), value);
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(reply: Option<&str>, headers: &[(&str, &str)]) -> Delivery {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        Delivery {
            subject: "orders.new".into(),
            reply: reply.map(|reply| reply.to_owned().into()),
            payload: "{}".into(),
            headers: Some(map),
            status: None,
            description: None,
            length: 2,
        }
    }

    #[track_caller]
    fn check(found: &Message, expected: &[&str]) {
        let found = format!("{found:?}");
        expected.iter().for_each(|text| assert!(found.contains(text), "{text} is not in {found}"));
    }

    #[test]
    fn the_subject_for_answers_tells_place_count_and_time() {
        let place = Some(Place { sequence: 42, count: 3, timestamp_ms: 1_700_000_000_000 });
        assert_eq!(Place::of("$JS.ACK.ORDERS.siphon.3.42.7.1700000000000000000.5"), place);
        assert_eq!(Place::of("$JS.ACK.hub.hash.ORDERS.siphon.3.42.7.1700000000000000000.5"), place);
        assert_eq!(Place::of("$JS.ACK.hub.hash.ORDERS.siphon.3.42.7.1700000000000000000.5.token"), place);
        for other in ["_INBOX.a.b", "$JS.ACK.ORDERS.siphon.3.42", "$JS.ACK.O.s.x.42.7.1700000000000000000.5"] {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }

    #[test]
    fn an_event_of_a_stream_carries_all_that_the_server_says() {
        let place = Place { sequence: 42, count: 3, timestamp_ms: 1_700_000_000_000 };
        let headers = [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2"), (MESSAGE_ID, "m-1")];
        check(
            &Names::of_consumer("ORDERS", "siphon").of_stream(delivery(Some("$JS.ACK"), &headers), &place),
            &[
                "id: 42, generation: 1",
                r#"topic: b"orders.new""#,
                r#"("subject", b"orders.new")"#,
                r#"("stream", b"ORDERS")"#,
                r#"("consumer", b"siphon")"#,
                r#"("stream_sequence", b"42")"#,
                r#"("message_id", b"m-1")"#,
                r#"(b"Content-Type", b"text/plain")"#,
                r#"(b"X-A", b"1"), (b"X-A", b"2")"#,
                "timestamp_ms: Some(1700000000000), attempt: 3, partition: None, offset: Some(42)",
            ],
        );
    }

    #[test]
    fn a_message_of_a_plain_subject_says_where_an_answer_is_awaited() {
        let message = Names::default().of_subject(7, delivery(Some("_INBOX.a"), &[]));
        check(&message, &["id: 7", r#"("subject", b"orders.new"), ("reply_to", b"_INBOX.a")"#, "attempt: 0"]);
    }
}
