//! A scripted HTTP server on loopback, and a pipe in front of it.

#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

pub mod certificates;
pub mod component;
pub mod loaded;
pub mod model;
pub mod server;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use siphon_config::model::{Backend, HttpSettings};
use siphon_pipe::{Pipe, Reply, Request};
use tokio::time::Instant;

pub use server::{Action, Seen, Server};

/// Longer than any test that is well takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn pipe_with(backends: Vec<Backend>, http: &HttpSettings) -> Pipe {
    Pipe::build(&model::agent(backends), http).expect("a pipe")
}

pub fn pipe(backends: Vec<Backend>) -> Pipe {
    pipe_with(backends, &model::http())
}

/// An event with the headers that an agent gives it.
pub fn event(body: &'static str) -> Request {
    let json = [(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"))];
    Request { headers: Arc::new(HeaderMap::from_iter(json)), ..Request::new(body) }
}

pub async fn run(pipe: &Pipe, body: &'static str) -> Reply {
    pipe.run(event(body), Instant::now() + PATIENCE).await
}

pub fn data(reply: &Reply) -> Option<String> {
    reply.response.as_ref().map(|response| response.data.to_string())
}

pub fn error(reply: &Reply) -> String {
    reply.error.as_ref().map(ToString::to_string).unwrap_or_default()
}
