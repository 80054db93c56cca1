//! Modifiers under a condition. On the side of answers it is asked again; what it says about a URL is about the call that
//! was answered.

use std::sync::Arc;

use ::http::Uri;
use ::http::header::HeaderValue;
use ::http::uri::{Authority, Scheme};
use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::header::{readable, value};
use super::message::{Act, Acts, Field, Message, Modify, Received, Sent};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;
use crate::http::without_userinfo;
use crate::percent;

/// `header.Filter`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Header {
    /// Name of the header.
    name: String,
    /// What one of its values has to be. Default: empty, which only an empty value is.
    value: String,
}

/// `header.RegexFilter`. It has no `else`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct HeaderRegex {
    /// Name of a header of the call, also on the side of answers.
    header: String,
    /// What is to be found in its first value. Example: `^v[0-9]+`.
    regex: String,
}

/// `cookie.Filter` and `querystring.Filter`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Named {
    /// Name of the cookie or the parameter.
    name: String,
    /// What one of its values has to be. Default: empty, any will do.
    value: String,
}

/// `url.Filter`. All parts that are given have to be as the URL's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Url {
    /// `http` or `https`. Default: any.
    scheme: String,
    /// Host and, where the URL has one, port; `*` stands for any text without a dot. Default: any.
    host: String,
    /// The whole path, unescaped. Default: any.
    path: String,
    /// The whole query as it is sent. Default: any.
    query: String,
}

/// `url.RegexFilter`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct UrlRegex {
    /// What is to be found in the whole URL. Example: `\.json$`.
    regex: String,
}

/// `port.Filter`. It has no `else`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Port {
    /// The port that is called; 80 or 443 where the URL names none.
    port: u16,
}

/// What a filter asks.
enum Condition {
    Header(Field, HeaderValue),
    HeaderRegex(Field, Regex),
    Cookie(Named),
    Parameter(Named),
    Url(UrlParts),
    UrlRegex(Regex),
    Port(u16),
}

struct UrlParts {
    scheme: String,
    host: Option<Regex>,
    path: String,
    query: String,
}

impl Condition {
    fn holds<M: Message>(&self, message: &M) -> bool {
        let is_match = |wanted: &Named, name: &str, value: &str| {
            name == wanted.name && (wanted.value.is_empty() || value == wanted.value)
        };
        match self {
            Self::Header(field, value) => message.has(field, value.as_bytes()),
            Self::HeaderRegex(field, regex) => {
                message.asked(field).is_some_and(|value| !value.is_empty() && regex.is_match(value.as_bytes()))
            }
            Self::Cookie(wanted) => message.has_cookie(&|name, value| is_match(wanted, name, value)),
            Self::Parameter(wanted) => {
                let query = message.url().query().unwrap_or_default();
                form_urlencoded::parse(query.as_bytes()).any(|(name, value)| is_match(wanted, &name, &value))
            }
            Self::Url(parts) => parts.hold(message.url()),
            Self::UrlRegex(regex) => regex.is_match(without_userinfo(message.url()).as_bytes()),
            Self::Port(port) => port_of(message.url()) == *port,
        }
    }
}

impl UrlParts {
    fn hold(&self, url: &Uri) -> bool {
        let is = |wanted: &str, found: Option<&str>| wanted.is_empty() || found == Some(wanted);
        is(&self.scheme, url.scheme_str())
            && self.host.as_ref().is_none_or(|host| host.is_match(host_and_port(url).as_bytes()))
            && (is(&self.path, Some(url.path())) || percent::decoded(url.path()).as_ref() == Some(&self.path))
            && is(&self.query, url.query())
    }
}

fn host_and_port(url: &Uri) -> &str {
    let authority = url.authority().map_or("", Authority::as_str);
    authority.rsplit('@').next().unwrap_or_default()
}

fn port_of(url: &Uri) -> u16 {
    let usual = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    url.port_u16().unwrap_or(usual)
}

