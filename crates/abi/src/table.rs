//! The functions of a source and of a sink.

use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr, RVec};
use core::ffi::c_void;

use crate::{Done, Doorbell, DriverError, Finding, Item, Outgoing, Res, Settlement};

/// An opened source or sink, owned by the plugin, named by its pointer.
pub type Object = *mut c_void;

/// How one agent wants its driver. Borrowed for the call.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct OpenArgs<'a> {
    pub agent: RStr<'a>,
    /// The key under which the configuration selected the component (its main key).
    pub namespace: RStr<'a>,
    /// What the agent listens to; may be empty.
    pub topics: RSlice<'a, RStr<'a>>,
    /// The component's configuration: a JSON object.
    pub config: RStr<'a>,
    /// Messages that may wait inside the driver for the host to take them; at least 1.
    pub read_ahead: u32,
    /// Messages delivered and not yet settled, those that wait inside included; at least `read_ahead`.
    pub max_in_flight: u32,
    /// Payload bytes that may wait inside the driver; one message may exceed it.
    pub max_bytes: u64,
    /// Messages that the host works on at once; at least 1.
    pub workers: u32,
}

/// What `next` found.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Poll(pub u32);

impl Poll {
    /// The source lives. When messages were asked for and no item was filled in, the doorbell will ring.
    pub const OPEN: Self = Self(0);
    /// The source ended as asked; there will be no more items.
    pub const CLOSED: Self = Self(1);
    /// The source broke after the items filled in; `error` says why.
    pub const FAILED: Self = Self(2);
}

/// Answer of `next`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next {
    pub poll: Poll,
    /// Items filled in, from the first place of the array.
    pub count: u32,
}

/// A source: messages come out, settlements go in. The threads are those of the crate's page.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct SourceTable {
    /// Looks at the configuration only: contacts nobody, keeps nothing. All that is wrong, at once.
    pub check: unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>,
    /// Checks the configuration and returns; connecting goes on behind it and shows as items.
    pub open: unsafe extern "C" fn(*const OpenArgs<'_>, Doorbell) -> Res<Object>,
    /// Fills up to `places` items into the array, at most `messages` of them messages; never blocks. The doorbell rings for
    /// notices and for the end also when no message was asked for: a host that has no place for messages must hear them.
    pub next: unsafe extern "C" fn(Object, items: *mut Item, places: u32, messages: u32) -> Next,
    /// Why the source broke; after [`Poll::FAILED`].
    pub error: unsafe extern "C" fn(Object) -> DriverError,
    /// Takes settlements from the front of the array and returns how many; the doorbell rings when there is room for the
    /// rest. What was taken is sent by the driver in its own time, coalesced.
    pub settle: unsafe extern "C" fn(Object, *const Settlement, len: usize) -> usize,
    /// Whether the broker answers.
    pub ping: unsafe extern "C" fn(Object, Done),
    /// Stops (true) or resumes asking the broker for messages.
    pub pause: unsafe extern "C" fn(Object, bool, Done),
    /// Ends the source within `deadline_ms`: gives back what waits inside, sends every settlement, says goodbye.
    pub close: unsafe extern "C" fn(Object, deadline_ms: u64, Done),
    /// Frees the object. Last call.
    pub free: unsafe extern "C" fn(Object),
}

/// A sink: messages go in, confirmations come out.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct SinkTable {
    /// As [`SourceTable::check`].
    pub check: unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>,
    /// As [`SourceTable::open`].
    pub open: unsafe extern "C" fn(*const OpenArgs<'_>) -> Res<Object>,
    /// Completes after the broker's confirmation: how many from the front were confirmed, and the next one's error.
    pub publish: unsafe extern "C" fn(Object, *const Outgoing, len: usize, Done),
    pub ping: unsafe extern "C" fn(Object, Done),
    pub close: unsafe extern "C" fn(Object, deadline_ms: u64, Done),
    pub free: unsafe extern "C" fn(Object),
}
