//! Keeps secrets out of what is shown: which names mean a secret, and how a URL looks without its own.
//!
//! A name is that of a header, of a query parameter or of a configuration key; all three are judged alike. Of a URL the
//! password and the values of secret query parameters are hidden, everything else stays as it is. Whatever was redacted
//! once stays the same when it is redacted again.

use percent_encoding::percent_decode_str;

/// What stands in a secret's place.
pub const HIDDEN: &str = "***";

/// Parts of a name, anywhere in it.
const PARTS: [&str; 12] = [
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "sasl",
    "secret",
    "signature",
    "token",
];

/// Parts of a name whose letters and digits are joined: `api-key`, `api_key`, `apiKey`, `X-API-Key`.
const JOINED_PARTS: [&str; 14] = [
    "accesskey",
    "accountkey",
    "apikey",
    "appkey",
    "authkey",
    "clientassertion",
    "encryptionkey",
    "functionskey",
    "masterkey",
    "privatekey",
    "sessionid",
    "sharedkey",
    "signingkey",
    "subscriptionkey",
];

/// Whole words of a name. As parts they would hide `design`, `author` and `bypass`.
const WORDS: [&str; 6] = ["auth", "jwt", "pass", "pwd", "seed", "sig"];

/// Before the name of a parameter: in a query, in a path, in a fragment.
const STARTS: [char; 4] = ['?', '&', ';', '#'];

/// Whether the value under this name is a secret. Letter case and percent-encoding do not count.
pub fn is_secret_name(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    let lower = name.to_lowercase();
    let joined: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    let is_word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word));
    PARTS.iter().any(|part| lower.contains(part))
        || JOINED_PARTS.iter().any(|part| joined.contains(part))
        || is_word(&lower)
        || is_word(&with_humps_apart(&name))
}

/// `dbPwd` → `db_pwd`.
fn with_humps_apart(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for c in name.chars() {
        if after_small && c.is_uppercase() {
            out.push('_');
        }
        after_small = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_lowercase());
    }
    out
}

/// A URL, or its path and query, as it may be shown: `http://u:***@h/a?q=1&api_key=***`.
pub fn url(url: &str) -> String {
    settled(url, |url| {
        let shown = with_userinfo_hidden(url, |_| false, is_plain_host);
        with_parameters_hidden(&shown, |c| c == '&')
    })
}

/// Redacts until nothing changes: what is hidden may have made the rest look like a URL, or like none.
fn settled(text: &str, redact: impl Fn(&str) -> String) -> String {
    let mut shown = redact(text);
    loop {
        let again = redact(&shown);
        if again == shown {
            return shown;
        }
        shown = again;
    }
}

/// A value that somebody wrote, which may be a URL that is none. A password may hold any character, so everything up to
/// the last `@` is taken for one: too much is hidden where an `@` stands in the path or the query.
pub fn written(value: &str) -> String {
    settled(value, written_once)
}

fn written_once(value: &str) -> String {
    let is_login = |before: &str| before.contains(':') && !value.contains("://");
    if let Some((_, after)) = value.rsplit_once('@').filter(|(before, _)| is_login(before)) {
        return format!("{HIDDEN}@{after}"); // a login before a host whose scheme is missing or broken
    }
    let shown = with_userinfo_hidden(value, |_| false, |_| false);
    with_parameters_hidden(&shown, |c| c == '&')
}

/// A message with URLs in it. They end at a blank, a quote or an angle bracket.
pub fn message(text: &str) -> String {
    settled(text, |text| {
        let shown = with_userinfo_hidden(text, ends_a_url, is_plain_host);
        with_parameters_hidden(&shown, |c| c == '&' || ends_a_url(c))
    })
}

fn ends_a_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')
}

/// `text` with the password of every `scheme://user:password@` hidden, or the user where there is no password: such a
/// user is often a token. What `is_plain` of the text after `://` has neither.
fn with_userinfo_hidden(text: &str, ends: fn(char) -> bool, is_plain: fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (head, tail) = rest.split_at(start + 3);
        out.push_str(head);
        rest = tail;
        let end = tail.find(ends).unwrap_or(tail.len());
        if let Some(at) = tail[..end].rfind('@').filter(|at| *at > 0 && !is_plain(&tail[..end])) {
            out.push_str(&hidden_userinfo(&tail[..at]));
            rest = &tail[at..];
        }
    }
    out + rest
}

