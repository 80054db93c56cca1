//! What a token server answers.
//!
//! Source: RFC 6749 §5; the texts are the reference's.

use std::time::{Duration, SystemTime};

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use siphon_telemetry::redact;
use tokio::time::Instant;

use super::super::renewed::{Fetched, Fresh, Unavailable};
use crate::backend::retry_after;

/// Largest reply, in bytes. A token has some thousands.
const REPLY_LIMIT: usize = 1 << 20;

/// Characters of a refusal that the error shows.
const SHOWN_LIMIT: usize = 200;

/// The members of a reply that count.
#[derive(Default)]
struct Reply {
    access_token: Option<String>,
    /// Of OpenID Connect.
    id_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<i64>,
    /// `error`, `error_description`, `error_uri`.
    error: [Option<String>; 3],
}

/// The value of `Authorization`, and how long it is good after `asked`.
///
/// # Errors
///
/// The server's refusal, or what is wrong with its reply.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], asked: Instant) -> Fetched<HeaderValue> {
    let reply = granted(status, headers, body)?;
    let lifetime = reply.expires_in.filter(|&seconds| seconds != 0);
    let lifetime = lifetime.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    Ok(Fresh::new(authorization(&reply).map_err(Unavailable::answered)?, asked, lifetime))
}

/// The ID token of a reply.
///
/// # Errors
///
/// As [`read`].
pub(in super::super) fn id_token(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<String, Unavailable> {
    let token = granted(status, headers, body)?.id_token;
    token.ok_or_else(|| Unavailable::answered("oauth2: server response missing id_token"))
}

fn granted(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Unavailable> {
    if body.len() > REPLY_LIMIT {
        return Err(Unavailable::answered(format!("oauth2: the reply is larger than {REPLY_LIMIT} bytes")));
    }
    let parsed = if is_form(headers) { Ok(of_form(body)) } else { of_json(body) };
    if let Some(refusal) = refusal(status, parsed.as_ref().ok(), body) {
        return Err(Unavailable {
            retry_after: retry_after(headers, SystemTime::now()),
            ..Unavailable::answered(refusal)
        });
    }
    parsed.map_err(Unavailable::answered)
}

/// The server's no, in the reference's words.
fn refusal(status: StatusCode, reply: Option<&Reply>, body: &[u8]) -> Option<String> {
    if let Some(Reply { error: error @ [Some(_), ..], .. }) = reply {
        let quoted: Vec<_> = error.iter().flatten().map(|part| format!("{:?}", shown(part))).collect();
        return Some(format!("oauth2: {}", quoted.join(" ")));
    }
    if status.is_success() {
        return None;
    }
    let text = shown(&String::from_utf8_lossy(body));
    Some(format!("oauth2: cannot fetch token: {status}\nResponse: {text}"))
}

/// Long ones are cut.
fn shown(text: &str) -> String {
    redact::message(&text.chars().take(SHOWN_LIMIT).collect::<String>())
}

fn is_form(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/x-www-form-urlencoded" | "text/plain")
}

fn of_form(body: &[u8]) -> Reply {
    let mut reply = Reply::default();
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "expires_in" => reply.expires_in = value.parse().ok(),
            name => reply.set(name, value.into_owned()),
        }
    }
    reply
}

fn of_json(body: &[u8]) -> Result<Reply, String> {
    let wrong = |why: String| format!("oauth2: cannot parse json: {why}");
    let whole: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| wrong(without_values(&error)))?;
    let mut reply = Reply::default();
    for (name, value) in whole {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("expires_in", value) => reply.expires_in = Some(seconds(&value).map_err(wrong)?),
            (name, Value::String(text)) => reply.set(name, text),
            ("access_token" | "id_token" | "token_type", _) => return Err(wrong(format!("{name} is no string"))),
            _ => {}
        }
    }
    Ok(reply)
}

/// serde_json repeats a wrong value in its message; here it may be a token.
fn without_values(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "the reply is no object".to_owned(),
        _ => error.to_string(),
    }
}

fn seconds(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.map(|number| number.min(i64::from(i32::MAX))).ok_or_else(|| "expires_in is no whole number".to_owned())
}

