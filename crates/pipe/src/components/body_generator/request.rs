//! The body of the call.

use std::sync::Arc;

use ::http::Method;
use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::data::failed;
use super::{Format, Generator};
use crate::error::PipeError;
use crate::json::Json;
use crate::message::Request;
use crate::stage::{Context, Stage, StageFuture, ready};

/// Puts what the template makes in the place of the payload.
pub(in super::super) struct RequestBody {
    pub generator: Generator,
    /// The namespace, for errors.
    pub source: &'static str,
    /// `None`: that of the backend.
    pub method: Option<Method>,
    pub inner: Box<dyn Stage>,
}

impl Stage for RequestBody {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.rewritten(request) {
            Ok(request) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }
}

impl RequestBody {
    fn rewritten(&self, mut request: Request) -> Result<Request, PipeError> {
        let made = self.generator.request_data(&request).and_then(|data| self.generator.run(data));
        let body = made.and_then(|body| self.checked(body)).map_err(|reason| failed(self.source, &reason))?;
        request.body = body.into();
        let headers = Arc::make_mut(&mut request.headers);
        headers.remove(CONTENT_ENCODING);
        headers.insert(CONTENT_TYPE, self.generator.content_type.clone());
        if let Some(method) = &self.method {
            request.method = method.clone();
        }
        Ok(request)
    }

    /// A forgotten quote is found here, and not by whoever reads the body later.
    fn checked(&self, body: String) -> Result<String, String> {
        if self.generator.format != Format::Json || body.is_empty() {
            return Ok(body);
        }
        match Json::parse_alone(body.as_bytes()) {
            Ok(_) => Ok(body),
            Err(error) => Err(format!("what the template makes is no JSON: {error}; content_type says otherwise")),
        }
    }
}
