//! What goes down the pipe and what comes up.

use std::borrow::Cow;
use std::sync::Arc;

use ::http::{HeaderMap, Method, Uri};
use bytes::Bytes;

use crate::error::PipeError;
use crate::json::{Json, Object};
use crate::taken::Taken;

/// One event on its way to a backend. Cloning copies no payload, no header and no param.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Each backend sets its own.
    pub method: Method,
    /// Empty (`/`) until a backend has chosen its host; then the whole URL.
    pub url: Uri,
    /// What stages add to the query of the `url_pattern`, in any order.
    pub query: Vec<(String, String)>,
    pub headers: Arc<HeaderMap>,
    /// Values of `{placeholders}`.
    pub params: Arc<Params>,
    /// The payload.
    pub body: Bytes,
    /// What was taken elsewhere for this event, to be settled with its outcome.
    pub taken: Taken,
}

impl Request {
    /// An event as an agent hands it over: no method, no URL.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

/// Named values of an event. Names begin with a capital letter: `topic` and `Topic` are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(Cow<'static, str>, String)>);

impl Params {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a value; the first letter of `name` is made a capital.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let name = capitalised(name.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.0.push((name, value.into())),
        }
    }

    /// Takes a value out; `name` begins with a capital letter.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

fn capitalised(name: Cow<'static, str>) -> Cow<'static, str> {
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return name;
    }
    let mut name = name.into_owned();
    name[..1].make_ascii_uppercase();
    name.into()
}

/// What a backend, or a merge of backends, answered.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// An object, or null.
    pub data: Json,
    /// Whether every part arrived.
    pub complete: bool,
    /// Only with `no-op`, and where a refusal became data.
    pub status: Option<u16>,
    /// Only with `no-op`; empty otherwise.
    pub headers: HeaderMap,
    /// The body as it came; only with `no-op`.
    pub raw: Option<Bytes>,
}

impl Response {
    pub fn complete(data: Json) -> Self {
        Self { data, complete: true, ..Self::default() }
    }

    /// A success that says nothing.
    pub fn empty() -> Self {
        Self::complete(Json::object(Object::new()))
    }
}

/// The end of a run: data, an error, or both (a merge that lost a part).
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub response: Option<Response>,
    pub error: Option<PipeError>,
}

impl Reply {
    /// Whether the reply carries complete data and no error.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.response.as_ref().is_some_and(|response| response.complete)
    }
}

impl From<PipeError> for Reply {
    fn from(error: PipeError) -> Self {
        Self { response: None, error: Some(error) }
    }
}

impl From<Result<Response, PipeError>> for Reply {
    fn from(result: Result<Response, PipeError>) -> Self {
        match result {
            Ok(response) => Self { response: Some(response), error: None },
            Err(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_param_has_one_name_however_its_first_letter_is_spelt() {
        let mut params = Params::default();
        params.insert("topic", "a");
        params.insert("Topic", "b");
        params.insert("über", "c");
        assert_eq!(params.iter().collect::<Vec<_>>(), [("Topic", "b"), ("über", "c")]);
        assert_eq!((params.get("Topic"), params.get("topic")), (Some("b"), None));
    }

    #[test]
    fn cloning_a_request_shares_its_payload_and_its_maps() {
        let request = Request::new("payload");
        let clone = request.clone();
        assert_eq!(request.body.as_ptr(), clone.body.as_ptr());
        assert!(Arc::ptr_eq(&request.headers, &clone.headers) && Arc::ptr_eq(&request.params, &clone.params));
    }
}
