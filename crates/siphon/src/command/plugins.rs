//! `siphon plugins`: what each library registers, or why it was refused.

use siphon_config::Document;
use siphon_config::model::PluginSettings;
use siphon_core::abi::Capabilities;
use siphon_core::plugin::{Library, Registered, Registry, kind_name};

use super::Outcome;
use crate::Exit;
use crate::assembly::plugin_folder;
use crate::cli::{Plugins, PluginsAction};
use crate::exit::Failure;
use crate::out::say;

pub fn execute(arguments: &Plugins) -> Outcome {
    let mut registry = Registry::default();
    let is_brief = match &arguments.action {
        Some(PluginsAction::Inspect { file }) => {
            if !file.is_file() {
                return Err(Failure::usage(format!("there is no file {}", file.display())));
            }
            registry.load_file(file);
            false
        }
        Some(PluginsAction::List) | None => {
            load_folder(&mut registry, arguments)?;
            true
        }
    };
    for library in registry.libraries() {
        show_library(library, &registry, is_brief);
    }
    for refusal in registry.refusals() {
        say!("refused: {refusal}");
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
    own.for_each(|component| if is_brief { show_brief(component) } else { show(component) });
}

fn show_brief(component: &Registered) {
    say!("  {} {} [{}]", kind_name(component.kind), component.keys.join(", "), component.label);
}

fn show(component: &Registered) {
    show_brief(component);
    if !component.schemes.is_empty() {
        say!("    schemes: {}", component.schemes.join(", "));
    }
    let capabilities = capability_names(component.capabilities);
    if !capabilities.is_empty() {
        say!("    capabilities: {}", capabilities.join(", "));
    }
    say!("    configuration:");
    configuration_keys(&component.schema).into_iter().for_each(|line| say!("      {line}"));
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
    ];
    all.into_iter().filter(|(bit, _)| capabilities.has(*bit)).map(|(_, name)| name).collect()
}

/// `path (string, required): Where the file is.` for each key of a schema.
fn configuration_keys(schema: &str) -> Vec<String> {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let is_required =
        |key: &str| schema["required"].as_array().is_some_and(|required| required.iter().any(|own| own == key));
    let describe = |(key, property): (&String, &serde_json::Value)| {
        let kind = match &property["type"] {
            serde_json::Value::String(kind) => kind.clone(),
            serde_json::Value::Array(kinds) => {
                kinds.iter().filter_map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ")
            }
            _ => "object".to_owned(),
        };
        let required = if is_required(key) { ", required" } else { "" };
        let default = property.get("default").map(|default| format!(", default {default}")).unwrap_or_default();
        let text = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        format!("{key} ({kind}{required}{default}): {text}")
    };
    schema["properties"].as_object().into_iter().flatten().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_schema_are_one_line_each() {
        let schema = r#"{"properties": {"path": {"type": "string", "description": "Where\nit is."},
            "lease": {"type": ["string", "null"], "default": "30s"}}, "required": ["path"]}"#;
        let lines = configuration_keys(schema);
        assert_eq!(lines, ["lease (string or null, default \"30s\"): ", "path (string, required): Where it is."]);
    }

    #[test]
    fn a_schema_without_properties_has_no_lines() {
        assert!(configuration_keys("{}").is_empty());
        assert!(configuration_keys("no json").is_empty());
    }
}
