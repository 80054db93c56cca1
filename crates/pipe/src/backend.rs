//! One backend: the event becomes a call, the reply becomes data.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use ::http::{Method, Request as HttpRequest};
use siphon_config::model::{Backend, Encoding};
use siphon_telemetry::redact;
use tokio::time::Instant;

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
    pub target: Arc<Target>,
    /// `None`: all pass.
    pub headers: Option<Vec<HeaderName>>,
    /// `None`: all pass.
    pub query: Option<Vec<String>>,
    pub inner: Box<dyn Stage>,
}

impl Stage for Prepare {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        if self.target.is_known() {
            return self.at_once(request, context);
        }
        Box::pin(async move {
            match self.target.discover().await {
                Ok(()) => self.at_once(request, context).await,
                Err(error) => error.into(),
            }
        })
    }
}

impl Prepare {
    fn at_once<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.prepared(request) {
            Ok(request) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }

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
    pub target: Arc<Target>,
    pub reading: Reading,
}

impl Stage for HttpCall {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        let Request { method, url, headers, body, .. } = request;
        let call = Outgoing::new(method, url, headers, body);
        Box::pin(async move {
            match self.answered(call, context).await {
                Ok(answer) => self.reading.read(answer).await.into(),
                Err(error) => error.into(),
            }
        })
    }
}

impl HttpCall {
    /// Asks another host where one did not get the call, or may get it once more (RFC 9110 §9.2.2).
    async fn answered(&self, call: Outgoing, context: &Context) -> Result<Answer, PipeError> {
        if !self.target.has_choice() {
            return self.exchange.exchange(call, context).await;
        }
        let mut others = self.target.others(&call.url).into_iter();
        let mut call = call;
        loop {
            // The hosts that are left have an equal part of the time to be connected to.
            let hosts = others.len() as u32 + 1;
            let now = Instant::now();
            call.connect_by = (hosts > 1).then(|| now + context.deadline.saturating_duration_since(now) / hosts);
            let result = self.exchange.exchange(call.clone(), context).await;
            let Err(error) = &result else { return result };
            self.target.note_failure(&call.url, error);
            match others.next().filter(|_| may_go_elsewhere(error, &call.method)) {
                Some(url) => call.url = url,
                None => return result,
            }
        }
    }
}

fn may_go_elsewhere(error: &PipeError, method: &Method) -> bool {
    match error {
        PipeError::Connect { .. } => true,
        PipeError::Transport { .. } | PipeError::HeadersTimedOut { .. } => method.is_idempotent(),
        _ => false,
    }
}

/// What becomes of a reply whose status is no success.
#[derive(Debug, Clone, Default)]
pub(crate) enum OnRefusal {
    #[default]
    Fail,
    /// With the beginning of its body in the error.
    FailWithBody,
    /// Data under this key, and no error.
    Data(Arc<str>),
}

/// Bytes of a refusal's body in an error.
const SAID_LIMIT: usize = 500;

/// How the reply of one backend becomes data.
#[derive(Debug)]
pub(crate) struct Reading {
    method: Method,
    /// For errors: as written, without secrets.
    pattern: Arc<str>,
    encoding: Encoding,
    is_collection: bool,
    filter: Option<Filter>,
    on_refusal: OnRefusal,
}

impl Reading {
    pub fn new(backend: &Backend, method: Method, on_refusal: OnRefusal) -> Self {
        Self {
            method,
            pattern: redact::url(&backend.url_pattern_as_written).into(),
            encoding: backend.encoding,
            is_collection: backend.is_collection,
            filter: Some(Filter::new(backend)).filter(|filter| !filter.is_empty()),
            on_refusal,
        }
    }

    async fn read(&self, answer: Answer) -> Result<Response, PipeError> {
        if self.encoding == Encoding::NoOp {
            return self.as_it_came(answer).await;
        }
        if !answer.status.is_success() {
            return match &self.on_refusal {
                OnRefusal::Data(key) => details(key, answer).await,
                OnRefusal::Fail | OnRefusal::FailWithBody => Err(self.refused(answer).await),
            };
        }
        let body = answer.read().await?;
        let data = decode(self.encoding, self.is_collection, &body).map_err(|reason| self.undecodable(reason))?;
        Ok(Response::complete(match &self.filter {
            Some(filter) => filter.apply(data),
            None => data,
        }))
    }

    /// `no-op`: whatever came is a success.
    async fn as_it_came(&self, answer: Answer) -> Result<Response, PipeError> {
        let mut answer = answer;
        let raw = Some(answer.load().await?);
        let (status, headers) = (Some(answer.status.as_u16()), answer.headers);
        Ok(Response { data: Json::object(Object::new()), complete: true, status, headers, raw })
    }

    async fn refused(&self, answer: Answer) -> PipeError {
        let code = answer.status.as_u16();
        let url = redact::url(&answer.url.to_string());
        let retry_after = retry_after(&answer.headers, SystemTime::now());
        let said = match self.on_refusal {
            OnRefusal::FailWithBody => beginning(&answer.read().await.unwrap_or_default()),
            _ => {
                answer.discard().await;
                String::new()
            }
        };
        PipeError::Status {
            code,
            method: self.method.clone(),
            pattern: Arc::clone(&self.pattern),
            url,
            retry_after,
            said,
        }
    }

    fn undecodable(&self, reason: String) -> PipeError {
        PipeError::Decode { reason, method: self.method.clone(), pattern: Arc::clone(&self.pattern) }
    }
}

/// A refusal as data, the keys and their absence as in the reference; filters do not apply.
async fn details(key: &Arc<str>, answer: Answer) -> Result<Response, PipeError> {
    let mut answer = answer;
    let body = answer.load().await?;
    let status = answer.status.as_u16();
    let mut details = Object::new();
    details.insert("http_status_code", Json::integer(status.into()));
    if !body.is_empty() {
        details.insert("http_body", Json::string(String::from_utf8_lossy(&body).into_owned()));
    }
    let kind = answer.headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
        details.insert("http_body_encoding", Json::string(kind));
    }
    let data = Json::field(key.to_string(), Json::object(details));
    Ok(Response { data, complete: false, status: Some(status), ..Response::default() })
}

/// On one line.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SAID_LIMIT)]);
    text.trim().replace(['\r', '\n'], " ")
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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
