//! What goes wrong in a driver, as both sides tell it.

use abi_stable::StableAbi;
use abi_stable::std_types::{RResult, RString};

/// What the caller can do about an error.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorKind(pub u32);

impl ErrorKind {
    /// The configuration cannot work; trying again does not help.
    pub const CONFIG: Self = Self(1);
    /// The broker could not be reached, refused, or went away; trying again may help.
    pub const CONNECTION: Self = Self(2);
    /// Will not get better by trying again, and is no matter of configuration.
    pub const FATAL: Self = Self(3);
    /// The plugin panicked. Its object is of no further use.
    pub const PANIC: Self = Self(4);
    /// The driver cannot do this.
    pub const UNSUPPORTED: Self = Self(5);
    /// The object was closed, or the operation was dropped unanswered.
    pub const CLOSED: Self = Self(6);
    /// There was no answer in time; a later try may get one.
    pub const TIMED_OUT: Self = Self(7);
}

/// An error of a driver. `path` is the place in the component's configuration (`nested.prefetch`), or empty.
/// `message` is short, lower-case, without secrets, and says what to do.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct DriverError {
    pub kind: ErrorKind,
    pub path: RString,
    pub message: RString,
}

/// Outcome of a cold call.
pub type Res<T> = RResult<T, DriverError>;

/// How much a [`Finding`] weighs.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight(pub u32);

impl Weight {
    pub const NOTICE: Self = Self(1);
    pub const WARNING: Self = Self(2);
    pub const ERROR: Self = Self(3);
}

/// What a plugin has to say about a configuration before it is used.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Finding {
    pub weight: Weight,
    pub path: RString,
    pub message: RString,
}
