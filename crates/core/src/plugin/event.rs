//! An event: one message of a broker, in the plugin's memory.

use std::ffi::c_void;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use siphon_abi::{Item, Slice};
use tokio::time::Instant;

/// Names a delivered message towards its driver.
pub type Handle = siphon_abi::Handle;

/// One message of a broker. Payload, key, topic, headers and attributes are borrowed from the plugin's memory, which is
/// released when the event and every clone of its payload are gone.
pub struct Event {
    /// Its slices live as long as `payload`'s owner.
    item: Item,
    payload: Bytes,
    taken: Instant,
}

// SAFETY: what an item points to does not change until its release, and `release` may come from any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

/// Owns an item's memory, as the owner of the payload's `Bytes`. No more of the item than it needs: this is what the one
/// allocation per event holds.
struct Memory {
    payload: Slice,
    owner: *mut c_void,
    release: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: as for `Event`.
unsafe impl Send for Memory {}
// SAFETY: as for `Event`.
unsafe impl Sync for Memory {}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the payload lives until `release`, which only `drop` calls.
        unsafe { self.payload.get() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the one release of this item.
        unsafe { (self.release)(self.owner) }
    }
}

impl Event {
    /// Takes over a message.
    ///
    /// # Safety
    ///
    /// `item` is a message that a driver has just handed over, and nobody else releases it.
    pub(super) unsafe fn new(item: Item, taken: Instant) -> Self {
        let Item { payload, owner, release, .. } = item;
        Self { item, payload: Bytes::from_owner(Memory { payload, owner, release }), taken }
    }

    /// The message's bytes. Cloning shares them; a clone that is kept long keeps the plugin's memory.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    pub fn key(&self) -> &[u8] {
        self.slice(self.item.key)
    }

    pub fn topic(&self) -> &[u8] {
        self.slice(self.item.topic)
    }

    /// The message's own headers, in its order; names may repeat.
    pub fn headers(&self) -> Pairs<'_> {
        self.pairs(self.item.headers)
    }

    /// What the driver knows besides: `message_id`, `routing_key`, …
    pub fn attributes(&self) -> Pairs<'_> {
        self.pairs(self.item.attributes)
    }

    /// When it was taken from the driver.
    pub fn taken(&self) -> Instant {
        self.taken
    }

    pub fn timestamp(&self) -> Option<SystemTime> {
        let ms = u64::try_from(self.item.timestamp_ms).ok()?;
        Some(UNIX_EPOCH + Duration::from_millis(ms))
    }

    /// Which attempt this is, from 1, where the broker counts.
    pub fn attempt(&self) -> Option<u32> {
        (self.item.attempt > 0).then_some(self.item.attempt)
    }

    pub fn partition(&self) -> Option<i32> {
        (self.item.partition >= 0).then_some(self.item.partition)
    }

    pub fn offset(&self) -> Option<i64> {
        (self.item.offset >= 0).then_some(self.item.offset)
    }

    pub fn handle(&self) -> Handle {
        self.item.handle
    }

    fn slice(&self, slice: Slice) -> &[u8] {
        // SAFETY: the memory lives as long as `self.payload`, and so as long as `&self`.
        unsafe { slice.get() }
    }

    fn pairs(&self, pairs: siphon_abi::Pairs) -> Pairs<'_> {
        // SAFETY: as in `slice`.
        Pairs(unsafe { pairs.get() }.iter())
    }
}

#[cfg(test)]
impl Event {
    /// An event that no driver has made.
    pub(crate) fn of_nobody(handle: Handle, partition: i32, attempt: u32, payload: &'static str) -> Self {
        let mut event = Self::from(EventParts { payload: payload.into(), ..EventParts::default() });
        (event.item.handle, event.item.partition, event.item.attempt) = (handle, partition, attempt);
        event
    }

    pub(crate) fn at_offset(mut self, offset: i64) -> Self {
        self.item.offset = offset;
        self
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({:?}, {} bytes)", self.item.handle, self.payload.len())
    }
}

/// Names and values of an [`Event`].
#[derive(Debug, Clone)]
pub struct Pairs<'a>(std::slice::Iter<'a, siphon_abi::Pair>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the pairs' memory lives as long as the event that `'a` borrows.
        self.0.next().map(|pair| unsafe { (pair.name.get(), pair.value.get()) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// What an [`Event`] is made of when it does not come from a broker. Everything may be empty.
#[derive(Debug, Clone, Default)]
pub struct EventParts {
    pub payload: Bytes,
    pub key: Vec<u8>,
    pub topic: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a local event's slices point into.
struct Block {
    parts: EventParts,
    /// Headers, then attributes.
    pairs: Vec<siphon_abi::Pair>,
}

impl From<EventParts> for Event {
    /// An event of this very process, settled by nobody: for `invoke` and for tests.
    fn from(parts: EventParts) -> Self {
        let pairs = parts.headers.iter().chain(&parts.attributes);
        let pairs =
            pairs.map(|(name, value)| siphon_abi::Pair { name: Slice::of(name), value: Slice::of(value) }).collect();
        let block = Box::new(Block { pairs, parts });
        let (headers, attributes) = block.pairs.split_at(block.parts.headers.len());
        let item = Item {
            kind: siphon_abi::ItemKind::MESSAGE,
            attempt: 0,
            payload: Slice::of(&block.parts.payload),
            key: Slice::of(&block.parts.key),
            topic: Slice::of(&block.parts.topic),
            headers: siphon_abi::Pairs::of(headers),
            attributes: siphon_abi::Pairs::of(attributes),
            timestamp_ms: i64::MIN,
            offset: -1,
            partition: -1,
            reserved: 0,
            handle: Handle { id: 0, generation: 0 },
            value: 0,
            owner: std::ptr::null_mut(),
            release: release_block,
        };
        // What the slices point to is on the heap and stays where it is when the box is leaked.
        let item = Item { owner: Box::into_raw(block).cast(), ..item };
        // SAFETY: the item was made here, and nobody else releases it.
        unsafe { Self::new(item, Instant::now()) }
    }
}

unsafe extern "C" fn release_block(owner: *mut std::ffi::c_void) {
    // SAFETY: `owner` is the box that `from` leaked, released once.
    drop(unsafe { Box::from_raw(owner.cast::<Block>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_event_has_its_parts_and_its_payload_outlives_it() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let event = Event::from(EventParts {
            payload: Bytes::from_static(b"{}"),
            topic: b"a.b".to_vec(),
            headers: vec![pair("h", "1"), pair("h", "2")],
            attributes: vec![pair("queue", "q")],
            ..EventParts::default()
        });
        let headers: Vec<_> = event.headers().collect();
        assert_eq!(headers, [(&b"h"[..], &b"1"[..]), (b"h", b"2")]);
        assert_eq!(event.attributes().next(), Some((&b"queue"[..], &b"q"[..])));
        assert_eq!(
            (event.topic(), event.key(), event.attempt(), event.partition()),
            (&b"a.b"[..], &b""[..], None, None)
        );
        let payload = event.payload().clone();
        drop(event);
        assert_eq!(payload, "{}");
    }
}
