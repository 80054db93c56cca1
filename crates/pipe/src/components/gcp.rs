//! `auth/gcp`: each call of a backend carries an ID token of Google (components-traffic.md §10).
//!
//! The token is that of a service account, for one audience. With the account's key it is asked for at the account's
//! `token_uri`; without one the machine's metadata service gives it out.

mod account;
mod grant;

use std::sync::Arc;

use ::http::header::{AUTHORIZATION, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_config::model::Component;

use super::aws::origin::{self, Environment};
use super::credentials::refuse_second;
use super::renewed::Renewed;
use super::with_token::WithToken;
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::http::{Exchange, is_ours};

use account::Account;
use grant::Grant;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["auth/gcp"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "adds an ID token of Google to each call",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// `auth/gcp`. Without credentials the file of `GOOGLE_APPLICATION_CREDENTIALS` is used, else the metadata service.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// Whom the token is for: usually the backend's URL. Example: `https://orders-abc123.a.run.app`.
    audience: String,
    /// The file with a service account's key, as Google gives it out. Default: none.
    #[serde(default)]
    credentials_file: String,
    /// What is in such a file. Default: none.
    #[serde(default)]
    credentials_json: Option<Map<String, Value>>,
    /// More claims of what is signed with the account's key. Default: none.
    #[serde(default)]
    custom_claims: Map<String, Value>,
    /// The header with the token. Example: `X-Serverless-Authorization`. Default: `Authorization`.
    #[serde(default)]
    s2s_auth_header: String,
}

impl Settings {
    /// The header that gets the token.
    ///
    /// # Errors
    ///
    /// A sentence for a name that no call can have.
    pub fn header(&self) -> Result<HeaderName, String> {
        if self.s2s_auth_header.is_empty() {
            return Ok(AUTHORIZATION);
        }
        let name = HeaderName::try_from(self.s2s_auth_header.as_str()).ok().filter(|name| !is_ours(name));
        name.ok_or_else(|| format!("{:?} is no name of a header that a call may have", self.s2s_auth_header))
    }
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    build_in(component, site, below, &origin::of_process)
}

fn build_in(
    component: &Component,
    site: &Site<'_>,
    below: Box<dyn Exchange>,
    environment: Environment<'_>,
) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |(key, message): (&str, String)| vec![component.problem(key, &message)];
    let header = settings.header().map_err(|message| refuse(("s2s_auth_header", message)))?;
    refuse_second(component, site)?;
    let grant = grant(settings, environment).map_err(refuse)?;
    if grant.has_tls() {
        site.service.prepare_tls().map_err(|message| refuse(("", message)))?;
    }
    let (grant, client) = (Arc::new(grant), Arc::clone(site.service));
    let fetch = move || {
        let (grant, client) = (Arc::clone(&grant), Arc::clone(&client));
        Box::pin(async move { grant.fetch(&client).await }) as _
    };
    Ok(Box::new(WithToken { token: Renewed::new(Box::new(fetch)), header, below }))
}

/// Who is asked for tokens. The first of these that is there counts: `credentials_json`, `credentials_file`, the file of
/// the environment, the metadata service.
fn grant(settings: Settings, environment: Environment<'_>) -> Result<Grant, (&'static str, String)> {
    let Settings { audience, credentials_file, credentials_json, custom_claims, .. } = settings;
    if audience.is_empty() {
        return Err(("audience", "is empty".to_owned()));
    }
    if credentials_json.is_some() && !credentials_file.is_empty() {
        return Err(("credentials_file", "credentials_json is given as well; keep one".to_owned()));
    }
    let of_file =
        |key: &'static str, path: &str| Account::of_file(path).map(Some).map_err(|why| (key, format!("{path} {why}")));
    let account = match (credentials_json, environment("GOOGLE_APPLICATION_CREDENTIALS")) {
        (Some(document), _) => {
            let account = Account::of_document(Value::Object(document));
            Some(account.map_err(|why| ("credentials_json", why))?)
        }
        (None, _) if !credentials_file.is_empty() => of_file("credentials_file", &credentials_file)?,
        (None, Some(path)) => of_file("", &path)?,
        (None, None) => None,
    };
    match account {
        Some(account) => Ok(Grant::Account { account: Box::new(account), audience, custom_claims }),
        None if !custom_claims.is_empty() => {
            let message = "the metadata service knows no claims of ours; name a service account's key".to_owned();
            Err(("custom_claims", message))
        }
        None => Grant::of_metadata(environment("GCE_METADATA_HOST"), &audience).map_err(|why| ("", why)),
    }
}

#[cfg(test)]
mod tests;
