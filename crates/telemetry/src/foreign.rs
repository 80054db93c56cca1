//! Events that come from a plugin. A plugin has its own copy of `tracing`, so its events arrive as data: a level, a
//! message and fields that are known only now, where `tracing` wants them known at compile time.

use tracing::event;

use crate::level::Level;
use crate::record::FOREIGN_FIELDS;
use crate::redact;

/// Logs an event of a plugin.
///
/// `agent` and `agent_type` are those of a [`Label`](crate::Label); with an empty `agent` the line begins with
/// `[SERVICE: <agent_type>]`, for what a plugin says outside of any agent. `target` is the module that spoke.
/// `fields_json` is a JSON object, or empty; text that is no object is shown as the field `fields`. Secrets of URLs, and fields whose names mean a secret, are hidden.
pub fn foreign_event(level: Level, agent: &str, agent_type: &str, target: &str, message: &str, fields_json: &str) {
    let message = redact::message(message);
    // A callsite has one level for ever, so each level needs its own; `critical` is `record::CRITICAL`.
    macro_rules! log {
        ($level:ident $(, $extra:ident)?) => {
            event!(
                target: "siphon_plugin", tracing::Level::$level, $($extra = true,)?
                agent, agent_type, origin = target, { FOREIGN_FIELDS } = fields_json, "{message}"
            )
        };
    }
    match level {
        Level::Debug => log!(DEBUG),
        Level::Info => log!(INFO),
        Level::Warning => log!(WARN),
        Level::Error => log!(ERROR),
        Level::Critical => log!(ERROR, critical),
    }
}
