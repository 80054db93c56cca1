//! What a fake broker does wrong, on command.

use std::collections::HashSet;

use siphon_sdk::Error;

/// A call of the driver that can be made to stall or to panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Check,
    Connect,
    Recv,
    Settle,
    Ping,
    Pause,
    Close,
    Publish,
    /// Not a call: a payload is released.
    DropMessage,
}

/// The script of a broker's misbehaviour.
#[derive(Debug, Default)]
pub struct Faults {
    /// Calls that never complete until they are resumed.
    pub stalled: HashSet<Call>,
    /// Calls that panic, once each.
    pub panics: HashSet<Call>,
    /// Connections are refused with this.
    pub refuse: Option<Error>,
    /// The connection is gone, for this reason; taken when the driver notices.
    pub lost: Option<String>,
    /// Messages that are delivered in one go whatever the room.
    pub flood: usize,
    /// A failed message is not delivered again, whatever the verdict.
    pub failure_is_final: bool,
    /// So many of the next messages are not confirmed.
    pub unconfirmed: usize,
}
