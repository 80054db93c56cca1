//! Credentials as containers and instances hand them out: a JSON document.
//!
//! Source: AWS, "Container credential provider" and "Retrieve security credentials from instance metadata".

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::credentials::Credentials;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: String,
}

/// Credentials, and how long they are good from `now`.
///
/// # Errors
///
/// What is wrong with the document, without any of its values.
pub(super) fn read(body: &[u8], now: SystemTime) -> Result<(Credentials, Duration), String> {
    let document: Document = serde_json::from_slice(body)
        .map_err(|error| format!("the document has no keys at line {}, column {}", error.line(), error.column()))?;
    let Document { access_key_id, secret_access_key, token, expiration } = document;
    let credentials = Credentials { access_key: access_key_id, secret_key: secret_access_key, session_token: token };
    Ok((credentials, lifetime(&expiration, now)?))
}

/// Until a moment such as `2026-11-26T12:00:00Z`; none when that has passed.
pub(super) fn lifetime(until: &str, now: SystemTime) -> Result<Duration, String> {
    let until = OffsetDateTime::parse(until, &Rfc3339).map_err(|_| "their end is no time".to_owned())?;
    Ok(SystemTime::from(until).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_keys_and_an_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160); // 2015-08-30T12:36:00Z
        let body = br#"{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2015-08-30T13:36:00Z"}"#;
        let (credentials, lifetime) = read(body, now).expect("credentials");
        let expected = Credentials { access_key: "A".into(), secret_key: "S".into(), session_token: Some("T".into()) };
        assert!(credentials == expected);
        assert_eq!(lifetime, Duration::from_secs(3_600));
        assert_eq!(self::lifetime("2015-08-30T12:00:00Z", now), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_none_is_said_without_showing_it() {
        for body in ["", "[]", r#"{"AccessKeyId":"hunter2"}"#, r#"{"AccessKeyId":["hunter2"]}"#] {
            let reason = read(body.as_bytes(), SystemTime::UNIX_EPOCH).err().expect(body);
            assert!(reason.starts_with("the document has no keys at line") && !reason.contains("hunter2"), "{reason}");
        }
        let body = br#"{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"}"#;
        assert_eq!(read(body, SystemTime::UNIX_EPOCH).err().as_deref(), Some("their end is no time"));
    }
}
