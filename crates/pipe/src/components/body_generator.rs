//! `modifier/request-body-generator` and `modifier/response-body-generator`: a Go template makes the body of the call,
//! or the data of the reply (components-traffic.md §14).

mod data;
mod request;
mod response;

#[cfg(test)]
mod tests;

use ::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::model::{Backend, Component, Encoding};

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::json::{Json, Object};
use crate::stage::Stage;
use crate::template::Template;

pub(super) use data::REQUEST_FIELDS;
use data::RESPONSE_FIELDS;
pub(super) use request::RequestBody;
use response::ResponseBody;

pub(super) const REQUEST: &str = "modifier/request-body-generator";
const RESPONSE: &str = "modifier/response-body-generator";

pub(super) const REQUEST_AT_AGENT: Entry = Entry {
    namespaces: &[REQUEST, "modifier/body-generator"],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "makes the payload of all backends from a template",
    schema,
    build: Build::Stage(build_request),
};

pub(super) const REQUEST_AT_BACKEND: Entry =
    Entry { level: Level::Backend, effect: "makes the payload for this backend from a template", ..REQUEST_AT_AGENT };

pub(super) const RESPONSE_AT_AGENT: Entry = Entry {
    namespaces: &[RESPONSE],
    effect: "makes the data of the reply from a template",
    build: Build::Stage(build_response),
    ..REQUEST_AT_AGENT
};

pub(super) const RESPONSE_AT_BACKEND: Entry = Entry { level: Level::Backend, ..RESPONSE_AT_AGENT };

/// `modifier/request-body-generator`, `modifier/response-body-generator`. One of `path` and `template`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// A file with the Go template, read at start; relative to the working directory. Example: `./body.tmpl`.
    #[serde(default)]
    path: Option<String>,
    /// The Go template itself, in base64.
    #[serde(default)]
    template: Option<String>,
    /// What the template makes. Default: `application/json`, and then it has to be JSON.
    #[serde(default)]
    content_type: Option<String>,
    /// Without effect: `siphon invoke` shows what a pipe makes of a payload.
    #[serde(default, rename = "debug")]
    _debug: bool,
    /// Values that the template finds in `.variables`. Default: none.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    #[expect(dead_code, reason = "read from the file's tree, where numbers keep their text")]
    variables: Option<IgnoredAny>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build_request(component: &Component, _: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let written = Written { path: settings.path, template: settings.template, content_type: settings.content_type };
    let generator = Generator::new(component, written, "application/json", &REQUEST_FIELDS)?;
    Ok(Box::new(RequestBody { generator, source: REQUEST, method: None, inner }))
}

fn build_response(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let written = Written { path: settings.path, template: settings.template, content_type: settings.content_type };
    let known: Vec<_> = REQUEST_FIELDS.iter().chain(&RESPONSE_FIELDS).copied().collect();
    let key = if written.path.is_some() { "path" } else { "template" };
    let generator = Generator::new(component, written, "application/json", &known)?;
    if !has_status(site) && generator.template.names("resp_status") {
        let message = "there is no .resp_status without encoding no-op: the event fails when a call does";
        return Err(vec![component.problem(key, message)]);
    }
    Ok(Box::new(ResponseBody { generator, source: RESPONSE, inner }))
}

/// Whether replies may come with a status: those of `no-op` do, and those that something else than decoding makes.
fn has_status(site: &Site<'_>) -> bool {
    let entry = |component: &Component| {
        super::TABLE.iter().find(|entry| entry.namespaces.contains(&component.namespace.as_str()))
    };
    let makes_one = |entry: &Entry| {
        let is_such = matches!(entry.build, Build::Judge(_) | Build::Modifiers | Build::Nested(_));
        is_such || entry.namespaces[0].starts_with("modifier/lua-")
    };
    // A stranger is a transport that a plugin brings.
    let is_maker = |component: &Component| entry(component).is_none_or(makes_one);
    let has = |backend: &Backend| backend.encoding == Encoding::NoOp || backend.components.iter().any(is_maker);
    match site.backend {
        Some(backend) => has(backend),
        None => site.agent.backends.iter().any(has) || site.agent.components.iter().filter_map(entry).any(makes_one),
    }
}

/// Where a template is, and what it makes, as a configuration says it.
pub(super) struct Written {
    pub path: Option<String>,
    pub template: Option<String>,
    pub content_type: Option<String>,
}

/// A template with what it needs besides the event.
#[derive(Debug)]
pub(super) struct Generator {
    template: Template,
    content_type: HeaderValue,
    format: Format,
    variables: Json,
}

/// What a body is, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
    Other,
}

impl Format {
    /// `application/json; charset=utf-8`, `application/problem+json`, `text/xml`, …
    fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.rsplit(['/', '+']).next() {
            Some("json") => Self::Json,
            Some("xml") => Self::Xml,
            _ => Self::Other,
        }
    }
}

impl Generator {
    /// `fields`: what the template may find at the top of its data.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings or with the template.
    pub fn new(component: &Component, written: Written, content_type: &str, fields: &[&str]) -> Checked<Self> {
        let mut problems = Vec::new();
        let mut keep = |key: &str, message: String| problems.push(component.problem(key, &message));
        let template = template(&written, fields).map_err(|(key, message)| keep(key, message)).ok();
        let given = written.content_type.filter(|given| !given.trim().is_empty());
        let spelt = given.unwrap_or_else(|| content_type.to_owned());
        let no_value = |_| keep("content_type", format!("{spelt:?} cannot stand in a header"));
        let content_type = HeaderValue::from_str(&spelt).map_err(no_value).ok();
        let (Some(template), Some(content_type)) = (template, content_type) else { return Err(problems) };
        let variables = component.settings.get("variables").map(Json::of_setting);
        let variables = variables.unwrap_or_else(|| Json::object(Object::new()));
        Ok(Self { template, content_type, format: Format::of(&spelt), variables })
    }
}

/// The template, or what is wrong with which key.
fn template(written: &Written, fields: &[&str]) -> Result<Template, (&'static str, String)> {
    let (key, name, text) = match (&written.path, &written.template) {
        (Some(path), None) => ("path", path.as_str(), read(path)?),
        (None, Some(template)) => ("template", "the template", decoded(template)?),
        (Some(_), Some(_)) => return Err(("template", "stands beside path; keep one of them".into())),
        (None, None) => {
            let message = "has neither path nor template; write the file of a Go template in path";
            return Err(("", message.into()));
        }
    };
    let template = Template::parse(name, &text);
    let checked = template.and_then(|template| template.check_fields(fields).map(|()| template));
    checked.map_err(|error| (key, error.to_string()))
}

fn read(path: &str) -> Result<String, (&'static str, String)> {
    let text = std::fs::read_to_string(path);
    text.map_err(|error| ("path", format!("{path} cannot be read: {error}; it is relative to the working directory")))
}

fn decoded(template: &str) -> Result<String, (&'static str, String)> {
    let refused =
        |why: String| ("template", format!("is no text in base64: {why}; a template in a file goes into path"));
    let spelt: String = template.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(spelt).map_err(|error| refused(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| refused(error.to_string()))
}
