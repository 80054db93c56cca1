//! One event, taken out of `tracing`'s visitor into plain data.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value as Json;
use tracing::field::{Field, Visit};

use crate::level::Level;
use crate::redact;

/// Field that makes an error a critical one: `tracing` has no level for it.
pub(crate) const CRITICAL: &str = "critical";
/// Field that carries a plugin's fields, as the text of a JSON object.
pub(crate) const FOREIGN_FIELDS: &str = "foreign_fields";
/// Keys that our own lines use; a plugin's field of such a name gets `plugin_` in front.
const RESERVED: [&str; 7] = ["time", "level", "message", "agent", "agent_type", "service", "origin"];

/// A value as it will be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// Valid JSON: a number, a boolean, null, or something nested that a plugin sent.
    Literal(String),
}

/// An event: what the two formats print. Empty `agent`, `agent_type` and `service` are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub level: Level,
    pub agent: String,
    pub agent_type: String,
    pub service: String,
    pub message: String,
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl Record {
    pub fn of(event: &tracing::Event<'_>) -> Self {
        let mut record = Self { level: level_of(event.metadata()), ..Self::default() };
        event.record(&mut record);
        if record.agent.is_empty() && record.service.is_empty() {
            record.service = std::mem::take(&mut record.agent_type);
        }
        record
    }

    fn text(&mut self, name: &'static str, text: String) {
        match name {
            "message" => self.message = text,
            "agent" => self.agent = text,
            "agent_type" => self.agent_type = text,
            "service" => self.service = text,
            FOREIGN_FIELDS => self.foreign(text),
            _ => self.fields.push((name.into(), Value::Text(text))),
        }
    }

    fn literal(&mut self, name: &'static str, literal: String) {
        if name != CRITICAL {
            self.fields.push((name.into(), Value::Literal(literal)));
        }
    }

    fn foreign(&mut self, text: String) {
        match serde_json::from_str(&text) {
            Ok(Json::Object(fields)) => self.fields.extend(fields.into_iter().map(foreign_field)),
            _ if text.is_empty() => {}
            _ => self.fields.push(("fields".into(), Value::Text(redact::message(&text)))),
        }
    }
}

fn foreign_field((name, value): (String, Json)) -> (Cow<'static, str>, Value) {
    let value = match redacted(&name, value) {
        Json::String(text) => Value::Text(text),
        other => Value::Literal(other.to_string()),
    };
    let name = if RESERVED.contains(&name.as_str()) { format!("plugin_{name}") } else { name };
    (name.into(), value)
}

/// The value under `name` without secrets, however deep they are.
fn redacted(name: &str, value: Json) -> Json {
    match value {
        Json::Null | Json::Bool(_) => value,
        Json::Object(fields) => {
            let shown = fields.into_iter().map(|(key, value)| {
                let value = redacted(if redact::is_secret_name(name) { name } else { &key }, value);
                (key, value)
            });
            Json::Object(shown.collect())
        }
        Json::Array(items) => items.into_iter().map(|item| redacted(name, item)).collect(),
        _ if redact::is_secret_name(name) => redact::HIDDEN.into(),
        Json::String(text) => redact::message(&text).into(),
        Json::Number(_) => value,
    }
}

fn level_of(metadata: &tracing::Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR if is_critical(metadata) => Level::Critical,
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

/// Whether the callsite declares the field `critical`. Known without running it, so it can be filtered early.
pub(crate) fn is_critical(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.fields().field(CRITICAL).is_some()
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), format!("{value:?}"));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.literal(field.name(), value.to_string());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.literal(field.name(), value.to_string());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.literal(field.name(), value.to_string());
    }
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.literal(field.name(), value.to_string());
    }
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.literal(field.name(), value.to_string());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.literal(field.name(), value.to_string());
        } else {
            self.text(field.name(), value.to_string());
        }
    }
}
