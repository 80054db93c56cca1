//! What a template of a body finds: the event, the reply, and the configuration's own values.

use std::time::SystemTime;

use ::http::header::{CONTENT_TYPE, HeaderMap};
use siphon_config::canonical_header;

use super::{Format, Generator};
use crate::error::{PipeError, shortened};
use crate::json::{Json, Object};
use crate::message::{Request, Response};
use crate::xml;

/// Fields that every template has.
pub(in super::super) const REQUEST_FIELDS: [&str; 6] =
    ["req_body", "req_headers", "req_querystring", "req_params", "req_path", "variables"];

/// Fields that a template over a reply has besides.
pub(super) const RESPONSE_FIELDS: [&str; 3] = ["resp_body", "resp_status", "resp_headers"];

impl Generator {
    /// The data of the event, so far as the template looks at them.
    pub fn request_data(&self, request: &Request) -> Result<Object, String> {
        let mut data = Object::new();
        let mut put = |name: &str, value: &dyn Fn() -> Result<Json, String>| {
            if self.template.needs(name) {
                data.insert(name, value()?);
            }
            Ok::<_, String>(())
        };
        put("req_body", &|| body(&request.headers, &request.body).map_err(|reason| format!("the payload {reason}")))?;
        put("req_headers", &|| Ok(headers(&request.headers)))?;
        put("req_querystring", &|| Ok(query(&request.query)))?;
        put("req_params", &|| {
            let params = request.params.iter().map(|(name, value)| (name.into(), Json::string(value)));
            Ok(Json::object(params.collect()))
        })?;
        put("req_path", &|| Ok(Json::string(path(request))))?;
        put("variables", &|| Ok(self.variables.clone()))?;
        Ok(data)
    }

    /// Adds the data of the reply.
    pub fn add_response(&self, response: &Response, data: &mut Object) -> Result<(), String> {
        if self.template.needs("resp_body") {
            let value = match &response.raw {
                Some(raw) => body(&response.headers, raw).map_err(|reason| format!("the reply {reason}"))?,
                None => response.data.clone(),
            };
            data.insert("resp_body", value);
        }
        if let Some(status) = response.status.filter(|_| self.template.needs("resp_status")) {
            data.insert("resp_status", Json::integer(status.into()));
        }
        if self.template.needs("resp_headers") {
            data.insert("resp_headers", headers(&response.headers));
        }
        Ok(())
    }

    pub fn run(&self, data: Object) -> Result<String, String> {
        self.template.run(&Json::object(data), SystemTime::now()).map_err(|error| error.to_string())
    }
}

/// Why a generator at `source` failed an event. What functions say may have a text of the event in it, of any length.
pub(super) fn failed(source: &str, reason: &str) -> PipeError {
    PipeError::Invalid { reason: shortened(format!("{source}: {reason}")) }
}

/// A body as its content type says. Where that says nothing it is JSON, if it can be read so, else a text.
fn body(headers: &HeaderMap, body: &[u8]) -> Result<Json, String> {
    let declared = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let text = || Json::string(String::from_utf8_lossy(body));
    if body.is_empty() {
        return Ok(Json::NULL);
    }
    match declared.map(Format::of) {
        Some(Format::Json) => Json::parse_alone(body).map_err(|error| format!("is no JSON: {error}")),
        Some(Format::Xml) => xml::decode(body).map_err(|error| format!("is no XML: {error}")),
        Some(Format::Other) | None => Ok(Json::parse_alone(body).unwrap_or_else(|_| text())),
    }
}

/// Each name as HTTP libraries of Go write it, with its values.
fn headers(headers: &HeaderMap) -> Json {
    let values = |name| {
        let values = headers.get_all(name).iter();
        Json::array(values.map(|value| Json::string(String::from_utf8_lossy(value.as_bytes()))).collect())
    };
    Json::object(headers.keys().map(|name| (canonical_header(name.as_str()).into(), values(name))).collect())
}

fn query(query: &[(String, String)]) -> Json {
    let mut fields: Vec<(&str, Vec<Json>)> = Vec::new();
    for (key, value) in query {
        match fields.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(Json::string(value.as_str())),
            None => fields.push((key, vec![Json::string(value.as_str())])),
        }
    }
    Json::object(fields.into_iter().map(|(key, values)| (key.into(), Json::array(values))).collect())
}

/// Empty until a backend has its URL.
fn path(request: &Request) -> &str {
    if request.url.authority().is_none() && request.url.path() == "/" { "" } else { request.url.path() }
}
