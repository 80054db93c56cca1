//! The few shapes of answers.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

pub type Answer = Response<Full<Bytes>>;

pub fn json(status: StatusCode, body: String) -> Answer {
    answer(status, "application/json; charset=utf-8", body.into())
}

/// A plain text, such as `404 page not found`: the reference's words.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain", body.into())
}

pub fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "404 page not found")
}

pub fn wrong_method(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

pub fn metrics(body: String) -> Answer {
    answer(StatusCode::OK, siphon_telemetry::metrics::CONTENT_TYPE, body.into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    // A status of its own meaning without a body: sending one would break the connection's framing.
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut answer = Response::new(Full::new(if has_body { body } else { Bytes::new() }));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
