//! One backend: the event becomes a call, the reply becomes data.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use ::http::{Method, Request as HttpRequest, StatusCode};
use bytes::Bytes;
use siphon_config::model::{Backend, Encoding};
use siphon_telemetry::redact;

use crate::decode::decode;
use crate::error::PipeError;
use crate::filter::Filter;
use crate::http::{Answer, Exchange, Outgoing};
use crate::json::{Json, Object};
use crate::message::{Request, Response};
use crate::stage::{Context, Stage, StageFuture, ready};
use crate::target::Target;

/// First stage of a backend: query, method, URL and headers are set; whatever is below sees the call as it will go.
pub(crate) struct Prepare {
    pub method: Method,
    pub target: Target,
    /// `None`: all pass.
    pub headers: Option<Vec<HeaderName>>,
    /// `None`: all pass.
    pub query: Option<Vec<String>>,
    pub inner: Box<dyn Stage>,
}

impl Stage for Prepare {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.prepared(request) {
            Ok(request) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }
}

impl Prepare {
    fn prepared(&self, request: Request) -> Result<Request, PipeError> {
        let mut request = request;
        if let Some(known) = &self.query {
            request.query.retain(|(key, _)| known.contains(key));
        }
        request.url = self.target.url(&request.params, &request.query)?;
        request.method = self.method.clone();
        if let Some(names) = &self.headers {
            request.headers = Arc::new(only(&request.headers, names));
        }
        Ok(request)
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let passing = headers.iter().filter(|(name, _)| names.contains(name));
    passing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `input_headers` of a backend: `None` when the list is empty or names all.
pub(crate) fn header_filter(names: &[String]) -> Option<Vec<HeaderName>> {
    if names.is_empty() || names.iter().any(|name| name == "*") {
        return None;
    }
    Some(names.iter().filter_map(|name| HeaderName::try_from(name.as_str()).ok()).collect())
}

/// The method of a backend.
///
/// # Errors
///
/// A sentence when it is no HTTP token.
pub(crate) fn method(name: &str) -> Result<Method, String> {
    let request = HttpRequest::builder().method(name).body(());
    request.map(|request| request.method().clone()).map_err(|_| format!("net/http: invalid method \"{name}\""))
}

/// Last stage of a backend: calls over HTTP, judges the status, decodes, filters.
pub(crate) struct HttpCall {
    pub exchange: Box<dyn Exchange>,
    pub reading: Reading,
}

impl Stage for HttpCall {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        let Request { method, url, headers, body, .. } = request;
        let call = Outgoing::new(method, url, headers, body);
        Box::pin(async move {
            match self.exchange.exchange(call, context).await {
                Ok(answer) => self.reading.read(answer).await.into(),
                Err(error) => error.into(),
            }
        })
    }
}

/// How the reply of one backend becomes data.
#[derive(Debug)]
pub(crate) struct Reading {
    method: Method,
    /// For errors: as written, without secrets.
    pattern: Arc<str>,
    encoding: Encoding,
    is_collection: bool,
    filter: Option<Filter>,
}

impl Reading {
    pub fn new(backend: &Backend, method: Method) -> Self {
        Self {
            method,
            pattern: redact::url(&backend.url_pattern_as_written).into(),
            encoding: backend.encoding,
            is_collection: backend.is_collection,
            filter: Some(Filter::new(backend)).filter(|filter| !filter.is_empty()),
        }
    }

    async fn read(&self, answer: Answer) -> Result<Response, PipeError> {
        if self.encoding == Encoding::NoOp {
            return self.as_it_came(answer).await;
        }
        if !answer.status.is_success() {
            return Err(self.refused(answer).await);
        }
        self.decoded(&answer.read().await?)
    }

    fn decoded(&self, body: &[u8]) -> Result<Response, PipeError> {
        let data = decode(self.encoding, self.is_collection, body).map_err(|reason| self.undecodable(reason))?;
        Ok(Response::complete(match &self.filter {
            Some(filter) => filter.apply(data),
            None => data,
        }))
    }

    /// A reply that came over no connection, judged and read like one that did. `source` stands for the URL in errors.
    pub fn local(&self, status: StatusCode, body: Bytes, source: &str) -> Result<Response, PipeError> {
        if self.encoding == Encoding::NoOp {
            let (status, data) = (Some(status.as_u16()), Json::object(Object::new()));
            return Ok(Response { data, complete: true, status, headers: HeaderMap::new(), raw: Some(body) });
        }
        if status.is_success() {
            return self.decoded(&body);
        }
        Err(PipeError::Status {
            code: status.as_u16(),
            method: self.method.clone(),
            pattern: Arc::clone(&self.pattern),
            url: source.to_owned(),
            retry_after: None,
        })
    }

    /// `no-op`: whatever came is a success.
    async fn as_it_came(&self, answer: Answer) -> Result<Response, PipeError> {
        let mut answer = answer;
        let raw = Some(answer.load().await?);
        let (status, headers) = (Some(answer.status.as_u16()), answer.headers);
        Ok(Response { data: Json::object(Object::new()), complete: true, status, headers, raw })
    }

    async fn refused(&self, answer: Answer) -> PipeError {
        let error = PipeError::Status {
            code: answer.status.as_u16(),
            method: self.method.clone(),
            pattern: Arc::clone(&self.pattern),
            url: redact::url(&answer.url.to_string()),
            retry_after: retry_after(&answer.headers, SystemTime::now()),
        };
        answer.discard().await;
        error
    }

    fn undecodable(&self, reason: String) -> PipeError {
        PipeError::Decode { reason, method: self.method.clone(), pattern: Arc::clone(&self.pattern) }
    }
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let cases = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ];
        for (text, seconds) in cases {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).expect(text))]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn input_headers_let_only_the_named_ones_pass() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let given = HeaderMap::from_iter([
            (HeaderName::from_static("x-a"), HeaderValue::from_static("1")),
            (HeaderName::from_static("x-b"), HeaderValue::from_static("2")),
        ]);
        let cases: [(&[&str], usize); 4] = [(&[], 2), (&["*"], 2), (&[""], 0), (&["X-B", "X-C"], 1)];
        for (list, expected) in cases {
            let passed = header_filter(&names(list)).map_or_else(|| given.clone(), |names| only(&given, &names));
            assert_eq!(passed.len(), expected, "{list:?}");
        }
    }

    #[test]
    fn a_method_is_a_token() {
        assert_eq!(method("DELETE"), Ok(Method::DELETE));
        assert_eq!(method("PURGE").map(|method| method.to_string()), Ok("PURGE".to_owned()));
        assert_eq!(method("GE T"), Err("net/http: invalid method \"GE T\"".to_owned()));
    }
}
