//! `/__echo`: answers with the request itself, as the reference does: the same keys in the same order, Go's escapes.
//!
//! Source: `shared/reference/operations.md` §8.2.

use std::collections::BTreeMap;

use http::header::HOST;
use http::request::Parts;
use http::{StatusCode, Uri};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::body::Arrived;

/// Bytes of a body that are echoed; longer ones are refused.
pub const BODY_LIMIT: usize = 4 << 20;

#[derive(Debug, Serialize)]
struct Echoed {
    req_uri: String,
    req_uri_details: Details,
    req_method: String,
    req_querystring: BTreeMap<String, Vec<String>>,
    req_body: String,
    req_headers: BTreeMap<String, Vec<String>>,
}

/// A request line has neither a fragment nor a user: both are always empty.
#[derive(Debug, Serialize)]
struct Details {
    fragment: &'static str,
    host: String,
    path: String,
    query: String,
    user: &'static str,
}

/// The request as JSON. Bytes that are not UTF-8 are shown as `U+FFFD`.
pub fn answer(head: &Parts, body: &Arrived) -> Answer {
    let query = query_values(head.uri.query().unwrap_or_default());
    let echoed = Echoed {
        req_uri: uri_as_sent(&head.uri),
        req_uri_details: details(head, &query),
        req_method: head.method.to_string(),
        req_querystring: query,
        req_body: String::from_utf8_lossy(&body.start).into_owned(),
        req_headers: header_values(head),
    };
    let json = serde_json::to_string(&echoed).expect("text always serialises");
    answer::json(StatusCode::OK, escaped_like_go(&json))
}

fn uri_as_sent(uri: &Uri) -> String {
    uri.to_string()
}

fn details(head: &Parts, query: &BTreeMap<String, Vec<String>>) -> Details {
    let host = head.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let path = percent_encoding::percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let pairs = query.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Details { fragment: "", host: host.unwrap_or_default(), path, query, user: "" }
}

fn query_values(query: &str) -> BTreeMap<String, Vec<String>> {
    grouped(form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())))
}

/// Go keeps the host apart from the other headers.
fn header_values(head: &Parts) -> BTreeMap<String, Vec<String>> {
    let headers = head.headers.iter().filter(|(name, _)| *name != HOST);
    grouped(
        headers.map(|(name, value)| (canonical(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())),
    )
}

fn grouped(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        groups.entry(name).or_default().push(value);
    }
    groups
}

/// `content-type` → `Content-Type`, as Go writes header names.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

/// Go's encoder escapes what a browser could take for markup. These characters occur inside strings only.
fn escaped_like_go(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;

    #[track_caller]
    fn check(request: http::request::Builder, body: &'static str, expected: &str) {
        let head = request.body(()).expect("a request").into_parts().0;
        let body = Arrived { start: Bytes::from_static(body.as_bytes()), length: body.len() as u64 };
        let mut answer = answer(&head, &body).into_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let frame = runtime.block_on(answer.frame()).expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), expected);
    }

    #[test]
    fn the_request_comes_back_key_by_key() {
        let request = Request::builder()
            .method("POST")
            .uri("/__echo/a%20b?q=1&p=x+y&q=2")
            .header("host", "localhost:8080")
            .header("content-type", "application/json")
            .header("x-trace", "1")
            .header("x-trace", "2");
        let expected = concat!(
            r#"{"req_uri":"/__echo/a%20b?q=1\u0026p=x+y\u0026q=2","#,
            r#""req_uri_details":{"fragment":"","host":"localhost:8080","path":"/__echo/a b","query":"p=x+y\u0026q=1\u0026q=2","user":""},"#,
            r#""req_method":"POST","req_querystring":{"p":["x y"],"q":["1","2"]},"req_body":"{\"id\":1}","#,
            r#""req_headers":{"Content-Type":["application/json"],"X-Trace":["1","2"]}}"#,
        );
        check(request, r#"{"id":1}"#, expected);
    }

    #[test]
    fn an_empty_request_has_every_key() {
        let expected = concat!(
            r#"{"req_uri":"/__echo","req_uri_details":{"fragment":"","host":"","path":"/__echo","query":"","user":""},"#,
            r#""req_method":"GET","req_querystring":{},"req_body":"","req_headers":{}}"#,
        );
        check(Request::builder().uri("/__echo"), "", expected);
    }

    #[test]
    fn markup_is_escaped_as_go_escapes_it() {
        assert_eq!(escaped_like_go("\"<a>&\u{2028}\""), r#""\u003ca\u003e\u0026\u2028""#);
    }
}
