//! Configurations as JSON values, small by default and changed by merging.

use serde_json::{Value, json};

/// A whole configuration around these agents.
pub fn config(agents: impl IntoIterator<Item = Value>) -> Value {
    json!({"version": 3, "async_agent": agents.into_iter().collect::<Vec<_>>()})
}

/// An agent that takes the topic `t` of the queue `name` in `events.db` and posts it to `url` + `/in`.
///
/// A failed event comes back after 20 ms to 200 ms, so that tests do not wait long.
pub fn agent(name: &str, url: &str) -> Value {
    json!({
        "name": name,
        "consumer": {"topic": "t", "timeout": "30s"},
        "backend": [{"host": [url], "url_pattern": "/in", "method": "POST"}],
        "extra_config": {
            "async/sqlite": {"path": "events.db", "queue": name},
            "async/delivery": {"retry": {"strategy": "exponential", "base": "20ms", "max": "200ms"}}
        }
    })
}

/// `base` with `changes`: objects are merged key by key, everything else is replaced.
pub fn with(mut base: Value, changes: Value) -> Value {
    merge(&mut base, changes);
    base
}

fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            changes.into_iter().for_each(|(key, value)| merge(base.entry(key).or_insert(Value::Null), value));
        }
        (base, changes) => *base = changes,
    }
}
