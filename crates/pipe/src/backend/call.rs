//! The call of one backend over HTTP, and how its reply becomes data.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use siphon_config::model::{Backend, Encoding};
use siphon_telemetry::redact;
use tokio::time::Instant;

use crate::components::Checked;
use crate::decode::decode;
use crate::error::{PipeError, shortened};
use crate::filter::Filter;
use crate::http::{Answer, Exchange, Outgoing};
use crate::json::{Json, Object};
use crate::message::{Request, Response};
use crate::stage::{Context, Stage, StageFuture};
use crate::target::Target;

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
            let is_unreached = was_unreached(error, &call);
            if is_unreached {
                self.target.pass_over(&call.url);
            }
            let may_repeat = is_broken(error) && call.method.is_idempotent();
            match others.next().filter(|_| is_unreached || may_repeat) {
                Some(url) => call.url = url,
                None => return result,
            }
        }
    }
}

/// Whether the call's own host could not be connected to. Where a redirect led to, or who was asked for a token, says
/// nothing about the host: it may have done its work.
fn was_unreached(error: &PipeError, call: &Outgoing) -> bool {
    matches!(error, PipeError::Connect { call: failed, .. } if *failed == call.call())
}

fn is_broken(error: &PipeError) -> bool {
    matches!(error, PipeError::Connect { .. } | PipeError::Transport { .. } | PipeError::HeadersTimedOut { .. })
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
pub struct Reading {
    method: Method,
    /// For errors: as written, without secrets.
    pattern: Arc<str>,
    encoding: Encoding,
    is_collection: bool,
    filter: Option<Filter>,
    on_refusal: OnRefusal,
}

impl Reading {
    /// For what comes over no connection, and so without a method.
    ///
    /// # Errors
    ///
    /// What cannot work in the backend's filters.
    pub fn of(backend: &Backend) -> Checked<Self> {
        Self::new(backend, Method::default())
    }

    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub(crate) fn new(backend: &Backend, method: Method) -> Checked<Self> {
        Ok(Self {
            method,
            pattern: redact::url(&backend.url_pattern_as_written).into(),
            encoding: backend.encoding,
            is_collection: backend.is_collection,
            filter: Some(Filter::new(backend)?).filter(|filter| !filter.is_empty()),
            on_refusal: OnRefusal::Fail,
        })
    }

    pub(crate) fn on_refusal(self, on_refusal: OnRefusal) -> Self {
        Self { on_refusal, ..self }
    }

    /// The usual way is to decode; every call would be allocated with room for the others, were they not boxed.
    pub(crate) async fn read(&self, answer: Answer) -> Result<Response, PipeError> {
        if self.encoding == Encoding::NoOp {
            return Box::pin(self.as_it_came(answer)).await;
        }
        if !answer.status.is_success() {
            return match &self.on_refusal {
                OnRefusal::Data(key) => Box::pin(details(key, answer)).await,
                OnRefusal::Fail | OnRefusal::FailWithBody => Err(Box::pin(self.refused(answer)).await),
            };
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

    /// A message that was taken instead of a reply. An empty one says nothing, in every encoding.
    ///
    /// # Errors
    ///
    /// It is not what the backend's `encoding` says.
    pub fn message(&self, body: Bytes) -> Result<Response, PipeError> {
        if body.is_empty() && self.encoding != Encoding::NoOp {
            return Ok(Response::empty());
        }
        self.local(StatusCode::OK, body, "")
    }

    /// A reply that came over no connection, judged and read like one that did. `source` stands for the URL in errors.
    pub(crate) fn local(&self, status: StatusCode, body: Bytes, source: &str) -> Result<Response, PipeError> {
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
            said: String::new(),
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
        let code = answer.status.as_u16();
        let url = shortened(redact::url(&answer.url.to_string()));
        let retry_after = retry_after(&answer.headers, SystemTime::now());
        let said = match self.on_refusal {
            _ if !answer.remark.is_empty() => {
                let remark = beginning(answer.remark.as_bytes());
                answer.discard().await;
                remark
            }
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
    text.trim().replace(char::is_control, " ")
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
}
