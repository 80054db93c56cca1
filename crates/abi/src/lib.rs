//! What crosses the border between siphon and a plugin.
//!
//! A plugin is a shared library with its own allocator, runtime and copy of `std`. Only the types of this crate cross:
//! `repr(C)` values, integers with names instead of enums (an unknown value is data, not undefined behaviour), and tables
//! of `extern "C"` functions. Everything is frozen per [`ABI_REV`]: new abilities come as capability bits, as new component
//! kinds with a table of their own, or through [`Plugin::ext`]. `tests/layout.rs` holds the committed sizes and offsets.
//!
//! Loading goes in three steps, so that a misfit ends in a sentence and not in a crash: the host parses the file, reads
//! the plain C [`Handshake`] behind [`HANDSHAKE_SYMBOL`], and only then lets abi_stable compare the layout of [`Plugin`].
//!
//! # Threads
//!
//! `next` and `error` have one caller at a time. `settle`, `ping`, `pause` and `publish` come from any thread, concurrently.
//! `close` is called once, `free` once and last, even when `close` never completed. Releases of items may follow `free`.
//! The calls of modifiers and HTTP clients come from any thread, concurrently; what they were lent may be released after `free`.
//! A completion may fire before the call that took it returns. Nobody calls across the border while holding a lock that
//! the other side could need.

#![allow(unsafe_code)]
#![allow(non_local_definitions)] // abi_stable 0.11's derive

mod completion;
mod component;
mod error;
mod handshake;
mod host;
mod item;
mod pipe;
mod settle;
mod table;
mod value;

pub use abi_stable;
pub use abi_stable::std_types::{RErr, RNone, ROk, ROption, RResult, RSlice, RSome, RStr, RString, RVec};

pub use completion::{Completion, Done, Doorbell};
pub use component::{Capabilities, Component, Kind, Level, Plugin, PluginRef};
pub use error::{DriverError, ErrorKind, Finding, Res, Weight};
pub use handshake::{ABI_REV, HANDSHAKE_SYMBOL, Handshake, MAGIC, UNWINDS};
pub use host::{HostApi, LogLevel, LogRecord};
pub use item::{Handle, Item, ItemKind, Outgoing, Terms};
pub use pipe::{
    Answering, Ending, Fields, HTTP_CLIENT_REV, HttpClientTable, Lent, MODIFIER_REV, ModifierTable, ReplyFlags,
    ReplyView, RequestView, Returned,
};
pub use settle::{Settlement, Verdict};
pub use table::{Next, Object, OpenArgs, Poll, SinkTable, SourceTable};
pub use value::{Pair, Pairs, Slice};

/// Sets of bits: what is known of them can be asked and joined, in constants as well.
macro_rules! sets_of_bits {
    ($($set:ty),+) => {$(
        impl $set {
            /// Whether every bit of `other` is set.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Both sets of bits.
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    )+};
}

sets_of_bits!(Capabilities, Fields, ReplyFlags, Terms);
