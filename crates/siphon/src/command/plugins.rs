//! `siphon plugins`: what each library registers, or why it was refused.

use serde_json::{Value, json};
use siphon_config::Document;
use siphon_config::model::PluginSettings;
use siphon_core::abi::{Capabilities, Level};
use siphon_core::plugin::{Library, Registered, Registry, kind_name};

use super::Outcome;
use crate::Exit;
use crate::assembly::plugin_folder;
use crate::cli::{Plugins, PluginsAction};
use crate::exit::Failure;
use crate::fields::{Field, fields};
use crate::out::say;

/// How a library is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Brief,
    Full,
    Json,
}

pub fn execute(arguments: &Plugins) -> Outcome {
    let mut registry = Registry::default();
    let form = match &arguments.action {
        Some(PluginsAction::Inspect { file, json }) => {
            if !file.is_file() {
                return Err(Failure::usage(format!("there is no file {}", file.display())));
            }
            registry.load_file(file);
            if *json { Form::Json } else { Form::Full }
        }
        Some(PluginsAction::List) | None => {
            load_folder(&mut registry, arguments)?;
            Form::Brief
        }
    };
    for library in registry.libraries() {
        match form {
            Form::Json => say!("{:#}", library_json(library, &registry)),
            _ => show_library(library, &registry, form == Form::Brief),
        }
    }
    for refusal in registry.refusals() {
        match form {
            Form::Json => say!("{:#}", json!({"refused": refusal.to_string()})),
            _ => say!("refused: {refusal}"),
        }
    }
    Ok(if registry.refusals().is_empty() { Exit::Fine } else { Exit::Configuration })
}

fn load_folder(registry: &mut Registry, arguments: &Plugins) -> Result<(), Failure> {
    let settings = match &arguments.config {
        Some(file) => Document::read(file).map_err(Failure::Problems)?.plugin_settings(),
        None => PluginSettings::default(),
    };
    let folder = plugin_folder(arguments.plugins.as_deref(), &settings);
    let pattern = settings.pattern.as_deref().unwrap_or_default();
    registry.load_folder(&folder, pattern).map_err(|error| Failure::configuration(error.to_string()))
}

fn show_library(library: &Library, registry: &Registry, is_brief: bool) {
    let Library { file, name, version, sdk, rustc, abi_rev } = library;
    say!("{} {version} ({})", name, file.display());
    say!("  plugin ABI {abi_rev}, siphon-sdk {sdk}, {rustc}");
    let own = registry.components().iter().filter(|component| component.library.file == *file);
    let own: Vec<&Registered> = own.map(|component| &**component).collect();
    for (index, component) in own.iter().enumerate() {
        show_brief(component);
        if !is_brief {
            show_rest(component, &own[..index]);
        }
    }
}

fn show_brief(component: &Registered) {
    say!("  {} {} [{}]", role(component), component.keys.join(", "), component.label);
}

/// What it is for its user: a source or a sink that stands in a backend is a backend.
fn role(component: &Registered) -> &'static str {
    if component.is_backend() { "backend" } else { kind_name(component.kind) }
}

/// All but the first line. A source and a sink often have the same configuration, which is shown once.
fn show_rest(component: &Registered, before: &[&Registered]) {
    if !component.schemes.is_empty() {
        say!("    schemes: {}", component.schemes.join(", "));
    }
    let capabilities = capability_names(component.capabilities);
    if !capabilities.is_empty() {
        say!("    capabilities: {}", capabilities.join(", "));
    }
    if let Some(same) = before.iter().find(|other| other.schema == component.schema) {
        say!("    configuration: that of the {} {}", role(same), same.main_key());
        return;
    }
    say!("    configuration:");
    fields(&component.schema).iter().for_each(|field| say!("      {field}"));
}

fn library_json(library: &Library, registry: &Registry) -> Value {
    let Library { file, name, version, sdk, rustc, abi_rev } = library;
    let own = registry.components().iter().filter(|component| component.library.file == *file);
    json!({
        "file": file, "name": name, "version": version, "sdk": sdk, "rustc": rustc, "abi_revision": abi_rev,
        "components": own.map(|component| component_json(component)).collect::<Vec<_>>(),
    })
}

fn component_json(component: &Registered) -> Value {
    json!({
        "kind": kind_name(component.kind),
        "level": level(component.level),
        "keys": component.keys,
        "schemes": component.schemes,
        "label": component.label,
        "capabilities": capability_names(component.capabilities),
        "fields": fields(&component.schema).iter().map(Field::to_json).collect::<Vec<_>>(),
        "schema": serde_json::from_str::<Value>(&component.schema).unwrap_or_default(),
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::AGENT => "agent",
        Level::EVERYWHERE => "everywhere",
        _ => "backend",
    }
}

fn capability_names(capabilities: Capabilities) -> Vec<&'static str> {
    let all = [
        (Capabilities::GIVE_BACK, "gives back"),
        (Capabilities::DELAY, "delays"),
        (Capabilities::ATTEMPTS, "counts attempts"),
        (Capabilities::REJECT, "dead-letters"),
        (Capabilities::ORDER, "keeps order"),
        (Capabilities::BATCH_SETTLE, "settles in batches"),
        (Capabilities::PAUSE, "pauses"),
        (Capabilities::LAG, "knows its lag"),
        (Capabilities::SELF_HEALING, "mends its connection"),
        (Capabilities::REQUESTS, "changes requests"),
        (Capabilities::REPLIES, "changes replies"),
    ];
    all.into_iter().filter(|(bit, _)| capabilities.has(*bit)).map(|(_, name)| name).collect()
}
