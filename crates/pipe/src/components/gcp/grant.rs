//! How an ID token is asked for, and how long it is good.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::super::client_credentials::reply;
use super::super::renewed::{Fetched, Fresh, Unavailable};
use super::super::with_token::callable;
use super::account::Account;
use crate::http::{Client, Outgoing};
use crate::percent;

/// Where the metadata service is, unless `GCE_METADATA_HOST` says otherwise.
const METADATA_HOST: &str = "169.254.169.254";

/// How long it may take. It is on the machine itself; where there is none, nothing answers.
const METADATA_PATIENCE: Duration = Duration::from_secs(2);

/// Largest token, in bytes. One has about a thousand.
const TOKEN_LIMIT: usize = 64 * 1024;

/// Who gives out tokens.
pub(super) enum Grant {
    /// The account's server, for its signature.
    Account { account: Box<Account>, audience: String, custom_claims: Map<String, Value> },
    /// The metadata service, for nothing.
    Metadata { url: Uri },
}

/// What counts of a token's claims.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: f64,
}

impl Grant {
    /// # Errors
    ///
    /// A sentence when `GCE_METADATA_HOST` is no host.
    pub fn of_metadata(host: Option<String>, audience: &str) -> Result<Self, String> {
        let host = host.as_deref().unwrap_or(METADATA_HOST);
        let path = "computeMetadata/v1/instance/service-accounts/default/identity";
        let text = format!("http://{host}/{path}?audience={}&format=full", percent::value(audience));
        let wrong = "GCE_METADATA_HOST is no host; write one such as metadata.google.internal or 127.0.0.1:80";
        callable(&text).map(|url| Self::Metadata { url }).map_err(|_| wrong.to_owned())
    }

    /// Whether asking needs TLS.
    pub fn has_tls(&self) -> bool {
        matches!(self, Self::Account { account, .. } if account.token_uri.scheme_str() == Some("https"))
    }

    /// The value of the header with a new token.
    ///
    /// # Errors
    ///
    /// What the server says, or why it could not be asked.
    pub async fn fetch(&self, client: &Client) -> Fetched<HeaderValue> {
        let asked = Instant::now();
        let token = match self {
            Self::Account { account, audience, custom_claims } => {
                let now = SystemTime::now();
                let assertion = account.assertion(audience, custom_claims, now).map_err(Unavailable::answered)?;
                of_server(client, &account.token_uri, &assertion).await?
            }
            Self::Metadata { url } => {
                let asking = timeout(METADATA_PATIENCE, of_metadata(client, url));
                asking.await.unwrap_or_else(|_| Err(nothing_there(url)))?
            }
        };
        fresh(token.trim(), asked, SystemTime::now())
    }
}

async fn of_server(client: &Client, url: &Uri, assertion: &str) -> Result<String, Unavailable> {
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)];
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
    let call = Outgoing::new(Method::POST, url.clone(), Arc::new(headers), body.into());
    let answer = client.send(&call).await.map_err(|error| Unavailable::unreached(&error))?;
    let (status, headers) = (answer.status, answer.headers.clone());
    let body = answer.read().await.map_err(|error| Unavailable::unreached(&error))?;
    reply::id_token(status, &headers, &body)
}

async fn of_metadata(client: &Client, url: &Uri) -> Result<String, Unavailable> {
    const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
    let headers = HeaderMap::from_iter([(FLAVOR, HeaderValue::from_static("Google"))]);
    let call = Outgoing::new(Method::GET, url.clone(), Arc::new(headers), Bytes::new());
    let answer = client.send(&call).await.map_err(|error| Unavailable::unreached(&error))?;
    let status = answer.status;
    let body = answer.read().await.map_err(|error| Unavailable::unreached(&error))?;
    if !status.is_success() {
        let reason = format!("gcp token: the metadata service at {} answered {status}", host(url));
        return Err(Unavailable::answered(reason));
    }
    String::from_utf8(body.to_vec()).map_err(|_| no_token())
}

fn nothing_there(url: &Uri) -> Unavailable {
    let reason = format!(
        "gcp token: no credentials in the configuration, and no metadata service at {} within {METADATA_PATIENCE:?}; \
         set credentials_file",
        host(url)
    );
    Unavailable { reason, is_connection: true, retry_after: None }
}

fn host(url: &Uri) -> &str {
    url.authority().map_or("", |authority| authority.as_str())
}

fn no_token() -> Unavailable {
    Unavailable::answered("gcp token: the answer is no ID token")
}

/// The token as a header, good until the end that it names itself.
fn fresh(token: &str, asked: Instant, now: SystemTime) -> Fetched<HeaderValue> {
    let claims = token.split('.').nth(1).filter(|_| token.len() <= TOKEN_LIMIT);
    let claims = claims.and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims = claims.and_then(|text| serde_json::from_slice::<Claims>(&text).ok()).ok_or_else(no_token)?;
    let end = Duration::try_from_secs_f64(claims.exp).map_err(|_| no_token())?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| no_token())?;
    value.set_sensitive(true);
    Ok(Fresh::new(value, asked, Some(end.saturating_sub(now))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_the_end_that_it_names() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let asked = Instant::now();
        for (claims, seconds) in [(r#"{"exp": 4600}"#, 3_600), (r#"{"exp": 1000.5}"#, 0), (r#"{"exp": 9}"#, 0)] {
            let fresh = fresh(&token(claims), asked, now).expect(claims);
            assert_eq!(fresh.until.map(|until| (until - asked).as_secs()), Some(seconds), "{claims}");
        }
        for wrong in [token("{}"), token(r#"{"exp": -1}"#), token("x"), "hunter2".into(), "a.b.c".into()] {
            assert_eq!(fresh(&wrong, asked, now).err(), Some(no_token()), "{wrong}");
        }
    }
}
