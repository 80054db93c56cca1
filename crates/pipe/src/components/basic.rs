//! `auth/basic` in a backend: each call carries user and password (RFC 7617).

use std::sync::Arc;

use ::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::credentials::refuse_second;
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::http::{Exchange, ExchangeFuture, Outgoing};
use crate::stage::Context;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["auth/basic"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Refuse,
    effect: "adds user and password to each call",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// `auth/basic`.
#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Who siphon is to the backend. No colon.
    user: String,
    /// The password that goes with it.
    password: String,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// Around each hop: calls to hosts of the configuration get a header, in the place of what they had.
pub(super) struct WithHeader {
    pub name: HeaderName,
    pub value: HeaderValue,
    pub below: Box<dyn Exchange>,
}

impl Exchange for WithHeader {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        let mut call = call;
        if !call.is_abroad {
            Arc::make_mut(&mut call.headers).insert(self.name.clone(), self.value.clone());
        }
        self.below.exchange(call, context)
    }
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |(key, message): (&str, &str)| vec![component.problem(key, message)];
    wrong(&settings).map_or(Ok(()), |wrong| Err(refuse(wrong)))?;
    refuse_second(component, site)?;
    let login = STANDARD.encode(format!("{}:{}", settings.user, settings.password));
    let mut value = HeaderValue::try_from(format!("Basic {login}")).map_err(|_| refuse(("", "cannot be encoded")))?;
    value.set_sensitive(true);
    Ok(Box::new(WithHeader { name: AUTHORIZATION, value, below }))
}

/// What no backend could read.
fn wrong(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let Settings { user, password } = settings;
    let has_control = |text: &str| text.chars().any(char::is_control);
    match () {
        () if user.is_empty() => Some(("user", "is empty")),
        () if user.contains(':') => Some(("user", "has a colon, which ends the user in Basic authentication")),
        () if has_control(user) => Some(("user", "has a control character")),
        () if has_control(password) => Some(("password", "has a control character")),
        () => None,
    }
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
    fn what_no_backend_could_read_is_refused_and_not_shown() {
        refused("{}", "b", "missing field `user`");
        refused(r#"{"user": "", "password": "hunter2"}"#, "b.user", "is empty");
        refused(r#"{"user": "a:b", "password": "hunter2"}"#, "b.user", "has a colon");
        refused(r#"{"user": "a", "password": "hunter2\n"}"#, "b.password", "control character");
        refused(r#"{"user": "a", "password": ["hunter2"]}"#, "b.password", "invalid type");
    }

    #[test]
    fn a_second_component_that_writes_the_same_header_is_refused() {
        let settings = r#"{"user": "a", "password": "b"}"#;
        let second = |namespace: &str, settings: &str| {
            let mut backend = crate::fixture::backend("http://h", "/");
            backend.components.push(testing::component(namespace, settings));
            let below = Box::new(Client::new(ClientSettings::from(&crate::fixture::http())));
            let component = testing::component(ENTRY.namespaces[0], r#"{"user": "a", "password": "b"}"#);
            testing::with_backend(&backend, |site| build(&component, site, below)).err()
        };
        let token = r#"{"client_id": "a", "client_secret": "b", "token_url": "http://h/""#;
        let refused = [
            ("auth/client-credentials", format!("{token}}}")),
            ("auth/gcp", r#"{"audience": "x"}"#.to_owned()),
            ("auth/api-key", r#"{"key": "x", "prefix": "Token"}"#.to_owned()),
            ("auth/aws-sigv4", "{}".to_owned()),
        ];
        for (namespace, settings) in refused {
            let problems = second(namespace, &settings).expect(namespace);
            let message = format!("writes the header authorization, and so does {namespace}; keep one");
            assert_eq!(problems[0].message, message);
        }
        let fine = [
            ("auth/client-credentials", format!("{token}, \"is_disabled\": true}}")),
            ("auth/gcp", r#"{"audience": "x", "s2s_auth_header": "X-Serverless-Authorization"}"#.to_owned()),
            ("auth/api-key", r#"{"key": "x"}"#.to_owned()),
            ("auth/basic", settings.to_owned()),
        ];
        for (namespace, settings) in fine {
            assert!(second(namespace, &settings).is_none(), "{namespace}");
        }
    }
}
