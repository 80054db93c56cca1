//! The data of the reply.

use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use super::data::failed;
use super::{Format, Generator};
use crate::decode::wrap;
use crate::json::{Json, Object};
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};
use crate::xml;

/// Puts what the template makes in the place of the data; a failed call stays as it is.
pub(super) struct ResponseBody {
    pub generator: Generator,
    /// The namespace, for errors.
    pub source: &'static str,
    pub inner: Box<dyn Stage>,
}

impl Stage for ResponseBody {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let event = request.clone();
            let reply = self.inner.call(request, context).await;
            let (Some(response), None) = (&reply.response, &reply.error) else { return reply };
            match self.rewritten(&event, response) {
                Ok(response) => Reply { response: Some(response), error: None },
                Err(reason) => failed(self.source, &reason).into(),
            }
        })
    }
}

impl ResponseBody {
    fn rewritten(&self, event: &Request, response: &Response) -> Result<Response, String> {
        let mut data = self.generator.request_data(event)?;
        self.generator.add_response(response, &mut data)?;
        let text = self.generator.run(data)?;
        let mut response = response.clone();
        if response.raw.is_some() {
            response.raw = Some(text.into());
            response.headers.remove(CONTENT_ENCODING);
            response.headers.remove(CONTENT_LENGTH);
            response.headers.insert(CONTENT_TYPE, self.generator.content_type.clone());
        } else {
            response.data = self.decoded(&text)?;
        }
        Ok(response)
    }

    fn decoded(&self, text: &str) -> Result<Json, String> {
        let wrong = |kind: &str, error: String| format!("what the template makes is no {kind}: {error}");
        match self.generator.format {
            Format::Other => Ok(Json::field("content", Json::string(text))),
            _ if text.trim().is_empty() => Ok(Json::object(Object::new())),
            Format::Json => {
                Json::parse_alone(text.as_bytes()).map(wrap).map_err(|error| wrong("JSON", error.to_string()))
            }
            Format::Xml => xml::decode(text.as_bytes()).map_err(|error| wrong("XML", error)),
        }
    }
}
