//! `backend/grpc`: a gRPC service in the place of an HTTP backend, unary calls only (components-traffic.md §13).
//!
//! The event is the request message, the reply message is the data. The messages' types come from descriptor sets that
//! the service names (`grpc.catalog`) and that are read at load; calls go over HTTP/2 connections of the pipe's own.
//!
//! Source: gRPC over HTTP/2, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

mod catalog;
mod frame;
mod headers;
mod input;
mod output;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::HumanDuration;
use siphon_config::model::{Backend, Component, Discovery};
use tokio::time::Instant;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys, problem_at};
use crate::calling;
use crate::error::PipeError;
use crate::filter::Filter;
use crate::http::{Client, ClientSettings, HttpVersion, Outgoing, TlsSettings, Way};
use crate::message::{Params, Request, Response};
use crate::stage::{Context, Stage, StageFuture};
use crate::target::Target;

pub(crate) use catalog::Catalog;
use headers::Metadata;
use input::Input;
use output::Output;
use status::Refusal;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/grpc"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "calls a gRPC service with the event",
    schema,
    build: Build::Transport(build),
};

/// Idle connections are closed after this long, unless `idle_conn_disconnect_time` says otherwise. The reference's.
const IDLE: Duration = Duration::from_secs(600);

/// Largest reply message in bytes, unless `max_call_recv_msg_size` says otherwise. That of gRPC's own clients.
const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// `backend/grpc`. The backend's `url_pattern` is `/package.Service/Method`, of the catalog in the root's `grpc`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Whom to trust and as whom to appear; with it the service is called over TLS.
    client_tls: Option<TlsSettings>,
    /// Make the request message of the event. Default: true.
    use_request_body: Option<bool>,
    /// Keys of the event that the message does not have are left out. Default: false, they fail the event.
    input_allow_unknown_fields: bool,
    /// Leave out what is known about the message and the query. Default: false; `input_mapping` says what is taken.
    disable_query_params: bool,
    /// What is known about the message, such as `key`, or an entry of the query, and the field that it fills:
    /// `{"key": "order.id"}`. It wins over the event.
    input_mapping: BTreeMap<String, String>,
    /// Headers under other names: `{"X-Tenant": "customer"}`.
    header_mapping: BTreeMap<String, String>,
    /// Is not in this build: bytes are base64.
    input_assume_bytes: bool,
    /// `snake_case` or `camelCase`. Both are understood, whatever this says.
    request_naming_convention: Option<Convention>,
    /// How the fields of the data are called: `snake_case`, as in the descriptor set, or `camelCase`. Default: `snake_case`.
    response_naming_convention: Option<Convention>,
    /// Names of enum values instead of numbers. Default: false.
    output_enum_as_string: bool,
    /// `2026-01-02T03:04:05Z` instead of `{"seconds": …, "nanos": …}`. Default: false.
    output_timestamp_as_string: bool,
    /// `1.5s` instead of `{"seconds": …, "nanos": …}`. Default: false.
    output_duration_as_string: bool,
    /// Leave out what the reply does not set. Default: false, it has its default value.
    output_remove_unset_values: bool,
    /// How long an idle connection is kept; `0s`: for ever. Default: `10m`.
    idle_conn_disconnect_time: Option<HumanDuration>,
    /// Ask another host where one says that it is unavailable, too; it may have worked on the event. Default: false: only
    /// where one cannot be reached.
    use_alternate_host_on_error: bool,
    /// Largest reply message in bytes. Default: 0, 4 MiB.
    max_call_recv_msg_size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum Convention {
    #[serde(rename = "snake_case")]
    Snake,
    #[serde(rename = "camelCase")]
    Camel,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct Grpc {
    client: Client,
    target: Target,
    /// `/package.Service/Method`.
    method: Arc<str>,
    input: Input,
    output: Output,
    metadata: Metadata,
    filter: Filter,
    tries_others: bool,
    largest_message: usize,
}

impl Stage for Grpc {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.invoke(request, context).await.into() })
    }
}

impl Grpc {
    async fn invoke(&self, request: Request, context: &Context) -> Result<Response, PipeError> {
        let message = self.input.message(&request)?;
        let frame = frame::of(&message);
        let url = self.target.url(&Params::default(), &[])?;
        let mut others = if self.target.has_choice() { self.target.others(&url) } else { Vec::new() }.into_iter();
        let mut url = url;
        loop {
            let headers = Arc::new(self.metadata.of(&request.headers, context.deadline, Instant::now()));
            let mut call = Outgoing::new(Method::POST, url, headers, frame.clone());
            call.connect_by = connect_by(others.len(), context.deadline);
            let result = self.attempt(&call).await;
            let Err(error) = &result else { return result };
            let is_unreached = matches!(error, PipeError::Connect { .. });
            if is_unreached {
                self.target.pass_over(&call.url);
            }
            match others.next().filter(|_| is_unreached || (self.tries_others && is_unavailable(error))) {
                Some(other) => url = other,
                None => return result,
            }
        }
    }

    async fn attempt(&self, call: &Outgoing) -> Result<Response, PipeError> {
        let mut answer = self.client.send(call).await?;
        let refused = |refusal: Refusal, trailers: &HeaderMap| refusal.error(&self.method, trailers);
        if let Err(refusal) = status::of_head(answer.status, &answer.headers) {
            answer.discard().await;
            return Err(refused(refusal, &HeaderMap::new()));
        }
        let body = answer.load().await?;
        // A refusal without a message has its status in the head (`Trailers-Only`).
        let trailers = if answer.trailers.is_empty() { &answer.headers } else { &answer.trailers };
        status::of_trailers(trailers).map_err(|refusal| refused(refusal, trailers))?;
        self.read(&body, call)
    }

