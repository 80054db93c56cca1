//! The log of the process: one line per event, to stdout or stderr.
//!
//! A line is formatted by the thread that logs and written in one call under the stream's own lock; there is no queue
//! that could fill up, and no thread to stop. Levels that are not shown cost one relaxed load at their callsite.

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::clock::Utc;
use crate::level::Level;
use crate::record::{Record, is_critical};
use crate::render::Style;

/// How a line looks: text for people, or one JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Human,
    Json,
}

/// Where the lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    #[default]
    Stderr,
}

/// What the log shows, how and where.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Events below this level are not shown. Other people's crates are shown from `WARNING` on, whatever this says.
    pub level: Level,
    pub format: Format,
    /// Literal start of each human line; the member `prefix` in JSON. Empty: none.
    pub prefix: String,
    pub to: LogTarget,
}

/// The log could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("the log is already set up in this process")]
    AlreadySet,
}

/// Installs the log for the whole process. Colours are used only on a terminal, and not with `NO_COLOR`.
///
/// # Errors
///
/// [`InitError::AlreadySet`] when this process already has a log.
pub fn init(settings: LogSettings) -> Result<(), InitError> {
    let to = settings.to;
    let coloured = is_terminal(to) && std::env::var_os("NO_COLOR").is_none();
    let layer = LogLayer::new(settings, coloured, Box::new(move |line| write_line(to, line)));
    tracing::subscriber::set_global_default(Registry::default().with(layer)).map_err(|_| InitError::AlreadySet)
}

/// A subscriber that hands its lines to `write`, for tests: give it to `tracing::subscriber::with_default`.
pub fn subscriber_to(
    settings: LogSettings,
    write: impl Fn(&str) + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    Registry::default().with(LogLayer::new(settings, false, Box::new(write)))
}

fn is_terminal(to: LogTarget) -> bool {
    match to {
        LogTarget::Stdout => std::io::stdout().is_terminal(),
        LogTarget::Stderr => std::io::stderr().is_terminal(),
    }
}

/// A closed stream is no reason to stop moving events, and there is nowhere to report it.
fn write_line(to: LogTarget, line: &str) {
    let _ = match to {
        LogTarget::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
        LogTarget::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
    };
}

type WriteLine = Box<dyn Fn(&str) + Send + Sync>;

struct LogLayer {
    level: Level,
    style: Style,
    write: WriteLine,
}

