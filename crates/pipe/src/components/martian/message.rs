//! What modifiers see and change: a call on its way out, an answer on its way in.
//!
//! `Host` and `Content-Length` are no plain headers: the one belongs to the URL, the other to the body
//! (components-scripting.md §3.2).

use std::sync::Arc;

use ::http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use ::http::{StatusCode, Uri};
use bytes::Bytes;

use super::static_file::File;
use crate::error::PipeError;
use crate::http::{Answer, Outgoing, host_of};

/// Changes a message; the reason when it cannot.
pub(super) trait Modify<M>: Send + Sync {
    fn modify(&self, message: &mut M) -> Result<(), String>;
}

pub(super) type Act<M> = Box<dyn Modify<M>>;

/// What a modifier does to calls and to answers.
#[derive(Default)]
pub(super) struct Acts {
    pub on_call: Option<Act<Sent>>,
    pub on_answer: Option<Act<Received>>,
}

impl Acts {
    pub fn on_both(act: impl Modify<Sent> + Modify<Received> + Clone + 'static) -> Self {
        Self { on_call: Some(Box::new(act.clone())), on_answer: Some(Box::new(act)) }
    }

    pub fn on_call(act: impl Modify<Sent> + 'static) -> Self {
        Self { on_call: Some(Box::new(act)), on_answer: None }
    }

    pub fn on_answer(act: impl Modify<Received> + 'static) -> Self {
        Self { on_call: None, on_answer: Some(Box::new(act)) }
    }
}

/// A header, or what is written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Host,
    ContentLength,
    Plain(HeaderName),
}

impl From<HeaderName> for Field {
    fn from(name: HeaderName) -> Self {
        match name {
            HOST => Self::Host,
            CONTENT_LENGTH => Self::ContentLength,
            name => Self::Plain(name),
        }
    }
}

/// What modifiers of both sides need.
pub(super) trait Message {
    /// What is asked; of an answer, what was asked last.
    fn url(&self) -> &Uri;
    /// A header of the call; of an answer that of the call that it answers.
    fn asked(&self, field: &Field) -> Option<HeaderValue>;
    fn first(&self, field: &Field) -> Option<HeaderValue>;
    fn has(&self, field: &Field, value: &[u8]) -> bool;
    fn set(&mut self, field: &Field, value: HeaderValue) -> Result<(), String>;
    fn append(&mut self, field: &Field, value: HeaderValue) -> Result<(), String>;
    fn remove(&mut self, field: &Field);
    fn has_cookie(&self, is_meant: &dyn Fn(&str, &str) -> bool) -> bool;
}

/// A call on its way out.
pub(super) struct Sent {
    pub call: Outgoing,
    /// Nobody is called: the answer is an empty 200.
    pub is_answered: bool,
    /// The URL as the call came.
    came_for: Uri,
    host: Host,
    /// The length that a modifier gives the body; checked against what is sent.
    length: Option<i64>,
}

/// What `Host` says.
enum Host {
    /// The host of the URL as the call came, wherever it goes.
    Untouched,
    Named(HeaderValue),
    /// The host of the URL as the call goes out.
    Cleared,
}

impl Sent {
    pub fn new(call: Outgoing) -> Self {
        Self { came_for: call.url.clone(), call, is_answered: false, host: Host::Untouched, length: None }
    }

    pub fn headers(&mut self) -> &mut HeaderMap {
        Arc::make_mut(&mut self.call.headers)
    }

    pub fn replace_body(&mut self, body: Bytes) {
        self.call.body = body;
        self.length = None;
    }

    /// The call, and whether nobody is called.
    ///
    /// # Errors
    ///
    /// `Invalid` for a body that is not as long as a modifier says, in the reference's words.
    pub fn finish(self) -> Result<(Outgoing, bool), PipeError> {
        let Self { mut call, is_answered, came_for, host, length } = self;
        let actual = call.body.len();
        if let Some(length) = length.filter(|&length| length > 0 && usize::try_from(length) != Ok(actual)) {
            let reason = format!("{}: http: ContentLength={length} with Body length {actual}", call.call());
            return Err(PipeError::Invalid { reason });
        }
        call.host = match host {
            Host::Named(value) => Some(value),
            Host::Cleared => None,
            Host::Untouched if came_for.authority() != call.url.authority() => named(&call, &came_for),
            Host::Untouched => call.host,
        };
        Ok((call, is_answered))
    }
}

fn named(call: &Outgoing, url: &Uri) -> Option<HeaderValue> {
    call.host.clone().or_else(|| host_of(url))
}

impl Message for Sent {
    fn url(&self) -> &Uri {
        &self.call.url
    }

    fn asked(&self, field: &Field) -> Option<HeaderValue> {
        self.first(field)
    }

