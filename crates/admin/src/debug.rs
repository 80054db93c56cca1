//! `/__debug`: a backend for trying things out. It answers `pong` and shows on the log what arrived.
//!
//! `PUT /__debug?answer=503` makes it answer 503 from then on, until `PUT /__debug?answer=200`: so one can watch an
//! event fail, wait and come back.

use std::sync::atomic::{AtomicU16, Ordering};

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri};
use siphon_telemetry::redact;
use tracing::info;

use crate::answer::{self, Answer};
use crate::body::Arrived;

/// Bytes of a body that are shown on the log.
pub const SHOWN_BODY: usize = 1_024;
/// Bytes of a body that are taken. More than the pipe sends by default; nothing of it is kept but what is shown.
pub const BODY_LIMIT: u64 = 256 << 20;
/// Query parameter of `PUT` that sets the status of later answers.
const ANSWER: &str = "answer";

/// The debug endpoint and the status that it answers.
#[derive(Debug)]
pub struct Debug {
    status: AtomicU16,
}

impl Default for Debug {
    fn default() -> Self {
        Self { status: AtomicU16::new(StatusCode::OK.as_u16()) }
    }
}

impl Debug {
    /// Logs what arrived and answers it.
    pub fn answer(&self, head: &Parts, body: &Arrived) -> Answer {
        show(head, body);
        match wanted_answer(head) {
            None => self.current(),
            Some(Ok(status)) => self.set(status),
            Some(Err(refusal)) => answer::text(StatusCode::BAD_REQUEST, refusal),
        }
    }

    fn current(&self) -> Answer {
        let status = StatusCode::from_u16(self.status.load(Ordering::Relaxed)).unwrap_or_default();
        let message = match status {
            StatusCode::OK => r#"{"message":"pong"}"#.to_owned(),
            _ => format!(r#"{{"message":"told to answer {}"}}"#, status.as_u16()),
        };
        answer::json(status, message)
    }

    fn set(&self, status: StatusCode) -> Answer {
        self.status.store(status.as_u16(), Ordering::Relaxed);
        let message = format!(r#"{{"message":"answering {} from now on"}}"#, status.as_u16());
        answer::json(StatusCode::OK, message)
    }
}

fn show(head: &Parts, body: &Arrived) {
    let (method, url) = (head.method.as_str(), shown_url(&head.uri));
    let (headers, length) = (shown_headers(&head.headers), body.length);
    info!(service = "Debug", method, url, body = shown_body(body), length, headers, "request arrived");
}

/// Path and query as they came, without secrets.
fn shown_url(uri: &Uri) -> String {
    redact::url(uri.path_and_query().map_or("/", PathAndQuery::as_str))
}

/// `name: value, name: value` in the order of arrival, without secrets.
fn shown_headers(headers: &HeaderMap) -> String {
    let shown = headers.iter().map(|(name, value)| match name.as_str() {
        name if redact::is_secret_name(name) => format!("{name}: {}", redact::HIDDEN),
        name => format!("{name}: {}", redact::message(&String::from_utf8_lossy(value.as_bytes()))),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn shown_body(body: &Arrived) -> String {
    let mut text = String::from_utf8_lossy(&body.start).into_owned();
    if body.length > body.start.len() as u64 {
        text.push('…');
    }
    text
}

/// The status that this request sets; `None` for a request that sets none.
fn wanted_answer(head: &Parts) -> Option<Result<StatusCode, String>> {
    let query = head.uri.query().filter(|_| head.method == Method::PUT)?;
    let (_, word) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == ANSWER)?;
    let status = word.parse().ok().filter(|status| (200..=599).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Some(status.ok_or_else(|| format!("{ANSWER}={word}: write a status from 200 to 599")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, Request};

    use super::*;

    fn head(method: &str, uri: &str) -> Parts {
        Request::builder().method(method).uri(uri).body(()).expect("a request").into_parts().0
    }

    /// Sends `(method, uri)` in turn and expects these statuses.
    #[track_caller]
    fn check(requests: &[(&str, &str, u16)]) {
        let debug = Debug::default();
        for (method, uri, expected) in requests {
            let answer = debug.answer(&head(method, uri), &Arrived::default());
            assert_eq!(answer.status().as_u16(), *expected, "{method} {uri}");
        }
    }

    #[test]
    fn it_answers_what_it_was_told_until_told_otherwise() {
        check(&[
            ("POST", "/__debug", 200),
            ("PUT", "/__debug?answer=503", 200),
            ("POST", "/__debug", 503),
            ("GET", "/__debug/a/b", 503),
            ("PUT", "/__debug?answer=200", 200),
            ("POST", "/__debug", 200),
        ]);
    }

    #[test]
    fn only_a_put_sets_the_answer() {
        check(&[("POST", "/__debug?answer=503", 200), ("GET", "/__debug", 200), ("PUT", "/__debug", 200)]);
    }

    #[test]
    fn a_status_that_cannot_be_answered_is_refused_and_changes_nothing() {
        for wrong in ["100", "600", "99", "0", "-1", "many", ""] {
            check(&[("PUT", &format!("/__debug?answer={wrong}"), 400), ("POST", "/__debug", 200)]);
        }
    }

    #[test]
    fn a_long_body_is_shown_shortened() {
        let body = Arrived { start: Bytes::from_static(b"{\"id\""), length: 2_000 };
        assert_eq!(shown_body(&body), "{\"id\"…");
        let body = Arrived { start: Bytes::from_static(b"{}"), length: 2 };
        assert_eq!(shown_body(&body), "{}");
    }

    #[test]
    fn credentials_in_headers_are_hidden() {
        let cases = [
            ("authorization", "Bearer abc", "***"),
            ("cookie", "session=abc", "***"),
            ("x-api-key", "abc", "***"),
            ("x-amz-security-token", "abc", "***"),
            ("referer", "http://u:abc@h/?page=7&sig=abc", "http://u:***@h/?page=7&sig=***"),
            ("content-type", "application/json", "application/json"),
        ];
        for (name, value, shown) in cases {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(shown_headers(&headers), format!("{name}: {shown}"));
        }
    }

    #[test]
    fn credentials_in_a_query_are_hidden_and_the_rest_is_shown_as_it_came() {
        let cases = [
            ("/__debug/a?id=1&access_token=abc&x=2", "/__debug/a?id=1&access_token=***&x=2"),
            ("/__debug?api%5Fkey=abc&X-Amz-Signature=abc", "/__debug?api%5Fkey=***&X-Amz-Signature=***"),
            ("/__debug/?a=%20b&c", "/__debug/?a=%20b&c"),
            ("http://h/__debug?key=1", "/__debug?key=1"),
        ];
        for (given, shown) in cases {
            assert_eq!(shown_url(&Uri::from_static(given)), shown);
        }
    }
}
