//! How a plugin reaches the host: it rings a doorbell, and it answers once.

use abi_stable::StableAbi;
use abi_stable::std_types::{RNone, ROption, RSome};
use core::ffi::c_void;

use crate::{DriverError, ErrorKind};

/// The host's doorbell: level-triggered, from any thread, any number of times. Dropping it releases the host's side.
#[repr(C)]
#[derive(StableAbi)]
pub struct Doorbell {
    pub context: *const c_void,
    pub ring: unsafe extern "C" fn(*const c_void),
    pub release: unsafe extern "C" fn(*const c_void),
}

// SAFETY: the host's functions are written for calls from any thread.
unsafe impl Send for Doorbell {}
// SAFETY: as above.
unsafe impl Sync for Doorbell {}

impl Doorbell {
    /// Wakes the host, which then calls `next`.
    pub fn ring(&self) {
        // SAFETY: `context` lives until `release`, which only `drop` calls.
        unsafe { (self.ring)(self.context) }
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        // SAFETY: called once, with the context that came with it.
        unsafe { (self.release)(self.context) }
    }
}

/// What an operation came to: how many things were done before `error`, or all of them.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Completion {
    pub count: u64,
    pub error: ROption<DriverError>,
}

/// Answers an operation exactly once. Dropped unanswered it reports [`ErrorKind::CLOSED`], so that a panic in a plugin
/// cannot leave the host waiting.
#[repr(C)]
#[derive(StableAbi)]
pub struct Done {
    context: *mut c_void,
    call: unsafe extern "C" fn(*mut c_void, Completion),
}

// SAFETY: the host's function is written for a call from any thread.
unsafe impl Send for Done {}

impl Done {
    /// `call` is called exactly once with `context`.
    pub fn new(context: *mut c_void, call: unsafe extern "C" fn(*mut c_void, Completion)) -> Self {
        Self { context, call }
    }

    /// All `count` things were done.
    pub fn succeed(self, count: u64) {
        self.answer(Completion { count, error: RNone });
    }

    /// `count` things were done, the next one failed.
    pub fn fail(self, count: u64, error: DriverError) {
        self.answer(Completion { count, error: RSome(error) });
    }

    fn answer(self, completion: Completion) {
        let me = core::mem::ManuallyDrop::new(self);
        // SAFETY: `drop` is suppressed, so this is the one call.
        unsafe { (me.call)(me.context, completion) }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        let error = DriverError {
            kind: ErrorKind::CLOSED,
            path: "".into(),
            message: "the driver dropped the operation without an answer".into(),
        };
        // SAFETY: reached only when `answer` was not: this is the one call.
        unsafe { (self.call)(self.context, Completion { count: 0, error: RSome(error) }) }
    }
}
