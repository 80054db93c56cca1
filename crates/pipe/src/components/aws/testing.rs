//! What the tests of components for AWS share.

use std::time::SystemTime;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::macros::format_description;

use super::credentials::Credentials;
use super::signature::{Scope, signed};
use crate::http::Outgoing;
use crate::server::Seen;

/// Keys in the environment, and a region.
pub const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_REGION", "eu-west-1")];

/// An environment of these variables alone.
pub fn environment<'v>(variables: &'v [(&'v str, &'v str)]) -> impl Fn(&str) -> Option<String> + 'v {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// Whether a request that arrived at `host` is signed by `by`, as AWS would find out: the signature is made again of
/// what arrived.
pub fn is_signed(seen: &Seen, host: &str, by: &Credentials, scope: &Scope) -> bool {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = seen.header("x-amz-date").expect("a date");
    let moment = time::PrimitiveDateTime::parse(date, form).expect("a moment").assume_utc();
    let age = OffsetDateTime::now_utc() - moment;
    assert!((-1..300).contains(&age.whole_seconds()), "{age}");
    let names = |name: &str| name == "content-type" || name.starts_with("x-amz-");
    let headers: HeaderMap = seen
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| names(name))
        .map(|(name, value)| (HeaderName::try_from(name).expect("a name"), HeaderValue::from_str(value).expect("text")))
        .collect();
    let url = format!("http://{host}{}", seen.target).parse().expect("a URL");
    let method = seen.method.parse().expect("a method");
    let again = Outgoing::new(method, url, headers.into(), seen.body.clone().into());
    let again = signed(again, by, scope, SystemTime::from(moment));
    again.headers["authorization"].to_str().ok() == seen.header("authorization")
}

/// A role's reply of STS, good until `until`.
pub fn role_reply(action: &str, until: &str) -> String {
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>R</AccessKeyId>\
         <SecretAccessKey>RS</SecretAccessKey><SessionToken>RT</SessionToken><Expiration>{until}</Expiration>\
         </Credentials></{action}Result></{action}Response>"
    )
}