    fn first(&self, field: &Field) -> Option<HeaderValue> {
        match field {
            Field::Host => match &self.host {
                Host::Untouched => named(&self.call, &self.came_for),
                Host::Named(value) => Some(value.clone()),
                Host::Cleared => None,
            },
            Field::ContentLength => Some(self.length.map_or_else(|| self.call.body.len().into(), HeaderValue::from)),
            Field::Plain(name) => self.call.headers.get(name).cloned(),
        }
    }

    fn has(&self, field: &Field, value: &[u8]) -> bool {
        match field {
            Field::Plain(name) => self.call.headers.get_all(name).iter().any(|one| one.as_bytes() == value),
            special => self.first(special).is_some_and(|one| one.as_bytes() == value),
        }
    }

    fn set(&mut self, field: &Field, value: HeaderValue) -> Result<(), String> {
        match field {
            Field::Host if value.is_empty() => self.host = Host::Cleared,
            Field::Host => self.host = Host::Named(value),
            Field::ContentLength => self.length = Some(length(&value)?),
            Field::Plain(name) => _ = self.headers().insert(name.clone(), value),
        }
        Ok(())
    }

    fn append(&mut self, field: &Field, value: HeaderValue) -> Result<(), String> {
        match field {
            Field::Host if !matches!(self.host, Host::Cleared) => {
                Err("proxyutil: illegal header multiple: Host".into())
            }
            Field::ContentLength if !self.call.body.is_empty() => {
                Err("proxyutil: illegal header multiple: Content-Length".into())
            }
            Field::Plain(name) => {
                self.headers().append(name.clone(), value);
                Ok(())
            }
            special => self.set(special, value),
        }
    }

    fn remove(&mut self, field: &Field) {
        match field {
            Field::Host => self.host = Host::Cleared,
            Field::ContentLength => self.length = None,
            Field::Plain(name) if self.call.headers.contains_key(name) => _ = self.headers().remove(name),
            Field::Plain(_) => {}
        }
    }

    fn has_cookie(&self, is_meant: &dyn Fn(&str, &str) -> bool) -> bool {
        super::cookie::any_sent(&self.call.headers, is_meant)
    }
}

/// An answer on its way in.
pub(super) struct Received {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// In the place of what came.
    pub body: Option<Bytes>,
    pub files: Vec<Option<File>>,
    call: Outgoing,
    url: Uri,
}

impl Received {
    /// `call`: as it went out. `files`: those that modifiers may answer with, one for each of their folders.
    pub fn new(answer: &Answer, call: Outgoing, files: Vec<Option<File>>) -> Self {
        let (status, headers, url) = (answer.status, answer.headers.clone(), answer.url.clone());
        Self { status, headers, body: None, files, call, url }
    }
}

impl Message for Received {
    fn url(&self) -> &Uri {
        &self.url
    }

    fn asked(&self, field: &Field) -> Option<HeaderValue> {
        match field {
            Field::Host => named(&self.call, &self.call.url),
            Field::ContentLength => Some(self.call.body.len().into()),
            Field::Plain(name) => self.call.headers.get(name).cloned(),
        }
    }

    fn first(&self, field: &Field) -> Option<HeaderValue> {
        self.headers.get(name_of(field)?).cloned()
    }

    fn has(&self, field: &Field, value: &[u8]) -> bool {
        name_of(field).is_some_and(|name| self.headers.get_all(name).iter().any(|one| one.as_bytes() == value))
    }

    fn set(&mut self, field: &Field, value: HeaderValue) -> Result<(), String> {
        if *field == Field::ContentLength {
            length(&value)?;
        }
        if let Some(name) = name_of(field) {
            self.headers.insert(name.clone(), value);
        }
        Ok(())
    }

    fn append(&mut self, field: &Field, value: HeaderValue) -> Result<(), String> {
        if *field == Field::ContentLength && self.headers.get(CONTENT_LENGTH).is_some_and(|known| known != "0") {
            return Err("proxyutil: illegal header multiple: Content-Length".into());
        }
        match field {
            Field::Plain(name) => _ = self.headers.append(name.clone(), value),
            special => self.set(special, value)?,
        }
        Ok(())
    }

    fn remove(&mut self, field: &Field) {
        if let Some(name) = name_of(field) {
            self.headers.remove(name);
        }
    }

    fn has_cookie(&self, is_meant: &dyn Fn(&str, &str) -> bool) -> bool {
        super::cookie::any_given(&self.headers, is_meant)
    }
}

/// An answer has no `Host`.
fn name_of(field: &Field) -> Option<&HeaderName> {
    match field {
        Field::Host => None,
        Field::ContentLength => Some(&CONTENT_LENGTH),
        Field::Plain(name) => Some(name),
    }
}

/// # Errors
///
/// The reference's words for what is no whole number.
pub(super) fn length(value: &HeaderValue) -> Result<i64, String> {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
}
