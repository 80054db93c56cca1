//! `auth/api-key` in a backend: each call carries a key, in a header or in its query.

use ::http::Uri;
use ::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::basic::WithHeader;
use super::credentials::refuse_second;
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing, is_ours, with_target};
use crate::percent;
use crate::stage::Context;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["auth/api-key"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Refuse,
    effect: "adds a key to each call",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// `auth/api-key`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// The key.
    key: String,
    /// Where it goes: `header` or `query`. Default: `header`.
    #[serde(default, rename = "in")]
    place: Place,
    /// Name of the header or of the parameter. Default: `X-API-Key`, with a `prefix` `Authorization`; in the query
    /// `api_key`.
    #[serde(default)]
    name: Option<String>,
    /// What stands before the key in a header, with a blank after it. Example: `Token`. Default: nothing.
    #[serde(default)]
    prefix: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Place {
    #[default]
    Header,
    Query,
}

impl Settings {
    fn name(&self) -> &str {
        let usual = match self.place {
            Place::Query => "api_key",
            Place::Header if self.prefix.is_empty() => "X-API-Key",
            Place::Header => AUTHORIZATION.as_str(),
        };
        self.name.as_deref().unwrap_or(usual)
    }

    /// The header with the key; `None`: in the query, or a name that no header has.
    pub fn header(&self) -> Option<HeaderName> {
        HeaderName::try_from(self.name()).ok().filter(|_| self.place == Place::Header)
    }
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// Around each hop: calls to hosts of the configuration get a parameter more. What is above sees URLs without it.
struct WithParameter {
    name: String,
    /// `name=key`, escaped.
    pair: String,
    below: Box<dyn Exchange>,
}

impl Exchange for WithParameter {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        if call.is_abroad {
            return self.below.exchange(call, context);
        }
        Box::pin(self.call(call, context))
    }
}

impl WithParameter {
    async fn call(&self, call: Outgoing, context: &Context) -> Result<Answer, PipeError> {
        let url = self.signed(&call.url).map_err(|reason| PipeError::Invalid { reason })?;
        let signed = Outgoing { url, ..call.clone() };
        let mut answer = self.below.exchange(signed, context).await.map_err(|error| error.of(call.call()))?;
        answer.url = call.url;
        Ok(answer)
    }

    /// A parameter of this name that the URL had is replaced.
    fn signed(&self, url: &Uri) -> Result<Uri, String> {
        let is_other = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && percent::decoded(name).as_deref() != Some(self.name.as_str())
        };
        let others = url.query().unwrap_or_default().split('&').filter(is_other);
        let pairs: Vec<_> = others.chain([self.pair.as_str()]).collect();
        with_target(url, url.path(), Some(&pairs.join("&")))
    }
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |key: &str, message: &str| vec![component.problem(key, message)];
    if settings.key.is_empty() {
        return Err(refuse("key", "is empty"));
    }
    refuse_second(component, site)?;
    if settings.place == Place::Query {
        return in_query(&settings, below).map_err(|(key, message)| refuse(key, message));
    }
    let name = settings.header().filter(|name| !is_ours(name));
    let name = name.ok_or_else(|| refuse("name", "is no name of a header that a call may have"))?;
    let blank = if settings.prefix.is_empty() { "" } else { " " };
    let value = HeaderValue::try_from(format!("{}{blank}{}", settings.prefix, settings.key));
    let mut value = value.map_err(|_| refuse("key", "has a character that no header can have"))?;
    value.set_sensitive(true);
    Ok(Box::new(WithHeader { name, value, below }))
}

fn in_query(settings: &Settings, below: Box<dyn Exchange>) -> Result<Box<dyn Exchange>, (&'static str, &'static str)> {
    let name = settings.name();
    if !settings.prefix.is_empty() {
        return Err(("prefix", "stands in headers only; remove it, or write \"in\": \"header\""));
    }
    if name.is_empty() {
        return Err(("name", "is empty"));
    }
    let pair = format!("{}={}", percent::value(name), percent::value(&settings.key));
    Ok(Box::new(WithParameter { name: name.to_owned(), pair, below }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing;
    use crate::http::{Client, ClientSettings};

    #[track_caller]
    fn refused(settings: &str, path: &str, message: &str) {
        testing::layer_refused(&ENTRY, settings, path, message);
    }

    #[test]
    fn what_no_call_can_carry_is_refused_and_not_shown() {
        refused("{}", "b", "missing field `key`");
        refused(r#"{"key": ""}"#, "b.key", "is empty");
        refused(r#"{"key": "hunter2\n"}"#, "b.key", "no header can have");
        refused(r#"{"key": "hunter2", "name": "a b"}"#, "b.name", "no name of a header");
        refused(r#"{"key": "hunter2", "name": "Host"}"#, "b.name", "no name of a header");
        refused(r#"{"key": "hunter2", "in": "cookie"}"#, "b.in", "unknown variant `cookie`");
        refused(r#"{"key": "hunter2", "in": "query", "prefix": "Token"}"#, "b.prefix", "stands in headers only");
        refused(r#"{"key": "hunter2", "in": "query", "name": ""}"#, "b.name", "is empty");
    }

    #[test]
    fn a_parameter_is_added_or_replaced() {
        let below = Box::new(Client::new(ClientSettings::from(&crate::fixture::http())));
        let signing = WithParameter { name: "api_key".into(), pair: "api_key=k%26".into(), below };
        for (url, expected) in [
            ("http://h/a", "http://h/a?api_key=k%26"),
            ("http://h/a?x=1&api%5Fkey=old&y=%20", "http://h/a?x=1&y=%20&api_key=k%26"),
        ] {
            assert_eq!(signing.signed(&url.parse().expect(url)).expect(url).to_string(), expected);
        }
    }
}
