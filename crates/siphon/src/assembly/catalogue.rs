//! The one catalogue: what the pipe and the loaded plugins answer to.

use std::path::Path;

use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_core::abi;
use siphon_core::plugin::{Registered, Registry};
use siphon_pipe::component_table;

use super::chosen;

/// Everything there is.
pub(super) fn of(registry: &Registry, folder: &Path) -> Catalogue {
    let is_driver =
        |component: &Registered| component.kind == abi::Kind::SOURCE && component.level == abi::Level::AGENT;
    let sources = registry.components().iter().filter(|component| is_driver(component));
    let built_in = component_table().iter().map(|entry| component(entry, registry));
    let mut backends: Vec<Entry> = Vec::new();
    for component in registry.components().iter().filter(|component| component.is_backend()) {
        // Several plugins share a namespace, each for its own URLs: their settings look the same.
        if !backends.iter().any(|known| known.main_key() == component.main_key()) {
            backends.push(backend(component));
        }
    }
    Catalogue {
        entries: sources.map(|source| driver(source)).chain(built_in).chain(backends).collect(),
        plugin_folder: Some(folder.display().to_string()),
    }
}

fn backend(component: &Registered) -> Entry {
    let effect = match component.kind {
        abi::Kind::SOURCE => format!("takes a message from {}", component.label),
        _ => format!("publishes the event to {}", component.label),
    };
    Entry { kind: Kind::Transport, effect, ..driver(component) }
}

fn driver(source: &Registered) -> Entry {
    let schema: Option<serde_json::Value> = serde_json::from_str(&source.schema).ok();
    // Drivers of KrakenD's own namespaces leave their object open: what KrakenD ignores is warned about.
    let is_open = schema.as_ref().is_some_and(|schema| schema.get("additionalProperties").is_none());
    Entry {
        keys: source.keys.clone(),
        level: if source.level == abi::Level::AGENT { Level::Agent } else { Level::Backend },
        kind: Kind::Driver,
        schema,
        unknown_keys: if is_open { UnknownKeys::Warn } else { UnknownKeys::Refuse },
        effect: format!("takes events from {}", source.label),
        origin: source.library.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

fn component(entry: &siphon_pipe::Entry, registry: &Registry) -> Entry {
    let own = (entry.schema)();
    let schema = match chosen::kind_of(entry.build) {
        Some(kind) => chosen::schema(own, registry, kind),
        None => own,
    };
    Entry {
        keys: entry.namespaces.iter().map(|key| (*key).to_owned()).collect(),
        level: match entry.level {
            siphon_pipe::Level::Agent => Level::Agent,
            siphon_pipe::Level::Backend => Level::Backend,
        },
        kind: if entry.build.is_instead_of_http() { Kind::Transport } else { Kind::Component },
        schema: Some(schema),
        unknown_keys: match entry.unknown_keys {
            siphon_pipe::UnknownKeys::Warn => UnknownKeys::Warn,
            siphon_pipe::UnknownKeys::Refuse => UnknownKeys::Refuse,
        },
        effect: entry.effect.to_owned(),
        origin: "built in".to_owned(),
    }
}
