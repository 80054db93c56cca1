//! Tables that no SDK has made: what the host does with what it must not trust.

#![allow(unsafe_code)] // the tables of the border are functions over pointers

use std::ffi::c_void;
use std::ptr::{from_ref, null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use siphon_core::abi::{
    Answering, Capabilities, Component, Ending, ErrorKind, Fields, Finding, HttpClientTable, Kind, Lent, Level,
    ModifierTable, Object, OpenArgs, Pair, Pairs, ROk, RVec, Res, Returned, Slice,
};
use siphon_core::plugin::{Misfit, Registry};
use siphon_testkit::pipe::{PlainRequest, call, change_request, client, modifier};

/// What a call answers; `None`: nothing.
type Answer = fn() -> Option<Returned>;

/// The answers that configurations choose by their number.
static ANSWERS: Mutex<Vec<Answer>> = Mutex::new(Vec::new());

static MODIFIER: ModifierTable = ModifierTable { check, open, request: answer, reply: answer, free };
static CLIENT: HttpClientTable = HttpClientTable { check, open, call: answer, free };

unsafe extern "C" fn check(_: *const OpenArgs<'_>) -> RVec<Finding> {
    RVec::new()
}

/// The object is the number of its answer.
unsafe extern "C" fn open(args: *const OpenArgs<'_>) -> Res<Object> {
    // SAFETY: the host lends the arguments for the call.
    let number: usize = unsafe { &*args }.config.as_str().parse().unwrap();
    ROk(std::ptr::without_provenance_mut(number))
}

unsafe extern "C" fn free(_: Object) {}

unsafe extern "C" fn answer(object: Object, lent: Lent, answering: Answering) {
    drop(lent);
    let returned = ANSWERS.lock().unwrap()[object.addr()]();
    // `None`: dropped without an answer.
    if let Some(returned) = returned {
        answering.answer(returned);
    }
}

fn component(kind: Kind, name: &str) -> Component {
    let table = if kind == Kind::MODIFIER { from_ref(&MODIFIER).cast() } else { from_ref(&CLIENT).cast() };
    Component {
        kind,
        level: Level::EVERYWHERE,
        keys: RVec::from(vec![name.into()]),
        schemes: RVec::new(),
        label: "Raw".into(),
        schema: "{}".into(),
        capabilities: Capabilities::REQUESTS,
        table_rev: 1,
        reserved: 0,
        source: null(),
        sink: null(),
        table,
    }
}

/// Registers an answer, and returns its number.
fn number(answer: Answer) -> String {
    let mut answers = ANSWERS.lock().unwrap();
    answers.push(answer);
    (answers.len() - 1).to_string()
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry
        .add_in_process("raw", vec![component(Kind::MODIFIER, "raw"), component(Kind::HTTP_CLIENT, "raw")])
        .unwrap();
    registry
}

/// What both kinds say about an answer that is none.
async fn check_refused(answer: Answer, kind: ErrorKind, message: &str) {
    let (registry, number) = (registry(), number(answer));
    for refused in [
        change_request(&modifier(&registry, "raw", &number), &PlainRequest::default()).await.unwrap_err(),
        call(&client(&registry, "raw", &number), &PlainRequest::default()).await.unwrap_err(),
    ] {
        assert_eq!((refused.kind, refused.message.as_str()), (kind, message));
    }
}

fn changed(fields: Fields, set: impl FnOnce(&mut Returned)) -> Option<Returned> {
    let mut returned = Returned::plain(Ending::CHANGED);
    returned.fields = fields;
    set(&mut returned);
    Some(returned)
}

/// No UTF-8.
static NO_TEXT: &[u8] = &[b'a', 0xff];

fn pairs_without_text() -> Pairs {
    Pairs::of(Box::leak(Box::new([Pair { name: Slice::EMPTY, value: Slice::of(NO_TEXT) }])))
}

#[tokio::test]
async fn endings_that_nobody_knows_and_answers_that_never_come_fail_the_event() {
    let unknown = "the plugin ended with 57005, which this siphon does not know";
    check_refused(|| Some(Returned::plain(Ending(0xdead))), ErrorKind::FATAL, unknown).await;
    check_refused(|| None, ErrorKind::CLOSED, "the plugin dropped the call without an answer").await;
    check_refused(|| Some(Returned::plain(Ending::FAILED)), ErrorKind::FATAL, "the plugin gave no reason").await;
}

#[tokio::test]
async fn a_text_that_is_no_utf_8_fails_the_event_by_the_name_of_its_part() {
    let message = |part: &str| format!("the plugin returned a {part} that is no UTF-8");
    let no_method = || changed(Fields::METHOD, |returned| returned.method = Slice::of(NO_TEXT));
    let no_url = || changed(Fields::URL, |returned| returned.url = Slice::of(NO_TEXT));
    let no_query = || changed(Fields::QUERY, |returned| returned.query = pairs_without_text());
    let no_param = || changed(Fields::PARAMS, |returned| returned.params = pairs_without_text());
    check_refused(no_method, ErrorKind::FATAL, &message("method")).await;
    check_refused(no_url, ErrorKind::FATAL, &message("URL")).await;
    check_refused(no_query, ErrorKind::FATAL, &message("query")).await;
    check_refused(no_param, ErrorKind::FATAL, &message("param")).await;
    // A reason is for people: it is shown as far as it is text.
    let failed = || {
        let mut failed = Returned::plain(Ending::FAILED);
        failed.message = Slice::of(NO_TEXT);
        Some(failed)
    };
    check_refused(failed, ErrorKind::FATAL, "a\u{fffd}").await;
}

#[tokio::test]
async fn parts_that_are_not_named_do_not_count() {
    let registry = registry();
    let number =
        number(|| changed(Fields(1 << 31), |returned| (returned.url, returned.status) = (Slice::of(NO_TEXT), 7)));
    let changes = change_request(&modifier(&registry, "raw", &number), &PlainRequest::default()).await.unwrap();
    assert_eq!(changes, Some(siphon_core::plugin::Changes::default()));
}

static RELEASED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn release(_: *mut c_void) {
    RELEASED.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test]
async fn a_body_stays_in_the_plugins_memory_and_is_released_once_with_its_last_clone() {
    let (registry, body) = (
        registry(),
        number(|| {
            changed(Fields::BODY.and(Fields::DATA), |returned| {
                (returned.body, returned.data) = (Slice::of(b"body"), Slice::of(b"{}"));
                (returned.owner, returned.release) = (null_mut(), release);
            })
        }),
    );
    let changes = call(&client(&registry, "raw", &body), &PlainRequest::default()).await.unwrap();
    let (body, data) = (changes.body.clone().unwrap(), changes.data.clone().unwrap());
    assert_eq!((&body[..], &data[..]), (&b"body"[..], &b"{}"[..]));
    drop((changes, body));
    assert_eq!(RELEASED.load(Ordering::SeqCst), 0, "its data is still there");
    drop(data);
    assert_eq!(RELEASED.load(Ordering::SeqCst), 1);
}

#[test]
fn a_table_of_another_revision_or_none_and_names_that_cannot_be_are_refused() {
    let refused = |component: Component| Registry::default().add_in_process("x", vec![component]).unwrap_err();
    for kind in [Kind::MODIFIER, Kind::HTTP_CLIENT] {
        let later = refused(Component { table_rev: 2, ..component(kind, "a") });
        assert_eq!(later, Misfit::OtherTable { name: "a".into(), theirs: 2, ours: 1 });
        let none = refused(Component { table: null(), ..component(kind, "a") });
        assert_eq!(none, Misfit::NoTable { key: "a".into() });
        assert_eq!(refused(component(kind, "name")), Misfit::NoName { name: "name".into() });
    }
    let mut registry = registry();
    let again =
        registry.add_in_process("other", vec![Component { level: Level::AGENT, ..component(Kind::MODIFIER, "raw") }]);
    assert_eq!(again, Err(Misfit::Duplicate { key: "the modifier raw".into(), other: "raw".into() }));
    registry.add_in_process("third", vec![component(Kind(99), "x")]).unwrap();
    assert_eq!(registry.components().len(), 3, "a kind of a later siphon is shown, and used by nobody");
}
