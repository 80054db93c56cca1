//! Messages and notices in the shape in which they cross the border.

use std::ffi::c_void;
use std::ptr::null_mut;

use bytes::Bytes;
use siphon_abi::{Handle, Item, ItemKind, Outgoing, Pair, Pairs, Slice};

use super::guard::guard;
use crate::message::{Entry, Message, OutgoingMessage};

/// An item that nobody has taken yet: dropping it releases its memory.
#[derive(Debug)]
pub(super) struct OwnedItem(Option<RawItem>);

struct RawItem(Item);

impl std::fmt::Debug for RawItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.0.kind, self.0.handle)
    }
}

// SAFETY: an item owns what it points to (a `Block`, which is `Send` and `Sync`), and `release` may run on any thread.
unsafe impl Send for RawItem {}
// SAFETY: nothing behind an item changes.
unsafe impl Sync for RawItem {}

impl OwnedItem {
    /// Hands the item over to whoever will release it.
    pub(super) fn into_raw(mut self) -> Item {
        // Only `drop` and this take it, and this consumes it.
        self.0.take().map_or_else(|| notice(ItemKind::LAG, 0, 0), |raw| raw.0)
    }

    /// Whether this is a message that `notice` makes stale: one of a connection or a partition that is gone.
    pub(super) fn is_stale_after(&self, notice: &Entry) -> bool {
        let Some(RawItem(item)) = &self.0 else { return false };
        match notice {
            Entry::Lost { generation, .. } => item.handle.generation <= *generation,
            Entry::Revoked { partition, generation } => {
                item.partition == *partition && item.handle.generation <= *generation
            }
            _ => false,
        }
    }

    /// The handle, when this is a message.
    pub(super) fn message(&self) -> Option<Handle> {
        self.0.as_ref().filter(|raw| raw.0.kind == ItemKind::MESSAGE).map(|raw| raw.0.handle)
    }
}

impl Drop for OwnedItem {
    fn drop(&mut self) {
        if let Some(raw) = self.0.take() {
            // SAFETY: the item was not handed over, so this is the one release.
            unsafe { (raw.0.release)(raw.0.owner) }
        }
    }
}

/// What a message's slices point into.
struct Block {
    message: Message,
    /// Headers, then attributes.
    pairs: Vec<Pair>,
    reason: String,
}

// SAFETY: the pairs point into `message`'s own immutable bytes.
unsafe impl Send for Block {}
// SAFETY: nothing in it changes.
unsafe impl Sync for Block {}

unsafe extern "C" fn release_block(owner: *mut c_void) {
    // SAFETY: `owner` is the box that `owned` leaked, released once.
    let block = unsafe { Box::from_raw(owner.cast::<Block>()) };
    // A user's `Bytes` may run foreign code when it is dropped.
    guard(move || drop(block), drop);
}

unsafe extern "C" fn release_nothing(_: *mut c_void) {}

/// The entry as an item, and the payload bytes that it weighs.
pub(super) fn item(entry: Entry) -> (OwnedItem, usize) {
    match entry {
        Entry::Message(message) => from_message(message),
        Entry::Connected { generation, terms } => light(notice(ItemKind::CONNECTED, generation, terms.0)),
        Entry::Lost { generation, reason } => lost(generation, reason),
        Entry::Revoked { partition, generation } => {
            light(Item { partition, ..notice(ItemKind::REVOKED, generation, 0) })
        }
        Entry::Lag { partition, count } => {
            light(Item { partition: partition.unwrap_or(-1), ..notice(ItemKind::LAG, 0, count) })
        }
    }
}

fn light(item: Item) -> (OwnedItem, usize) {
    (OwnedItem(Some(RawItem(item))), 0)
}

fn notice(kind: ItemKind, generation: u64, value: u64) -> Item {
    Item {
        kind,
        attempt: 0,
        payload: Slice::EMPTY,
        key: Slice::EMPTY,
        topic: Slice::EMPTY,
        headers: Pairs::EMPTY,
        attributes: Pairs::EMPTY,
        timestamp_ms: i64::MIN,
        offset: -1,
        partition: -1,
        reserved: 0,
        handle: Handle { id: 0, generation },
        value,
        owner: null_mut(),
        release: release_nothing,
    }
}

fn lost(generation: u64, reason: String) -> (OwnedItem, usize) {
    let block = Box::new(Block { message: Message::default(), pairs: Vec::new(), reason });
    let payload = Slice::of(block.reason.as_bytes());
    let owner = Box::into_raw(block).cast();
    light(Item { payload, owner, release: release_block, ..notice(ItemKind::LOST, generation, 0) })
}

fn from_message(message: Message) -> (OwnedItem, usize) {
    let weight = message.payload.len();
    let block = Box::new(Block { pairs: pairs(&message), message, reason: String::new() });
    let (headers, attributes) = block.pairs.split_at(block.message.headers.len());
    let item = Item {
        attempt: block.message.attempt,
        payload: Slice::of(&block.message.payload),
        key: Slice::of(&block.message.key),
        topic: Slice::of(&block.message.topic),
        headers: Pairs::of(headers),
        attributes: Pairs::of(attributes),
        timestamp_ms: block.message.timestamp_ms.unwrap_or(i64::MIN),
        offset: block.message.offset.unwrap_or(-1),
        partition: block.message.partition.unwrap_or(-1),
        handle: Handle { id: block.message.id, generation: block.message.generation },
        release: release_block,
        ..notice(ItemKind::MESSAGE, 0, 0)
    };
    // The slices point to memory that the box's fields own on the heap: it stays where it is when the box is leaked.
    let item = Item { owner: Box::into_raw(block).cast(), ..item };
    (OwnedItem(Some(RawItem(item))), weight)
}

fn pairs(message: &Message) -> Vec<Pair> {
    let headers = message.headers.iter().map(|(name, value)| Pair { name: Slice::of(name), value: Slice::of(value) });
    let attributes = message
        .attributes
        .iter()
        .map(|(name, value)| Pair { name: Slice::of(name.as_bytes()), value: Slice::of(value) });
    headers.chain(attributes).collect()
}

/// Copies a message out of the host's memory.
///
/// # Safety
///
/// Every slice of `outgoing` is alive.
pub(super) unsafe fn copy(outgoing: &Outgoing) -> OutgoingMessage {
    // SAFETY: the caller's promise, for every slice in turn.
    let bytes = |slice: Slice| Bytes::copy_from_slice(unsafe { slice.get() });
    // SAFETY: as above.
    let pairs =
        |pairs: Pairs| unsafe { pairs.get() }.iter().map(|pair| (bytes(pair.name), bytes(pair.value))).collect();
    OutgoingMessage {
        payload: bytes(outgoing.payload),
        key: bytes(outgoing.key),
        topic: bytes(outgoing.topic),
        headers: pairs(outgoing.headers),
        attributes: pairs(outgoing.attributes),
        timestamp_ms: (outgoing.timestamp_ms != i64::MIN).then_some(outgoing.timestamp_ms),
    }
}
