//! `plugin/req-resp-modifier` and `plugin/http-client`: what plugins do in a pipe (components-scripting.md §7).
//!
//! The plugins themselves are behind [`Transports`](super::Transports): this crate knows no border. Which names there are,
//! and what may stand under each, only the loaded libraries say; the schemas here are what holds without any.

use serde_json::{Value, json};

use super::{Build, Entry, Layer, Level, UnknownKeys};

const MODIFIER: &[&str] = &["plugin/req-resp-modifier", "github.com/devopsfaith/krakend/proxy/plugin"];

/// Around the joined backends of an agent.
pub(super) const AGENT: Entry = Entry { level: Level::Agent, ..BACKEND };

/// Around the call of a backend.
pub(super) const BACKEND: Entry = Entry {
    namespaces: MODIFIER,
    level: Level::Backend,
    unknown_keys: UnknownKeys::Refuse,
    effect: "hands requests and replies to plugins that may change them",
    schema: names,
    build: Build::Modifiers,
};

/// In the place of the HTTP call of a backend.
pub(super) const CLIENT: Entry = Entry {
    namespaces: &["plugin/http-client", "github.com/devopsfaith/krakend/transport/http/client/executor"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Refuse,
    effect: "lets a plugin make the call",
    schema: name,
    build: Build::Exchange(Layer::InsteadByPlugin),
};

fn names() -> Value {
    let one = json!({"type": "string", "minLength": 1});
    let several = json!({"type": "array", "items": one, "minItems": 1});
    let name = json!({"description": "The modifiers, in the order in which they are called.", "anyOf": [several, one]});
    json!({"type": "object", "properties": {"name": name}, "required": ["name"], "additionalProperties": true})
}

fn name() -> Value {
    let name = json!({"description": "The client.", "type": "string", "minLength": 1});
    json!({"type": "object", "properties": {"name": name}, "required": ["name"], "additionalProperties": true})
}
