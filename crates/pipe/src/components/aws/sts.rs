//! A role is taken on for an hour: by its own credentials, or by a token that the platform wrote.
//!
//! Source: AWS Security Token Service API, `AssumeRole` and `AssumeRoleWithWebIdentity`, version 2011-06-15.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use ::http::{Method, Uri};
use form_urlencoded::Serializer;

use super::credentials::Credentials;
use super::document::lifetime;
use super::signature::{self, Scope};
use crate::http::Outgoing;
use crate::json::{Json, JsonRef, View};
use crate::xml;

/// Characters of a refusal that the error shows.
const SHOWN_LIMIT: usize = 200;

/// A role, and where it is taken on.
pub(in super::super) struct Role {
    pub arn: String,
    /// How AWS names these calls in its logs; `None`: `siphon`.
    pub session: Option<String>,
    pub region: String,
    pub endpoint: Uri,
}

impl Role {
    pub fn new(arn: String, region: String, endpoint: Uri) -> Self {
        Self { arn, session: None, region, endpoint }
    }

    /// Signed by `by`.
    pub fn request(&self, by: &Credentials, now: SystemTime) -> Outgoing {
        let call = self.call("AssumeRole", &[]);
        let scope = Scope { region: self.region.clone(), service: "sts".into() };
        signature::signed(call, by, &scope, now)
    }

    /// The token takes the place of a signature.
    pub fn request_with_token(&self, token: &str) -> Outgoing {
        self.call("AssumeRoleWithWebIdentity", &[("WebIdentityToken", token)])
    }

    fn call(&self, action: &str, more: &[(&str, &str)]) -> Outgoing {
        let session = self.session.as_deref().unwrap_or("siphon");
        let fields =
            [("Action", action), ("Version", "2011-06-15"), ("RoleArn", &self.arn), ("RoleSessionName", session)];
        let body = Serializer::new(String::new()).extend_pairs(fields).extend_pairs(more).finish();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
        Outgoing::new(Method::POST, self.endpoint.clone(), Arc::new(headers), body.into())
    }
}

/// Credentials of the role, and how long they are good from `now`.
///
/// # Errors
///
/// What is wrong with the reply, without any of its values.
pub(super) fn read(body: &[u8], now: SystemTime) -> Result<(Credentials, Duration), String> {
    let reply = xml::decode(body).map_err(|_| "the role's reply is no XML".to_owned())?;
    let found = ["AssumeRole", "AssumeRoleWithWebIdentity"].into_iter().find_map(|action| {
        let result = reply.get(&format!("{action}Response"))?.get(&format!("{action}Result"))?;
        result.get("Credentials")
    });
    let keys = found.ok_or("the role's reply has no keys")?;
    let text = |name: &str| text(keys.get(name)).ok_or_else(|| format!("the role's reply has no {name}"));
    let credentials = Credentials {
        access_key: text("AccessKeyId")?,
        secret_key: text("SecretAccessKey")?,
        session_token: Some(text("SessionToken")?),
    };
    Ok((credentials, lifetime(&text("Expiration")?, now)?))
}

/// `Code: message` of an error document.
pub(super) fn refusal(body: &[u8]) -> Option<String> {
    let reply: Json = xml::decode(body).ok()?;
    let error = reply.get("ErrorResponse")?.get("Error")?;
    let said = format!("{}: {}", text(error.get("Code"))?, text(error.get("Message")).unwrap_or_default());
    Some(said.chars().take(SHOWN_LIMIT).collect())
}

fn text(value: Option<JsonRef<'_>>) -> Option<String> {
    match value?.view() {
        View::String(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult><Credentials>
    <AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>
    <Expiration>2015-08-30T13:36:00Z</Expiration>
  </Credentials></AssumeRoleResult></AssumeRoleResponse>"#;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160) // 2015-08-30T12:36:00Z
    }

    #[test]
    fn a_role_s_reply_has_keys_and_an_end() {
        for reply in [REPLY.to_owned(), REPLY.replace("AssumeRole", "AssumeRoleWithWebIdentity")] {
            let (credentials, lifetime) = read(reply.as_bytes(), now()).expect("credentials");
            assert_eq!((credentials.access_key.as_str(), credentials.secret_key.as_str()), ("ASIA", "S"));
            assert_eq!((credentials.session_token.as_deref(), lifetime.as_secs()), (Some("T"), 3_600));
        }
        for (reply, reason) in
            [("", "no keys"), ("<a>1</a>", "no keys"), (&REPLY.replace("SessionToken", "x"), "no SessionToken")]
        {
            let said = read(reply.as_bytes(), now()).err().expect(reason);
            assert!(said.contains(reason) || said.contains("no XML"), "{said}");
        }
    }

    #[test]
    fn a_refusal_is_said_in_its_own_words() {
        let reply = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
        assert_eq!(refusal(reply).as_deref(), Some("AccessDenied: not you"));
        assert_eq!(refusal(b"<html/>"), None);
    }

    #[test]
    fn the_request_is_a_form_signed_for_sts() {
        let role =
            Role::new("arn:aws:iam::1:role/r".into(), "eu-west-1".into(), "https://sts.example/".parse().expect("one"));
        let by = Credentials { access_key: "A".into(), secret_key: "S".into(), session_token: None };
        let call = role.request(&by, now());
        let expected =
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=siphon";
        assert_eq!(&call.body[..], expected.as_bytes());
        let login = call.headers["authorization"].to_str().expect("text");
        assert!(login.starts_with("AWS4-HMAC-SHA256 Credential=A/20150830/eu-west-1/sts/aws4_request, "), "{login}");
        let with_token = role.request_with_token("jwt");
        assert!(
            with_token.body.ends_with(b"&WebIdentityToken=jwt") && !with_token.headers.contains_key("authorization")
        );
    }
}
