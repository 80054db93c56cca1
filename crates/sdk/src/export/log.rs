//! Sends the plugin's `tracing` events to the host's log.
//!
//! Each library has its own copy of `tracing`, so the host's subscriber does not see them. Futures that the SDK polls know
//! their agent through a thread-local; what a client library logs from threads of its own carries the plugin's name only.
//!
//! A client library's words are for those who debug it: they reach the log at `debug` at most. What matters to the agent
//! the driver says itself, in its errors; else every lost connection would be told three times.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use siphon_abi::{HostApi, LogLevel, LogRecord, Slice};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

static HOST: OnceLock<HostApi> = OnceLock::new();

/// The plugin's own crate, as targets begin with it.
static OWN: OnceLock<&str> = OnceLock::new();

thread_local! {
    static AGENT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Polls `future`, which must not panic, under the agent's name.
pub(super) async fn named<F: Future>(mut agent: String, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        // Swapped in and out: no copy of the name per poll.
        AGENT.with_borrow_mut(|current| std::mem::swap(current, &mut agent));
        let polled = future.as_mut().poll(context);
        AGENT.with_borrow_mut(|current| std::mem::swap(current, &mut agent));
        polled
    })
    .await
}

/// Takes the host's log, once, and routes events and panics there.
pub(super) fn install(host: HostApi, crate_name: &'static str) {
    if HOST.set(host).is_err() {
        return;
    }
    let _ = OWN.set(crate_name);
    // A plugin that brought its own subscriber keeps it.
    let _ = tracing::subscriber::set_global_default(Bridge);
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let said = info.payload_as_str().unwrap_or("without a message");
        write_line(LogLevel::ERROR, "panic", &format!("the plugin panicked at {place}: {said}"), "");
    }));
}

fn write_line(level: LogLevel, target: &str, message: &str, fields: &str) {
    let Some(host) = HOST.get() else { return };
    let agent = AGENT.try_with(|agent| agent.borrow().clone()).unwrap_or_default();
    let record = LogRecord {
        level,
        agent: Slice::of(agent.as_bytes()),
        target: Slice::of(target.as_bytes()),
        message: Slice::of(message.as_bytes()),
        fields: Slice::of(fields.as_bytes()),
    };
    // SAFETY: the host's functions live as long as the process; the record lives for the call.
    unsafe { (host.log)(host.context, &record) }
}

struct Bridge;

impl Subscriber for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // SAFETY: the host's functions live as long as the process.
        metadata.is_event()
            && HOST.get().is_some_and(|host| level(metadata) <= unsafe { (host.max_level)(host.context) })
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // What a client library does with each message is not even asked about.
        if *metadata.level() == Level::TRACE && !is_own(metadata.target()) {
            return Interest::never();
        }
        Interest::sometimes() // the host may change its level
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let rest = if fields.rest.is_empty() { String::new() } else { Value::Object(fields.rest).to_string() };
        write_line(level(event.metadata()), event.metadata().target(), &fields.message, &rest);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn level(metadata: &Metadata<'_>) -> LogLevel {
    match *metadata.level() {
        Level::TRACE => LogLevel::TRACE,
        _ if !is_own(metadata.target()) => LogLevel::DEBUG,
        Level::ERROR => LogLevel::ERROR,
        Level::WARN => LogLevel::WARN,
        Level::INFO => LogLevel::INFO,
        Level::DEBUG => LogLevel::DEBUG,
    }
}

/// Whether the plugin or the SDK speaks, and no library that it uses.
fn is_own(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    OWN.get().is_none_or(|own| own.split("::").next() == Some(root)) || root == env!("CARGO_CRATE_NAME")
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.rest.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { self.message.push_str(value) } else { self.put(field, value.into()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
