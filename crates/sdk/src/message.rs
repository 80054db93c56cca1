//! Messages on their way in ([`Message`], [`Batch`]) and out ([`OutgoingMessage`]).

use std::sync::Arc;

use bytes::Bytes;
use siphon_abi::Terms;
use tokio::sync::Notify;

use crate::Error;

/// One delivered message. `payload`, keys and headers are shared, not copied, when they are `Bytes` already.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub(crate) id: u64,
    pub(crate) generation: u64,
    pub(crate) payload: Bytes,
    pub(crate) key: Bytes,
    pub(crate) topic: Bytes,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    pub(crate) attributes: Vec<(&'static str, Bytes)>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) attempt: u32,
    pub(crate) partition: Option<i32>,
    pub(crate) offset: Option<i64>,
}

impl Message {
    /// `id` names this delivery in its [`Settlement`](crate::Settlement); unique while unsettled.
    pub fn new(id: u64, payload: impl Into<Bytes>) -> Self {
        Self { id, payload: payload.into(), ..Self::default() }
    }

    /// Which connection or assignment it came with; comes back in its settlement. Default 0.
    #[must_use]
    pub fn generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = key.into();
        self
    }

    #[must_use]
    pub fn topic(mut self, topic: impl Into<Bytes>) -> Self {
        self.topic = topic.into();
        self
    }

    /// Adds one of the message's own headers; names may repeat.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds what the driver knows besides, such as `message_id` or `routing_key`; a `{placeholder}` of the pipe.
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: impl Into<Bytes>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp: i64) -> Self {
        self.timestamp_ms = Some(timestamp);
        self
    }

    /// Which attempt this delivery is, from 1, where the broker counts.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    #[must_use]
    pub fn offset(mut self, offset: i64) -> Self {
        self.offset = Some(offset);
        self
    }
}

/// What [`Receiver::recv`](crate::Receiver::recv) fills: messages and notices, in the order in which things happened.
#[derive(Debug)]
pub struct Batch {
    pub(crate) entries: Vec<Entry>,
    room: usize,
    /// Told when the room may have changed; `None` for a batch that nobody fills again.
    room_changed: Option<Arc<Notify>>,
}

#[derive(Debug)]
pub(crate) enum Entry {
    Message(Message),
    Connected { generation: u64, terms: Terms },
    Lost { generation: u64, reason: String },
    Revoked { partition: i32, generation: u64 },
    Lag { partition: Option<i32>, count: u64 },
}

impl Batch {
    pub(crate) fn new(room: usize) -> Self {
        Self { entries: Vec::new(), room, room_changed: None }
    }

    /// The same, which hears of a change.
    pub(crate) fn watching(room: usize, room_changed: Arc<Notify>) -> Self {
        Self { room_changed: Some(room_changed), ..Self::new(room) }
    }

    /// How many more messages are wanted now. 0 only for receivers with
    /// [`POLLS_WITHOUT_ROOM`](crate::Receiver::POLLS_WITHOUT_ROOM), or once the batch is full.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Waits until there may be other room than [`room`](Self::room) says: a receiver that waits without room returns
    /// then, and is called with what there is. Cancel-safe.
    pub async fn room_changed(&self) {
        match &self.room_changed {
            Some(room_changed) => room_changed.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Adds a message. What the broker has delivered is kept even without room.
    pub fn push(&mut self, message: Message) {
        self.room = self.room.saturating_sub(1);
        self.entries.push(Entry::Message(message));
    }

    /// The broker is reached again; messages from here on carry `generation`. For self-healing drivers only.
    pub fn connected(&mut self, generation: u64) {
        self.entries.push(Entry::Connected { generation, terms: Terms::NONE });
    }

    /// The connection of `generation` is gone, and the driver is mending it.
    pub fn lost(&mut self, generation: u64, reason: impl Into<String>) {
        self.entries.push(Entry::Lost { generation, reason: reason.into() });
    }

    /// `partition` belongs to somebody else now, for messages up to `generation`.
    pub fn revoked(&mut self, partition: i32, generation: u64) {
        self.entries.push(Entry::Revoked { partition, generation });
    }

    /// `count` messages wait at the broker.
    pub fn lag(&mut self, count: u64) {
        self.entries.push(Entry::Lag { partition: None, count });
    }

    /// `count` messages wait in this partition. It is forgotten when the partition is revoked or the connection lost.
    pub fn lag_of(&mut self, partition: i32, count: u64) {
        self.entries.push(Entry::Lag { partition: Some(partition), count });
    }
}

/// One message to publish, already copied out of the host's memory.
#[derive(Debug, Clone, Default)]
pub struct OutgoingMessage {
    pub payload: Bytes,
    pub key: Bytes,
    /// Empty: the sink's own default.
    pub topic: Bytes,
    pub headers: Vec<(Bytes, Bytes)>,
    pub attributes: Vec<(Bytes, Bytes)>,
    /// Milliseconds since 1970 UTC; `None`: now.
    pub timestamp_ms: Option<i64>,
}

impl OutgoingMessage {
    /// `template` with each `{name}` replaced by the event's param of that name, whatever the case of its first letter.
    /// For [`publisher`](crate::publisher)s.
    ///
    /// # Errors
    ///
    /// Names the param that the event does not have, or that is no text.
    pub fn fill(&self, template: &str) -> Result<String, Error> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else { break };
            filled.push_str(before);
            filled.push_str(self.filling(name)?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The event's param of that name, whatever the case of its first letter. For [`publisher`](crate::publisher)s.
    pub fn param(&self, name: &str) -> Option<&Bytes> {
        let mut known = name.to_owned();
        if let Some(first) = known.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.attribute(&known)
    }

    fn filling(&self, name: &str) -> Result<&str, Error> {
        let value = self.param(name);
        let value = value.ok_or_else(|| Error::fatal(format!("the event has no param {name:?} for {{{name}}}")))?;
        std::str::from_utf8(value).map_err(|_| Error::fatal(format!("the event's param {name:?} is not UTF-8")))
    }

    /// The first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Bytes> {
        self.attributes.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<&str, &str>) {
        let attributes = vec![("Topic".into(), "order.new".into()), ("Resp0_id".into(), "7".into())];
        let message = OutgoingMessage { attributes, ..OutgoingMessage::default() };
        let filled = message.fill(template).map_err(|error| error.to_string());
        assert_eq!(filled.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn a_template_takes_its_params_from_the_event() {
        check("", Ok(""));
        check("done", Ok("done"));
        check("done.{topic}", Ok("done.order.new"));
        check("{resp0_id}-{Topic}!", Ok("7-order.new!"));
        check("{open", Ok("{open"));
        check("{key}", Err("the event has no param \"key\" for {key}"));
    }

    #[test]
    fn a_batch_without_room_tells_when_there_may_be_some() {
        let room_changed = Arc::new(Notify::new());
        let batch = Batch::watching(0, Arc::clone(&room_changed));
        let mut waiting = std::pin::pin!(batch.room_changed());
        assert!(waiting.as_mut().now_or_never().is_none());
        room_changed.notify_one();
        assert!(waiting.now_or_never().is_some());
        assert!(Batch::new(0).room_changed().now_or_never().is_none());
    }
}