fn hidden_userinfo(userinfo: &str) -> String {
    match userinfo.split_once(':') {
        Some((user, _)) if !user.contains('/') => format!("{user}:{HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
}

/// Whether what follows `://` begins with a host, perhaps with its port, and then goes on: a later `@` is no userinfo's.
fn is_plain_host(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let after_brackets = authority.rsplit(']').next().unwrap_or_default();
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    !authority.contains('@') && after_brackets.split_once(':').is_none_or(|(_, port)| is_port(port))
}

/// `text` with the values of secret parameters hidden, each up to where `ends` is true.
fn with_parameters_hidden(text: &str, ends: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(STARTS) {
        let (head, tail) = rest.split_at(start + 1);
        out.push_str(head);
        rest = tail;
        let Some((name, value)) = parameter(tail).filter(|(name, _)| is_secret_name(name)) else { continue };
        let end = value.find(&ends).unwrap_or(value.len());
        if end > 0 {
            out.extend([name, "=", HIDDEN]);
            rest = &value[end..];
        }
    }
    out + rest
}

/// The name that `text` begins with, and what follows its `=`.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = !name.contains(|c| STARTS.contains(&c) || ends_a_url(c));
    is_name.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_login_without_a_scheme_is_hidden_too() {
        for text in ["svc:SEKRET@orders:8080", "//u:SEKRET@orders:8080", "http:/u:SEKRET@orders:8080"] {
            assert_eq!(written(text), "***@orders:8080");
        }
        assert_eq!(written("someone@example.org"), "someone@example.org");
    }

    #[track_caller]
    fn check_names(names: &[&str], expected: bool) {
        for name in names {
            assert_eq!(is_secret_name(name), expected, "{name}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_name_however_it_is_spelt() {
        check_names(
            &["api-key", "api_key", "apikey", "apiKey", "X-API-Key", "api%5Fkey", "api%20key", "api+key"],
            true,
        );
        check_names(&["Authorization", "proxy-authorization", "Cookie", "Set-Cookie", "x-auth-token", "X-Auth"], true);
        check_names(
            &["password", "PassWord", "passwd", "db_pwd", "dbPwd", "user_pass", "passphrase", "nkey_seed"],
            true,
        );
        check_names(&["secret", "client_secret", "access_token", "sasl", "private_key", "privateKey"], true);
        check_names(&["credential", "credentials", "signature", "sig", "SIG", "AWSAccessKeyId", "filter[token]"], true);
        check_names(&["X-Amz-Signature", "X-Amz-Credential", "x-amz-security-token", "X-Hub-Signature-256"], true);
    }

    #[test]
    fn harmless_names_are_none() {
        check_names(&["key", "keys", "routing_key", "partition-key", "X-Key", "id", "q", ""], false);
        check_names(&["design", "author", "bypass", "signal", "compass", "monkey", "significant"], false);
        check_names(&["X-Amz-Date", "X-Amz-Expires", "X-Amz-Algorithm", "content-type", "url_pattern"], false);
    }

    #[track_caller]
    fn check_url(given: &str, expected: &str) {
        assert_eq!(url(given), expected);
        assert_eq!(written(given), expected);
        assert_eq!(message(&format!("x \"{given}\": y")), format!("x \"{expected}\": y"));
    }

    #[test]
    fn the_password_of_a_url_is_hidden() {
        check_url("amqp://u:p@mq:5672/", "amqp://u:***@mq:5672/");
        check_url("amqp://u:p/w@h", "amqp://u:***@h");
        check_url("amqp://u:p@ss@mq/", "amqp://u:***@mq/");
        check_url("amqp://ghp_1@h", "amqp://***@h");
        check_url("/a?next=http://u:p@h/", "/a?next=http://u:***@h/");
        check_url("://@", "://@");
    }

    #[test]
    fn secret_values_of_a_query_are_hidden() {
        check_url("/a?api_key=hunter2", "/a?api_key=***");
        check_url("http://h:80/a?id=1&access_token=abc&x=2", "http://h:80/a?id=1&access_token=***&x=2");
        check_url("/a?api%5Fkey=a&&Password=b=c#token=d", "/a?api%5Fkey=***&&Password=***");
        check_url("/a;token=x", "/a;token=***");
        check_url("/a#access_token=x", "/a#access_token=***");
        check_url("https://u:p@h/?sig=a%2Fb", "https://u:***@h/?sig=***");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for plain in
            ["http://h:80/p", "/a?q=1", "/a?key=1&b", "/a?=1", "/a?token", "/a?token=&b=1", "http://[::1]:8/", ""]
        {
            check_url(plain, plain);
        }
        for plain in ["http://h:80/a?mail=x@y", "http://[::1]/a@b", "http://h?x@y", "/@scope/x"] {
            assert_eq!((url(plain), message(plain)), (plain.to_owned(), plain.to_owned()));
        }
    }

    #[test]
    fn a_written_password_may_hold_any_character() {
        assert_eq!(written("amqp://u:1/p w\"@ss@mq/"), "amqp://u:***@mq/");
        assert_eq!(written("/a?token=p w\"x&b=1"), "/a?token=***&b=1");
    }

    #[test]
    fn every_url_of_a_message_is_redacted() {
        let text = "x://a:b@c and y://d:e@f, then </?token=a> '/?sig=b' done";
        assert_eq!(message(text), "x://a:***@c and y://d:***@f, then </?token=***> '/?sig=***' done");
        let status = "invalid status code 500 [POST /a?q=1]: http://h/a?q=1";
        assert_eq!(message(status), status);
    }

    #[test]
    fn what_is_hidden_may_have_made_the_rest_look_like_a_url() {
        let once = written("&:@token=://");
        assert_eq!((once.as_str(), written(&once)), ("***@token=***", once.clone()));
        let text = "://&@token=://@";
        assert_eq!([url(text), message(text)], ["://***@token=***", "://***@token=***"]);
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(text in "([a@:/?&;#=é \"]|://|token=|http){0,20}") {
            for redact in [url, written, message] {
                prop_assert_eq!(redact(&redact(&text)), redact(&text));
            }
        }

        #[test]
        fn a_secret_value_is_never_shown(before in "[a-z:/?&;#=é]{0,12}", value in "[A-Z0-9@:/?;#=é]{1,12}") {
            let given = format!("{before}?token=Q{value}");
            prop_assert!(!url(&given).contains('Q') && !message(&given).contains('Q'), "{}", given);
        }
    }
}
