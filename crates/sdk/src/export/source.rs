//! A [`Source`] as a table of `extern "C"` functions.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;
use siphon_abi::{
    Component, Done, Doorbell, DriverError, Item, Kind, Level, Next, Object, OpenArgs, Poll, RErr, ROk, RVec, Res,
    Settlement, SourceTable,
};
use siphon_ring::Taken;

use super::args;
use super::guard::{guard, panic_error};
use super::log::named;
use super::pump;
use super::register::component;
use super::shared::{Command, End, Shared};
use crate::driver::{Source, Weight};
use crate::{Context, Error, Finding};

/// `S` as a component, for [`export_plugin!`](crate::export_plugin).
pub fn source<S: Source>() -> Component {
    source_at::<S>(Level::AGENT)
}

/// `S` as a backend, for [`export_plugin!`](crate::export_plugin): an event that reaches it in a pipe takes one message,
/// which is the reply, and is settled with the event's outcome.
///
/// Its configuration is the component's object, with the backend's `host` (a list of texts) and `url_pattern` added where
/// the object has none of its own. A message of an event that fails is given back ([`Verdict::Requeue`]); without
/// [`Capabilities::GIVE_BACK`] the host hands it to the next event. One that the backend's `encoding` cannot read gets
/// [`Verdict::Retry`]. [`Context::max_in_flight`] is the natural prefetch.
///
/// [`Verdict::Requeue`]: crate::Verdict::Requeue
/// [`Verdict::Retry`]: crate::Verdict::Retry
/// [`Capabilities::GIVE_BACK`]: crate::Capabilities::GIVE_BACK
pub fn subscriber<S: Source>() -> Component {
    source_at::<S>(Level::BACKEND)
}

fn source_at<S: Source>(level: Level) -> Component {
    let schema = schemars::schema_for!(S::Config);
    let base = component(Kind::SOURCE, level, S::KEYS, S::LABEL, &schema);
    let schemes = S::SCHEMES.iter().map(|scheme| (*scheme).into()).collect();
    Component { capabilities: S::CAPABILITIES, source: &Glue::<S>::TABLE, schemes, ..base }
}

/// An open source, on the plugin's side.
struct Opened {
    shared: Arc<Shared>,
    pump: tokio::task::AbortHandle,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

struct Glue<S>(PhantomData<S>);

impl<S: Source> Glue<S> {
    const TABLE: SourceTable =
        SourceTable { check: check::<S>, open: open::<S>, next, error, settle, ping, pause, close, free };
}

unsafe extern "C" fn check<S: Source>(open_args: *const OpenArgs<'_>) -> RVec<siphon_abi::Finding> {
    // SAFETY: the host lends the arguments for the call.
    check_with(unsafe { &*open_args }, S::check)
}

/// What types and `check` have to say about a configuration.
pub(super) fn check_with<C: DeserializeOwned>(
    open_args: &OpenArgs<'_>,
    check: impl FnOnce(&C, &Context) -> Vec<Finding>,
) -> RVec<siphon_abi::Finding> {
    let findings = guard(
        || match args::config::<C>(open_args) {
            Ok(config) => check(&config, &args::context(open_args)),
            Err(error) => vec![Finding::error(error.path, error.message)],
        },
        |error| vec![Finding::error("", error.message)],
    );
    findings.into_iter().map(Finding::into_abi).collect()
}

/// # Errors
///
/// The first finding that keeps the driver from working.
pub(super) fn first_error(findings: Vec<Finding>) -> Result<(), Error> {
    let error = findings.into_iter().find(|finding| finding.weight == Weight::ERROR);
    error.map_or(Ok(()), |finding| Err(Error::config(finding.path, finding.message)))
}

unsafe extern "C" fn open<S: Source>(open_args: *const OpenArgs<'_>, doorbell: Doorbell) -> Res<Object> {
    // SAFETY: the host lends the arguments for the call.
    let open_args = unsafe { &*open_args };
    let opened = guard(|| start::<S>(open_args, doorbell), Err);
    match opened {
        Ok(opened) => ROk(Box::into_raw(Box::new(opened)).cast()),
        Err(error) => RErr(error.into_abi()),
    }
}

fn start<S: Source>(open_args: &OpenArgs<'_>, doorbell: Doorbell) -> Result<Opened, Error> {
    let config = args::config::<S::Config>(open_args)?;
    let context = args::context(open_args);
    first_error(S::check(&config, &context))?;
    let runtime = crate::runtime::handle().ok_or_else(|| Error::fatal("the plugin cannot start its thread"))?;
    let max_bytes = usize::try_from(open_args.max_bytes).unwrap_or(usize::MAX);
    let shared = Arc::new(Shared::new(doorbell, &context, max_bytes));
    let pump = runtime.spawn(named(context.agent.clone(), run::<S>(config, context, Arc::clone(&shared))));
    Ok(Opened { shared, pump: pump.abort_handle() })
}

async fn run<S: Source>(config: S::Config, context: Context, shared: Arc<Shared>) {
    let pump = AssertUnwindSafe(pump::run::<S>(config, context, &shared)).catch_unwind().await;
    shared.finish(pump.unwrap_or_else(|payload| End::Failed(panic_error(payload))));
}

/// Borrows the object behind the pointer.
///
/// # Safety
///
/// `object` came from [`open`] and was not freed.
unsafe fn opened<'a>(object: Object) -> &'a Opened {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<Opened>() }
}

