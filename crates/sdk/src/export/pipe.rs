//! A [`Modifier`] and an [`HttpClient`] as tables of `extern "C"` functions.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::ptr::from_ref;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::task::noop_waker_ref;
use serde::de::DeserializeOwned;
use siphon_abi::{
    Answering, Capabilities, Component, ErrorKind, HTTP_CLIENT_REV, HttpClientTable, Kind, Lent, Level, MODIFIER_REV,
    ModifierTable, Object, OpenArgs, RErr, ROk, RVec, Res,
};
use tokio::time::timeout;

use super::args;
use super::guard::{guard, panic_error};
use super::loan::{Loan, returned};
use super::log::named;
use super::register::component;
use super::source::{check_with, first_error};
use crate::pipe::{HttpClient, Modifier, Refusal, Sides};
use crate::view::{Changed, Reply, Request};
use crate::{Context, Error, Finding};

/// `M` as a component, for [`export_plugin!`](crate::export_plugin): `plugin/req-resp-modifier` finds it by its names.
pub fn modifier<M: Modifier>() -> Component {
    let schema = schemars::schema_for!(M::Config);
    let base = component(Kind::MODIFIER, Level::EVERYWHERE, M::NAMES, M::LABEL, &schema);
    let capabilities = match M::SIDES {
        Sides::Requests => Capabilities::REQUESTS,
        Sides::Replies => Capabilities::REPLIES,
        Sides::Both => Capabilities::REQUESTS.and(Capabilities::REPLIES),
    };
    Component { capabilities, table_rev: MODIFIER_REV, table: from_ref(&ModifierGlue::<M>::TABLE).cast(), ..base }
}

/// `C` as a component, for [`export_plugin!`](crate::export_plugin): `plugin/http-client` finds it by its names.
pub fn http_client<C: HttpClient>() -> Component {
    let schema = schemars::schema_for!(C::Config);
    let base = component(Kind::HTTP_CLIENT, Level::BACKEND, C::NAMES, C::LABEL, &schema);
    Component { table_rev: HTTP_CLIENT_REV, table: from_ref(&ClientGlue::<C>::TABLE).cast(), ..base }
}

struct ModifierGlue<M>(PhantomData<M>);

impl<M: Modifier> ModifierGlue<M> {
    const TABLE: ModifierTable = ModifierTable {
        check: check_modifier::<M>,
        open: open_modifier::<M>,
        request: request::<M>,
        reply: reply::<M>,
        free: free::<M>,
    };
}

struct ClientGlue<C>(PhantomData<C>);

impl<C: HttpClient> ClientGlue<C> {
    const TABLE: HttpClientTable =
        HttpClientTable { check: check_client::<C>, open: open_client::<C>, call: call::<C>, free: free::<C> };
}

/// An object of the author's, on the plugin's side. Calls that are under way hold a share of it.
struct Opened<T> {
    value: Arc<T>,
    agent: String,
}

unsafe extern "C" fn check_modifier<M: Modifier>(open_args: *const OpenArgs<'_>) -> RVec<siphon_abi::Finding> {
    // SAFETY: the host lends the arguments for the call.
    check_with(unsafe { &*open_args }, M::check)
}

unsafe extern "C" fn check_client<C: HttpClient>(open_args: *const OpenArgs<'_>) -> RVec<siphon_abi::Finding> {
    // SAFETY: the host lends the arguments for the call.
    check_with(unsafe { &*open_args }, C::check)
}

unsafe extern "C" fn open_modifier<M: Modifier>(open_args: *const OpenArgs<'_>) -> Res<Object> {
    // SAFETY: the host lends the arguments for the call.
    open_with(unsafe { &*open_args }, M::check, M::open)
}

unsafe extern "C" fn open_client<C: HttpClient>(open_args: *const OpenArgs<'_>) -> Res<Object> {
    // SAFETY: the host lends the arguments for the call.
    open_with(unsafe { &*open_args }, C::check, C::open)
}

fn open_with<C: DeserializeOwned, T>(
    open_args: &OpenArgs<'_>,
    check: impl FnOnce(&C, &Context) -> Vec<Finding>,
    open: impl FnOnce(C, Context) -> Result<T, Error>,
) -> Res<Object> {
    let opened = || {
        let config = args::config::<C>(open_args)?;
        let context = args::context(open_args);
        first_error(check(&config, &context))?;
        let runtime = crate::runtime::handle().ok_or_else(|| Error::fatal("the plugin cannot start its thread"))?;
        let _inside = runtime.enter(); // clients of the author's may want a runtime around them
        let agent = context.agent.clone();
        Ok(Opened { value: Arc::new(open(config, context)?), agent })
    };
    match guard(opened, Err) {
        Ok(opened) => ROk(Box::into_raw(Box::new(opened)).cast()),
        Err(error) => RErr(error.into_abi()),
    }
}

