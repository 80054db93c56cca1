//! `backend/lambda`: a function of AWS Lambda in the place of an HTTP backend (components-traffic.md §11).
//!
//! The event is the function's payload, its result is the data. Calls go over the pipe's own connections.

mod reply;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, Uri};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Backend, Component, Encoding};

use super::aws::credentials::{Provider, provider};
use super::aws::origin::{self, Environment};
use super::aws::signature::{Scope, signed};
use super::aws::{endpoint, usual_endpoint};
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::backend::Reading;
use crate::error::PipeError;
use crate::http::{Client, Outgoing};
use crate::message::{Params, Request, Response};
use crate::percent;
use crate::stage::{Context, Stage, StageFuture};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/lambda", "github.com/devopsfaith/krakend-lambda"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "calls a function of AWS Lambda with the event",
    schema,
    build: Build::Transport(build),
};

/// Wait before the first repetition; each further one waits twice as long. That of the reference.
const FIRST_WAIT: Duration = Duration::from_millis(30);

/// Most repetitions: their waits are 30 s together, more than an event has.
const MOST_RETRIES: u32 = 9;

/// `backend/lambda`. The keys come from where AWS' own tools take them: environment, shared file, container, instance.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// The function: its name, `name:alias` or ARN. Example: `orders`.
    function_name: String,
    /// Without `function_name`: what of the message names the function. Default: `function`.
    function_param_name: String,
    /// Region of the function. Default: `AWS_REGION`.
    region: String,
    /// Another place than AWS, for tests and private endpoints. Example: `http://localhost:4566`. Default: AWS.
    endpoint: String,
    /// How often a call that AWS could not serve (429, 5xx, no connection) is repeated at once, at most 9. Default: 0;
    /// the event itself comes back.
    max_retries: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            function_name: String::new(),
            function_param_name: "function".into(),
            region: String::new(),
            endpoint: String::new(),
            max_retries: 0,
        }
    }
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct Lambda {
    client: Arc<Client>,
    keys: Provider,
    scope: Scope,
    /// Without a slash at its end.
    base: String,
    function: Function,
    max_retries: u32,
    reading: Reading,
}

/// Which function is called.
enum Function {
    Named(String),
    /// The param's name, with a capital first letter.
    OfParam(String),
}

impl Stage for Lambda {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.invoke(request).await.into() })
    }
}

impl Lambda {
    async fn invoke(&self, request: Request) -> Result<Response, PipeError> {
        let url = self.url(&request.params)?;
        let mut wait = FIRST_WAIT;
        for _ in 0..self.max_retries {
            match self.attempt(&url, &request.body).await {
                Err(error) if error.is_temporary() => tokio::time::sleep(wait).await,
                end => return end,
            }
            wait *= 2;
        }
        self.attempt(&url, &request.body).await
    }

    async fn attempt(&self, url: &Uri, payload: &Bytes) -> Result<Response, PipeError> {
        let call = invocation(url.clone(), payload.clone());
        let keys = self.keys.get().await;
        let (keys, _) = keys.map_err(|unavailable| unavailable.for_call(call.call()))?;
        let answer = self.client.send(&signed(call, &keys, &self.scope, SystemTime::now())).await?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let body = answer.read().await?;
        reply::judge(status, &headers, &body)?;
        self.reading.local(status, body, ENTRY.namespaces[0])
    }

    fn url(&self, params: &Params) -> Result<Uri, PipeError> {
        let name = match &self.function {
            Function::Named(name) => name,
            Function::OfParam(param) => {
                params.get(param).filter(|name| !name.is_empty()).ok_or_else(|| PipeError::Invalid {
                    reason: format!("backend/lambda: nothing says which function: {param} has no value"),
                })?
            }
        };
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.base, percent::value(name));
        url.parse().map_err(|_| PipeError::Invalid { reason: "backend/lambda: the function's name is too long".into() })
    }
}

fn invocation(url: Uri, payload: Bytes) -> Outgoing {
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-amz-invocation-type"), HeaderValue::from_static("RequestResponse")),
        (HeaderName::from_static("x-amz-log-type"), HeaderValue::from_static("None")),
    ]);
    Outgoing::new(Method::POST, url, Arc::new(headers), payload)
}

fn build(component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
    build_in(component, site, &origin::of_process)
}

fn build_in(component: &Component, site: &Site<'_>, environment: Environment<'_>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let reading = reading(site.backend.expect("stands at the level of backends"))?;
    let built = lambda(settings, site, reading, environment);
    built.map(|lambda| Box::new(lambda) as _).map_err(|(key, message)| vec![component.problem(key, &message)])
}

fn lambda(
    settings: Settings,
    site: &Site<'_>,
    reading: Reading,
    environment: Environment<'_>,
) -> Result<Lambda, (&'static str, String)> {
    let region = origin::region(&settings.region, environment).map_err(|message| ("region", message))?;
    let usual = || usual_endpoint("lambda", &region);
    let base = Some(settings.endpoint.clone()).filter(|given| !given.is_empty()).unwrap_or_else(usual);
    let url = endpoint(&base).map_err(|message| ("endpoint", message))?;
    if url.scheme_str() == Some("https") {
        site.service.prepare_tls().map_err(|message| ("endpoint", message))?;
    }
    if settings.max_retries > MOST_RETRIES {
        return Err(("max_retries", format!("{} is more than {MOST_RETRIES}", settings.max_retries)));
    }
    let origin = origin::locate(&region, environment).map_err(|message| ("", message))?;
    Ok(Lambda {
        client: Arc::clone(site.service),
        keys: provider(origin, site.service).map_err(|message| ("", message))?,
        scope: Scope { region, service: "lambda".into() },
        base: url.to_string().trim_end_matches('/').to_owned(),
        function: function(&settings)?,
        max_retries: settings.max_retries,
        reading,
    })
}

fn function(settings: &Settings) -> Result<Function, (&'static str, String)> {
    if !settings.function_name.is_empty() {
        return Ok(Function::Named(settings.function_name.clone()));
    }
    let param = &settings.function_param_name;
    let Some(first) = param.chars().next() else {
        return Err(("function_param_name", "is empty; name the function in function_name".to_owned()));
    };
    Ok(Function::OfParam(first.to_ascii_uppercase().to_string() + &param[first.len_utf8()..]))
}

/// Functions answer in JSON, whatever the backend's encoding says.
fn reading(backend: &Backend) -> Checked<Reading> {
    let json = Backend { encoding: Encoding::Json, is_collection: false, ..backend.clone() };
    Reading::new(&json, Method::POST)
}

#[cfg(test)]
mod tests;
