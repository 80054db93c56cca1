//! `auth/client-credentials`: each call of a backend carries a token (components-traffic.md §9).
//!
//! The token is fetched over the pipe's own connections, once for all events that wait for it, kept until ten seconds
//! before its end, and fetched anew once when the backend answers 401 to one that was kept.

mod grant;
pub(super) mod reply;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::credentials::refuse_second;
use super::renewed::Renewed;
use super::with_token::{WithToken, callable};
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::http::Exchange;

use grant::Grant;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["auth/client-credentials", "github.com/devopsfaith/krakend-oauth2-clientcredentials"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "adds an OAuth2 token to each call",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// `auth/client-credentials`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// Who siphon is to the server that gives tokens.
    client_id: String,
    /// The secret that goes with it.
    client_secret: String,
    /// Where tokens are given: a whole URL. Example: `https://login.example.com/oauth/token`.
    token_url: String,
    /// Scopes, separated by commas. Example: `read,write`. Default: none.
    #[serde(default)]
    scopes: String,
    /// More fields of the token request, each with a list of values. Example: `{"audience": ["https://api"]}`.
    #[serde(default)]
    endpoint_params: BTreeMap<String, Vec<String>>,
    /// Call without a token. Default: false.
    #[serde(default)]
    pub(super) is_disabled: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    if settings.is_disabled {
        return Ok(below);
    }
    refuse_second(component, site)?;
    let refuse = |(key, message): (&str, String)| component.problem(key, &message);
    let problems: Vec<_> = wrong(&settings).into_iter().map(refuse).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let url = callable(&settings.token_url).map_err(|message| vec![refuse(("token_url", message))])?;
    if url.scheme_str() == Some("https") {
        site.service.prepare_tls().map_err(|message| vec![refuse(("token_url", message))])?;
    }
    let grant = Arc::new(Grant::new(settings, url, Arc::clone(site.service)));
    let fetch = move || {
        let grant = Arc::clone(&grant);
        Box::pin(async move { grant.fetch().await }) as _
    };
    Ok(Box::new(WithToken { token: Renewed::new(Box::new(fetch)), header: AUTHORIZATION, below }))
}

/// What would fail every event.
fn wrong(settings: &Settings) -> Vec<(&'static str, String)> {
    let required = [("client_id", &settings.client_id), ("client_secret", &settings.client_secret)];
    let empty = required.into_iter().filter(|(_, value)| value.is_empty());
    let mut found: Vec<_> = empty.map(|(key, _)| (key, format!("{key} is empty"))).collect();
    if settings.endpoint_params.contains_key("scope") {
        let message = "oauth2: cannot overwrite parameter \"scope\"; write the scopes in scopes";
        found.push(("endpoint_params.scope", message.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing;
    use crate::http::{Client, ClientSettings};

    fn built(settings: &str) -> Checked<Box<dyn Exchange>> {
        let component = testing::component(ENTRY.namespaces[0], settings);
        let below = Client::new(ClientSettings::from(&crate::fixture::http()));
        testing::with_site(|site| build(&component, site, Box::new(below)))
    }

    #[track_caller]
    fn refused(settings: &str, expected: &[(&str, &str)]) {
        let problems = built(settings).err().expect(settings);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        let is_said =
            said.iter().zip(expected).all(|(said, expected)| said.0 == expected.0 && said.1.contains(expected.1));
        assert!(said.len() == expected.len() && is_said, "{said:?}");
    }

    #[test]
    fn what_would_fail_every_event_is_refused_at_load() {
        refused("{}", &[("b", "missing field `client_id`")]);
        refused(
            r#"{"client_id": "a", "client_secret": 7, "token_url": "http://h/"}"#,
            &[("b.client_secret", "invalid type")],
        );
        refused(
            r#"{"client_id": "", "client_secret": "", "token_url": "http://h/", "endpoint_params": {"scope": ["x"]}}"#,
            &[("b.client_id", "empty"), ("b.client_secret", "empty"), ("b.endpoint_params.scope", "cannot overwrite")],
        );
        for url in ["", "h/token", "ftp://h/", "http://", "http://h:99999/"] {
            let settings = format!(r#"{{"client_id": "a", "client_secret": "b", "token_url": "{url}"}}"#);
            refused(&settings, &[("b.token_url", "is no http or https URL")]);
        }
        refused(
            r#"{"client_id": "a", "client_secret": "b", "token_url": "http://h/", "endpoint_params": {"audience": "x"}}"#,
            &[("b.endpoint_params.audience", "invalid type")],
        );
    }

    #[test]
    fn a_message_about_a_secret_does_not_show_it() {
        let settings = r#"{"client_id": "a", "client_secret": ["hunter2"], "token_url": "http://h/"}"#;
        let problems = built(settings).err().expect("refused");
        assert!(problems.iter().all(|problem| !problem.message.contains("hunter2")), "{problems:?}");
    }
}