    fn read(&self, body: &Bytes, call: &Outgoing) -> Result<Response, PipeError> {
        let undecodable = |reason: String| PipeError::Decode {
            reason: format!("grpc: {reason}"),
            method: Method::POST,
            pattern: Arc::clone(&self.method),
        };
        let message = frame::read(body).map_err(undecodable)?;
        if message.len() > self.largest_message {
            return Err(PipeError::Oversized { call: call.call(), limit: self.largest_message });
        }
        let data = self.output.data(message).map_err(undecodable)?;
        Ok(Response::complete(self.filter.apply(data)))
    }
}

/// The hosts that are left have an equal part of the time to be connected to.
fn connect_by(others: usize, deadline: Instant) -> Option<Instant> {
    let now = Instant::now();
    let hosts = u32::try_from(others).ok()?.checked_add(1)?;
    (hosts > 1).then(|| now + deadline.saturating_duration_since(now) / hosts)
}

fn is_unavailable(error: &PipeError) -> bool {
    matches!(error, PipeError::Grpc { name: status::UNAVAILABLE, .. })
}

fn build(component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let backend = site.backend.expect("stands at the level of backends");
    let refuse = |(key, message): (String, String)| vec![component.problem(&key, &message)];
    check(&settings).map_err(|(key, message)| refuse((key.into(), message)))?;
    let pool = site.catalog.pool(site.settings)?;
    let method = catalog::method(&pool, &backend.url_pattern_as_written)
        .map_err(|message| vec![problem_at(&format!("{}.url_pattern", backend.path), message)])?;
    let input = Input::new(&method.input(), &settings).map_err(refuse)?;
    let metadata = Metadata::new(&settings.header_mapping).map_err(refuse)?;
    let target = target(&settings, backend)?;
    let client = client(&settings, site.settings, component)?;
    if target.has_tls() {
        client.prepare_tls().map_err(|message| vec![component.problem("", &message)])?;
    }
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    Ok(Box::new(Grpc {
        client,
        target,
        method: path.into(),
        input,
        output: Output::new(method.output(), &settings),
        metadata,
        filter: Filter::new(backend)?,
        tries_others: settings.use_alternate_host_on_error,
        largest_message: Some(settings.max_call_recv_msg_size).filter(|size| *size > 0).unwrap_or(LARGEST_MESSAGE),
    }))
}

/// What cannot work, and its key.
fn check(settings: &Settings) -> Result<(), (&'static str, String)> {
    if settings.input_assume_bytes {
        return Err(("input_assume_bytes", "is not in this build of siphon; write bytes as base64".into()));
    }
    if settings.disable_query_params && !settings.input_mapping.is_empty() {
        return Err(("input_mapping", "has no effect beside disable_query_params; remove one of them".into()));
    }
    if settings.input_allow_unknown_fields && settings.use_request_body == Some(false) {
        return Err(("input_allow_unknown_fields", "has no effect without use_request_body; remove it".into()));
    }
    Ok(())
}

/// The hosts. Without a scheme they are called over TLS where `client_tls` is given.
fn target(settings: &Settings, backend: &Backend) -> Checked<Target> {
    let at = |key: &str, message: String| vec![problem_at(&format!("{}.{key}", backend.path), message)];
    if backend.discovery != Discovery::Static {
        return Err(at("sd", "service discovery is not in this build of siphon for backend/grpc; name hosts".into()));
    }
    if backend.hosts.is_empty() {
        return Err(at("host", "is missing; write \"host\": [\"localhost:50051\"]".into()));
    }
    let scheme = if settings.client_tls.is_some() { "https" } else { "http" };
    let mut hosts = Vec::new();
    for host in &backend.hosts {
        match host.split_once("://") {
            None => hosts.push(format!("{scheme}://{host}")),
            Some(("http", _)) if settings.client_tls.is_some() => {
                return Err(at(
                    "host",
                    "is called without TLS (http://), and client_tls is given; write https://".into(),
                ));
            }
            Some(_) => hosts.push(host.clone()),
        }
    }
    let problems = |messages: Vec<String>| messages.into_iter().flat_map(|message| at("host", message)).collect();
    Target::new(&hosts, &backend.url_pattern, calling::random()).map_err(problems)
}

/// Connections of this backend's own: HTTP/2 whatever the others speak.
fn client(settings: &Settings, service: &ClientSettings, component: &Component) -> Checked<Client> {
    let tls = match &settings.client_tls {
        None => calling::service_tls(service)?,
        Some(tls) => {
            let problem =
                |(key, why): &(String, String)| component.problem(&siphon_config::tree::join("client_tls", key), why);
            let config = tls.client_config(&service.roots());
            Some(Arc::new(config.map_err(|wrongs| wrongs.iter().map(problem).collect::<Vec<_>>())?))
        }
    };
    let mut own = service.clone();
    own.http.disable_compression = true;
    let idle = settings.idle_conn_disconnect_time.map_or(IDLE, Duration::from);
    own.http.idle_connection_timeout = (!idle.is_zero()).then_some(idle);
    Ok(Client::in_way(&own, &Way { tls, version: HttpVersion::Two, ..Way::default() }))
}
