//! What the tests of components share.

use std::time::Duration;

use siphon_config::model::{Backend, Component};
use tokio::time::Instant;

use super::{Build, Entry, Layer, Site};
use crate::calling::Calling;
use crate::fixture;
use crate::http::{Client, ClientSettings};
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage};

/// A component at `b` with these settings (JSON).
pub fn component(namespace: &str, settings: &str) -> Component {
    // A document is an object; settings need not be.
    let text = format!("{{\"settings\": {settings}}}");
    let document = siphon_config::Document::parse("settings.json", &text).expect(settings);
    let settings = document.root().get("settings").expect("what was written").clone();
    Component { namespace: namespace.into(), path: "b".into(), settings }
}

pub fn with_site<T>(build: impl FnOnce(&Site<'_>) -> T) -> T {
    with_backend(&fixture::backend("http://h", "/"), build)
}

pub fn with_backend<T>(backend: &Backend, build: impl FnOnce(&Site<'_>) -> T) -> T {
    let agent = fixture::agent(Vec::new());
    let calling = Calling::new(ClientSettings::from(&fixture::http())).expect("plain settings");
    build(&Site { backend: Some(backend), ..calling.site(&agent) })
}

/// Builds this layer of an HTTP call, which has to be refused with one problem at `path`; no message shows `hunter2`.
#[track_caller]
pub fn layer_refused(entry: &Entry, settings: &str, path: &str, message: &str) {
    let Build::Exchange(Layer::AroundCall(build) | Layer::AroundHop(build)) = entry.build else { panic!("no layer") };
    let below = Client::new(ClientSettings::from(&fixture::http()));
    let component = component(entry.namespaces[0], settings);
    let problems = with_site(|site| build(&component, site, Box::new(below))).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    assert!(!said[0].1.contains("hunter2"), "{said:?}");
}

/// Pushes a request through, with all the time of the test.
pub async fn run(stage: &dyn Stage, request: Request) -> Reply {
    stage.call(request, &Context { deadline: Instant::now() + Duration::from_secs(60) }).await
}
