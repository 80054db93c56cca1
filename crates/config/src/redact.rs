//! Keeps secrets out of messages: values under telling keys, and the passwords of URLs.

use crate::tree::{Node, Value};

/// What stands in a secret's place.
pub(crate) const MASK: &str = "***";

/// Parts of a key that mark its value, and everything below it, as secret.
const SECRET_WORDS: [&str; 8] =
    ["password", "passwd", "secret", "token", "sasl", "private_key", "api_key", "authorization"];

/// Shorter secrets are not searched for in foreign messages: they would blank out ordinary words.
const SHORTEST_SEARCHED: usize = 4;

/// Characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// Whether a value at this path must not be shown.
pub(crate) fn is_secret_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| path.contains(word))
}

/// The value at `path` for a message: short, on one line, without secrets; objects and lists by their kind.
pub(crate) fn shown(path: &str, node: &Node) -> String {
    match &node.value {
        Value::List(_) | Value::Map(_) | Value::Null => node.kind().to_owned(),
        _ if is_secret_path(path) => MASK.to_owned(),
        Value::String(text) => quoted(text),
        _ => shortened(&node.to_json_text()),
    }
}

/// `text` in quotes, cut when long, without the password of a URL.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(&url(text)))
}

/// `text`, which is one value, without the password that it has as a URL: everything up to the last `@`, as a password
/// may hold any character.
pub(crate) fn url(text: &str) -> String {
    let Some(start) = text.find("://") else { return text.to_owned() };
    let (scheme, rest) = text.split_at(start + 3);
    let mut out = scheme.to_owned();
    let after = write_authority(rest, rest.len(), &mut out);
    out + after
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` with the password of every `scheme://user:password@` replaced.
pub(crate) fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (head, tail) = rest.split_at(start + 3);
        out.push_str(head);
        let end = tail.find(ends_a_url).unwrap_or(tail.len());
        rest = write_authority(tail, end, &mut out);
    }
    out + rest
}

fn ends_a_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')
}

/// Writes the user of the authority in `tail[..end]` and a mask for its password; returns what follows.
fn write_authority<'a>(tail: &'a str, end: usize, out: &mut String) -> &'a str {
    let Some(at) = tail[..end].rfind('@') else { return tail };
    let user = tail[..at].split([':', '/']).next().unwrap_or_default();
    out.push_str(user);
    if user.len() < at {
        out.push(':');
        out.push_str(MASK);
    }
    &tail[at..]
}

/// Every secret string of a tree, to take out of messages that somebody else wrote.
pub(crate) fn secrets(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    collect(node, false, &mut found);
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

fn collect(node: &Node, secret: bool, found: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| collect(item, secret, found)),
        Value::Map(entries) => {
            for entry in entries {
                collect(&entry.value, secret || is_secret_path(&entry.key), found);
            }
        }
        Value::String(text) | Value::Number(text) if secret && text.len() >= SHORTEST_SEARCHED => {
            found.push(text.clone());
        }
        _ => {}
    }
}

/// A message that a plugin or a library wrote, without any of `secrets` and without URL passwords.
pub(crate) fn foreign(message: &str, secrets: &[String]) -> String {
    secrets.iter().fold(urls(message), |text, secret| text.replace(secret.as_str(), MASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(urls(text), expected);
    }

    #[test]
    fn the_password_of_a_url_is_masked() {
        check("amqp://u:p@mq:5672/", "amqp://u:***@mq:5672/");
        check("host \"amqp://u:p/w@h\" is bad", "host \"amqp://u:***@h\" is bad");
        check("x://a:b@c and y://d:e@f", "x://a:***@c and y://d:***@f");
        check("amqp://token@h", "amqp://token@h");
        check("http://h:80/p", "http://h:80/p");
        check("://@", "://@");
    }

    #[test]
    fn a_password_with_an_at_sign_is_masked_whole() {
        check("amqp://u:p@ss@mq/", "amqp://u:***@mq/");
    }

    #[test]
    fn a_value_s_password_may_hold_any_character() {
        assert_eq!(quoted("amqp://u:p w\"@ss@mq/"), r#""amqp://u:***@mq/""#);
    }

    #[test]
    fn secrets_are_taken_out_of_foreign_messages() {
        let node = crate::format::parse("x.json", r#"{"sasl": {"user": "servant", "n": 12345}, "a": "plain"}"#);
        let secrets = secrets(&node.expect("valid"));
        assert_eq!(foreign("servant 12345 plain", &secrets), "*** *** plain");
    }
}
