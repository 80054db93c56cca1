//! Scripts against a stage that notes what reaches it, and against a server of their own.

mod isolation;
mod limits;
mod scripts;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use siphon_config::model::{Agent, Backend};
use tokio::time::Instant;

use super::*;
use crate::calling::Calling;
use crate::components::testing::component;
use crate::error::PipeError;
use crate::fixture;
use crate::http::ClientSettings;
use crate::json::Json;

/// Where a script stands.
#[derive(Clone, Copy)]
enum At {
    Agent,
    Backend,
}

/// A layer below that notes the requests and gives one answer.
struct Below {
    seen: Arc<Mutex<Vec<Request>>>,
    reply: Reply,
}

impl Stage for Below {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        self.seen.lock().expect("no panic").push(request);
        crate::stage::ready(self.reply.clone())
    }
}

/// Scripts around a layer that notes.
struct Bench {
    stage: Box<dyn Stage>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Bench {
    fn build(at: At, settings: &str, reply: Reply) -> Checked<Self> {
        let seen = Arc::default();
        let inner = Box::new(Below { seen: Arc::clone(&seen), reply });
        let backend: Backend = fixture::backend("http://h", "/p");
        let agent: Agent = fixture::agent(Vec::new());
        let calling = Calling::new(ClientSettings::from(&fixture::http())).expect("plain settings");
        let place = match at {
            At::Agent => None,
            At::Backend => Some(&backend),
        };
        let site = Site { backend: place, ..calling.site(&agent) };
        let stage = build(&component("modifier/lua", settings), &site, inner)?;
        Ok(Self { stage, seen })
    }

    /// With data below.
    fn new(at: At, settings: serde_json::Value, data: &str) -> Self {
        let reply = Reply::from(Ok(Response::complete(Json::parse(data.as_bytes()).expect(data))));
        Self::build(at, &settings.to_string(), reply).map_err(|problems| format!("{problems:?}")).expect("a stage")
    }

    async fn run(&self, body: &str) -> Reply {
        self.run_until(body, Instant::now() + Duration::from_secs(60)).await
    }

    async fn run_until(&self, body: &str, deadline: Instant) -> Reply {
        let request = Request { url: "http://h/p?q=1".parse().expect("a URL"), ..Request::new(body.to_owned()) };
        self.stage.call(request, &Context { deadline }).await
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }
}

const DATA: &str = r#"{"i":1,"f":1.5,"s":"t","n":null,"b":true,"arr":[1,"a",null,{"k":2}],"o":{"z":9}}"#;

/// What `pre` does to the event `{"id":1}`.
async fn pre(at: At, script: &str) -> Result<Request, String> {
    let bench = Bench::new(at, serde_json::json!({ "pre": script }), "{}");
    let reply = bench.run(r#"{"id":1}"#).await;
    match reply.error {
        None => Ok(bench.seen().remove(0)),
        Some(error) => {
            assert!(bench.seen().is_empty(), "{script}: the layer below was called");
            Err(error.to_string())
        }
    }
}

/// What `post` makes of [`DATA`], given `d` as the data.
async fn post(script: &str) -> Result<String, String> {
    let script = format!("local r=response.load(); local d=r:data(); {script}");
    let bench = Bench::new(At::Backend, serde_json::json!({ "post": script, "allow_open_libs": true }), DATA);
    finished(bench.run("").await)
}

fn finished(reply: Reply) -> Result<String, String> {
    match (reply.response, reply.error) {
        (Some(response), None) => Ok(response.data.to_string()),
        (None, Some(error)) => Err(error.to_string()),
        other => panic!("one of both: {other:?}"),
    }
}

/// What an expression is, as text: `print` would say it so. All libraries are there.
async fn value(expression: &str) -> Result<String, String> {
    evaluated(true, &format!("return {expression}")).await
}

/// What a chunk returns, as texts with commas between.
async fn evaluated(allow_open_libs: bool, chunk: &str) -> Result<String, String> {
    let pre = format!(
        "local function all(...) local t = {{}} for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end \
         return table.concat(t, ',') end request.load():body(all((function() {chunk} end)()))"
    );
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": pre, "allow_open_libs": allow_open_libs }), "{}");
    match bench.run("{}").await.error {
        None => Ok(String::from_utf8_lossy(&bench.seen()[0].body).into_owned()),
        Some(error) => Err(error.to_string()),
    }
}
