//! What becomes of a delivered message.

use abi_stable::StableAbi;

use crate::Handle;

/// The host's word on one message. A driver treats a value it does not know as [`Verdict::REQUEUE`]: nothing is lost.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict(pub u32);

impl Verdict {
    /// Done; the broker may forget it.
    pub const ACK: Self = Self(1);
    /// Untouched: give it back as it was, not counted as an attempt.
    pub const REQUEUE: Self = Self(2);
    /// Failed: deliver it again, after `delay_ms` where the driver has [`crate::Capabilities::DELAY`].
    pub const RETRY: Self = Self(3);
    /// Failed for good: the broker's own dead-lettering.
    pub const REJECT: Self = Self(4);
}

/// One message's verdict.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    pub handle: Handle,
    pub verdict: Verdict,
    pub reserved: u32,
    pub delay_ms: u64,
}
