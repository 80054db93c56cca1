//! What AWS Lambda answers.
//!
//! Source: AWS Lambda API, `Invoke`; AWS REST-JSON protocol for errors.

use std::time::SystemTime;

use ::http::StatusCode;
use ::http::header::HeaderMap;

use crate::backend::retry_after;
use crate::error::PipeError;
use crate::json::{Json, View};

const FUNCTION_ERROR: &str = "x-amz-function-error";
const ERROR_TYPE: &str = "x-amzn-errortype";

/// Characters of a message that the error shows.
const SHOWN_LIMIT: usize = 200;

/// # Errors
///
/// `Lambda` unless the function ran and returned.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), PipeError> {
    if let Some(kind) = headers.get(FUNCTION_ERROR) {
        let kind = String::from_utf8_lossy(kind.as_bytes());
        let said = [text(body, "errorType"), text(body, "errorMessage")].into_iter().flatten().collect::<Vec<_>>();
        let reason = format!("aws lambda: the function failed: {kind}: {}", shown(&said.join(": ")));
        return Err(PipeError::Lambda { reason, status: None, retry_after: None });
    }
    if status == StatusCode::OK {
        return Ok(());
    }
    let reason =
        if status.is_success() { "aws lambda: bad status code".to_owned() } else { refusal(status, headers, body) };
    let retry_after = retry_after(headers, SystemTime::now());
    Err(PipeError::Lambda { reason, status: Some(status.as_u16()), retry_after })
}

/// `ResourceNotFoundException: Function not found`.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let named = headers.get(ERROR_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let code = named.or_else(|| text(body, "__type")).or_else(|| text(body, "code"));
    // Some services write `Code:http://…`, some `prefix#Code`.
    let code =
        code.map(|code| code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned());
    let message = text(body, "message").or_else(|| text(body, "Message")).unwrap_or_default();
    format!("{}: {}", code.unwrap_or_else(|| status.to_string()), shown(&message))
}

fn text(body: &[u8], key: &str) -> Option<String> {
    match Json::parse(body).ok()?.get(key)?.view() {
        View::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Long ones are cut.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;
    use ::http::{HeaderName, HeaderValue};

    fn said(
        status: u16,
        header: Option<(&'static str, &'static str)>,
        body: &str,
    ) -> Result<(), (String, FailureKind)> {
        let line = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers: HeaderMap = header.into_iter().map(line).collect();
        let judged = judge(StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes());
        judged.map_err(|error| (error.to_string(), error.kind()))
    }

    #[test]
    fn a_failure_is_said_in_the_words_of_aws() {
        let (error, not_found) = ((FUNCTION_ERROR, "Unhandled"), (ERROR_TYPE, "ResourceNotFoundException:http://x"));
        let cases = [
            (
                200,
                Some(error),
                r#"{"errorType":"E","errorMessage":"bad"}"#,
                "aws lambda: the function failed: Unhandled: E: bad",
            ),
            (404, Some(not_found), r#"{"Message":"no such function"}"#, "ResourceNotFoundException: no such function"),
            (400, None, r#"{"__type":"x#Invalid","message":"m"}"#, "Invalid: m"),
            (503, None, "<html>", "503 Service Unavailable: "),
            (202, None, "", "aws lambda: bad status code"),
        ];
        for (status, header, body, expected) in cases {
            let (text, kind) = said(status, header, body).expect_err(expected);
            let expected_kind = if status == 200 { FailureKind::Other } else { FailureKind::Status(status) };
            assert_eq!((text.as_str(), kind), (expected, expected_kind));
        }
        assert_eq!(said(200, None, "[1]"), Ok(()));
    }
}
