//! What an expression may look at: the event on its way, and what came back.

use std::collections::HashMap;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use http::HeaderMap;
use siphon_config::canonical_header;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::values::{at_path, value};
use crate::error::shortened;
use crate::json::{Json, JsonRef};
use crate::message::{Params, Request, Response};

/// What is known when an expression is evaluated. `now` and the payload are worked out when they are asked for, once.
#[derive(Debug)]
pub(crate) struct Facts<'f> {
    /// The event as it stands here: `event` is made of it, and the `req_` variables before the call.
    request: &'f Request,
    response: Option<&'f Response>,
    /// Whether the `req_` variables are known beside the `resp_` ones.
    is_between: bool,
    /// When the event's time is up.
    deadline: Instant,
    now: OnceLock<String>,
    payload: OnceLock<Result<Json, String>>,
}

impl<'f> Facts<'f> {
    /// Before what is below is called: `req_…`, `event`, `now`.
    pub fn before(request: &'f Request, deadline: Instant) -> Self {
        Self { request, response: None, is_between: false, deadline, now: OnceLock::new(), payload: OnceLock::new() }
    }

    /// After it has answered: `resp_…`, `event`, `now`. `request` is what it was called with.
    pub fn after(request: &'f Request, response: &'f Response, deadline: Instant) -> Self {
        Self { response: Some(response), ..Self::before(request, deadline) }
    }

    /// Between two calls for one event: everything. `earlier` is what was answered so far, `request` what comes next.
    pub fn between(request: &'f Request, earlier: &'f Response, deadline: Instant) -> Self {
        Self { is_between: true, ..Self::after(request, earlier, deadline) }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The payload, where it is JSON and nothing else.
    fn payload(&self) -> Option<&Json> {
        let parse = || Json::parse_alone(&self.request.body).map_err(|error| error.to_string());
        self.payload.get_or_init(parse).as_ref().ok()
    }

    /// RFC 3339, to the millisecond.
    fn now(&self) -> &str {
        self.now.get_or_init(|| {
            let now = OffsetDateTime::now_utc();
            let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
            now.format(&Rfc3339).unwrap_or_default()
        })
    }

    fn attempt(&self) -> i64 {
        // A driver whose broker does not count says nothing: then nobody knows of an earlier attempt.
        self.request.params.get("Attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(1)
    }

    /// `name` may be dotted (`resp_data.a.b`): the evaluation asks for the longest name first.
    pub(super) fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let (root, rest) = name.split_once('.').unwrap_or((name, ""));
        match (root, self.response) {
            ("event", _) => self.event(rest),
            ("now", _) if rest.is_empty() => Some(text(self.now())),
            (root, None) => self.of_request(root, rest),
            (root, Some(_)) if self.is_between && root.starts_with("req_") => self.of_request(root, rest),
            (root, Some(response)) => of_response(response, root, rest),
        }
    }

    fn event<'b>(&'b self, rest: &str) -> Option<CowVal<'b, 'b>> {
        match rest.split_once('.').unwrap_or((rest, "")) {
            ("", _) => Some(CowVal::owned(self.whole_event())),
            ("payload", rest) => found(at_path(JsonRef::from(self.payload()?), rest)?),
            ("headers", "") => Some(CowVal::owned(headers(&self.request.headers))),
            ("attempt", "") => Some(CowVal::owned(CelInt::from(self.attempt()))),
            _ => None,
        }
    }

