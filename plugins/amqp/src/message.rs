//! A delivery as a message: payload, properties, headers, and what the broker says about it.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use siphon_sdk::Message;

use crate::arguments;

/// Where `siphon publish` notes the topic of a message that it sends straight to the queue.
pub const TOPIC_HEADER: &str = "siphon-topic";

/// How often a quorum queue has delivered the message before.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// Names that most messages of a queue share: kept, not made anew.
#[derive(Debug)]
pub struct Names {
    queue: Bytes,
    exchange: Bytes,
    routing_key: Bytes,
}

impl Names {
    pub fn of_queue(queue: &str) -> Self {
        Self { queue: Bytes::copy_from_slice(queue.as_bytes()), exchange: Bytes::new(), routing_key: Bytes::new() }
    }

    /// The message that `delivery` carries; its tag names it in the settlement.
    pub fn message(&mut self, delivery: Delivery) -> Message {
        let Delivery { delivery_tag, exchange, routing_key, redelivered, properties, data, .. } = delivery;
        let exchange = kept(&mut self.exchange, &exchange);
        let topic = match own_topic(&exchange, properties.headers().as_ref()) {
            Some(topic) => topic,
            None => kept(&mut self.routing_key, &routing_key),
        };
        let message = Message::new(delivery_tag, data)
            .topic(topic.clone())
            .attribute("routing_key", topic)
            .attribute("exchange", exchange)
            .attribute("queue", self.queue.clone())
            .attribute("redelivered", Bytes::from_static(if redelivered { b"true" } else { b"false" }));
        with_properties(message, &properties)
    }
}

/// `name`, shared with the message before where that had the same.
fn kept(last: &mut Bytes, name: &ShortString) -> Bytes {
    if last[..] != *name.as_str().as_bytes() {
        *last = bytes(name);
    }
    last.clone()
}

/// The topic that `siphon publish` noted; other messages have the routing key for it.
fn own_topic(exchange: &Bytes, headers: Option<&FieldTable>) -> Option<Bytes> {
    let topic = headers.filter(|_| exchange.is_empty())?.inner().get(TOPIC_HEADER)?;
    Some(value(topic))
}

fn with_properties(mut message: Message, properties: &BasicProperties) -> Message {
    let headers = [("content-type", properties.content_type()), ("content-encoding", properties.content_encoding())];
    for (name, value) in headers {
        if let Some(value) = value {
            message = message.header(Bytes::from_static(name.as_bytes()), bytes(value));
        }
    }
    let attributes = [
        ("message_id", properties.message_id()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("type", properties.kind()),
        ("app_id", properties.app_id()),
        ("user_id", properties.user_id()),
        ("expiration", properties.expiration()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            message = message.attribute(name, bytes(value));
        }
    }
    if let Some(priority) = properties.priority() {
        message = message.attribute("priority", priority.to_string());
    }
    if let Some(milliseconds) =
        properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000))
    {
        message = message.timestamp_ms(milliseconds);
    }
    match properties.headers() {
        Some(headers) => with_headers(message, headers),
        None => message,
    }
}

fn with_headers(mut message: Message, headers: &FieldTable) -> Message {
    for (name, field) in headers.inner() {
        if name.as_str() == TOPIC_HEADER {
            continue;
        }
        if name.as_str() == DELIVERY_COUNT
            && let Some(count) = arguments::json(field).as_u64()
        {
            let attempt = u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
            message = message.attempt(attempt).attribute("delivery_count", count.to_string());
        }
        message = message.header(bytes(name), value(field));
    }
    message
}

/// A header's value: texts as they are, anything else as JSON.
fn value(field: &AMQPValue) -> Bytes {
    match field {
        AMQPValue::LongString(text) => Bytes::copy_from_slice(text.as_bytes()),
        AMQPValue::ShortString(text) => bytes(text),
        AMQPValue::ByteArray(array) => Bytes::copy_from_slice(array.as_slice()),
        AMQPValue::Void => Bytes::new(),
        other => arguments::json(other).to_string().into(),
    }
}

fn bytes(text: &ShortString) -> Bytes {
    Bytes::copy_from_slice(text.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(exchange: &str, key: &str, properties: BasicProperties) -> String {
        let mut delivery = Delivery::mock(7, exchange.into(), key.into(), true, b"{}".to_vec());
        delivery.properties = properties;
        format!("{:?}", Names::of_queue("orders").message(delivery))
    }

    #[track_caller]
    fn check(found: &str, expected: &[&str]) {
        expected.iter().for_each(|text| assert!(found.contains(text), "{text} is not in {found}"));
    }

    #[test]
    fn what_the_broker_says_is_an_attribute() {
        check(
            &message("shop", "order.new", BasicProperties::default()),
            &[
                r#"topic: b"order.new""#,
                r#"("routing_key", b"order.new")"#,
                r#"("exchange", b"shop")"#,
                r#"("queue", b"orders")"#,
                r#"("redelivered", b"true")"#,
                "id: 7",
                "attempt: 0",
            ],
        );
    }

    #[test]
    fn properties_are_attributes_and_the_content_type_is_a_header() {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id("m-1".into())
            .with_correlation_id("c".into())
            .with_reply_to("r".into())
            .with_timestamp(1_700_000_000)
            .with_priority(3);
        check(
            &message("", "q", properties),
            &[
                r#"headers: [(b"content-type", b"application/json")]"#,
                r#"("message_id", b"m-1"), ("correlation_id", b"c"), ("reply_to", b"r"), ("priority", b"3")"#,
                "timestamp_ms: Some(1700000000000)",
            ],
        );
    }

    #[test]
    fn headers_of_every_kind_become_text_and_the_delivery_count_an_attempt() {
        let mut headers = FieldTable::default();
        headers.insert("tenant".into(), AMQPValue::LongString("7".into()));
        headers.insert("n".into(), AMQPValue::LongInt(-1));
        headers.insert("x-death".into(), AMQPValue::FieldArray(vec![AMQPValue::Boolean(true)].into()));
        headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongLongInt(2));
        check(
            &message("x", "k", BasicProperties::default().with_headers(headers)),
            &[
                r#"(b"tenant", b"7")"#,
                r#"(b"n", b"-1")"#,
                r#"(b"x-death", b"[true]")"#,
                r#"("delivery_count", b"2")"#,
                "attempt: 3",
            ],
        );
    }

    #[test]
    fn a_message_that_was_sent_straight_to_the_queue_keeps_its_topic() {
        let mut headers = FieldTable::default();
        headers.insert(TOPIC_HEADER.into(), AMQPValue::LongString("order.new".into()));
        let properties = BasicProperties::default().with_headers(headers);
        check(&message("", "orders", properties.clone()), &[r#"topic: b"order.new""#, "headers: []"]);
        check(&message("shop", "order.old", properties), &[r#"topic: b"order.old""#]);
    }
}