/// Borrows the object behind the pointer.
///
/// # Safety
///
/// `object` came from the `open` of a table for `T` and was not freed.
unsafe fn opened<'a, T>(object: Object) -> &'a Opened<T> {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<Opened<T>>() }
}

unsafe extern "C" fn request<M: Modifier>(object: Object, lent: Lent, answering: Answering) {
    // SAFETY: the host calls with a live object, and lends until the release.
    let (Opened { value, agent }, loan) = unsafe { (opened::<M>(object), Loan::new(lent)) };
    let (modifier, time_left) = (Arc::clone(value), loan.time_left());
    let work = async move {
        let mut request = Request { loan, changed: Changed::default() };
        modifier.request(&mut request).await.map(|()| request.changed)
    };
    begin(Start::Here, agent, time_left, answering, work);
}

unsafe extern "C" fn reply<M: Modifier>(object: Object, lent: Lent, answering: Answering) {
    // SAFETY: the host calls with a live object, and lends until the release.
    let (Opened { value, agent }, loan) = unsafe { (opened::<M>(object), Loan::new(lent)) };
    let (modifier, time_left) = (Arc::clone(value), loan.time_left());
    let work = async move {
        let request = Request { loan, changed: Changed::default() };
        let mut reply = Reply { request, changed: Changed::default() };
        modifier.reply(&mut reply).await.map(|()| reply.changed)
    };
    begin(Start::Here, agent, time_left, answering, work);
}

unsafe extern "C" fn call<C: HttpClient>(object: Object, lent: Lent, answering: Answering) {
    // SAFETY: the host calls with a live object, and lends until the release.
    let (Opened { value, agent }, loan) = unsafe { (opened::<C>(object), Loan::new(lent)) };
    let (client, time_left) = (Arc::clone(value), loan.time_left());
    let work = async move {
        let request = Request { loan, changed: Changed::default() };
        client.call(request).await.map(crate::pipe::Answer::into_changed)
    };
    begin(Start::There, agent, time_left, answering, work);
}

unsafe extern "C" fn free<T>(object: Object) {
    // SAFETY: the last call for this object, of the table for `T`.
    let opened = unsafe { Box::from_raw(object.cast::<Opened<T>>()) };
    guard(move || drop(opened), drop);
}

/// Where a call begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// On the caller's thread: most modifiers are done before they would have been handed over.
    Here,
    /// On the plugin's.
    There,
}

type Ended = Result<Changed, Refusal>;

/// Runs `work` under the agent's name, and answers exactly once: with its result, its panic, or the end of its time.
fn begin(
    start: Start,
    agent: &str,
    time_left: Duration,
    answering: Answering,
    work: impl Future<Output = Ended> + Send + 'static,
) {
    let unwinding = AssertUnwindSafe(work).catch_unwind();
    let unwinding = unwinding.map(|ended| ended.unwrap_or_else(|payload| Err(panic_error(payload).into())));
    let work = Box::pin(named(agent.to_owned(), unwinding));
    // The work catches its own panics; what is left is memory.
    guard(move || drive(start, time_left, answering, work), drop);
}

fn drive(
    start: Start,
    time_left: Duration,
    answering: Answering,
    mut work: Pin<Box<dyn Future<Output = Ended> + Send>>,
) {
    let Some(runtime) = crate::runtime::handle() else {
        return answering.answer(returned(Err(Refusal::new("the plugin cannot start its thread"))));
    };
    if start == Start::Here {
        let _inside = runtime.enter();
        if let Poll::Ready(ended) = work.as_mut().poll(&mut TaskContext::from_waker(noop_waker_ref())) {
            drop(work); // releases what was lent, so that the host need not copy it
            return answering.answer(returned(ended));
        }
    }
    // Whoever is spawned is polled, with a waker that counts.
    runtime.spawn(async move {
        let ended = timeout(time_left, &mut work).await;
        drop(work);
        let late = || Err(Refusal::of_kind(ErrorKind::TIMED_OUT, "gave no answer within the event's time"));
        answering.answer(returned(ended.unwrap_or_else(|_| late())));
    });
}
