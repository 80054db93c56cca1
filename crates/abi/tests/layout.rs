//! The committed layout of everything that crosses the plugin border.
//!
//! Plugins are built apart from siphon. What moves here breaks all of them, and so needs a new `ABI_REV`.
#![cfg(target_pointer_width = "64")]

use core::fmt::Write as _;
use core::mem::{align_of, offset_of, size_of};

use siphon_abi::{
    ABI_REV, Answering, Capabilities, Completion, Component, Done, Doorbell, DriverError, Ending, ErrorKind, Fields,
    Finding, HTTP_CLIENT_REV, Handle, Handshake, HostApi, HttpClientTable, Item, ItemKind, Kind, Lent, Level, LogLevel,
    LogRecord, MODIFIER_REV, ModifierTable, Next, Object, OpenArgs, Outgoing, Pair, Pairs, Plugin, Poll, RVec,
    ReplyFlags, ReplyView, RequestView, Res, Returned, Settlement, SinkTable, Slice, SourceTable, Terms, Verdict,
    Weight,
};

/// `Name size/align field@offset …`, a line per type.
macro_rules! layouts {
    ($($name:ident { $($field:tt),* })+) => {{
        let mut text = String::new();
        $(
            write!(text, "{} {}/{}", stringify!($name), size_of::<$name>(), align_of::<$name>()).unwrap();
            $(write!(text, " {}@{}", stringify!($field), offset_of!($name, $field)).unwrap();)*
            text.push('\n');
        )+
        text
    }};
}

fn layouts() -> String {
    layouts! {
        Handshake { magic, abi_rev, flags, sdk, rustc, name, version }
        Slice { ptr, len }
        Pair { name, value }
        Pairs { ptr, len }
        Handle { id, generation }
        Item {
            kind, attempt, payload, key, topic, headers, attributes, timestamp_ms, offset, partition, reserved, handle,
            value, owner, release
        }
        Outgoing { payload, key, topic, headers, attributes, timestamp_ms }
        Settlement { handle, verdict, reserved, delay_ms }
        DriverError { kind, path, message }
        Finding { weight, path, message }
        Completion { count, error }
        Doorbell { context, ring, release }
        HostApi { context, max_level, log }
        LogRecord { level, agent, target, message, fields }
        OpenArgs { agent, namespace, topics, config, read_ahead, max_in_flight, max_bytes, workers }
        Next { poll, count }
        SourceTable { check, open, next, error, settle, ping, pause, close, free }
        SinkTable { check, open, publish, ping, close, free }
        Component {
            kind, level, keys, schemes, label, schema, capabilities, table_rev, reserved, source, sink, table
        }
        Plugin { init, ext }
        Done {}
        ItemKind { 0 }
        Verdict { 0 }
        ErrorKind { 0 }
        Weight { 0 }
        Poll { 0 }
        Kind { 0 }
        Level { 0 }
        LogLevel { 0 }
        Capabilities { 0 }
        RequestView { method, url, query, headers, params, body }
        ReplyView { status, flags, headers, raw, context, data }
        Lent { request, reply, deadline_ms, owner, release }
        Returned {
            ending, fields, kind, status, complete, reserved, method, url, query, headers, params, body, data, message,
            content_type, owner, release
        }
        Answering {}
        ModifierTable { check, open, request, reply, free }
        HttpClientTable { check, open, call, free }
        ReplyFlags { 0 }
        Ending { 0 }
        Fields { 0 }
    }
}

