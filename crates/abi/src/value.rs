//! Borrowed bytes and pairs of them. Whoever hands one out says how long it lives.

use abi_stable::StableAbi;
use core::ptr::NonNull;

/// `len` bytes at `ptr`, borrowed. `ptr` is never null; with `len` 0 it is not read.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Slice {
    pub ptr: *const u8,
    pub len: usize,
}

impl Slice {
    pub const EMPTY: Self = Self { ptr: NonNull::dangling().as_ptr(), len: 0 };

    /// Borrows `bytes`; the caller keeps them alive as long as the border's contract asks.
    pub const fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// The memory behind it outlives `'a` and does not change.
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: not empty, so `ptr` points to `len` bytes by this type's contract; their life is the caller's promise.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// A name and a value: a header or an attribute. Both are byte strings; names may repeat.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Pair {
    pub name: Slice,
    pub value: Slice,
}

/// `len` pairs at `ptr`, borrowed.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Pairs {
    pub ptr: *const Pair,
    pub len: usize,
}

impl Pairs {
    pub const EMPTY: Self = Self { ptr: NonNull::dangling().as_ptr(), len: 0 };

    /// Borrows `pairs`; the caller keeps them alive as long as the border's contract asks.
    pub const fn of(pairs: &[Pair]) -> Self {
        Self { ptr: pairs.as_ptr(), len: pairs.len() }
    }

    /// The pairs.
    ///
    /// # Safety
    ///
    /// The memory behind it outlives `'a` and does not change.
    pub unsafe fn get<'a>(self) -> &'a [Pair] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: as in `Slice::get`.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}
