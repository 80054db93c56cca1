//! What crosses the border in an agent's pipe: a request or a reply is lent to a plugin, which hands back what it changed.
//!
//! These types are reached through [`Component::table`](crate::Component::table), an opaque pointer: abi_stable does not
//! compare their layout. [`MODIFIER_REV`] and [`HTTP_CLIENT_REV`] stand for it, and `tests/layout.rs` holds it.

use abi_stable::std_types::RVec;
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr::null_mut;

use crate::{ErrorKind, Finding, Object, OpenArgs, Pairs, Res, Slice};

/// Revision of [`ModifierTable`] and of all that crosses through it.
pub const MODIFIER_REV: u32 = 1;

/// Revision of [`HttpClientTable`] and of all that crosses through it.
pub const HTTP_CLIENT_REV: u32 = 1;

/// A request on its way. Everything is UTF-8 but the values of headers and the body.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RequestView {
    /// Empty before a backend has set its own.
    pub method: Slice,
    /// The whole URL; empty before a backend has chosen its host, the path alone where a backend has none.
    pub url: Slice,
    /// What stages add to the query of a backend's `url_pattern`. Empty once the URL is there.
    pub query: Pairs,
    pub headers: Pairs,
    /// Values of `{placeholders}`; their names begin with a capital letter.
    pub params: Pairs,
    pub body: Slice,
}

/// What holds for a reply; unknown bits are ignored.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReplyFlags(pub u32);

impl ReplyFlags {
    pub const NONE: Self = Self(0);
    /// Every part arrived.
    pub const COMPLETE: Self = Self(1);
    /// [`ReplyView::raw`] is there, be it empty.
    pub const RAW: Self = Self(1 << 1);
}

/// What a backend, or a merge of backends, answered.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ReplyView {
    /// 0 where there is none: most replies are data alone.
    pub status: u32,
    pub flags: ReplyFlags,
    pub headers: Pairs,
    /// The body as it came; only of `no-op` backends.
    pub raw: Slice,
    /// For `data` only.
    pub context: *const c_void,
    /// The data as JSON text, an object or null: made when it is first asked for. From any thread, until the release.
    pub data: unsafe extern "C" fn(*const c_void) -> Slice,
}

/// A request, and the reply where there is one, lent to a plugin until this is dropped, which releases them: exactly
/// once, from any thread, possibly after the object was freed.
#[repr(C)]
pub struct Lent {
    pub request: *const RequestView,
    /// Null: the request is on its way down.
    pub reply: *const ReplyView,
    /// Milliseconds until the event's time is up. Nobody waits for an answer after that.
    pub deadline_ms: u64,
    pub owner: *const c_void,
    pub release: unsafe extern "C" fn(*const c_void),
}

// SAFETY: what is lent does not change, and its functions are written for calls from any thread.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: called once, with the owner that came with it.
        unsafe { (self.release)(self.owner) }
    }
}

/// How a call ended. What a host does not know it takes for [`FAILED`](Self::FAILED).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending(pub u32);

impl Ending {
    /// Everything stays as it was lent.
    pub const UNTOUCHED: Self = Self(1);
    /// What [`Returned::fields`] names is new.
    pub const CHANGED: Self = Self(2);
    /// The event fails: `kind`, `message`, `status` and `content_type` say why.
    pub const FAILED: Self = Self(3);
}

/// Which parts of a [`Returned`] are there; unknown bits are ignored.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fields(pub u32);

impl Fields {
    pub const NONE: Self = Self(0);
    pub const METHOD: Self = Self(1);
    pub const URL: Self = Self(1 << 1);
    pub const QUERY: Self = Self(1 << 2);
    pub const HEADERS: Self = Self(1 << 3);
    pub const PARAMS: Self = Self(1 << 4);
    pub const BODY: Self = Self(1 << 5);
    pub const STATUS: Self = Self(1 << 6);
    pub const DATA: Self = Self(1 << 7);
    /// `complete` counts.
    pub const COMPLETE: Self = Self(1 << 8);
}

