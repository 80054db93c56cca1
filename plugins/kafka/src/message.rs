//! A record as a message.

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use siphon_sdk::Message;

/// What all records of a partition have in common.
#[derive(Debug)]
pub struct Origin {
    pub topic: Bytes,
    pub partition: i32,
    /// The header that the key goes to, too.
    pub key_header: Option<Bytes>,
}

/// The record's text, copied: librdkafka's memory must not outlive its client, and messages may.
///
/// One block holds everything of a record; the parts are slices of it.
pub fn message(record: &BorrowedMessage<'_>, origin: &Origin, generation: u64) -> Message {
    let (payload, key) = (record.payload().unwrap_or_default(), record.key().unwrap_or_default());
    let headers: Vec<_> = record.headers().into_iter().flat_map(|headers| headers.iter()).collect();
    let of_headers: usize = headers.iter().map(|one| one.key.len() + one.value.map_or(0, <[u8]>::len)).sum();
    let mut block = BytesMut::with_capacity(payload.len() + key.len() + of_headers);
    let mut copied = |part: &[u8]| {
        block.extend_from_slice(part);
        block.split().freeze()
    };
    // An offset is never negative.
    let id = record.offset().unsigned_abs();
    let mut message = Message::new(id, copied(payload))
        .generation(generation)
        .topic(origin.topic.clone())
        .partition(origin.partition)
        .offset(record.offset());
    let key = copied(key);
    for header in headers {
        message = message.header(copied(header.key.as_bytes()), copied(header.value.unwrap_or_default()));
    }
    if let Some(name) = origin.key_header.as_ref().filter(|_| !key.is_empty()) {
        message = message.header(name.clone(), key.clone());
    }
    if let Some(milliseconds) = record.timestamp().to_millis() {
        message = message.timestamp_ms(milliseconds).attribute("timestamp", milliseconds.to_string());
    }
    message.key(key)
}
