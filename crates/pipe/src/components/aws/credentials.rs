//! Whose calls they are: a key pair, sometimes for a while only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, Uri};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::super::renewed::{Fetched, Fresh, Renewed, Unavailable};
use super::origin::{ContainerToken, Origin};
use super::{document, sts};
use crate::error::{FailureKind, PipeError};
use crate::http::{Client, Outgoing};

/// How long the machine's metadata service may take. It is on the machine itself; where there is none, nothing answers.
const METADATA_PATIENCE: Duration = Duration::from_secs(2);

/// A key pair. It has no `Debug`: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    /// Of credentials that end.
    pub session_token: Option<String>,
}

/// Credentials, renewed before they end.
pub(in super::super) type Provider = Renewed<Credentials>;

/// Credentials from where they are.
///
/// # Errors
///
/// A sentence when asking for them needs TLS, which does not work on this machine.
pub(in super::super) fn provider(origin: Origin, client: &Arc<Client>) -> Result<Provider, String> {
    if origin.has_tls() {
        client.prepare_tls()?;
    }
    let (origin, client) = (Arc::new(origin), Arc::clone(client));
    Ok(Renewed::new(Box::new(move || {
        let (origin, client) = (Arc::clone(&origin), Arc::clone(&client));
        async move { fetch(&origin, &client).await }.boxed()
    })))
}

/// Credentials of a role that those of `base` may take on.
///
/// # Errors
///
/// As [`provider`].
pub(in super::super) fn of_role(
    base: Provider,
    role: Arc<sts::Role>,
    client: &Arc<Client>,
) -> Result<Provider, String> {
    if role.endpoint.scheme_str() == Some("https") {
        client.prepare_tls()?;
    }
    let (base, client) = (Arc::new(base), Arc::clone(client));
    Ok(Renewed::new(Box::new(move || {
        let (base, role, client) = (Arc::clone(&base), Arc::clone(&role), Arc::clone(&client));
        async move {
            let (by, _) = base.get().await?;
            let asked = Instant::now();
            let body = ask(&client, role.request(&by, SystemTime::now())).await?;
            fresh(sts::read(&body, SystemTime::now()), asked)
        }
        .boxed()
    })))
}

async fn fetch(origin: &Origin, client: &Client) -> Fetched<Credentials> {
    let asked = Instant::now();
    match origin {
        Origin::Fixed(credentials) => Ok(Fresh::new(credentials.clone(), asked, None)),
        Origin::Container { url, token } => {
            let body = ask(client, get(url.clone(), container_headers(token.as_ref())?)).await?;
            fresh(document::read(&body, SystemTime::now()), asked)
        }
        Origin::Instance { endpoint } => {
            let asking = timeout(METADATA_PATIENCE, of_instance(client, endpoint));
            let body = asking.await.unwrap_or_else(|_| Err(nothing_there(endpoint)))?;
            fresh(document::read(&body, SystemTime::now()), asked)
        }
        Origin::WebIdentity { role, token_file } => {
            let token = read_token(token_file)?;
            let body = ask(client, role.request_with_token(&token)).await?;
            fresh(sts::read(&body, SystemTime::now()), asked)
        }
    }
}

fn fresh(read: Result<(Credentials, Duration), String>, asked: Instant) -> Fetched<Credentials> {
    let (credentials, lifetime) = read.map_err(|reason| Unavailable::answered(format!("aws credentials: {reason}")))?;
    Ok(Fresh::new(credentials, asked, Some(lifetime)))
}

/// The instance's role, by way of a session token (IMDSv2).
async fn of_instance(client: &Client, endpoint: &Uri) -> Result<Bytes, Unavailable> {
    const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
    const LIFETIME: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    const ROLES: &str = "latest/meta-data/iam/security-credentials/";
    let base = endpoint.to_string();
    let at = |path: &str| {
        let url = format!("{}/{path}", base.trim_end_matches('/'));
        url.parse::<Uri>().map_err(|_| Unavailable::answered("aws credentials: the instance's role has no usable name"))
    };
    let lifetime = HeaderMap::from_iter([(LIFETIME, HeaderValue::from_static("21600"))]);
    let call = Outgoing::new(Method::PUT, at("latest/api/token")?, Arc::new(lifetime), Bytes::new());
    let token = header(&ask(client, call).await?)?;
    let headers = HeaderMap::from_iter([(TOKEN, token)]);
    let roles = ask(client, get(at(ROLES)?, headers.clone())).await?;
    let roles = String::from_utf8_lossy(&roles).into_owned();
    let role = roles.lines().next().unwrap_or_default().trim();
    ask(client, get(at(&format!("{ROLES}{role}"))?, headers)).await
}

fn nothing_there(endpoint: &Uri) -> Unavailable {
    let reason = format!(
        "aws credentials: none in the environment or in a file, and no metadata service at {endpoint} within \
         {METADATA_PATIENCE:?}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    );
    Unavailable { reason, is_connection: true, retry_after: None }
}

fn container_headers(token: Option<&ContainerToken>) -> Result<HeaderMap, Unavailable> {
    let token = match token {
        None => return Ok(HeaderMap::new()),
        Some(ContainerToken::Text(token)) => token.clone(),
        Some(ContainerToken::File(file)) => read_token(file)?,
    };
    Ok(HeaderMap::from_iter([(::http::header::AUTHORIZATION, header(token.as_bytes())?)]))
}

/// Read with each use: the platform writes a new one from time to time.
fn read_token(file: &str) -> Result<String, Unavailable> {
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|error| Unavailable::answered(format!("aws credentials: {file} cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

fn header(text: &[u8]) -> Result<HeaderValue, Unavailable> {
    let mut value = HeaderValue::from_bytes(text.trim_ascii())
        .map_err(|_| Unavailable::answered("aws credentials: the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn get(url: Uri, headers: HeaderMap) -> Outgoing {
    Outgoing::new(Method::GET, url, Arc::new(headers), Bytes::new())
}

/// The body of a success.
async fn ask(client: &Client, call: Outgoing) -> Result<Bytes, Unavailable> {
    let answer = client.send(&call).await.map_err(|error| unreachable(&error))?;
    let status = answer.status;
    let body = answer.read().await.map_err(|error| unreachable(&error))?;
    if status.is_success() {
        return Ok(body);
    }
    let why = sts::refusal(&body).map(|why| format!(": {why}")).unwrap_or_default();
    Err(Unavailable::answered(format!("aws credentials: {} answered {status}{why}", call.call())))
}

fn unreachable(error: &PipeError) -> Unavailable {
    let is_connection = error.is_temporary() || error.kind() == FailureKind::Connect;
    Unavailable { reason: format!("aws credentials: {error}"), is_connection, retry_after: None }
}
