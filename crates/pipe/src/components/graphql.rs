//! `backend/graphql`: the event becomes a GraphQL request (pipeline.md §11, components-traffic.md §12).
//!
//! A mutation takes its variables from the event, a query from the configuration and what is known about the message.

mod request;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::model::{Backend, Component};
use siphon_config::tree::Node;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::json::{Json, Text};
use crate::stage::Stage;

use request::{GraphQl, Kind, Variable, Verb};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/graphql", "github.com/devopsfaith/krakend/transport/http/client/graphql"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "makes a GraphQL request of the event",
    schema,
    build: Build::Stage(build),
};

/// `backend/graphql`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// `query` (the event is not looked at) or `mutation` (the event, a JSON object, is the variables).
    #[serde(rename = "type")]
    kind: String,
    /// The GraphQL text. Example: `query Find($id: ID!) { find(id: $id) { name } }`.
    #[serde(default)]
    query: Option<String>,
    /// A file with the GraphQL text, read at start; relative to the working directory. Counts when both are given.
    #[serde(default)]
    query_path: Option<String>,
    /// Which operation of the text is meant. Default: none is named.
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
    /// Variables. Of a query, `"{topic}"` is what is known about the message; of a mutation they fill what the event
    /// lacks at the top. Default: none.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    #[expect(dead_code, reason = "read from the file's tree, where numbers keep their text")]
    variables: Option<IgnoredAny>,
    /// `POST` or `GET` (in any letter case); the backend's own method does not count. Default: `POST`.
    #[serde(default)]
    method: Option<String>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, _site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut keep = |key, message: String| problems.push(component.problem(key, &message));
    let kind = kind(&settings.kind).map_err(|message| keep("type", message)).ok();
    let verb = verb(settings.method.as_deref()).map_err(|message| keep("method", message)).ok();
    let query = query(&settings).map_err(|(key, message)| keep(key, message)).ok();
    let (Some(kind), Some(verb), Some(query)) = (kind, verb, query) else { return Err(problems) };
    let operation = settings.operation_name.filter(|name| !name.is_empty());
    let variables = component.settings.get("variables").map(Node::entries).unwrap_or_default();
    let variables = variables.iter().map(|entry| (Text::from(entry.key.as_str()), variable(kind, &entry.value)));
    Ok(Box::new(GraphQl { kind, verb, query, operation, variables: variables.collect(), inner }))
}

/// The names of all placeholders of a backend's variables, where it is a GraphQL one.
pub(crate) fn placeholders(backend: &Backend) -> Vec<String> {
    let is_ours = |component: &&Component| ENTRY.namespaces.contains(&component.namespace.as_str());
    let ours = backend.components.iter().filter(is_ours);
    let variables =
        ours.flat_map(|component| component.settings.get("variables").map(Node::entries).unwrap_or_default());
    let name = |text: &str| Some(text.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    variables.filter_map(|variable| name(variable.value.as_str()?)).collect()
}

fn kind(text: &str) -> Result<Kind, String> {
    match text.to_ascii_lowercase().as_str() {
        "query" => Ok(Kind::Query),
        "mutation" => Ok(Kind::Mutation),
        _ => Err(format!("{text:?} is neither \"query\" nor \"mutation\"")),
    }
}

fn verb(text: Option<&str>) -> Result<Verb, String> {
    match text.map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "POST") => Ok(Verb::Post),
        Some("GET") => Ok(Verb::Get),
        Some(other) => Err(format!("{other:?} is neither \"POST\" nor \"GET\"")),
    }
}

/// The text that is sent, or what is wrong with which key.
fn query(settings: &Settings) -> Result<String, (&'static str, String)> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if let Some(path) = given(&settings.query_path) {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            ("query_path", format!("{path} cannot be read: {error}; it is relative to the working directory"))
        })?;
        return given(&Some(text)).ok_or_else(|| ("query_path", format!("{path} is empty")));
    }
    let missing = || ("", "has neither query nor query_path; write the GraphQL text in query".to_owned());
    given(&settings.query).ok_or_else(missing)
}

/// Only a whole text at the top level of a query's variables stands for something.
fn variable(kind: Kind, node: &Node) -> Variable {
    if let (Kind::Query, Some(name)) = (kind, node.as_str().and_then(placeholder)) {
        return Variable::Param(name);
    }
    Variable::Fixed(Json::of_setting(node))
}

/// `{name}` as the params have it: with a capital first letter.
fn placeholder(text: &str) -> Option<String> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let first = name.chars().next()?;
    Some(first.to_ascii_uppercase().to_string() + &name[first.len_utf8()..])
}

#[cfg(test)]
mod tests;