    fn whole_event<'b>(&'b self) -> CelMap<'b> {
        let payload = self.payload().map(|payload| ("payload", value(payload.into())));
        let others: [(&str, Box<dyn Val + 'b>); 2] = [
            ("headers", Box::new(headers(&self.request.headers))),
            ("attempt", Box::new(CelInt::from(self.attempt()))),
        ];
        map(payload.into_iter().chain(others).map(|(key, value)| (CelString::from(key), value)))
    }

    fn of_request<'b>(&'b self, root: &str, rest: &str) -> Option<CowVal<'b, 'b>> {
        let request = self.request;
        match (root, rest) {
            ("req_method", "") => Some(text(request.method.as_str())),
            ("req_path", "") => Some(text(path_of(request))),
            ("req_params", "") => Some(CowVal::owned(params(&request.params))),
            ("req_params", name) => request.params.get(name).map(text),
            ("req_headers", "") => Some(CowVal::owned(headers(&request.headers))),
            ("req_querystring", "") => Some(CowVal::owned(query(request))),
            _ => None,
        }
    }

    /// What went wrong, for people: types and names, no values.
    pub fn explain(&self, error: &ExecutionError) -> String {
        match error {
            ExecutionError::NoSuchKey(key) if key.as_str() == "payload" => match self.payload.get() {
                Some(Err(reason)) => format!("the payload is no JSON: {reason}"),
                _ => "no such key: payload".into(),
            },
            ExecutionError::NoSuchKey(key) => shortened(format!("no such key: {key}")),
            ExecutionError::UndeclaredReference(name) => self.unbound(name),
            ExecutionError::NoSuchOverload(error) => {
                let function = error.function();
                let operator = function.strip_prefix('_').map(|rest| rest.replace('_', ""));
                let operator = operator.as_deref().unwrap_or(function);
                format!("no such overload: {operator} of {}", error.argument_types().join(" and "))
            }
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => format!("no such overload: {operator}"),
            ExecutionError::ValuesNotComparable(..) => "no such overload: values of different types".into(),
            ExecutionError::UnexpectedType { .. } => "no such overload: a value of another type".into(),
            ExecutionError::DivisionByZero(_) => "division by zero".into(),
            ExecutionError::RemainderByZero(_) => "modulus by zero".into(),
            ExecutionError::Overflow(operator, ..) => format!("overflow in {operator}"),
            ExecutionError::IndexOutOfBounds(_) => "index out of bounds".into(),
            ExecutionError::FunctionError { function, .. } => format!("{function}() cannot read what it was given"),
            _ => "cannot be evaluated with these values".into(),
        }
    }

    fn unbound(&self, name: &str) -> String {
        match self.response {
            None => format!("{name} is not known before the answer"),
            Some(_) => format!("{name} is not known after the answer; event is"),
        }
    }
}

fn of_response<'b>(response: &'b Response, root: &str, rest: &str) -> Option<CowVal<'b, 'b>> {
    match (root, rest) {
        ("resp_completed", "") => Some(CowVal::owned(CelBool::from(response.complete))),
        ("resp_metadata_status", "") => Some(CowVal::owned(CelInt::from(i64::from(response.status.unwrap_or(0))))),
        ("resp_metadata_headers", "") => Some(CowVal::owned(headers(&response.headers))),
        // Null data, of a merge without parts, has no keys either.
        ("resp_data", "") if response.data.is_null() => Some(CowVal::owned(CelMap::default())),
        ("resp_data", rest) => found(at_path(JsonRef::from(&response.data), rest)?),
        _ => None,
    }
}

fn found<'b>(json: JsonRef<'b>) -> Option<CowVal<'b, 'b>> {
    Some(CowVal::Owned(value(json)))
}

fn text(text: &str) -> CowVal<'_, '_> {
    CowVal::owned(CelString::from(text))
}

/// Empty at the agent's level, where no backend has made a URL yet.
fn path_of(request: &Request) -> &str {
    if request.url.host().is_none() && request.url.path() == "/" { "" } else { request.url.path() }
}

fn map<'v>(fields: impl Iterator<Item = (CelString<'v>, Box<dyn Val + 'v>)>) -> CelMap<'v> {
    CelMap::from(fields.map(|(key, value)| (CelMapKey::String(key), value)).collect::<HashMap<_, _>>())
}

fn params(params: &Params) -> CelMap<'_> {
    map(params.iter().map(|(name, value)| (CelString::from(name), Box::new(CelString::from(value)) as _)))
}

/// Names in canonical form, each with all its values. Bytes that are no UTF-8 are replaced.
fn headers(headers: &HeaderMap) -> CelMap<'_> {
    map(headers.keys().map(|name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        (CelString::from(canonical_header(name.as_str())), list(values.map(|value| value.into_owned())))
    }))
}

fn query(request: &Request) -> CelMap<'_> {
    let written = request.url.query().unwrap_or_default();
    let written =
        form_urlencoded::parse(written.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()));
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in written.chain(request.query.iter().cloned()) {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    map(fields.into_iter().map(|(name, values)| (CelString::from(name), list(values.into_iter()))))
}

fn list<'v>(texts: impl Iterator<Item = String>) -> Box<dyn Val + 'v> {
    let texts = texts.map(|text| Box::new(CelString::from(text)) as Box<dyn Val + 'v>);
    Box::new(CelList::from(texts.collect::<Vec<_>>()))
}
