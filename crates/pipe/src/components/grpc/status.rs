//! What a gRPC status means for the event.
//!
//! Sources: <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>; the HTTP status of each code as in
//! `google/rpc/code.proto`; the code of a reply that is no gRPC as in `http-grpc-status-mapping.md`.

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderMap};
use siphon_telemetry::redact;

use crate::error::{PipeError, shortened};

pub(super) const UNAVAILABLE: &str = "UNAVAILABLE";

/// One code, from 0 on in their order.
struct Code {
    name: &'static str,
    /// For `outcomes` of the agent.
    status: u16,
    /// Whether waiting can help.
    is_temporary: bool,
}

const fn code(name: &'static str, status: u16, is_temporary: bool) -> Code {
    Code { name, status, is_temporary }
}

const CODES: [Code; 17] = [
    code("OK", 200, false),
    code("CANCELLED", 499, false),
    code("UNKNOWN", 500, false),
    code("INVALID_ARGUMENT", 400, false),
    code("DEADLINE_EXCEEDED", 504, true),
    code("NOT_FOUND", 404, false),
    code("ALREADY_EXISTS", 409, false),
    code("PERMISSION_DENIED", 403, false),
    code("RESOURCE_EXHAUSTED", 429, true),
    code("FAILED_PRECONDITION", 400, false),
    code("ABORTED", 409, false),
    code("OUT_OF_RANGE", 400, false),
    code("UNIMPLEMENTED", 501, false),
    code("INTERNAL", 500, false),
    code(UNAVAILABLE, 503, true),
    code("DATA_LOSS", 500, false),
    code("UNAUTHENTICATED", 401, false),
];

const UNKNOWN: usize = 2;

/// A call that did not succeed.
pub(super) struct Refusal {
    code: usize,
    said: String,
}

impl Refusal {
    pub fn error(self, method: &Arc<str>, trailers: &HeaderMap) -> PipeError {
        let Code { name, status, is_temporary } = CODES.get(self.code).unwrap_or(&CODES[UNKNOWN]);
        PipeError::Grpc {
            name,
            status: *status,
            is_temporary: *is_temporary,
            method: Arc::clone(method),
            said: shortened(redact::message(&self.said.replace(char::is_control, " "))),
            retry_after: pushback(trailers),
        }
    }
}

/// Whether the head is that of a gRPC reply.
///
/// # Errors
///
/// The code that stands for an HTTP status.
pub(super) fn of_head(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes())).unwrap_or_default();
    if status == StatusCode::OK && kind.starts_with("application/grpc") {
        return Ok(());
    }
    let code = match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    };
    let kind = if kind.is_empty() { "no content type" } else { &kind };
    Err(Refusal { code, said: format!("the reply is no gRPC: HTTP status {}, {kind}", status.as_u16()) })
}

/// The outcome of a call.
///
/// # Errors
///
/// A status that is not OK, or none.
pub(super) fn of_trailers(trailers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &str| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let said = text("grpc-message").map(|said| decoded(&said)).unwrap_or_default();
    match text("grpc-status").as_deref().map(str::parse) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => Err(Refusal { code, said }),
        Some(Err(_)) => Err(Refusal { code: UNKNOWN, said: "its status is no number".into() }),
        None => Err(Refusal { code: UNKNOWN, said: "the reply ended without a status".into() }),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// How long the service asks to wait; gRPC's retry design (A6).
fn pushback(trailers: &HeaderMap) -> Option<Duration> {
    let text = trailers.get("grpc-retry-pushback-ms")?.to_str().ok()?;
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use ::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    /// `expected`: text, HTTP status, whether waiting helps.
    #[track_caller]
    fn check(refusal: Result<(), Refusal>, trailers: &HeaderMap, expected: (&str, u16, bool)) {
        let error = refusal.expect_err("a refusal").error(&"/p.S/M".into(), trailers);
        assert_eq!(
            (error.to_string().as_str(), error.kind(), error.is_temporary()),
            (expected.0, FailureKind::Status(expected.1), expected.2)
        );
    }

    #[test]
    fn each_code_has_its_name_and_the_status_that_outcomes_see() {
        for (code, name, status, is_temporary) in [
            ("3", "INVALID_ARGUMENT", 400, false),
            ("4", "DEADLINE_EXCEEDED", 504, true),
            ("5", "NOT_FOUND", 404, false),
            ("8", "RESOURCE_EXHAUSTED", 429, true),
            ("12", "UNIMPLEMENTED", 501, false),
            ("14", "UNAVAILABLE", 503, true),
            ("16", "UNAUTHENTICATED", 401, false),
            ("99", "UNKNOWN", 500, false),
        ] {
            let trailers = headers(&[("grpc-status", code), ("grpc-message", "no%20such%20%C3%BC")]);
            check(
                of_trailers(&trailers),
                &trailers,
                (&format!("grpc: {name} [/p.S/M]: no such ü"), status, is_temporary),
            );
        }
    }

    #[test]
    fn a_reply_without_a_status_is_a_failure() {
        let said = "grpc: UNKNOWN [/p.S/M]: the reply ended without a status";
        check(of_trailers(&HeaderMap::new()), &HeaderMap::new(), (said, 500, false));
        assert!(of_trailers(&headers(&[("grpc-status", "0")])).is_ok());
    }

    #[test]
    fn what_is_no_grpc_is_said_so() {
        let html = headers(&[("content-type", "text/html")]);
        let said = "grpc: UNAVAILABLE [/p.S/M]: the reply is no gRPC: HTTP status 502, text/html";
        check(of_head(StatusCode::BAD_GATEWAY, &html), &html, (said, 503, true));
        let said = "grpc: UNKNOWN [/p.S/M]: the reply is no gRPC: HTTP status 200, text/html";
        check(of_head(StatusCode::OK, &html), &html, (said, 500, false));
        assert!(of_head(StatusCode::OK, &headers(&[("content-type", "application/grpc+proto")])).is_ok());
    }

    #[test]
    fn a_service_may_say_how_long_to_wait() {
        let trailers = headers(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "1500")]);
        let error = of_trailers(&trailers).expect_err("a refusal").error(&"/p.S/M".into(), &trailers);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
    }
}
