//! What a pipe lends to a plugin for one call.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{from_ref, null};
use std::sync::Arc;
use std::time::Duration;

use siphon_abi::{Lent, Pair, Pairs, ReplyFlags, ReplyView, RequestView, Slice};

/// Takes a name and a value; called for each pair of a list, in its order.
pub type Each<'e, 'a> = &'e mut dyn FnMut(&'a [u8], &'a [u8]);

/// A request of a pipe, as plugins get to see it: borrowed, not copied. Names and texts are UTF-8.
pub trait LendRequest: Send + Sync + 'static {
    /// Empty before a backend has set its own.
    fn method(&self) -> &str;
    /// The whole URL; empty before a backend has chosen its host.
    fn url(&self) -> &str;
    fn query<'a>(&'a self, each: Each<'_, 'a>);
    fn headers<'a>(&'a self, each: Each<'_, 'a>);
    fn params<'a>(&'a self, each: Each<'_, 'a>);
    fn body(&self) -> &[u8];
}

/// A reply of a pipe, likewise.
pub trait LendReply: Send + Sync + 'static {
    fn status(&self) -> Option<u16>;
    fn is_complete(&self) -> bool;
    fn headers<'a>(&'a self, each: Each<'_, 'a>);
    fn raw(&self) -> Option<&[u8]>;
    /// JSON text, an object or null. Asked for when a plugin looks at it.
    fn data(&self) -> &[u8];
}

/// Keeps alive what one call was lent. Its views point into the heap behind the other fields, which nobody changes while
/// they are shared.
struct Block {
    request: RequestView,
    reply: Option<ReplyView>,
    #[expect(dead_code, reason = "held")]
    pairs: Vec<Pair>,
    #[expect(dead_code, reason = "held")]
    owner: Arc<dyn LendRequest>,
    replied: Option<Arc<dyn LendReply>>,
}

/// Lends a request on its way down, or with its reply on the way up.
pub(super) fn lend(owner: Arc<dyn LendRequest>, replied: Option<Arc<dyn LendReply>>, time_left: Duration) -> Lent {
    let mut pairs = Vec::new();
    let mut keep = |name: &[u8], value: &[u8]| pairs.push(Pair { name: Slice::of(name), value: Slice::of(value) });
    let mut counts = [0; 3];
    owner.query(&mut |name, value| (counts[0] += 1, keep(name, value)).1);
    owner.headers(&mut |name, value| (counts[1] += 1, keep(name, value)).1);
    owner.params(&mut |name, value| (counts[2] += 1, keep(name, value)).1);
    if let Some(reply) = &replied {
        reply.headers(&mut keep);
    }
    let (query, rest) = pairs.split_at(counts[0]);
    let (headers, rest) = rest.split_at(counts[1]);
    let (params, reply_headers) = rest.split_at(counts[2]);
    let request = RequestView {
        method: Slice::of(owner.method().as_bytes()),
        url: Slice::of(owner.url().as_bytes()),
        query: Pairs::of(query),
        headers: Pairs::of(headers),
        params: Pairs::of(params),
        body: Slice::of(owner.body()),
    };
    let reply = replied.as_deref().map(|reply| view(reply, reply_headers));
    let block = Box::into_raw(Box::new(Block { request, reply, pairs, owner, replied }));
    // SAFETY: made just now, and not shared yet. Its place is known only now that it does not move any more.
    let reply = unsafe { &mut (*block).reply }.as_mut().map(|reply| {
        reply.context = block.cast_const().cast();
        from_ref(reply)
    });
    Lent {
        // SAFETY: as above.
        request: unsafe { &raw const (*block).request },
        reply: reply.unwrap_or(null()),
        deadline_ms: u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX),
        owner: block.cast_const().cast(),
        release,
    }
}

fn view(reply: &dyn LendReply, headers: &[Pair]) -> ReplyView {
    let complete = if reply.is_complete() { ReplyFlags::COMPLETE } else { ReplyFlags::NONE };
    let raw = if reply.raw().is_some() { ReplyFlags::RAW } else { ReplyFlags::NONE };
    ReplyView {
        status: reply.status().unwrap_or(0).into(),
        flags: complete.and(raw),
        headers: Pairs::of(headers),
        raw: reply.raw().map_or(Slice::EMPTY, Slice::of),
        context: null(),
        data,
    }
}

unsafe extern "C" fn data(context: *const c_void) -> Slice {
    // SAFETY: `context` is the block that `lend` leaked, alive until the release.
    let block = unsafe { &*context.cast::<Block>() };
    // A panic must not travel into the plugin.
    let text = catch_unwind(AssertUnwindSafe(|| block.replied.as_ref().map(|reply| reply.data())));
    Slice::of(text.ok().flatten().unwrap_or(b"null"))
}

unsafe extern "C" fn release(owner: *const c_void) {
    // SAFETY: `owner` is the box that `lend` leaked, released once; nobody looks at what was lent any more.
    let block = unsafe { Box::from_raw(owner.cast::<Block>().cast_mut()) };
    let _ = catch_unwind(AssertUnwindSafe(move || drop(block)));
}
