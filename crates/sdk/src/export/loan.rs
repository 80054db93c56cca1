//! What the host lends for one call in the pipe, and what goes back to it.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use siphon_abi::{Ending, Fields, Lent, Pair, Pairs, ReplyFlags, ReplyView, RequestView, Returned, Slice};

use super::guard::guard;
use crate::pipe::Refusal;
use crate::view::{Changed, List};

/// A request, and the reply where there is one, in the host's memory: released with the last clone.
#[derive(Clone)]
pub(crate) struct Loan(Arc<Lent>);

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({} {}, {} bytes)", self.method(), self.url(), self.body().len())
    }
}

impl Loan {
    /// Takes over what the host has lent.
    ///
    /// # Safety
    ///
    /// Its pointers keep the ABI's contract until it is dropped.
    pub(super) unsafe fn new(lent: Lent) -> Self {
        Self(Arc::new(lent))
    }

    fn request(&self) -> &RequestView {
        // SAFETY: alive until the release, by `new`'s contract.
        unsafe { &*self.0.request }
    }

    fn reply(&self) -> Option<&ReplyView> {
        // SAFETY: null, or alive as above.
        unsafe { self.0.reply.as_ref() }
    }

    fn bytes(&self, slice: Slice) -> &[u8] {
        // SAFETY: alive as long as the loan, and so as long as `&self`.
        unsafe { slice.get() }
    }

    fn text(&self, slice: Slice) -> &str {
        std::str::from_utf8(self.bytes(slice)).unwrap_or_default()
    }

    fn pairs(&self, pairs: Pairs) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: as in `bytes`.
        unsafe { pairs.get() }.iter().map(|pair| (self.bytes(pair.name), self.bytes(pair.value)))
    }

    pub(crate) fn method(&self) -> &str {
        self.text(self.request().method)
    }

    pub(crate) fn url(&self) -> &str {
        self.text(self.request().url)
    }

    pub(crate) fn query(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs(self.request().query)
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs(self.request().headers)
    }

    pub(crate) fn params(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs(self.request().params)
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.bytes(self.request().body)
    }

    pub(crate) fn time_left(&self) -> Duration {
        Duration::from_millis(self.0.deadline_ms)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        let status = self.reply().map_or(0, |reply| reply.status);
        u16::try_from(status).ok().filter(|status| *status > 0)
    }

    pub(crate) fn reply_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs(self.reply().map_or(Pairs::EMPTY, |reply| reply.headers))
    }

    pub(crate) fn raw(&self) -> Option<&[u8]> {
        let reply = self.reply().filter(|reply| reply.flags.has(ReplyFlags::RAW))?;
        Some(self.bytes(reply.raw))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reply().is_some_and(|reply| reply.flags.has(ReplyFlags::COMPLETE))
    }

    pub(crate) fn data(&self) -> &str {
        let Some(reply) = self.reply() else { return "null" };
        // SAFETY: the function and its context live as long as the loan, and so does what it gives.
        self.text(unsafe { (reply.data)(reply.context) })
    }
}

/// What a [`Returned`]'s slices point into.
struct Block {
    changed: Changed,
    refusal: Option<Refusal>,
    query: Vec<Pair>,
    headers: Vec<Pair>,
    params: Vec<Pair>,
}

unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: `owner` is the box that `leak` gave away, released once.
    let block = unsafe { Box::from_raw(owner.cast::<Block>()) };
    // A user's `Bytes` may run foreign code when it is dropped.
    guard(move || drop(block), drop);
}

/// How a call ended, in the border's form.
pub(super) fn returned(result: Result<Changed, Refusal>) -> Returned {
    match result {
        Ok(changed) if fields(&changed) == Fields::NONE => Returned::plain(Ending::UNTOUCHED),
        Ok(changed) => leak(changed, None),
        Err(refusal) => leak(Changed::default(), Some(refusal)),
    }
}

fn leak(changed: Changed, refusal: Option<Refusal>) -> Returned {
    let lend = |list: &Option<List>| list.iter().flatten().map(pair).collect();
    let (query, headers, params) = (lend(&changed.query), lend(&changed.headers), lend(&changed.params));
    let block = Box::new(Block { changed, refusal, query, headers, params });
    let Block { changed, refusal, .. } = &*block;
    let ending = if refusal.is_some() { Ending::FAILED } else { Ending::CHANGED };
    let mut returned = Returned::plain(ending);
    returned.fields = fields(changed);
    returned.status = refusal.as_ref().map_or(changed.status, |refusal| refusal.status).unwrap_or(0).into();
    returned.complete = changed.complete.unwrap_or(false).into();
    returned.method = text(changed.method.as_deref());
    returned.url = text(changed.url.as_deref());
    returned.query = Pairs::of(&block.query);
    returned.headers = Pairs::of(&block.headers);
    returned.params = Pairs::of(&block.params);
    returned.body = bytes(changed.body.as_ref());
    returned.data = bytes(changed.data.as_ref());
    if let Some(refusal) = refusal {
        returned.kind = refusal.kind;
        returned.message = Slice::of(refusal.message.as_bytes());
        returned.content_type = Slice::of(refusal.content_type.as_bytes());
    }
    // What the slices point to is on the heap and stays where it is when the box is leaked.
    (returned.owner, returned.release) = (Box::into_raw(block).cast(), release);
    returned
}

fn pair((name, value): &(Bytes, Bytes)) -> Pair {
    Pair { name: Slice::of(name), value: Slice::of(value) }
}

fn text(text: Option<&str>) -> Slice {
    text.map_or(Slice::EMPTY, |text| Slice::of(text.as_bytes()))
}

fn bytes(bytes: Option<&Bytes>) -> Slice {
    bytes.map_or(Slice::EMPTY, |bytes| Slice::of(bytes))
}

fn fields(changed: &Changed) -> Fields {
    let parts = [
        (Fields::METHOD, changed.method.is_some()),
        (Fields::URL, changed.url.is_some()),
        (Fields::QUERY, changed.query.is_some()),
        (Fields::HEADERS, changed.headers.is_some()),
        (Fields::PARAMS, changed.params.is_some()),
        (Fields::BODY, changed.body.is_some()),
        (Fields::STATUS, changed.status.is_some()),
        (Fields::DATA, changed.data.is_some()),
        (Fields::COMPLETE, changed.complete.is_some()),
    ];
    let set = parts.into_iter().filter(|(_, is_set)| *is_set);
    set.fold(Fields::NONE, |fields, (field, _)| fields.and(field))
}