unsafe extern "C" fn next(object: Object, items: *mut Item, places: u32, messages: u32) -> Next {
    // SAFETY: the host calls with a live object.
    let shared = &unsafe { opened(object) }.shared;
    let mut filled = 0;
    let take = |item: super::item::OwnedItem| {
        // SAFETY: the array has that many places, and the ring calls at most that often.
        unsafe { items.add(filled).write(item.into_raw()) };
        filled += 1;
    };
    let take = || shared.ring.take(places as usize, messages as usize, take);
    let taken = guard(take, |error| Taken::Ended(End::Failed(error)));
    match taken {
        Taken::Items(count) => {
            if count > 0 {
                shared.tell_room();
            }
            Next { poll: Poll::OPEN, count: count as u32 }
        }
        Taken::Ended(End::Closed) => Next { poll: Poll::CLOSED, count: 0 },
        Taken::Ended(End::Failed(_)) => Next { poll: Poll::FAILED, count: 0 },
    }
}

unsafe extern "C" fn error(object: Object) -> DriverError {
    // SAFETY: the host calls with a live object.
    let shared = &unsafe { opened(object) }.shared;
    match guard(|| shared.ring.ended(), |error| Some(End::Failed(error))) {
        Some(End::Failed(error)) => error.into_abi(),
        _ => Error::closed().into_abi(),
    }
}

unsafe extern "C" fn settle(object: Object, settlements: *const Settlement, len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    // SAFETY: the host calls with a live object and an array of `len` settlements.
    let (shared, settlements) = unsafe { (&opened(object).shared, std::slice::from_raw_parts(settlements, len)) };
    guard(|| shared.settle(settlements), |_| len)
}

unsafe extern "C" fn ping(object: Object, done: Done) {
    command(object, Command::Ping(done));
}

unsafe extern "C" fn pause(object: Object, paused: bool, done: Done) {
    // SAFETY: the host calls with a live object.
    let shared = &unsafe { opened(object) }.shared;
    guard(|| shared.pause(paused), drop); // at once: the pump may be busy
    command(object, Command::Pause(paused, done));
}

unsafe extern "C" fn close(object: Object, deadline_ms: u64, done: Done) {
    command(object, Command::Close(Duration::from_millis(deadline_ms), done));
}

fn command(object: Object, command: Command) {
    // SAFETY: the host calls with a live object.
    let shared = &unsafe { opened(object) }.shared;
    guard(|| shared.command(command), drop);
}

unsafe extern "C" fn free(object: Object) {
    // SAFETY: the last call for this object.
    let opened = unsafe { Box::from_raw(object.cast::<Opened>()) };
    guard(move || drop(opened), drop);
}