/// Revision 1.
const COMMITTED: &str = "\
Handshake 80/8 magic@0 abi_rev@8 flags@12 sdk@16 rustc@32 name@48 version@64\n\
Slice 16/8 ptr@0 len@8\n\
Pair 32/8 name@0 value@16\n\
Pairs 16/8 ptr@0 len@8\n\
Handle 16/8 id@0 generation@8\n\
Item 152/8 kind@0 attempt@4 payload@8 key@24 topic@40 headers@56 attributes@72 timestamp_ms@88 offset@96 \
    partition@104 reserved@108 handle@112 value@128 owner@136 release@144\n\
Outgoing 88/8 payload@0 key@16 topic@32 headers@48 attributes@64 timestamp_ms@80\n\
Settlement 32/8 handle@0 verdict@16 reserved@20 delay_ms@24\n\
DriverError 72/8 kind@0 path@8 message@40\n\
Finding 72/8 weight@0 path@8 message@40\n\
Completion 88/8 count@0 error@8\n\
Doorbell 24/8 context@0 ring@8 release@16\n\
HostApi 24/8 context@0 max_level@8 log@16\n\
LogRecord 72/8 level@0 agent@8 target@24 message@40 fields@56\n\
OpenArgs 88/8 agent@0 namespace@16 topics@32 config@48 read_ahead@64 max_in_flight@68 max_bytes@72 workers@80\n\
Next 8/4 poll@0 count@4\n\
SourceTable 72/8 check@0 open@8 next@16 error@24 settle@32 ping@40 pause@48 close@56 free@64\n\
SinkTable 48/8 check@0 open@8 publish@16 ping@24 close@32 free@40\n\
Component 176/8 kind@0 level@4 keys@8 schemes@40 label@72 schema@104 capabilities@136 table_rev@144 \
    reserved@148 source@152 sink@160 table@168\n\
Plugin 16/8 init@0 ext@8\n\
Done 16/8\n\
ItemKind 4/4 0@0\n\
Verdict 4/4 0@0\n\
ErrorKind 4/4 0@0\n\
Weight 4/4 0@0\n\
Poll 4/4 0@0\n\
Kind 4/4 0@0\n\
Level 4/4 0@0\n\
LogLevel 4/4 0@0\n\
Capabilities 8/8 0@0\n\
RequestView 96/8 method@0 url@16 query@32 headers@48 params@64 body@80\n\
ReplyView 56/8 status@0 flags@4 headers@8 raw@24 context@40 data@48\n\
Lent 40/8 request@0 reply@8 deadline_ms@16 owner@24 release@32\n\
Returned 184/8 ending@0 fields@4 kind@8 status@12 complete@16 reserved@20 method@24 url@40 query@56 headers@72 \
    params@88 body@104 data@120 message@136 content_type@152 owner@168 release@176\n\
Answering 16/8\n\
ModifierTable 40/8 check@0 open@8 request@16 reply@24 free@32\n\
HttpClientTable 32/8 check@0 open@8 call@16 free@24\n\
ReplyFlags 4/4 0@0\n\
Ending 4/4 0@0\n\
Fields 4/4 0@0\n\
";

#[test]
fn nothing_has_moved() {
    let found = layouts();
    assert!(
        found == COMMITTED,
        "the layout of the plugin ABI has changed: every plugin out there would be misread. Bump ABI_REV (now {ABI_REV}) \
         in crates/abi/src/handshake.rs, then commit this as COMMITTED:\n{found}"
    );
}

#[test]
fn the_revision_of_the_committed_layout_is_the_present_one() {
    assert_eq!(ABI_REV, 1, "COMMITTED above is that of revision 1: commit the new one with its revision");
    // What is reached through an opaque pointer has revisions of its own: what moves from `RequestView` on bumps these.
    assert_eq!([MODIFIER_REV, HTTP_CLIENT_REV], [1, 1], "commit the new layout with its revision");
}