/// What a plugin hands back. It owns what its slices point to; dropping it releases that, exactly once, from any thread.
#[repr(C)]
pub struct Returned {
    pub ending: Ending,
    pub fields: Fields,
    /// With [`Ending::FAILED`]: what can be done about it.
    pub kind: ErrorKind,
    /// Of a reply, or that of a failure; 0 for none.
    pub status: u32,
    /// 1 or 0.
    pub complete: u32,
    pub reserved: u32,
    pub method: Slice,
    pub url: Slice,
    pub query: Pairs,
    /// All of them, in place of those that were lent; likewise `query` and `params`.
    pub headers: Pairs,
    pub params: Pairs,
    /// Of a request, or the raw body of a reply.
    pub body: Slice,
    /// JSON text, an object or null.
    pub data: Slice,
    /// Of a failure: short, lower-case, without secrets.
    pub message: Slice,
    /// That of a failure's message, or empty.
    pub content_type: Slice,
    pub owner: *mut c_void,
    pub release: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: nothing behind it changes, and `release` may run on any thread.
unsafe impl Send for Returned {}
// SAFETY: as above.
unsafe impl Sync for Returned {}

impl Returned {
    /// An ending without parts and without memory of its own.
    pub const fn plain(ending: Ending) -> Self {
        Self {
            ending,
            fields: Fields::NONE,
            kind: ErrorKind::FATAL,
            status: 0,
            complete: 0,
            reserved: 0,
            method: Slice::EMPTY,
            url: Slice::EMPTY,
            query: Pairs::EMPTY,
            headers: Pairs::EMPTY,
            params: Pairs::EMPTY,
            body: Slice::EMPTY,
            data: Slice::EMPTY,
            message: Slice::EMPTY,
            content_type: Slice::EMPTY,
            owner: null_mut(),
            release: release_nothing,
        }
    }

    /// A failure with a constant sentence.
    pub fn failed(kind: ErrorKind, message: &'static str) -> Self {
        let mut failed = Self::plain(Ending::FAILED);
        (failed.kind, failed.message) = (kind, Slice::of(message.as_bytes()));
        failed
    }
}

unsafe extern "C" fn release_nothing(_: *mut c_void) {}

impl Drop for Returned {
    fn drop(&mut self) {
        // SAFETY: called once, with the owner that came with it.
        unsafe { (self.release)(self.owner) }
    }
}

/// Answers one call exactly once. Dropped unanswered it reports [`ErrorKind::CLOSED`], so that a panic in a plugin
/// cannot leave the host waiting.
#[repr(C)]
pub struct Answering {
    context: *mut c_void,
    call: unsafe extern "C" fn(*mut c_void, Returned),
}

// SAFETY: the host's function is written for a call from any thread.
unsafe impl Send for Answering {}

impl Answering {
    /// `call` is called exactly once with `context`.
    pub fn new(context: *mut c_void, call: unsafe extern "C" fn(*mut c_void, Returned)) -> Self {
        Self { context, call }
    }

    /// What became of the call. What was lent should be released before: then nothing has to be copied.
    pub fn answer(self, returned: Returned) {
        let me = ManuallyDrop::new(self);
        // SAFETY: `drop` is suppressed, so this is the one call.
        unsafe { (me.call)(me.context, returned) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let unanswered = Returned::failed(ErrorKind::CLOSED, "the plugin dropped the call without an answer");
        // SAFETY: reached only when `answer` was not: this is the one call.
        unsafe { (self.call)(self.context, unanswered) }
    }
}

/// Changes requests on their way down, replies on their way up, or both: [`Capabilities`](crate::Capabilities) say which.
///
/// `request` and `reply` come from any thread, concurrently. They answer at once, on the thread of the caller, or later
/// from any thread; they must not block. `free` comes once and last; calls that are under way then may still answer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModifierTable {
    /// As [`SourceTable::check`](crate::SourceTable::check).
    pub check: unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>,
    /// One object for each place of a configuration. Contacts nobody.
    pub open: unsafe extern "C" fn(*const OpenArgs<'_>) -> Res<Object>,
    pub request: unsafe extern "C" fn(Object, Lent, Answering),
    pub reply: unsafe extern "C" fn(Object, Lent, Answering),
    pub free: unsafe extern "C" fn(Object),
}

/// Makes the call of an HTTP backend in its own way. The threads are those of a [`ModifierTable`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpClientTable {
    pub check: unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>,
    pub open: unsafe extern "C" fn(*const OpenArgs<'_>) -> Res<Object>,
    /// Answers with [`Ending::CHANGED`] and `status`, `headers` and `body` of the reply; no field stands for 200, no
    /// headers, an empty body.
    pub call: unsafe extern "C" fn(Object, Lent, Answering),
    pub free: unsafe extern "C" fn(Object),
}
