//! The first thing that is read from a library: plain C, the same for every revision of the ABI.

use crate::Slice;

/// The revision of everything in this crate but the handshake. A host loads plugins of its own revision only.
pub const ABI_REV: u32 = 1;

/// Name of the exported [`Handshake`]. A data symbol, not a function.
pub const HANDSHAKE_SYMBOL: &str = "siphon_plugin_v1";

/// First eight bytes of a [`Handshake`].
pub const MAGIC: u64 = u64::from_le_bytes(*b"SIPHONPL");

/// Bit of [`Handshake::flags`]: built with `panic = "unwind"`, so that panics can be contained.
pub const UNWINDS: u32 = 1;

/// Who made this library. Its shape never changes; a later need gets a symbol of its own.
///
/// The slices are UTF-8 and live as long as the library, which is never unloaded.
#[repr(C)]
#[derive(Debug)]
pub struct Handshake {
    pub magic: u64,
    pub abi_rev: u32,
    pub flags: u32,
    /// Version of siphon-sdk, such as `0.1.0`.
    pub sdk: Slice,
    /// What `rustc --version` said, such as `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub rustc: Slice,
    /// The plugin's package name and version.
    pub name: Slice,
    pub version: Slice,
}

// SAFETY: a handshake is constant data of the library's image.
unsafe impl Sync for Handshake {}
