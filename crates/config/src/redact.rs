//! Keeps secrets out of messages about a configuration: values under telling keys, and those of URLs.

pub(crate) use siphon_telemetry::redact::{HIDDEN, message, written};

use siphon_telemetry::redact::is_secret_name;

use crate::tree::{Entry, Node, Value};

/// Shorter secrets are not searched for in foreign messages: they would blank out ordinary words.
const SHORTEST_SEARCHED: usize = 4;

/// Characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// Keys that mean a secret in one component, and something harmless in all others.
const OF_COMPONENTS: [(&str, &str); 1] = [("auth/api-key", "key")];

/// Ends of keys that say where a secret is or how it travels, and hold none themselves; below any other key, too.
const PLACES: [&str; 4] = ["_file", "_header", "_url", "mechanism"];

fn is_place(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    PLACES.iter().any(|end| key.ends_with(end))
}

fn is_secret_in(component: Option<&str>, key: &str) -> bool {
    OF_COMPONENTS.iter().any(|(name, secret)| component == Some(name) && key.eq_ignore_ascii_case(secret))
}

/// Whether a value at this path must not be shown: some key on the way to it means a secret. The name of a component
/// (`auth/client-credentials`) means none for what is in it.
pub(crate) fn is_secret_path(path: &str) -> bool {
    if path.rsplit('.').next().is_some_and(is_place) {
        return false;
    }
    let mut keys = path.split('.').peekable();
    let mut below_extra_config = false;
    let mut component = None;
    while let Some(key) = keys.next() {
        let is_component = below_extra_config && key.contains('/') && keys.peek().is_some();
        if !is_component && (is_secret_name(key) || is_secret_in(component, key)) {
            return true;
        }
        component = Some(key);
        // The dot of `github.com/…` is no border.
        below_extra_config = is_extra_config(key) || (below_extra_config && key == "github");
    }
    false
}

fn is_extra_config(key: &str) -> bool {
    key.eq_ignore_ascii_case("extra_config")
}

/// The value at `path` for a message: short, on one line, without secrets; objects and lists by their kind.
pub(crate) fn shown(path: &str, node: &Node) -> String {
    match &node.value {
        Value::List(_) | Value::Map(_) | Value::Null => node.kind().to_owned(),
        _ if is_secret_path(path) => HIDDEN.to_owned(),
        Value::String(text) => quoted(text),
        _ => shortened(&node.to_json_text()),
    }
}

/// `text`, which is one value, in quotes, cut when long, without the secrets that it has as a URL.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(&written(text)))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Every secret string of a tree, to take out of messages that somebody else wrote.
pub(crate) fn secrets(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    collect(node, Place::default(), &mut found);
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// Where a value stands.
#[derive(Clone, Copy, Default)]
struct Place<'n> {
    /// The component that this is.
    component: Option<&'n str>,
    is_secret: bool,
    /// Its keys name components.
    is_extra_config: bool,
}

impl<'n> Place<'n> {
    fn below(self, entry: &'n Entry) -> Self {
        let is_component =
            self.is_extra_config && entry.key.contains('/') && matches!(entry.value.value, Value::Map(_));
        let is_told = !is_component && (is_secret_name(&entry.key) || is_secret_in(self.component, &entry.key));
        Self {
            component: Some(entry.key.as_str()).filter(|_| is_component),
            is_secret: (self.is_secret || is_told) && !is_place(&entry.key),
            is_extra_config: is_extra_config(&entry.key),
        }
    }
}

fn collect<'n>(node: &'n Node, place: Place<'n>, found: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| collect(item, place, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| collect(&entry.value, place.below(entry), found)),
        Value::String(text) | Value::Number(text) if place.is_secret && text.len() >= SHORTEST_SEARCHED => {
            found.push(text.clone());
        }
        _ => {}
    }
}

/// A message that a plugin or a library wrote, without any of `secrets` and without those of URLs.
pub(crate) fn foreign(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(message(text), |text, secret| text.replace(secret.as_str(), HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: bool) {
        assert_eq!(is_secret_path(path), expected, "{path}");
    }

    #[test]
    fn a_path_is_secret_when_one_of_its_keys_is() {
        check("async_agent[0].extra_config.async/kafka.sasl.user", true);
        check("extra_config.x/y.api-key", true);
        check("x.headers.Cookie", true);
        check("x.tokens[0]", true);
        check("async_agent[0].backend[0].url_pattern", false);
        check("consumer.key", false);
    }

    #[test]
    fn a_namespace_is_no_secret_and_what_is_in_it_may_be() {
        check("extra_config.auth/client-credentials.scopes", false);
        check("extra_config.github.com/devopsfaith/krakend-oauth2-clientcredentials.scopes", false);
        check("extra_config.auth/client-credentials.client_secret", true);
        check("extra_config.router.password", true);
        check("extra_config.password", true);
        check("extra_config.auth/secret", true);
        check("extra_config.auth/api-key.key", true);
        check("extra_config.auth/api-key.name", false);
        check("extra_config.x/y.key", false);
        let text = r#"{"extra_config": {"auth/client-credentials": {"scopes": "orders", "client_secret": "hunter2"}}}"#;
        let node = crate::format::parse("x.json", text).expect("valid");
        assert_eq!(secrets(&node), ["hunter2"]);
        let node = crate::format::parse("x.json", r#"{"extra_config": {"auth/api-key": {"key": "hunter2"}}}"#);
        assert_eq!(secrets(&node.expect("valid")), ["hunter2"]);
    }

    /// A user has to see which file is missing.
    #[test]
    fn where_a_secret_is_is_no_secret() {
        check("extra_config.auth/gcp.credentials_file", false);
        check("x.sasl.token_file", false);
        check("x.sasl.mechanism", false);
        check("extra_config.auth/client-credentials.token_url", false);
        check("x.sasl.token", true);
        let text = r#"{"sasl": {"mechanism": "OAUTHBEARER", "token_file": "/run/token", "token": "hunter2"}}"#;
        let node = crate::format::parse("x.json", text).expect("valid");
        assert_eq!(secrets(&node), ["hunter2"]);
    }

    #[test]
    fn a_quoted_value_shows_no_secret_of_a_url() {
        assert_eq!(quoted("amqp://u:p w\"@ss@mq/"), r#""amqp://u:***@mq/""#);
        assert_eq!(quoted("/a?api_key=hunter2&q=1"), r#""/a?api_key=***&q=1""#);
    }

    #[test]
    fn secrets_are_taken_out_of_foreign_messages() {
        let node = crate::format::parse("x.json", r#"{"sasl": {"user": "servant", "n": 12345}, "a": "plain"}"#);
        let secrets = secrets(&node.expect("valid"));
        assert_eq!(foreign("servant 12345 plain", &secrets), "*** *** plain");
    }
}
