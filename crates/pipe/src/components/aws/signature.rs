//! Signature Version 4.
//!
//! Source: AWS, "Create a signed AWS API request":
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::credentials::Credentials;
use crate::http::{Outgoing, host_of};
use crate::percent;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const DIGEST: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// For which service a signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Scope {
    pub region: String,
    /// As AWS names it in signatures: `lambda`, `execute-api`, `s3`.
    pub service: String,
}

impl Scope {
    /// S3 takes paths as they are and wants the payload's digest in a header; all others encode the path once more.
    fn is_s3(&self) -> bool {
        self.service == "s3"
    }
}

/// The call with its signature. An `Authorization` that it had is replaced.
pub(in super::super) fn signed(call: Outgoing, by: &Credentials, scope: &Scope, now: SystemTime) -> Outgoing {
    let mut call = call;
    let now = OffsetDateTime::from(now);
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let moment = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let digest = hex(&Sha256::digest(&call.body));
    let headers = Arc::make_mut(&mut call.headers);
    headers.remove(AUTHORIZATION);
    headers.remove(TOKEN);
    headers.insert(DATE, ascii(&moment));
    if let Some(token) = &by.session_token {
        headers.insert(TOKEN, secret(token));
    }
    if scope.is_s3() {
        headers.insert(DIGEST, ascii(&digest));
    }
    let (canonical, names) = canonical(&call, scope, &digest);
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("{ALGORITHM}\n{moment}\n{place}\n{}", hex(&Sha256::digest(canonical)));
    let signature = hex(&mac(&key(by, scope, &day), to_sign.as_bytes()));
    let login =
        format!("{ALGORITHM} Credential={}/{place}, SignedHeaders={names}, Signature={signature}", by.access_key);
    Arc::make_mut(&mut call.headers).insert(AUTHORIZATION, secret(&login));
    call
}

/// The request in the form that is signed, and the names of the headers in it.
fn canonical(call: &Outgoing, scope: &Scope, digest: &str) -> (String, String) {
    let headers = signed_headers(call);
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let path = if scope.is_s3() { call.url.path().into() } else { encoded_path(call.url.path()) };
    let query = query(call.url.query().unwrap_or_default());
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (format!("{}\n{path}\n{query}\n{lines}\n{names}\n{digest}", call.method), names)
}

/// What nobody on the way changes: host, content type, everything of AWS. Sorted.
fn signed_headers(call: &Outgoing) -> Vec<(String, String)> {
    let is_signed = |name: &&HeaderName| **name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
    let mut headers: Vec<_> = call
        .headers
        .keys()
        .filter(is_signed)
        .map(|name| (name.as_str().to_owned(), joined(&call.headers, name)))
        .collect();
    let host = call.host.clone().or_else(|| host_of(&call.url));
    let host = host.and_then(|host| host.to_str().map(str::to_owned).ok());
    headers.push((HOST.as_str().to_owned(), host.unwrap_or_default()));
    headers.sort();
    headers
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let single_spaced = |value: String| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    values.map(single_spaced).collect::<Vec<_>>().join(",")
}

/// The path as it is sent, encoded once more; slashes stay.
fn encoded_path(path: &str) -> String {
    path.split('/').map(percent::value).collect::<Vec<_>>().join("/")
}

/// Pairs sorted by name and value, encoded alike.
fn query(query: &str) -> String {
    let again = |text: &str| percent::value(&percent::decoded(text).unwrap_or_else(|| text.to_owned())).into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (again(name), again(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The key of one day, region and service.
fn key(by: &Credentials, scope: &Scope, day: &str) -> [u8; 32] {
    let secret = format!("AWS4{}", by.secret_key);
    let parts = [day, &scope.region, &scope.service, "aws4_request"];
    let first = mac(secret.as_bytes(), parts[0].as_bytes());
    parts[1..].iter().fold(first, |key, part| mac(&key, part.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and letters")
}

fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unsendable"));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Method;

    /// The example credentials of the AWS documentation.
    fn example() -> Credentials {
        Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_440_938_160) // 2015-08-30T12:36:00Z
    }

    fn scope(service: &str) -> Scope {
        Scope { region: "us-east-1".into(), service: service.into() }
    }

    fn call(method: Method, url: &str, headers: &[(&'static str, &'static str)], body: &'static str) -> Outgoing {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Outgoing::new(method, url.parse().expect(url), Arc::new(headers.iter().map(line).collect()), body.into())
    }

    /// The text after `SignedHeaders=`.
    fn signature(call: Outgoing, by: &Credentials, service: &str) -> String {
        let signed = signed(call, by, &scope(service), now());
        let text = signed.headers[AUTHORIZATION].to_str().expect("text").to_owned();
        let start = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders="
        );
        text.strip_prefix(&start).expect(&text).to_owned()
    }

    #[test]
    fn the_test_suite_of_aws_is_signed_as_it_says() {
        let (url, form) = ("http://example.amazonaws.com/", ("content-type", "application/x-www-form-urlencoded"));
        let cases = [
            (
                call(Method::GET, url, &[], ""),
                "host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                call(Method::GET, "http://example.amazonaws.com/?Param2=value2&Param1=value1", &[], ""),
                "host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                call(Method::POST, url, &[], ""),
                "host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                call(Method::POST, url, &[form], "Param1=value1"),
                "content-type;host;x-amz-date, \
                 Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ];
        for (call, expected) in cases {
            assert_eq!(signature(call, &example(), "service"), expected);
        }
    }

    /// The expectations of this test were made with botocore 1.43.
    #[test]
    fn paths_tokens_and_s3_are_signed_as_botocore_does() {
        let with_token = Credentials { session_token: Some("a/token==".into()), ..example() };
        let url = "http://h.example:8443/2015-03-31/functions/arn%3Aaws%3Af/invocations?b=%20x&a=1&a=%2F";
        let body = "{\"a\":1}";
        let lambda = call(Method::POST, url, &[("x-amz-log-type", "None")], body);
        assert_eq!(signature(lambda, &with_token, "lambda"), BOTOCORE_LAMBDA);
        let s3 = call(Method::PUT, "http://bucket.example/a%20b/c", &[("content-type", "text/plain")], body);
        assert_eq!(signature(s3, &example(), "s3"), BOTOCORE_S3);
    }

    const BOTOCORE_LAMBDA: &str = "host;x-amz-date;x-amz-log-type;x-amz-security-token, \
        Signature=4d80ff47d7daea7259e0fbbea6b8283fbf45523b4a5d6a7085bde78bdb67ca4e";
    const BOTOCORE_S3: &str = "content-type;host;x-amz-content-sha256;x-amz-date, \
        Signature=13ec19d0f2aaa55ebef943db1c832d13bc96c73669e44ae21f1e5b1eee1d60b5";

    #[test]
    fn what_was_signed_before_is_replaced() {
        let first = signed(call(Method::GET, "http://h/", &[], ""), &example(), &scope("service"), now());
        let with_token = Credentials { session_token: Some("t".into()), ..example() };
        let second =
            signed(signed(first.clone(), &with_token, &scope("x"), now()), &example(), &scope("service"), now());
        assert_eq!(second.headers, first.headers);
    }
}
