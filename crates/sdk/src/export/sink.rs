//! A [`Sink`] as a table of `extern "C"` functions.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use siphon_abi::{Component, Done, Kind, Level, Object, OpenArgs, Outgoing, RErr, ROk, RVec, Res, SinkTable};

use super::args;
use super::guard::guard;
use super::item::copy;
use super::log::named;
use super::register::component;
use super::sink_pump::{self, Inbox, Request};
use super::source::{check_with, first_error};
use crate::Error;
use crate::driver::Sink;

/// `S` as the sink of an agent's driver, for [`export_plugin!`](crate::export_plugin): `siphon publish` uses it.
pub fn sink<S: Sink>() -> Component {
    sink_at::<S>(Level::AGENT)
}

/// `S` as a backend, for [`export_plugin!`](crate::export_plugin): what reaches it in a pipe is published.
///
/// Its configuration is the component's object, with the backend's `host` (a list of texts) and `url_pattern` added where
/// the object has none of its own. A message's headers are those of the request; its attributes are the event's params,
/// first letter upper-case (`Topic`, `Message_id`, `Resp0_id`).
pub fn publisher<S: Sink>() -> Component {
    sink_at::<S>(Level::BACKEND)
}

fn sink_at<S: Sink>(level: Level) -> Component {
    let schema = schemars::schema_for!(S::Config);
    let base = component(Kind::SINK, level, S::KEYS, S::LABEL, &schema);
    let schemes = S::SCHEMES.iter().map(|scheme| (*scheme).into()).collect();
    Component { sink: &Glue::<S>::TABLE, schemes, ..base }
}

/// An open sink, on the plugin's side.
struct Opened {
    inbox: Arc<Inbox>,
    pump: tokio::task::AbortHandle,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.pump.abort();
        self.inbox.finish();
    }
}

struct Glue<S>(PhantomData<S>);

impl<S: Sink> Glue<S> {
    const TABLE: SinkTable = SinkTable { check: check::<S>, open: open::<S>, publish, ping, close, free };
}

unsafe extern "C" fn check<S: Sink>(open_args: *const OpenArgs<'_>) -> RVec<siphon_abi::Finding> {
    // SAFETY: the host lends the arguments for the call.
    check_with(unsafe { &*open_args }, S::check)
}

unsafe extern "C" fn open<S: Sink>(open_args: *const OpenArgs<'_>) -> Res<Object> {
    // SAFETY: the host lends the arguments for the call.
    let open_args = unsafe { &*open_args };
    match guard(|| start::<S>(open_args), Err) {
        Ok(opened) => ROk(Box::into_raw(Box::new(opened)).cast()),
        Err(error) => RErr(error.into_abi()),
    }
}

fn start<S: Sink>(open_args: &OpenArgs<'_>) -> Result<Opened, Error> {
    let config = args::config::<S::Config>(open_args)?;
    let context = args::context(open_args);
    first_error(S::check(&config, &context))?;
    let runtime = crate::runtime::handle().ok_or_else(|| Error::fatal("the plugin cannot start its thread"))?;
    let inbox = Arc::new(Inbox::default());
    let pump = runtime.spawn(named(context.agent.clone(), run::<S>(config, context, Arc::clone(&inbox))));
    Ok(Opened { inbox, pump: pump.abort_handle() })
}

async fn run<S: Sink>(config: S::Config, context: crate::Context, inbox: Arc<Inbox>) {
    // The panic hook has said what happened; dropping the requests answers them.
    let _ = AssertUnwindSafe(sink_pump::run::<S>(config, context, &inbox)).catch_unwind().await;
    inbox.finish();
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

unsafe extern "C" fn publish(object: Object, messages: *const Outgoing, len: usize, done: Done) {
    let send = || {
        let copies = match len {
            0 => Vec::new(),
            // SAFETY: the host lends an array of `len` messages, alive for the call.
            _ => unsafe { std::slice::from_raw_parts(messages, len).iter().map(|message| copy(message)).collect() },
        };
        // SAFETY: the host calls with a live object.
        unsafe { opened(object) }.inbox.send(Request::Publish(copies, done));
    };
    guard(send, drop);
}

unsafe extern "C" fn ping(object: Object, done: Done) {
    // SAFETY: the host calls with a live object.
    guard(|| unsafe { opened(object) }.inbox.send(Request::Ping(done)), drop);
}

unsafe extern "C" fn close(object: Object, deadline_ms: u64, done: Done) {
    let close = Request::Close(Duration::from_millis(deadline_ms), done);
    // SAFETY: the host calls with a live object.
    guard(|| unsafe { opened(object) }.inbox.send(close), drop);
}

unsafe extern "C" fn free(object: Object) {
    // SAFETY: the last call for this object.
    let opened = unsafe { Box::from_raw(object.cast::<Opened>()) };
    guard(move || drop(opened), drop);
}
