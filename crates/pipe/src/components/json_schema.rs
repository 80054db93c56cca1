//! `validation/json-schema` and `validation/response-json-schema`: events, or what was answered for them, have the form
//! that a JSON Schema says (components-scripting.md §6, §8).
//!
//! Drafts 4 to 2020-12, by `$schema`; 2020-12 without it. A `$ref` may lead to a file; what is elsewhere is not loaded.
//! Patterns are matched in linear time: the payload is a stranger's.
//!
//! Source: <https://json-schema.org/specification>.

mod files;
mod findings;
mod keywords;
mod references;

use jsonschema::{PatternOptions, ValidationError, Validator};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use siphon_config::model::Component;
use siphon_config::problem::Problem;

use self::references::{Document, Finding};
use super::outcome::{Outcome, refused};
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::json::Json;
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture, ready};

pub(super) const EVENT: Entry = Entry {
    namespaces: &["validation/json-schema", "github.com/devopsfaith/krakend-jsonschema"],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "fails events that do not have the form of its schema",
    schema: any_schema,
    build: Build::Stage(build_for_events),
};

pub(super) const RESPONSE_OF_AGENT: Entry = Entry {
    namespaces: &["validation/response-json-schema"],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "fails events whose merged data do not have the form of its schema",
    schema: response_schema,
    build: Build::Stage(build_for_responses),
};

pub(super) const RESPONSE_OF_BACKEND: Entry = Entry {
    level: Level::Backend,
    effect: "fails answers that do not have the form of its schema",
    ..RESPONSE_OF_AGENT
};

/// `validation/response-json-schema`.
#[derive(Debug, Deserialize, JsonSchema)]
struct ResponseSettings {
    /// The JSON Schema of the data, an object (or `true`, `false`).
    #[schemars(schema_with = "anything")]
    #[expect(dead_code, reason = "read from the file's tree")]
    schema: IgnoredAny,
    /// What happens to an event whose data are refused: `retry`, `dead-letter` or `discard`. Default: what
    /// `async/delivery` says.
    #[serde(default)]
    outcome: Option<Outcome>,
}

/// What `validation/json-schema` has besides the schema that it is.
#[derive(Debug, Deserialize)]
struct Beside {
    #[serde(default)]
    outcome: Option<Outcome>,
}

/// The settings are a schema: any key may be there, and none is a comment.
fn any_schema() -> Value {
    serde_json::json!({
        "type": ["object", "boolean"],
        "description": "The JSON Schema of the event. The key `outcome` beside its keywords says what happens to an \
                        event that is refused: `retry`, `dead-letter` or `discard`."
    })
}

fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    true.into()
}

fn response_schema() -> Value {
    schemars::schema_for!(ResponseSettings).to_value()
}

fn build_for_events(component: &Component, _site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let mut schema = component.settings.to_json();
    let outcome = match schema.as_object_mut() {
        None => None,
        Some(keywords) => {
            keywords.remove("outcome");
            let outcome = read::<Beside>(component)?.outcome;
            if keywords.contains_key("schema") {
                let message = "is no keyword: the settings are the schema; move what is in here one level up";
                return Err(vec![component.problem("schema", message)]);
            }
            if outcome.is_some() && keywords.is_empty() {
                return Err(vec![component.problem("", NOTHING_ASKED)]);
            }
            outcome
        }
    };
    let validator = compile(component, "", &schema)?;
    Ok(Box::new(EventForm { form: Form { validator, outcome }, inner }))
}

fn build_for_responses(component: &Component, _site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let outcome = read::<ResponseSettings>(component)?.outcome;
    let schema = component.settings.get("schema").map(|schema| schema.to_json()).unwrap_or_default();
    let validator = compile(component, "schema", &schema)?;
    Ok(Box::new(ResponseForm { form: Form { validator, outcome }, inner }))
}

fn read<T: DeserializeOwned>(component: &Component) -> Checked<T> {
    component.read().map_err(|problem| vec![problem])
}

const NOTHING_ASKED: &str = "asks for nothing: there is no keyword of JSON Schema in it, such as type or required; \
                             true is the schema of everything";

