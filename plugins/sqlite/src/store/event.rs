//! What goes into the queue, what comes out, and what is said about it afterwards.

use std::time::Duration;

use super::headers::{self, Header};

/// Largest event, payload, key and headers together. SQLite's own limit is 1 GB; an event is held
/// several times in memory on its way, so it ends earlier, and with a sentence.
pub const MAX_EVENT_BYTES: usize = 256 << 20;

/// Longest time an event can be kept back. Longer waits are cut to it: a hundred years.
pub const MAX_DELAY_MS: i64 = 100 * 365 * 86_400_000;

/// Milliseconds since 1970, by the wall clock: the only clock that processes share.
pub type Millis = i64;

/// An event to be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEvent {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub message_id: Option<String>,
    pub headers: Vec<Header>,
    pub payload: bytes::Bytes,
    /// How long nobody may claim it.
    pub delay: Duration,
}

impl NewEvent {
    /// Bytes that count towards [`MAX_EVENT_BYTES`].
    pub fn size(&self) -> usize {
        let key = self.key.as_ref().map_or(0, Vec::len);
        let id = self.message_id.as_ref().map_or(0, String::len);
        self.payload.len() + key + id + self.topic.len() + headers::encoded_len(&self.headers)
    }
}

/// Names one claim of one event. A later claim of the same event has another lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Number of the event in its file, from 1, in the order of publishing.
    pub id: i64,
    pub lease: i64,
}

/// A claimed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub ticket: Ticket,
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub message_id: Option<String>,
    pub headers: Vec<Header>,
    pub payload: Vec<u8>,
    pub published: Millis,
    /// This claim included: 1 for an event that nobody had before.
    pub attempt: u32,
}

/// What becomes of a claimed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Done: the event is deleted.
    Ack,
    /// Untouched: claimable at once, and the attempt does not count.
    Requeue,
    /// Failed: claimable after the delay.
    Retry(Duration),
    /// Given up: moved to the dead-letter queue.
    Reject,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub ticket: Ticket,
    pub verdict: Verdict,
}

/// Whether a settlement still counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Done,
    /// The lease had passed to somebody else, or the event was settled before: nothing changed.
    Stale,
}

/// `delay` in the unit of the file.
pub fn millis(delay: Duration) -> Millis {
    Millis::try_from(delay.as_millis()).unwrap_or(MAX_DELAY_MS).min(MAX_DELAY_MS)
}
