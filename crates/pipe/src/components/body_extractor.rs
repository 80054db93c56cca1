//! `modifier/request-body-extractor`: values of the event become headers and query values of the calls
//! (components-traffic.md §14).

use std::sync::Arc;

use ::http::HeaderName;
use ::http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::http::is_ours;
use crate::json::{Json, JsonRef, View};
use crate::message::Request;
#[cfg(feature = "jmespath")]
use crate::query::Query;
use crate::stage::{Context, Stage, StageFuture, ready};

const NAMESPACE: &str = "modifier/request-body-extractor";

pub(super) const ENTRY: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "sets headers and query values from the payload",
    schema,
    build: Build::Stage(build),
};

/// `modifier/request-body-extractor`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// What is taken out of the payload, in this order.
    operations: Vec<Operation>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Operation {
    /// `header` or `query_string`.
    #[serde(rename = "type")]
    kind: Kind,
    /// `dotnotation` or `jmespath`.
    strategy: Strategy,
    /// Where the value is. Examples: `customer.id`, `lines.0.sku`; with `jmespath` `lines[?count > ``5``].sku`.
    expression: String,
    /// Name of the header, or key of the query.
    target: String,
    /// What happens where the target has a value: `skip` keeps it, `replace` sets the new one, `append` keeps both.
    on_conflict: OnConflict,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Header,
    QueryString,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    Dotnotation,
    Jmespath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    Skip,
    Replace,
    Append,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, _: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    if settings.operations.is_empty() {
        return Err(vec![component.problem("operations", "is empty; name an operation, or remove the component")]);
    }
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for (index, operation) in settings.operations.iter().enumerate() {
        let mut keep = |(key, message): (&str, String)| {
            problems.push(component.problem(&format!("operations[{index}].{key}"), &message));
        };
        let find = find(operation).map_err(&mut keep).ok();
        let target = target(operation).map_err(&mut keep).ok();
        steps.extend(find.zip(target).map(|(find, target)| Step { find, target, on_conflict: operation.on_conflict }));
    }
    if problems.is_empty() { Ok(Box::new(Extractor { steps, inner })) } else { Err(problems) }
}

fn find(operation: &Operation) -> Result<Find, (&'static str, String)> {
    let expression = &operation.expression;
    match operation.strategy {
        Strategy::Dotnotation => {
            let keys: Vec<_> = expression.split('.').map(str::to_owned).collect();
            if keys.iter().any(String::is_empty) {
                let message = format!("{expression:?} is no path; write keys with dots between, such as customer.id");
                return Err(("expression", message));
            }
            Ok(Find::Keys(keys))
        }
        #[cfg(feature = "jmespath")]
        Strategy::Jmespath => Query::compile(expression).map(Find::Query).map_err(|message| ("expression", message)),
        #[cfg(not(feature = "jmespath"))]
        Strategy::Jmespath => Err(("strategy", "jmespath is not in this build of siphon; use dotnotation".into())),
    }
}

fn target(operation: &Operation) -> Result<Target, (&'static str, String)> {
    let name = &operation.target;
    match operation.kind {
        Kind::QueryString if name.is_empty() => Err(("target", "is empty; name a key of the query".into())),
        Kind::QueryString => Ok(Target::Query(name.clone())),
        Kind::Header => match HeaderName::try_from(name) {
            Ok(header) if is_ours(&header) => Err(("target", format!("{name} is written by siphon itself"))),
            Ok(header) => Ok(Target::Header(header)),
            Err(_) => Err(("target", format!("{name:?} is no name of a header"))),
        },
    }
}

struct Extractor {
    steps: Vec<Step>,
    inner: Box<dyn Stage>,
}

struct Step {
    find: Find,
    target: Target,
    on_conflict: OnConflict,
}

enum Find {
    Keys(Vec<String>),
    #[cfg(feature = "jmespath")]
    Query(Query),
}

enum Target {
    Header(HeaderName),
    Query(String),
}

impl Stage for Extractor {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.extracted(request) {
            Ok(request) => self.inner.call(request, context),
            Err(reason) => ready(PipeError::Invalid { reason: format!("{NAMESPACE}: {reason}") }),
        }
    }
}

impl Extractor {
    fn extracted(&self, mut request: Request) -> Result<Request, String> {
        let payload = Json::parse_alone(&request.body).map_err(|error| format!("the payload is no JSON: {error}"))?;
        for step in &self.steps {
            let values = step.find.values(&payload)?;
            // What is not there changes nothing, whatever stands at the target.
            if !values.is_empty() {
                step.put(values, &mut request)?;
            }
        }
        Ok(request)
    }
}

impl Find {
    fn values(&self, payload: &Json) -> Result<Vec<String>, String> {
        match self {
            Self::Keys(keys) => {
                let found = keys.iter().try_fold(JsonRef::from(payload), |at, key| below(at, key));
                Ok(found.map(texts).unwrap_or_default())
            }
            #[cfg(feature = "jmespath")]
            Self::Query(query) => query.search(payload.into()).map(|found| texts(JsonRef::from(&found))),
        }
    }
}

fn below<'a>(at: JsonRef<'a>, key: &str) -> Option<JsonRef<'a>> {
    match at.view() {
        View::Array(mut items) => items.nth(key.parse().ok()?),
        _ => at.get(key),
    }
}

/// The elements of a list are values of their own; an object is its JSON text, null is nothing.
fn texts(value: JsonRef<'_>) -> Vec<String> {
    match value.view() {
        View::Array(items) => items.filter_map(text).collect(),
        _ => text(value).into_iter().collect(),
    }
}

fn text(value: JsonRef<'_>) -> Option<String> {
    match value.view() {
        View::Null => None,
        View::Bool(value) => Some(value.to_string()),
        View::Number(text) | View::String(text) => Some(text.to_owned()),
        View::Array(_) | View::Object(_) => Some(value.to_json().to_string()),
    }
}

impl Step {
    fn put(&self, values: Vec<String>, request: &mut Request) -> Result<(), String> {
        match &self.target {
            Target::Header(name) => {
                if self.on_conflict == OnConflict::Skip && request.headers.contains_key(name) {
                    return Ok(());
                }
                let headers = Arc::make_mut(&mut request.headers);
                if self.on_conflict == OnConflict::Replace {
                    headers.remove(name);
                }
                for value in values {
                    let value = HeaderValue::from_bytes(value.as_bytes());
                    headers.append(name, value.map_err(|_| format!("the value for {name} cannot stand in a header"))?);
                }
            }
            Target::Query(key) => {
                if self.on_conflict == OnConflict::Skip && request.query.iter().any(|(known, _)| known == key) {
                    return Ok(());
                }
                if self.on_conflict == OnConflict::Replace {
                    request.query.retain(|(known, _)| known != key);
                }
                request.query.extend(values.into_iter().map(|value| (key.clone(), value)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
