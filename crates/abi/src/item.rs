//! What a source hands over, and what a sink takes.

use abi_stable::StableAbi;
use core::ffi::c_void;

use crate::{Pairs, Slice};

/// What an [`Item`] is. The host ignores kinds it does not know, after releasing them.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemKind(pub u32);

impl ItemKind {
    /// An event. It gets exactly one settlement, also when its connection or partition is gone by then.
    pub const MESSAGE: Self = Self(1);
    /// The broker is reached; messages from here on carry `handle.generation`. `value` has the bits of [`Terms`].
    pub const CONNECTED: Self = Self(2);
    /// The connection of `handle.generation` is gone; `payload` says why. The driver is mending it.
    pub const LOST: Self = Self(3);
    /// `partition` belongs to somebody else now, for messages of `handle.generation` and older.
    pub const REVOKED: Self = Self(4);
    /// `value` messages wait at the broker behind what was delivered, of `partition` where there are any.
    pub const LAG: Self = Self(5);
}

/// What holds for a source by its configuration. Once said it holds until the source's end; unknown bits are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Terms(pub u64);

impl Terms {
    pub const NONE: Self = Self(0);
    /// A failed message is not delivered again, whatever the verdict: the host rejects it at once instead of waiting first.
    pub const FAILURE_IS_FINAL: Self = Self(1);
}

/// Names one delivered message. Opaque to the host; only the driver judges whether it is stale.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handle {
    pub id: u64,
    /// Which connection or assignment it came with; grows.
    pub generation: u64,
}

/// A message or a notice. Messages come in the broker's order, and notices in the order in which things happened. A notice
/// overtakes the messages that it does not concern; those that it makes stale, and that the host has not taken, never come:
/// the driver gives them back by itself.
///
/// All slices live until `release(owner)`, which is called exactly once, from any thread, possibly after the source was
/// closed and freed. What a kind does not use is empty, 0, or as the field says.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Item {
    pub kind: ItemKind,
    /// Which attempt this delivery is, from 1; 0 when the broker does not count.
    pub attempt: u32,
    pub payload: Slice,
    pub key: Slice,
    pub topic: Slice,
    /// The message's own headers: byte strings, repeatable, in its order.
    pub headers: Pairs,
    /// What the driver knows besides: `message_id`, `routing_key`, `reply_to`, `subject`, … Its page lists them.
    pub attributes: Pairs,
    /// Milliseconds since 1970 UTC; `i64::MIN` when there is none.
    pub timestamp_ms: i64,
    /// -1 when there is none.
    pub offset: i64,
    /// -1 when there is none.
    pub partition: i32,
    pub reserved: u32,
    pub handle: Handle,
    pub value: u64,
    pub owner: *mut c_void,
    pub release: unsafe extern "C" fn(*mut c_void),
}

/// A message on its way out. Borrowed for the call: a sink copies what it keeps before it returns.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Outgoing {
    pub payload: Slice,
    pub key: Slice,
    /// Empty: the sink's own default.
    pub topic: Slice,
    pub headers: Pairs,
    pub attributes: Pairs,
    /// Milliseconds since 1970 UTC; `i64::MIN`: now.
    pub timestamp_ms: i64,
}
