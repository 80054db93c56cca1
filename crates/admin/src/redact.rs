//! Requests on the log, without their secrets.

use http::{HeaderMap, Uri};

/// What stands in place of a secret.
const HIDDEN: &str = "***";
/// Parts of the names of headers and query parameters whose values are secrets.
const SECRET_NAMES: [&str; 9] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "api_key", "apikey"];

/// `name: value, name: value`, in the order of arrival.
pub fn headers(headers: &HeaderMap) -> String {
    let shown = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        format!("{name}: {}", if is_secret(name.as_str()) { HIDDEN } else { &value })
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Path and query as they came, with the values of secret parameters hidden.
pub fn url(uri: &Uri) -> String {
    match uri.query() {
        None => uri.path().to_owned(),
        Some(query) => format!("{}?{}", uri.path(), redacted_query(query)),
    }
}

fn redacted_query(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

fn is_secret(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| decoded.contains(secret))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check_header(name: &'static str, value: &'static str, expected: &str) {
        let mut map = HeaderMap::new();
        map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        assert_eq!(headers(&map), expected);
    }

    #[track_caller]
    fn check_url(given: &'static str, expected: &str) {
        assert_eq!(url(&Uri::from_static(given)), expected);
    }

    #[test]
    fn credentials_in_headers_are_hidden() {
        check_header("authorization", "Bearer abc", "authorization: ***");
        check_header("proxy-authorization", "Basic abc", "proxy-authorization: ***");
        check_header("cookie", "session=abc", "cookie: ***");
        check_header("x-api-key", "abc", "x-api-key: ***");
        check_header("x-auth-token", "abc", "x-auth-token: ***");
    }

    #[test]
    fn other_headers_are_shown() {
        check_header("content-type", "application/json", "content-type: application/json");
    }

    #[test]
    fn credentials_in_a_query_are_hidden() {
        check_url("/__debug/a?id=1&access_token=abc&x=2", "/__debug/a?id=1&access_token=***&x=2");
        check_url("/__debug?api%5Fkey=abc", "/__debug?api%5Fkey=***");
    }

    #[test]
    fn a_url_without_secrets_is_shown_as_it_came() {
        check_url("/__debug", "/__debug");
        check_url("/__debug/?a=%20b&c", "/__debug/?a=%20b&c");
    }
}
