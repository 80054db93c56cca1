//! How a token is asked for.
//!
//! Servers differ in where they look for id and secret: in a Basic header, or in the form. The header is tried first,
//! the form when the server answers that with a failure; what worked is remembered.
//!
//! Source: RFC 6749 §2.3.1, §4.4.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use ::http::{Method, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use tokio::time::Instant;

use super::super::renewed::{Fetched, Unavailable};
use super::Settings;
use super::reply;
use crate::http::{Client, Outgoing};

/// A token request, and who makes it.
pub(super) struct Grant {
    client: Arc<Client>,
    url: Uri,
    id: String,
    secret: String,
    /// Sorted by name, without id and secret.
    fields: Vec<(String, String)>,
    /// The [`Style`] that worked last.
    known: AtomicU8,
}

/// Where id and secret stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header = 1,
    Form = 2,
}

/// No token yet.
const UNKNOWN: u8 = 0;

impl Grant {
    pub fn new(settings: Settings, url: Uri, client: Arc<Client>) -> Self {
        let scope = settings.scopes.split(',').collect::<Vec<_>>().join(" ");
        let mut fields = settings.endpoint_params;
        fields.entry("grant_type".into()).or_insert_with(|| vec!["client_credentials".into()]);
        fields.insert("scope".into(), vec![scope]);
        let each = |(name, values): (String, Vec<String>)| values.into_iter().map(move |value| (name.clone(), value));
        let fields = fields.into_iter().flat_map(each).collect();
        let (id, secret) = (settings.client_id, settings.client_secret);
        Self { client, url, id, secret, fields, known: AtomicU8::new(UNKNOWN) }
    }

    /// # Errors
    ///
    /// What the server says, or why it could not be asked.
    pub async fn fetch(&self) -> Fetched<HeaderValue> {
        let styles: &[Style] = match self.known.load(Ordering::Relaxed) {
            UNKNOWN => &[Style::Header, Style::Form],
            known if known == Style::Header as u8 => &[Style::Header],
            _ => &[Style::Form],
        };
        let mut failure = Unavailable::answered("");
        for style in styles {
            match self.ask(*style).await {
                Ok(fresh) => {
                    self.known.store(*style as u8, Ordering::Relaxed);
                    return Ok(fresh);
                }
                // Who cannot be reached cannot dislike where the secret stands.
                Err(unavailable) if unavailable.is_connection => return Err(unavailable),
                Err(unavailable) => failure = unavailable,
            }
        }
        self.known.store(UNKNOWN, Ordering::Relaxed);
        Err(failure)
    }

    async fn ask(&self, style: Style) -> Fetched<HeaderValue> {
        let asked = Instant::now();
        let answer = self.client.send(&self.request(style)).await.map_err(|error| Unavailable::unreached(&error))?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let body = answer.read().await.map_err(|error| Unavailable::unreached(&error))?;
        reply::read(status, &headers, &body, asked)
    }

    fn request(&self, style: Style) -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut fields = self.fields.clone();
        match style {
            Style::Header => _ = headers.insert(AUTHORIZATION, self.basic()),
            Style::Form => {
                fields.extend([("client_id".into(), self.id.clone()), ("client_secret".into(), self.secret.clone())]);
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
        }
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        Outgoing::new(Method::POST, self.url.clone(), Arc::new(headers), body.into())
    }

    fn basic(&self) -> HeaderValue {
        let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let login = STANDARD.encode(format!("{}:{}", escaped(&self.id), escaped(&self.secret)));
        let mut value = HeaderValue::try_from(format!("Basic {login}")).expect("base64 is ASCII");
        value.set_sensitive(true);
        value
    }
}
