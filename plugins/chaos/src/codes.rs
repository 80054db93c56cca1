//! The same driver behind tables that say what no siphon knows, for the host to bear. Pointers and lengths stay true: what
//! they are worth, no host can tell.

#![allow(unsafe_code)] // the tables of the border are functions over pointers

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::OnceLock;

use siphon_sdk::Component;
use siphon_sdk::private::siphon_abi::{
    Capabilities, Done, Doorbell, DriverError, ErrorKind, Finding, Handle, Item, ItemKind, Next, Object, OpenArgs,
    Pairs, Poll, RErr, ROk, RVec, Res, Settlement, Slice, SourceTable, Weight,
};

use crate::config::{Code, Config};

/// A code of no revision.
const UNKNOWN: u32 = 0xdead;

/// The SDK's table, which does the work.
static INNER: OnceLock<&'static SourceTable> = OnceLock::new();

static TABLE: SourceTable = SourceTable { check, open, next, error, settle, ping, pause, close, free };

/// An open source of the SDK, and what is said wrong about it.
struct Liar {
    inner: Object,
    codes: BTreeSet<Code>,
}

/// `async/chaos-codes`. It declares abilities that no siphon knows, besides its own.
pub fn source() -> Component {
    let honest = siphon_sdk::source::<crate::consume::Chaos>();
    // SAFETY: the SDK's tables are constant data.
    INNER.get_or_init(|| unsafe { &*honest.source });
    let capabilities = honest.capabilities.and(Capabilities(1 << 63));
    Component { keys: RVec::from(vec!["async/chaos-codes".into()]), source: &TABLE, capabilities, ..honest }
}

fn inner() -> &'static SourceTable {
    INNER.get().expect("registered before it is used")
}

/// # Safety
///
/// `object` came from [`open`] and was not freed.
unsafe fn liar<'a>(object: Object) -> &'a Liar {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<Liar>() }
}

unsafe extern "C" fn check(args: *const OpenArgs<'_>) -> RVec<Finding> {
    // SAFETY: handed on as they came.
    let mut findings = unsafe { (inner().check)(args) };
    // SAFETY: the host lends the arguments for the call.
    if codes(unsafe { &*args }).contains(&Code::Weight) {
        findings.push(Finding {
            weight: Weight(UNKNOWN),
            path: "codes".into(),
            message: "weighs what nobody knows".into(),
        });
    }
    findings
}

/// None where the configuration is wrong: the inner call says so.
fn codes(args: &OpenArgs<'_>) -> BTreeSet<Code> {
    serde_json::from_str::<Config>(args.config.as_str()).map(|config| config.codes).unwrap_or_default()
}

unsafe extern "C" fn open(args: *const OpenArgs<'_>, doorbell: Doorbell) -> Res<Object> {
    // SAFETY: handed on as they came.
    match unsafe { (inner().open)(args, doorbell) } {
        // SAFETY: the host lends the arguments for the call.
        ROk(inner) => ROk(Box::into_raw(Box::new(Liar { inner, codes: codes(unsafe { &*args }) })).cast()),
        RErr(error) => RErr(error),
    }
}

unsafe extern "C" fn next(object: Object, items: *mut Item, places: u32, messages: u32) -> Next {
    // SAFETY: the host calls with a live object.
    let liar = unsafe { liar(object) };
    // SAFETY: handed on as they came, with a live inner object.
    let mut next = unsafe { (inner().next)(liar.inner, items, places, messages) };
    if liar.codes.contains(&Code::Item) && next.count > 0 && next.count < places {
        // SAFETY: the array has `places` places, and this one is free.
        unsafe { items.add(next.count as usize).write(item()) };
        next.count += 1;
    }
    if liar.codes.contains(&Code::Poll) && next.poll == Poll::OPEN {
        next.poll = Poll(UNKNOWN);
    }
    next
}

/// An item of a kind that nobody knows, without memory of its own.
fn item() -> Item {
    let (nothing, no_pairs) = (Slice::of(&[]), Pairs::of(&[]));
    Item {
        kind: ItemKind(UNKNOWN),
        attempt: 0,
        payload: nothing,
        key: nothing,
        topic: nothing,
        headers: no_pairs,
        attributes: no_pairs,
        timestamp_ms: i64::MIN,
        offset: -1,
        partition: -1,
        reserved: UNKNOWN,
        handle: Handle { id: 0, generation: 0 },
        value: 0,
        owner: null_mut(),
        release,
    }
}

unsafe extern "C" fn release(_: *mut c_void) {}

unsafe extern "C" fn error(object: Object) -> DriverError {
    // SAFETY: the host calls with a live object.
    let liar = unsafe { liar(object) };
    // SAFETY: handed on, with a live inner object.
    let error = unsafe { (inner().error)(liar.inner) };
    match liar.codes.contains(&Code::Error) {
        true => DriverError { kind: ErrorKind(UNKNOWN), ..error },
        false => error,
    }
}

unsafe extern "C" fn settle(object: Object, settlements: *const Settlement, len: usize) -> usize {
    // SAFETY: the host calls with a live object.
    let liar = unsafe { liar(object) };
    // SAFETY: handed on as they came, with a live inner object.
    let taken = unsafe { (inner().settle)(liar.inner, settlements, len) };
    if liar.codes.contains(&Code::Taken) && taken == len { usize::MAX } else { taken }
}

unsafe extern "C" fn ping(object: Object, done: Done) {
    // SAFETY: handed on, with a live inner object.
    unsafe { (inner().ping)(liar(object).inner, done) }
}

unsafe extern "C" fn pause(object: Object, paused: bool, done: Done) {
    // SAFETY: handed on, with a live inner object.
    unsafe { (inner().pause)(liar(object).inner, paused, done) }
}

unsafe extern "C" fn close(object: Object, deadline_ms: u64, done: Done) {
    // SAFETY: handed on, with a live inner object.
    unsafe { (inner().close)(liar(object).inner, deadline_ms, done) }
}

unsafe extern "C" fn free(object: Object) {
    // SAFETY: the last call for this object, which `open` boxed.
    let liar = unsafe { Box::from_raw(object.cast::<Liar>()) };
    // SAFETY: the last call for the inner object.
    unsafe { (inner().free)(liar.inner) }
}