impl LogLayer {
    fn new(settings: LogSettings, coloured: bool, write: WriteLine) -> Self {
        let json = settings.format == Format::Json;
        let style = Style { json, prefix: settings.prefix, coloured: coloured && !json };
        Self { level: settings.level, style, write }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let level = *metadata.level();
        let ours = metadata.target().starts_with("siphon");
        level <= self.level.filter()
            && (ours || level <= tracing::Level::WARN)
            && (self.level < Level::Critical || is_critical(metadata))
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = self.style.line(Utc::from(SystemTime::now()), &Record::of(event));
        (self.write)(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::foreign_event;

    /// The lines that `act` writes with `level` and `format`, without their times.
    fn lines(level: Level, format: Format, act: impl FnOnce()) -> Vec<String> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let settings = LogSettings { level, format, ..LogSettings::default() };
        let copy = Arc::clone(&written);
        let subscriber =
            subscriber_to(settings, move |line| copy.lock().expect("no panic").push(line.trim_end().to_owned()));
        tracing::subscriber::with_default(subscriber, act);
        let lines = std::mem::take(&mut *written.lock().expect("no panic"));
        lines.into_iter().map(without_time).collect()
    }

    fn without_time(line: String) -> String {
        match line.split_once("Z ") {
            Some((_, rest)) => rest.to_owned(),
            None => line.split_once("Z\",").map(|(_, rest)| rest.to_owned()).unwrap_or(line),
        }
    }

    #[track_caller]
    fn check_foreign(level: Level, agent: &str, message: &str, fields: &str, expected: &[&str]) {
        let found =
            lines(Level::Info, Format::Human, || foreign_event(level, agent, "SQLite", "queue", message, fields));
        assert_eq!(found, expected);
    }

    #[test]
    fn fields_name_the_agent_once() {
        let found = lines(Level::Info, Format::Human, || {
            tracing::info!(target: "siphon_core", agent = "orders", agent_type = "SQLite", n = 3, "hello");
        });
        assert_eq!(found, ["INFO [ASYNC: orders][SQLite] hello n=3"]);
    }

    #[test]
    fn levels_below_the_chosen_one_are_not_shown() {
        let found = lines(Level::Warning, Format::Human, || {
            tracing::debug!(target: "siphon_core", "a");
            tracing::info!(target: "siphon_core", "b");
            tracing::warn!(target: "siphon_core", "c");
            tracing::error!(target: "siphon_core", "d");
        });
        assert_eq!(found, ["WARNING c", "ERROR d"]);
    }

    #[test]
    fn the_level_critical_hides_plain_errors() {
        let found = lines(Level::Critical, Format::Human, || {
            tracing::error!(target: "siphon_core", "plain");
            tracing::error!(target: "siphon_core", critical = true, "worse");
        });
        assert_eq!(found, ["CRITICAL worse"]);
    }

    #[test]
    fn strangers_are_heard_from_warnings_on() {
        let found = lines(Level::Debug, Format::Human, || {
            tracing::debug!(target: "hyper::proto", "noise");
            tracing::warn!(target: "hyper::proto", "trouble");
            tracing::debug!(target: "siphon_core", "ours");
        });
        assert_eq!(found, ["WARNING trouble", "DEBUG ours"]);
    }

    #[test]
    fn a_plugins_event_looks_like_ours() {
        let fields = r#"{"b":"two words","a":1.5,"nested":{"x":[1]},"agent":"mine"}"#;
        let expected = r#"ERROR [ASYNC: orders][SQLite] disk full origin=queue a=1.5 plugin_agent=mine b="two words" nested={"x":[1]}"#;
        check_foreign(Level::Error, "orders", "disk full", fields, &[expected]);
    }

    #[test]
    fn a_plugins_event_shows_no_secret() {
        let fields = r#"{"sasl":{"user":"hunter2"},"nested":[{"api-key":2,"url":"x://u:hunter2@h"}],"has_token":true}"#;
        let shown = r#"has_token=true nested=[{"api-key":"***","url":"x://u:***@h"}] sasl={"user":"***"}"#;
        let expected = format!("ERROR [ASYNC: orders][SQLite] not x://u:***@h/?sig=*** origin=queue {shown}");
        check_foreign(Level::Error, "orders", "not x://u:hunter2@h/?sig=hunter2", fields, &[&expected]);
        let expected = "INFO [ASYNC: orders][SQLite] odd origin=queue fields=[x://u:***@h";
        check_foreign(Level::Info, "orders", "odd", "[x://u:hunter2@h", &[expected]);
    }

    #[test]
    fn a_plugin_outside_of_any_agent_speaks_as_a_service() {
        check_foreign(Level::Info, "", "hello", "", &["INFO [SERVICE: SQLite] hello origin=queue"]);
    }

    #[test]
    fn a_plugins_level_is_filtered_like_ours() {
        check_foreign(Level::Debug, "orders", "detail", "{}", &[]);
        let expected = "CRITICAL [ASYNC: orders][SQLite] worse origin=queue";
        check_foreign(Level::Critical, "orders", "worse", "{}", &[expected]);
    }

    #[test]
    fn fields_that_are_no_object_are_shown_as_they_came() {
        let expected = "INFO [ASYNC: orders][SQLite] odd origin=queue fields=[1,2";
        check_foreign(Level::Info, "orders", "odd", "[1,2", &[expected]);
    }

    #[test]
    fn json_lines_carry_numbers_as_numbers() {
        let found = lines(Level::Info, Format::Json, || {
            tracing::info!(target: "siphon_core", service = "Admin", port = 8080u16, ratio = 0.5, "listening");
        });
        let expected = r#""level":"INFO","message":"listening","service":"Admin","port":8080,"ratio":0.5}"#;
        assert_eq!(found, [expected]);
    }
}