/// `below`: where the schema stands in the settings.
fn compile(component: &Component, below: &str, schema: &Value) -> Checked<Validator> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(vec![component.problem(below, "a schema is an object, true or false")]);
    }
    if let Some(keys) = schema.as_object().filter(|keys| !keys.is_empty())
        && !keys.keys().any(|key| keywords::is_known(key) || keywords::misspelt(key).is_some())
    {
        return Err(vec![component.problem(below, NOTHING_ASKED)]);
    }
    let folder = std::env::current_dir()
        .map_err(|error| vec![component.problem(below, &format!("the working directory is not there: {error}"))])?;
    let base = files::base_uri(&folder);
    let (documents, findings) = references::follow(schema, &base);
    if !findings.is_empty() {
        return Err(findings.iter().map(|finding| problem(component, below, finding)).collect());
    }
    build(schema, &base).map_err(|error| {
        let finding = in_a_file(&documents).unwrap_or_else(|| {
            let pointer = error.instance_path().as_str().to_owned();
            Finding { pointer, message: format!("is no valid schema: {error}") }
        });
        vec![problem(component, below, &finding)]
    })
}

/// `base`: what its references are relative to.
fn build<'s>(schema: &'s Value, base: &str) -> Result<Validator, ValidationError<'s>> {
    let options = jsonschema::options()
        .with_base_uri(base)
        .with_retriever(files::Files)
        .with_pattern_options(PatternOptions::regex());
    options.build(schema)
}

/// Which file is no valid schema by itself; those that others lead to come first. The validator does not say.
fn in_a_file(documents: &[Document]) -> Option<Finding> {
    let (root, files) = documents.split_first()?;
    files.iter().rev().find_map(|file| {
        let mut schema = file.value.clone();
        // A file without a draft has that of the schema that refers to it.
        if let (Some(draft), Some(keywords)) = (root.value.get("$schema"), schema.as_object_mut()) {
            keywords.entry("$schema").or_insert_with(|| draft.clone());
        }
        let error = build(&schema, &file.uri).err()?;
        let (pointer, message) = (error.instance_path().as_str(), format!("is no valid schema: {error}"));
        Some(references::in_file(file, pointer, &message))
    })
}

fn problem(component: &Component, below: &str, finding: &Finding) -> Problem {
    let settings = if below.is_empty() { Some(&component.settings) } else { component.settings.get(below) };
    let place = settings.map(|settings| findings::path_in(settings, &finding.pointer)).unwrap_or_default();
    component.problem(&siphon_config::tree::join(below, &place), &finding.message)
}

/// A compiled schema, and what becomes of what does not fit it.
struct Form {
    validator: Validator,
    outcome: Option<Outcome>,
}

impl Form {
    fn check(&self, text: &[u8]) -> Result<(), PipeError> {
        let value = serde_json::from_slice::<Value>(text).map_err(|error| self.unreadable(text, &error))?;
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        Err(refused(findings::listed(self.validator.iter_errors(&value), &value), self.outcome))
    }

    /// The words are those of the pipe's own parser, which takes all that JSON is; the validator's refuses what is
    /// nested too deep for it.
    fn unreadable(&self, text: &[u8], error: &serde_json::Error) -> PipeError {
        let reason = match Json::parse_alone(text) {
            _ if text.is_empty() => "could not validate an empty body".to_owned(),
            Err(error) => error.to_string(),
            Ok(_) => format!("could not validate: {error}"),
        };
        refused(reason, self.outcome)
    }
}

struct EventForm {
    form: Form,
    inner: Box<dyn Stage>,
}

impl Stage for EventForm {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.form.check(&request.body) {
            Ok(()) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }
}

struct ResponseForm {
    form: Form,
    inner: Box<dyn Stage>,
}

impl Stage for ResponseForm {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let reply: Reply = self.inner.call(request, context).await;
            match (&reply.error, &reply.response) {
                (None, Some(response)) => match self.form.check(&response.data.to_vec()) {
                    Ok(()) => reply,
                    Err(error) => error.into(),
                },
                _ => reply,
            }
        })
    }
}

#[cfg(test)]
mod tests;