struct Filter<M> {
    condition: Arc<Condition>,
    then: Option<Act<M>>,
    otherwise: Option<Act<M>>,
}

impl<M: Message> Modify<M> for Filter<M> {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        let branch = if self.condition.holds(message) { &self.then } else { &self.otherwise };
        branch.as_ref().map_or(Ok(()), |act| act.modify(message))
    }
}

impl<M: Message + 'static> Filter<M> {
    /// `None` where neither branch does anything.
    fn act(condition: &Arc<Condition>, then: Option<Act<M>>, otherwise: Option<Act<M>>) -> Option<Act<M>> {
        if then.is_none() && otherwise.is_none() {
            return None;
        }
        Some(Box::new(Self { condition: Arc::clone(condition), then, otherwise }))
    }
}

/// The modifiers at `modifier` and at `else` of `place` under a condition.
fn under(reader: &mut Reader, place: &Component, condition: Condition) -> Checked<Acts> {
    let (then, otherwise) = (reader.at(place, "modifier"), reader.at(place, "else"));
    let (then, otherwise) = match (then, otherwise) {
        (Ok(then), Ok(otherwise)) => (then, otherwise.unwrap_or_default()),
        (then, otherwise) => return Err(then.err().into_iter().chain(otherwise.err()).flatten().collect()),
    };
    let missing = "modifier is missing: what is to be done when the filter matches".to_owned();
    let then = then.ok_or_else(|| refuse(place, "")(missing))?;
    let condition = Arc::new(condition);
    Ok(Acts {
        on_call: Filter::<Sent>::act(&condition, then.on_call, otherwise.on_call),
        on_answer: Filter::<Received>::act(&condition, then.on_answer, otherwise.on_answer),
    })
}

fn regex(place: &Component, key: &str, text: &str) -> Checked<Regex> {
    if text.is_empty() {
        return Err(refuse(place, key)("is missing; an empty one would match everything".to_owned()));
    }
    let wrong = |error: regex::Error| {
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        refuse(place, key)(format!("is no regular expression: {why}"))
    };
    Regex::new(text).map_err(wrong)
}

fn named(place: &Component) -> Checked<Named> {
    let named: Named = settings(place)?;
    if named.name.is_empty() {
        return Err(refuse(place, "name")("is missing; an empty one would never match".to_owned()));
    }
    Ok(named)
}

pub(super) fn header(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Header { name, value: wanted } = settings(place)?;
    let condition = Condition::Header(readable(place, "name", &name)?, value(place, "value", &wanted)?);
    under(reader, place, condition)
}

pub(super) fn header_regex(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let HeaderRegex { header, regex: text } = settings(place)?;
    let condition = Condition::HeaderRegex(readable(place, "header", &header)?, regex(place, "regex", &text)?);
    under(reader, place, condition)
}

pub(super) fn cookie(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let condition = Condition::Cookie(named(place)?);
    under(reader, place, condition)
}

pub(super) fn parameter(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let condition = Condition::Parameter(named(place)?);
    under(reader, place, condition)
}

pub(super) fn url(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Url { scheme, host, path, query } = settings(place)?;
    if !["", "http", "https"].contains(&scheme.as_str()) {
        return Err(refuse(place, "scheme")(format!("{scheme:?} is neither http nor https and would never match")));
    }
    let host = if host.is_empty() { None } else { Some(regex(place, "host", &host_pattern(&host))?) };
    under(reader, place, Condition::Url(UrlParts { scheme, host, path, query }))
}

/// A host with `*` as a regular expression.
fn host_pattern(host: &str) -> String {
    let parts: Vec<_> = host.split('*').map(regex::escape).collect();
    format!("^{}$", parts.join("[^.]*"))
}

pub(super) fn url_regex(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let UrlRegex { regex: text } = settings(place)?;
    let condition = Condition::UrlRegex(regex(place, "regex", &text)?);
    under(reader, place, condition)
}

pub(super) fn port(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Port { port } = settings(place)?;
    under(reader, place, Condition::Port(port))
}