/// A function whose arguments change moves nothing, and is as wrong. When this does not compile: bump `ABI_REV`.
#[test]
fn no_function_has_other_arguments() {
    type Check = unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>;
    type Ask = unsafe extern "C" fn(Object, Done);
    let source = |table: SourceTable| {
        let _: (Check, Ask) = (table.check, table.ping);
        let _: unsafe extern "C" fn(*const OpenArgs<'_>, Doorbell) -> Res<Object> = table.open;
        let _: unsafe extern "C" fn(Object, *mut Item, u32, u32) -> Next = table.next;
        let _: unsafe extern "C" fn(Object) -> DriverError = table.error;
        let _: unsafe extern "C" fn(Object, *const Settlement, usize) -> usize = table.settle;
        let _: unsafe extern "C" fn(Object, bool, Done) = table.pause;
        let _: unsafe extern "C" fn(Object, u64, Done) = table.close;
        let _: unsafe extern "C" fn(Object) = table.free;
    };
    let sink = |table: SinkTable| {
        let _: (Check, Ask) = (table.check, table.ping);
        let _: unsafe extern "C" fn(*const OpenArgs<'_>) -> Res<Object> = table.open;
        let _: unsafe extern "C" fn(Object, *const Outgoing, usize, Done) = table.publish;
        let _: unsafe extern "C" fn(Object, u64, Done) = table.close;
        let _: unsafe extern "C" fn(Object) = table.free;
    };
    assert_eq!((size_of_val(&source), size_of_val(&sink)), (0, 0), "they are there to be compiled");
}

/// Likewise; here `MODIFIER_REV` or `HTTP_CLIENT_REV` is bumped.
#[test]
fn no_function_of_the_pipe_has_other_arguments() {
    type Check = unsafe extern "C" fn(*const OpenArgs<'_>) -> RVec<Finding>;
    type Open = unsafe extern "C" fn(*const OpenArgs<'_>) -> Res<Object>;
    type Call = unsafe extern "C" fn(Object, Lent, Answering);
    type Free = unsafe extern "C" fn(Object);
    let modifier = |table: ModifierTable| {
        let _: (Check, Open, Call, Call, Free) = (table.check, table.open, table.request, table.reply, table.free);
    };
    let client = |table: HttpClientTable| {
        let _: (Check, Open, Call, Free) = (table.check, table.open, table.call, table.free);
    };
    assert_eq!((size_of_val(&modifier), size_of_val(&client)), (0, 0), "they are there to be compiled");
}

/// The numbers that stand for names are as frozen as the offsets.
#[test]
fn no_word_has_another_number() {
    assert_eq!(
        [ItemKind::MESSAGE, ItemKind::CONNECTED, ItemKind::LOST, ItemKind::REVOKED, ItemKind::LAG].map(|k| k.0),
        [1, 2, 3, 4, 5]
    );
    assert_eq!([Verdict::ACK, Verdict::REQUEUE, Verdict::RETRY, Verdict::REJECT].map(|v| v.0), [1, 2, 3, 4]);
    assert_eq!([Poll::OPEN, Poll::CLOSED, Poll::FAILED].map(|p| p.0), [0, 1, 2]);
    assert_eq!([Kind::SOURCE, Kind::SINK, Kind::MODIFIER, Kind::HTTP_CLIENT].map(|k| k.0), [1, 2, 3, 4]);
    assert_eq!([Level::AGENT, Level::BACKEND, Level::EVERYWHERE].map(|l| l.0), [1, 2, 3]);
    assert_eq!([Ending::UNTOUCHED, Ending::CHANGED, Ending::FAILED].map(|e| e.0), [1, 2, 3]);
    assert_eq!([ReplyFlags::NONE, ReplyFlags::COMPLETE, ReplyFlags::RAW].map(|f| f.0), [0, 1, 2]);
    let fields = [
        Fields::METHOD,
        Fields::URL,
        Fields::QUERY,
        Fields::HEADERS,
        Fields::PARAMS,
        Fields::BODY,
        Fields::STATUS,
        Fields::DATA,
        Fields::COMPLETE,
    ];
    assert_eq!(fields.map(|f| f.0), [1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert_eq!([Weight::NOTICE, Weight::WARNING, Weight::ERROR].map(|w| w.0), [1, 2, 3]);
    let errors = [
        ErrorKind::CONFIG,
        ErrorKind::CONNECTION,
        ErrorKind::FATAL,
        ErrorKind::PANIC,
        ErrorKind::UNSUPPORTED,
        ErrorKind::CLOSED,
        ErrorKind::TIMED_OUT,
    ];
    assert_eq!(errors.map(|e| e.0), [1, 2, 3, 4, 5, 6, 7]);
    let levels = [LogLevel::ERROR, LogLevel::WARN, LogLevel::INFO, LogLevel::DEBUG, LogLevel::TRACE];
    assert_eq!(levels.map(|l| l.0), [1, 2, 3, 4, 5]);
    let bits = [
        Capabilities::GIVE_BACK,
        Capabilities::DELAY,
        Capabilities::ATTEMPTS,
        Capabilities::REJECT,
        Capabilities::ORDER,
        Capabilities::BATCH_SETTLE,
        Capabilities::PAUSE,
        Capabilities::LAG,
        Capabilities::SELF_HEALING,
        Capabilities::REQUESTS,
        Capabilities::REPLIES,
    ];
    assert_eq!(bits.map(|b| b.0), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    assert_eq!([Terms::NONE, Terms::FAILURE_IS_FINAL].map(|t| t.0), [0, 1]);
}