impl Reply {
    fn set(&mut self, name: &str, value: String) {
        let member = match name {
            "access_token" => &mut self.access_token,
            "id_token" => &mut self.id_token,
            "token_type" => &mut self.token_type,
            "error" => &mut self.error[0],
            "error_description" => &mut self.error[1],
            "error_uri" => &mut self.error[2],
            _ => return,
        };
        *member = Some(value).filter(|value| !value.is_empty());
    }
}

fn authorization(reply: &Reply) -> Result<HeaderValue, String> {
    let token = reply.access_token.as_deref().ok_or("oauth2: server response missing access_token")?;
    let kind = reply.token_type.as_deref().unwrap_or("Bearer");
    let known = ["Bearer", "MAC", "Basic"].into_iter().find(|known| known.eq_ignore_ascii_case(kind));
    let value = HeaderValue::try_from(format!("{} {token}", known.unwrap_or(kind)));
    let mut value = value.map_err(|_| "oauth2: the token cannot stand in a header")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json; charset=utf-8";
    const FORM: &str = "application/x-www-form-urlencoded";

    /// `Authorization` and the seconds that it is good for, or why there is none.
    fn said(status: u16, kind: &'static str, body: &str) -> Result<(String, Option<u64>), String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let asked = Instant::now();
        let read = read(StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes(), asked);
        let fresh = read.map_err(|unavailable| unavailable.reason)?;
        let text = fresh.value.to_str().expect("text").to_owned();
        Ok((text, fresh.until.map(|until| (until - asked).as_secs())))
    }

    #[test]
    fn a_token_comes_as_json_or_as_a_form() {
        let cases = [
            (JSON, r#"{"access_token":"T","token_type":"bearer","expires_in":3600}"#, "Bearer T", Some(3600)),
            (JSON, r#"{"access_token":"T","expires_in":"60","extra":{"x":1}}"#, "Bearer T", Some(60)),
            (JSON, r#"{"access_token":"T","token_type":"mac","expires_in":0}"#, "MAC T", None),
            (JSON, r#"{"access_token":"T","token_type":"dpop","expires_in":-5}"#, "dpop T", Some(0)),
            (JSON, r#"{"access_token":"T","expires_in":99999999999}"#, "Bearer T", Some(2_147_483_647)),
            (FORM, "access_token=a+b%26&token_type=bearer&expires_in=7", "Bearer a b&", Some(7)),
            ("text/plain", "access_token=T", "Bearer T", None),
        ];
        for (kind, body, value, seconds) in cases {
            assert_eq!(said(200, kind, body), Ok((value.to_owned(), seconds)), "{body}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let cases = [
            (
                401,
                JSON,
                r#"{"error":"invalid_client","error_description":"who?"}"#,
                "oauth2: \"invalid_client\" \"who?\"",
            ),
            (200, JSON, r#"{"error":"e","error_uri":"u","access_token":"T"}"#, "oauth2: \"e\" \"u\""),
            (503, "text/html", "<html>", "oauth2: cannot fetch token: 503 Service Unavailable\nResponse: <html>"),
            (302, JSON, "{}", "oauth2: cannot fetch token: 302 Found\nResponse: {}"),
            (200, JSON, "{}", "oauth2: server response missing access_token"),
            (
                200,
                JSON,
                r#"{"access_token":"T","expires_in":1.5}"#,
                "oauth2: cannot parse json: expires_in is no whole number",
            ),
            (200, JSON, r#"{"access_token":["T"]}"#, "oauth2: cannot parse json: access_token is no string"),
            (200, JSON, "\"secret\"", "oauth2: cannot parse json: the reply is no object"),
            (200, JSON, r#"{"access_token":"a\nb"}"#, "oauth2: the token cannot stand in a header"),
        ];
        for (status, kind, body, reason) in cases {
            assert_eq!(said(status, kind, body), Err(reason.to_owned()), "{body}");
        }
    }

    #[test]
    fn a_long_refusal_is_cut() {
        let reason = said(500, "text/html", &"x".repeat(10_000)).expect_err("a refusal");
        assert!(reason.len() < 300, "{}", reason.len());
    }
}
