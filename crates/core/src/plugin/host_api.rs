//! What plugins may ask of the host: to write a log line.

use std::ffi::c_void;
use std::sync::OnceLock;

use siphon_abi::{HostApi, LogLevel, LogRecord, Slice};
use siphon_telemetry::Level;
use tracing::level_filters::LevelFilter;

/// Who speaks, when a plugin does. Plugins are never unloaded, so this is never freed.
pub(super) struct Speaker {
    name: String,
    /// The label of its components, known once they are registered.
    label: OnceLock<String>,
}

impl Speaker {
    /// A speaker for the plugin `name`, and the host's functions for it.
    pub(super) fn new(name: &str) -> (&'static Self, HostApi) {
        let speaker: &'static Self = Box::leak(Box::new(Self { name: name.to_owned(), label: OnceLock::new() }));
        (speaker, HostApi { context: std::ptr::from_ref(speaker).cast(), max_level, log })
    }

    /// What its agents' lines say in the second bracket.
    pub(super) fn set_label(&self, label: &str) {
        let _ = self.label.set(label.to_owned());
    }

    fn write(&self, record: &LogRecord) {
        // SAFETY: the plugin lends the record's slices for the call.
        let text = |slice: Slice| String::from_utf8_lossy(unsafe { slice.get() });
        let agent = text(record.agent);
        let speaker = if agent.is_empty() { &self.name } else { self.label.get().unwrap_or(&self.name) };
        let (target, message, fields) = (text(record.target), text(record.message), text(record.fields));
        siphon_telemetry::foreign_event(level(record.level), &agent, speaker, &target, &message, &fields);
    }
}

unsafe extern "C" fn max_level(_: *const c_void) -> LogLevel {
    match LevelFilter::current() {
        LevelFilter::OFF => LogLevel(0),
        LevelFilter::ERROR => LogLevel::ERROR,
        LevelFilter::WARN => LogLevel::WARN,
        LevelFilter::INFO => LogLevel::INFO,
        LevelFilter::DEBUG => LogLevel::DEBUG,
        _ => LogLevel::TRACE,
    }
}

unsafe extern "C" fn log(context: *const c_void, record: *const LogRecord) {
    // SAFETY: `context` is the speaker that `new` leaked; the plugin lends the record for the call.
    let (speaker, record) = unsafe { (&*context.cast::<Speaker>(), &*record) };
    // A panic must not travel back into the plugin.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| speaker.write(record)));
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::ERROR => Level::Error,
        LogLevel::WARN => Level::Warning,
        LogLevel::INFO => Level::Info,
        _ => Level::Debug,
    }
}
