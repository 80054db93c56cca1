//! The GraphQL request of an event.

use std::sync::Arc;

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use ::http::uri::{PathAndQuery, Uri};
use ::http::{HeaderMap, Method};
use bytes::Bytes;

use crate::error::PipeError;
use crate::json::{Json, Object, Text};
use crate::message::{Params, Request};
use crate::percent;
use crate::stage::{Context, Stage, StageFuture, ready};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
}

/// Where the value of a configured variable comes from.
#[derive(Debug)]
pub(super) enum Variable {
    Fixed(Json),
    /// A name as [`Params`] has it; empty text where there is none.
    Param(String),
}

/// Stands below the stage that made the URL, so that a GET's query joins that of the `url_pattern`.
pub(super) struct GraphQl {
    pub kind: Kind,
    pub verb: Verb,
    pub query: String,
    pub operation: Option<String>,
    /// In the order of the file, each name once.
    pub variables: Vec<(Text, Variable)>,
    pub inner: Box<dyn Stage>,
}

impl Stage for GraphQl {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.rewritten(request) {
            Ok(request) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }
}

impl GraphQl {
    fn rewritten(&self, mut request: Request) -> Result<Request, PipeError> {
        let variables = match self.kind {
            Kind::Query => self.configured(&request.params).collect(),
            Kind::Mutation => self.filled(event_variables(&request.body)?),
        };
        let fields = self.fields(variables);
        match self.verb {
            Verb::Post => {
                request.method = Method::POST;
                request.body = Json::object(fields).to_vec().into();
            }
            Verb::Get => {
                request.method = Method::GET;
                request.body = Bytes::new();
                request.url = with_query(&request.url, &fields)?;
            }
        }
        request.headers = Arc::new(json_headers(&request.headers));
        Ok(request)
    }

    fn configured(&self, params: &Params) -> impl Iterator<Item = (Text, Json)> {
        self.variables.iter().map(|(name, variable)| {
            let value = match variable {
                Variable::Fixed(value) => value.clone(),
                Variable::Param(param) => Json::string(params.get(param).unwrap_or_default()),
            };
            (name.clone(), value)
        })
    }

    /// The event's variables, with the configured ones where it has none of that name.
    fn filled(&self, event: Object) -> Object {
        // Configured names are few and the event's may be many: what the event has is laid over the configured ones.
        let mut all: Object = self.configured(&Params::default()).collect();
        all.extend(event);
        all
    }

    /// `query`, `operationName`, `variables`, the latter two only where they say something.
    fn fields(&self, variables: Object) -> Object {
        let mut fields = Object::new();
        fields.insert("query", Json::string(self.query.as_str()));
        if let Some(operation) = &self.operation {
            fields.insert("operationName", Json::string(operation.as_str()));
        }
        if !variables.is_empty() {
            fields.insert("variables", Json::object(variables));
        }
        fields
    }
}

/// The event as variables: a JSON object; `null` has none.
fn event_variables(body: &[u8]) -> Result<Object, PipeError> {
    let invalid = |reason: String| PipeError::Invalid { reason };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(invalid("unexpected end of JSON input".into()));
    }
    let event = Json::parse_alone(body).map_err(|error| invalid(error.to_string()))?;
    let found = event.type_name();
    match event.into_object() {
        Some(variables) => Ok(variables),
        None if found == "null" => Ok(Object::new()),
        None => Err(invalid(format!(
            "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}; a mutation takes an object"
        ))),
    }
}

/// Texts as they are, the variables as JSON (GraphQL over HTTP, "GET").
fn with_query(url: &Uri, fields: &Object) -> Result<Uri, PipeError> {
    let invalid = |reason: String| PipeError::Invalid {
        reason: format!("the GraphQL query does not fit into the URL: {reason}"),
    };
    let mut parts = url.clone().into_parts();
    let mut text = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str).to_owned();
    for (key, value) in fields.fields() {
        text.push(if text.contains('?') { '&' } else { '?' });
        let value = match value.view() {
            crate::json::View::String(plain) => percent::value(plain).into_owned(),
            _ => percent::value(&value.to_string()).into_owned(),
        };
        text += &format!("{}={value}", key.as_str());
    }
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|error| invalid(error.to_string()))?);
    Uri::from_parts(parts).map_err(|error| invalid(error.to_string()))
}

/// The headers of an event whose payload is not its own any more.
fn json_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}
