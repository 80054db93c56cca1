//! Which plugins a `plugin/…` object of a configuration names, and with which settings each.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use siphon_config::Problem;
use siphon_config::model::{Agent, Component, Config};
use siphon_config::tree::join;
use siphon_core::abi;
use siphon_core::plugin::{OpenOptions, Registered, Registry};
use siphon_pipe::{Build, Checked, Layer};

/// A plugin that stands at a place of the configuration.
pub(super) struct Chosen<'r> {
    /// As the configuration writes it.
    pub name: String,
    pub plugin: &'r Arc<Registered>,
    pub options: OpenOptions,
}

/// The kind of plugins that a component of the pipe is filled by.
pub(super) fn kind_of(build: Build) -> Option<abi::Kind> {
    match build {
        Build::Modifiers => Some(abi::Kind::MODIFIER),
        Build::Exchange(Layer::InsteadByPlugin) => Some(abi::Kind::HTTP_CLIENT),
        _ => None,
    }
}

/// Every object of the configuration that names plugins of its kind, with its agent.
pub(super) fn places(config: &Config) -> impl Iterator<Item = (abi::Kind, &Agent, &Component)> {
    let all = config.agents.iter().flat_map(|agent| agent.all_components().map(move |component| (agent, component)));
    all.filter_map(|(agent, component)| {
        let is_its = |entry: &&siphon_pipe::Entry| entry.namespaces.contains(&component.namespace.as_str());
        let mut entries = siphon_pipe::component_table().iter().filter(is_its);
        Some((entries.find_map(|entry| kind_of(entry.build))?, agent, component))
    })
}

/// The plugins that `component` names, in its order.
///
/// # Errors
///
/// One problem for each name that nobody registered, and for each object that belongs to no name.
pub(super) fn chosen<'r>(
    registry: &'r Registry,
    kind: abi::Kind,
    component: &Component,
    agent: &Agent,
) -> Checked<Vec<Chosen<'r>>> {
    let settings: Map<String, Value> = serde_json::from_str(&component.settings.to_json_text()).unwrap_or_default();
    let names = names(&settings);
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (path, name) in &names {
        match registry.in_pipe(kind, name) {
            Some(plugin) => {
                let options = options(settings.get(name), plugin, agent);
                found.push(Chosen { name: name.clone(), plugin, options });
            }
            None => problems.push(component.problem(path, &unknown(registry, kind, name))),
        }
    }
    if !names.is_empty() {
        problems.extend(idle(component, &names));
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// One problem for each object that belongs to no name.
fn idle<'c>(component: &'c Component, names: &'c [(String, String)]) -> impl Iterator<Item = Problem> + 'c {
    let is_named = |key: &str| key == "name" || names.iter().any(|(_, name)| name == key);
    let entries = component.settings.entries().iter();
    let idle = entries.filter(move |entry| !entry.is_comment() && !is_named(&entry.key));
    let said = "is of a plugin that name does not list, and has no effect; list it there, or remove it";
    idle.map(move |entry| component.problem(&entry.key, said))
}

/// Each name and its path. The schema has checked that there is a text, or a list of them.
fn names(settings: &Map<String, Value>) -> Vec<(String, String)> {
    match settings.get("name") {
        Some(Value::Array(names)) => {
            let named = names.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_str()?)));
            named.map(|(index, name)| (format!("name[{index}]"), name.to_owned())).collect()
        }
        Some(Value::String(name)) => vec![("name".to_owned(), name.clone())],
        _ => Vec::new(),
    }
}

fn unknown(registry: &Registry, kind: abi::Kind, name: &str) -> String {
    let mut known: Vec<_> = registry.all_in_pipe(kind).flat_map(|plugin| plugin.keys.clone()).collect();
    known.sort();
    let what = siphon_core::plugin::kind_name(kind);
    if known.is_empty() {
        return format!(
            "no plugin registers the {what} {name:?}, nor any other; put its library into the plugin folder"
        );
    }
    format!("no plugin registers the {what} {name:?}; registered are {}", known.join(", "))
}

fn options(settings: Option<&Value>, plugin: &Registered, agent: &Agent) -> OpenOptions {
    OpenOptions {
        agent: agent.name.clone(),
        namespace: plugin.main_key().to_owned(),
        topics: Vec::new(),
        config: settings.map_or_else(|| "{}".to_owned(), Value::to_string),
        workers: agent.workers,
        read_ahead: 1,
        max_in_flight: agent.workers,
        max_bytes: u64::MAX,
    }
}

/// Where something about the settings of one plugin is.
pub(super) fn path(component: &Component, name: &str, below: &str) -> String {
    join(&join(&component.path, name), below)
}

/// A problem of one plugin's settings.
pub(super) fn problem(component: &Component, name: &str, below: &str, message: &str) -> Problem {
    component.problem(&join(name, below), message)
}

/// The schema of a component that is filled by plugins: its own keys, and under each name the settings of that plugin.
/// Other keys are left to [`chosen`], which knows why they are wrong.
pub(super) fn schema(base: Value, registry: &Registry, kind: abi::Kind) -> Value {
    let mut schema = base;
    for plugin in registry.all_in_pipe(kind) {
        let own: Value = serde_json::from_str(&plugin.schema).unwrap_or(json!(true));
        for name in &plugin.keys {
            schema["properties"][name] = moved(own.clone(), name);
        }
    }
    schema
}

/// A whole schema as the one of a property: what it refers to is further down now.
fn moved(schema: Value, name: &str) -> Value {
    let mut schema = schema;
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
    }
    let root = format!("#/properties/{}", name.replace('~', "~0").replace('/', "~1"));
    refer(&mut schema, &root);
    schema
}

fn refer(schema: &mut Value, root: &str) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str().and_then(|text| text.strip_prefix('#')) {
                    Some(below) if key == "$ref" => *value = format!("{root}{below}").into(),
                    _ => refer(value, root),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, root)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_moved_keeps_what_it_refers_to() {
        let own = json!({
            "$schema": "x", "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"anyOf": [{"$ref": "#"}]}}, "$defs": {"a": {}}
        });
        let expected = json!({
            "properties": {"a": {"$ref": "#/properties/x~1y/$defs/a"}, "b": {"anyOf": [{"$ref": "#/properties/x~1y"}]}},
            "$defs": {"a": {}}
        });
        assert_eq!(moved(own, "x/y"), expected);
    }

    #[test]
    fn a_name_is_a_text_or_several() {
        let names = |text: &str| names(&serde_json::from_str(text).unwrap());
        assert_eq!(names(r#"{"name": "a"}"#), [("name".to_owned(), "a".to_owned())]);
        let both = [("name[0]".to_owned(), "a".to_owned()), ("name[1]".to_owned(), "b".to_owned())];
        assert_eq!(names(r#"{"name": ["a", "b"]}"#), both);
        assert_eq!(names("{}"), []);
    }
}
