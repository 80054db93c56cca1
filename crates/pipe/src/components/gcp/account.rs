//! A service account with its key: what it signs to be given a token.
//!
//! Source: RFC 7523 §2.1, §3; Google, "Using OAuth 2.0 for Server to Server Applications".

use std::time::{Duration, SystemTime};

use ::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::with_token::callable;

/// How long what is signed is good; Google takes an hour at most.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// How far this machine's clock may be ahead of the server's.
const LEEWAY: Duration = Duration::from_secs(10);

/// Where tokens are given, unless the account says otherwise.
const USUAL_URI: &str = "https://oauth2.googleapis.com/token";

/// It has no `Debug`: its key is never shown.
pub(super) struct Account {
    email: String,
    key_id: String,
    key: RsaKeyPair,
    pub token_uri: Uri,
}

/// The file that Google gives out.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    token_uri: String,
}

impl Account {
    /// # Errors
    ///
    /// What is wrong with the file, without anything that is in it.
    pub fn of_file(path: &str) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
        let document = serde_json::from_slice(&text)
            .map_err(|error| format!("is no JSON: line {}, column {}", error.line(), error.column()))?;
        Self::of_document(document)
    }

    /// # Errors
    ///
    /// What is wrong with it, without any of its values.
    pub fn of_document(document: Value) -> Result<Self, String> {
        let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind != "service_account" {
            let which = if kind.is_empty() { "has no type".to_owned() } else { format!("is of type {kind:?}") };
            return Err(format!("{which}; the key of a \"service_account\" is needed"));
        }
        let document: Document = serde_json::from_value(document).map_err(|_| {
            "has a value that is no text among type, client_email, private_key_id, private_key, token_uri".to_owned()
        })?;
        if document.client_email.is_empty() || document.private_key.is_empty() {
            return Err("lacks client_email or private_key".to_owned());
        }
        let uri = Some(document.token_uri.as_str()).filter(|uri| !uri.is_empty()).unwrap_or(USUAL_URI);
        let token_uri = callable(uri).map_err(|why| format!("has a token_uri that cannot be called: {why}"))?;
        let key = key(document.private_key.as_bytes())?;
        Ok(Self { email: document.client_email, key_id: document.private_key_id, key, token_uri })
    }

    /// A signed statement that the account wants a token for `audience`.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be signed.
    pub fn assertion(&self, audience: &str, more: &Map<String, Value>, now: SystemTime) -> Result<String, String> {
        let begin = seconds(now).saturating_sub(LEEWAY.as_secs());
        let mut claims = more.clone();
        let ours = [
            ("iss", json!(self.email)),
            ("sub", json!(self.email)),
            ("aud", json!(self.token_uri.to_string())),
            ("iat", json!(begin)),
            ("exp", json!(begin + LIFETIME.as_secs())),
            ("target_audience", json!(audience)),
        ];
        claims.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if !self.key_id.is_empty() {
            header["kid"] = json!(self.key_id);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(&Value::Object(claims)));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature);
        signed.map_err(|_| "gcp token: the key cannot sign".to_owned())?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// RSA, as PKCS #8 or PKCS #1.
fn key(pem: &[u8]) -> Result<RsaKeyPair, String> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "has a private_key that is no PEM".to_owned())?;
    let read = match &key {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err("has a private_key that is none of RSA".to_owned()),
    };
    read.map_err(|error| format!("has a private_key that cannot be used: {error}"))
}
