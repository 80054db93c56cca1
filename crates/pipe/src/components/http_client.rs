//! `backend/http/client`: redirects, TLS, proxy and HTTP version of one backend.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::{Build, CallOptions, Checked, Entry, Level, UnknownKeys};
use crate::http::{HTTP2_CALLS, HttpVersion, Proxies, Proxy, RedirectPolicy, TlsSettings};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/http/client"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "sets redirects, TLS, proxy and HTTP version",
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
    /// Whom to trust and as whom to appear, in the place of the service's `client_tls`.
    client_tls: Option<TlsSettings>,
    /// The proxy for this backend, loopback too: `http://name:port`. Default: as the environment says.
    proxy_address: Option<String>,
    /// `1.1`; `auto`: over TLS HTTP/2 where the backend offers it; `2`: HTTP/2 only, without TLS too. Default: `1.1`.
    http_version: Option<String>,
    /// Calls at once over one HTTP/2 connection, at least 1. Default: 100.
    http2_max_calls: Option<usize>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, options: &mut CallOptions) -> Checked<()> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    options.redirect = RedirectPolicy { send_body: settings.send_body_on_redirect, never: settings.no_redirect };
    let mut problems = Vec::new();
    let mut refuse = |key: &str, why: &str| problems.push(component.problem(key, why));
    if let Some(tls) = &settings.client_tls {
        match tls.client_config(&[]) {
            Ok(config) => options.connection.tls = Some(Arc::new(config)),
            Err(wrongs) => wrongs.iter().for_each(|(key, why)| refuse(&below("client_tls", key), why)),
        }
    }
    match settings.proxy_address.as_deref().filter(|text| !text.is_empty()).map(Proxy::parse).transpose() {
        Ok(proxy) => options.connection.proxies = proxy.map(Proxies::always),
        Err(why) => refuse("proxy_address", &why),
    }
    match version(settings.http_version.as_deref()) {
        Ok(version) => options.connection.version = version,
        Err(why) => refuse("http_version", &why),
    }
    match settings.http2_max_calls {
        Some(0) => refuse("http2_max_calls", "has to be at least 1"),
        Some(_) if options.connection.version == HttpVersion::One => {
            refuse("http2_max_calls", "has no effect on HTTP/1.1; set http_version to auto or 2");
        }
        calls => options.connection.http2_calls = Some(calls.unwrap_or(HTTP2_CALLS)),
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn below(parent: &str, key: &str) -> String {
    if key.is_empty() { parent.to_owned() } else { format!("{parent}.{key}") }
}

fn version(word: Option<&str>) -> Result<HttpVersion, String> {
    match word {
        None | Some("" | "1.1") => Ok(HttpVersion::One),
        Some("auto") => Ok(HttpVersion::Auto),
        Some("2") => Ok(HttpVersion::Two),
        Some(other) => Err(format!("{other:?} is no version of HTTP; \"1.1\", \"auto\" and \"2\" are")),
    }
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
    fn what_cannot_work_is_refused_by_name_and_place() {
        let text = |text: &str| Value::String(text.into());
        let fields = [
            ("proxy_address", text("socks5://u:SEKRET@p")),
            ("http_version", text("3")),
            ("http2_max_calls", Value::Number("7".into())),
        ];
        let problems = built(&fields).expect_err("must be refused");
        let said: Vec<_> =
            problems.iter().map(|problem| (problem.path.as_str(), problem.at.map(|at| at.line))).collect();
        let expected = [("b.proxy_address", Some(2)), ("b.http_version", Some(3)), ("b.http2_max_calls", Some(4))];
        assert_eq!(said, expected);
        assert!(problems[0].message.contains("a socks5 proxy is not in this build"), "{}", problems[0].message);
        assert!(problems.iter().all(|problem| !problem.message.contains("SEKRET")));
    }

    #[test]
    fn a_backend_that_changes_nothing_shares_the_connections_of_its_agent() {
        for (version, is_plain) in [("1.1", true), ("auto", false), ("2", false)] {
            let mut options = CallOptions::default();
            let fields = [("http_version", Value::String(version.into()))];
            assert_eq!(build(&component(&fields), &mut options), Ok(()));
            assert_eq!(options.connection.is_plain(), is_plain, "{version}");
        }
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_place() {
        let problems = built(&[("no_redirect", Value::String("maybe".into()))]).expect_err("must be refused");
        assert_eq!(problems[0].path, "b.no_redirect");
    }

    #[test]
    fn the_schema_names_the_keys() {
        let schema = schema();
        let keys = schema["properties"].as_object().expect("an object").keys();
        let mut keys: Vec<_> = keys.map(String::as_str).collect();
        keys.sort_unstable();
        let expected =
            ["client_tls", "http2_max_calls", "http_version", "no_redirect", "proxy_address", "send_body_on_redirect"];
        assert_eq!(keys, expected);
    }
}
