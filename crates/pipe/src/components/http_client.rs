//! `backend/http/client`: how a backend's redirects are treated.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::model::Component;

use super::{Build, CallOptions, Checked, Entry, Level, UnknownKeys};
use crate::http::RedirectPolicy;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/http/client"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "sets how redirects are followed",
    schema,
    build: Build::Call(build),
};

/// `backend/http/client`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Follow 307 and 308 with method and payload. Default: false, they fail the event unless its payload is empty.
    send_body_on_redirect: bool,
    /// Follow no redirect at all: every 3xx fails the event. Default: false.
    no_redirect: bool,
    /// Refused: not in this build of siphon.
    #[schemars(with = "serde_json::Value")]
    client_tls: Option<IgnoredAny>,
    /// Refused: not in this build of siphon.
    #[schemars(with = "serde_json::Value")]
    proxy_address: Option<IgnoredAny>,
}

impl Settings {
    /// Keys that would change who is trusted or where calls go: they are not passed over.
    fn lacking(&self) -> impl Iterator<Item = &'static str> {
        let lacking = [("client_tls", self.client_tls), ("proxy_address", self.proxy_address)];
        lacking.into_iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key)
    }
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, options: &mut CallOptions) -> Checked<()> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |key| component.problem(key, &format!("{key} is not in this build of siphon; remove it"));
    let lacking: Vec<_> = settings.lacking().map(refuse).collect();
    if !lacking.is_empty() {
        return Err(lacking);
    }
    options.redirect = RedirectPolicy { send_body: settings.send_body_on_redirect, never: settings.no_redirect };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphon_config::tree::{Entry as Field, Node, Position, Value};

    fn component(fields: &[(&str, Value)]) -> Component {
        let at = |line| Position { line, column: 3 };
        let field = |(line, (key, value)): (usize, &(&str, Value))| Field {
            key: (*key).to_owned(),
            at: at(line as u32 + 2),
            value: Node { value: value.clone(), at: at(line as u32 + 2) },
        };
        let entries = fields.iter().enumerate().map(field).collect();
        let settings = Node { value: Value::Map(entries), at: at(1) };
        Component { namespace: ENTRY.namespaces[0].into(), path: "b".into(), settings }
    }

    fn built(fields: &[(&str, Value)]) -> Checked<RedirectPolicy> {
        let mut options = CallOptions::default();
        build(&component(fields), &mut options).map(|()| options.redirect)
    }

    #[test]
    fn both_keys_are_off_until_they_are_set() {
        assert_eq!(built(&[]), Ok(RedirectPolicy { send_body: false, never: false }));
        let fields = [("send_body_on_redirect", Value::Bool(true)), ("no_redirect", Value::Bool(true))];
        assert_eq!(built(&fields), Ok(RedirectPolicy { send_body: true, never: true }));
    }

    #[test]
    fn what_this_build_lacks_is_refused_by_name_and_place() {
        let fields = [("client_tls", Value::Map(Vec::new())), ("proxy_address", Value::String("http://p".into()))];
        let problems = built(&fields).expect_err("must be refused");
        let said: Vec<_> =
            problems.iter().map(|problem| (problem.path.as_str(), problem.at.map(|at| at.line))).collect();
        assert_eq!(said, [("b.client_tls", Some(2)), ("b.proxy_address", Some(3))]);
        assert!(problems[0].message.contains("client_tls is not in this build"), "{}", problems[0].message);
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_place() {
        let problems = built(&[("no_redirect", Value::String("maybe".into()))]).expect_err("must be refused");
        assert_eq!(problems[0].path, "b.no_redirect");
    }

    #[test]
    fn the_schema_names_the_keys() {
        let schema = schema();
        let keys: Vec<_> = schema["properties"].as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["client_tls", "no_redirect", "proxy_address", "send_body_on_redirect"]);
    }
}
