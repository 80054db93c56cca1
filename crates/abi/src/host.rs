//! What a plugin may ask of the host from the moment it is initialised: to write a log line.

use abi_stable::StableAbi;
use core::ffi::c_void;

use crate::Slice;

/// Levels of the log, by weight.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogLevel(pub u32);

impl LogLevel {
    pub const ERROR: Self = Self(1);
    pub const WARN: Self = Self(2);
    pub const INFO: Self = Self(3);
    pub const DEBUG: Self = Self(4);
    pub const TRACE: Self = Self(5);
}

/// One line of log. The slices are UTF-8 and live for the call only; `agent` is empty where none is known,
/// `fields` is a JSON object or empty.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct LogRecord {
    pub level: LogLevel,
    pub agent: Slice,
    pub target: Slice,
    pub message: Slice,
    pub fields: Slice,
}

/// The host's functions. Lives as long as the process; callable from any thread.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostApi {
    pub context: *const c_void,
    /// The finest [`LogLevel`] that is written; finer ones need not be sent.
    pub max_level: unsafe extern "C" fn(*const c_void) -> LogLevel,
    pub log: unsafe extern "C" fn(*const c_void, *const LogRecord),
}

// SAFETY: the host's functions are written for calls from any thread, and `context` lives as long as the process.
unsafe impl Send for HostApi {}
// SAFETY: as above.
unsafe impl Sync for HostApi {}
