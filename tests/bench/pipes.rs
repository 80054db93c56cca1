//! The pipe by itself: what an event costs in it, on one thread, against HTTP backends on other threads. What those use is
//! not counted; every kind of pipe is measured in turn, round by round, so that a busy machine is busy for all.

mod backend;

use std::error::Error;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use siphon_config::Document;
use siphon_config::catalogue::{Catalogue, Entry, Kind, Level, UnknownKeys};
use siphon_pipe::{Pipe, Request, component_table};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::process::thread_cpu;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rounds of each pipe; the median counts.
const ROUNDS: usize = 9;

/// Events in the pipe at once.
const WORKERS: usize = 16;

/// Twenty properties, as the schema has.
const EVENT: &str = r#"{"id": 7, "kind": "order", "currency": "EUR", "total": 61.5, "express": true, "note": "", "city": "Vigo",
    "country": "ES", "zip": "36201", "street": "Gran Vía 1", "name": "Ann", "mail": "ann@example.com", "phone": "1",
    "source": "web", "campaign": "none", "weight": 3, "parcels": 1, "created": "2026-01-31T00:00:00Z", "retries": 0,
    "lines": [{"sku": "a-1", "count": 2}, {"sku": "b-2", "count": 1}]}"#;

const SCHEMA: &str = r#""validation/json-schema": {"type": "object", "required": ["id", "kind", "lines"], "properties": {
    "id": {"type": "integer"}, "kind": {"enum": ["order", "return"]}, "currency": {"type": "string", "minLength": 3},
    "total": {"type": "number", "minimum": 0}, "express": {"type": "boolean"}, "note": {"type": "string"},
    "city": {"type": "string"}, "country": {"type": "string", "maxLength": 2}, "zip": {"type": "string"},
    "street": {"type": "string"}, "name": {"type": "string"}, "mail": {"type": "string"}, "phone": {"type": "string"},
    "source": {"type": "string"}, "campaign": {"type": "string"}, "weight": {"type": "integer"},
    "parcels": {"type": "integer"}, "created": {"type": "string"}, "retries": {"type": "integer", "maximum": 9},
    "lines": {"type": "array", "items": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}}}}"#;

const LUA: &str = r#"{"host": ["HOST"], "url_pattern": "/small", "method": "POST", "extra_config": {"modifier/lua-backend": {
    "pre": "local r = request.load(); r:headers('X-Kind', 'order'); r:query('?kind=order')",
    "post": "local r = response.load(); local d = r:data(); d:set('seen', d:get('ok'))"}}}"#;

/// The body is `{"changed":true}`.
const MARTIAN: &str = r#"{"host": ["HOST"], "url_pattern": "/small", "method": "POST", "extra_config": {"modifier/martian": {
    "fifo.Group": {"scope": ["request", "response"], "modifiers": [
        {"header.Modifier": {"scope": ["request"], "name": "X-Kind", "value": "order"}},
        {"body.Modifier": {"scope": ["request"], "contentType": "application/json", "body": "eyJjaGFuZ2VkIjp0cnVlfQ=="}}]}}}}"#;

const ONE: &str = r#"{"host": ["HOST"], "url_pattern": "/small", "method": "POST"}"#;

const THREE: &str = r#"{"host": ["HOST"], "url_pattern": "/small", "method": "POST", "group": "a"},
    {"host": ["HOST"], "url_pattern": "/small", "method": "POST", "group": "b"},
    {"host": ["HOST"], "url_pattern": "/small", "method": "POST", "group": "c"}"#;

/// A name, the `backend` list, and more of the agent's `extra_config`. `HOST` is the backend, `HTTP2` the one that speaks it. The
/// first one is what the others are compared with.
const PIPES: [(&str, &str, &str); 12] = [
    ("1 backend", ONE, ""),
    (
        "1 backend over HTTP/2",
        r#"{"host": ["HTTP2"], "url_pattern": "/small", "method": "POST",
            "extra_config": {"backend/http/client": {"http_version": "2"}}}"#,
        "",
    ),
    ("Lua, pre and post", LUA, ""),
    (
        "CEL, one check",
        ONE,
        r#""validation/cel": [{"check_expr": "event.payload.total > 10.0 && event.payload.kind == 'order'"}]"#,
    ),
    ("JSON schema, 20 properties", ONE, SCHEMA),
    ("Martian, a header and the body", MARTIAN, ""),
    ("3 parallel", THREE, ""),
    ("3 sequential", THREE, r#""proxy": {"sequential": true}"#),
    ("10 KiB of JSON", r#"{"host": ["HOST"], "url_pattern": "/json", "method": "POST"}"#, ""),
    (
        "10 KiB of JSON, allow + mapping + group",
        r#"{"host": ["HOST"], "url_pattern": "/json", "method": "POST", "group": "order",
            "allow": ["id", "customer.name", "rows"], "mapping": {"id": "number"}}"#,
        "",
    ),
    ("10 KiB of XML", r#"{"host": ["HOST"], "url_pattern": "/xml", "method": "POST", "encoding": "xml"}"#, ""),
    (
        "static, nobody is called",
        r#"{"method": "POST", "extra_config": {"backend/static": {"data": {"ok": true}}}}"#,
        "",
    ),
];

pub fn run(events: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (host, http2) = (format!("http://{}", backend::start()?), format!("http://{}", backend::start_http2()?));
    let pipes: Vec<Pipe> = PIPES
        .iter()
        .map(|(_, backends, more)| pipe(&backends.replace("HOST", &host).replace("HTTP2", &http2), more))
        .collect::<Result<_>>()?;
    for pipe in &pipes {
        measured(&runtime, pipe, events / 10 + 1)?;
    }
    let mut costs = vec![Vec::new(); pipes.len()];
    for _ in 0..ROUNDS {
        for (pipe, costs) in pipes.iter().zip(&mut costs) {
            costs.push(measured(&runtime, pipe, events)?);
        }
    }
    println!("the pipe by itself, {ROUNDS} rounds of {events} events, {WORKERS} at once, one thread; medians");
    println!("{:<42} {:>12} {:>9} {:>8}", "", "CPU us/event", "added us", "ratio");
    let medians: Vec<_> = costs.into_iter().map(median).collect();
    let (micros, plain) = (|cost: Duration| cost.as_secs_f64() * 1e6, medians[0]);
    for ((name, ..), cost) in PIPES.iter().zip(medians) {
        let (cost, plain) = (micros(cost), micros(plain));
        println!("{name:<42} {cost:>12.1} {:>9.1} {:>7.2}x", cost - plain, cost / plain);
    }
    Ok(())
}

fn median(mut costs: Vec<Duration>) -> Duration {
    costs.sort();
    costs[costs.len() / 2]
}

/// CPU time of one event, of this thread alone.
fn measured(runtime: &Runtime, pipe: &Pipe, events: usize) -> Result<Duration> {
    let before = thread_cpu();
    let failed = runtime.block_on(async {
        let runs =
            stream::iter(0..events).map(|_| pipe.run(Request::new(EVENT), Instant::now() + Duration::from_secs(60)));
        let failures = runs.buffer_unordered(WORKERS).filter_map(async |reply| reply.error);
        std::pin::pin!(failures).next().await
    });
    match failed {
        None => Ok((thread_cpu() - before) / u32::try_from(events)?),
        Some(error) => Err(error.to_string().into()),
    }
}

fn pipe(backends: &str, more: &str) -> Result<Pipe> {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    let agent = format!(
        r#"{{"name": "x", "consumer": {{"topic": "x", "workers": {WORKERS}}}, "backend": [{backends}], "extra_config": {{"bench": {{}}{more}}}}}"#
    );
    let file = format!(r#"{{"version": 3, "async_agent": [{agent}]}}"#);
    let listed =
        |problems: Vec<siphon_config::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let checked = Document::parse("bench.json", &file).map_err(listed)?.check(&catalogue());
    let config = checked.config.ok_or_else(|| listed(checked.problems))?;
    let agent = config.agents.first().ok_or("no agent")?;
    Ok(Pipe::build(agent, &config.service.http).map_err(listed)?)
}

/// The components of the pipe, and a driver that nobody asks for anything.
fn catalogue() -> Catalogue {
    let entry = |keys, level, kind| Entry {
        keys,
        level,
        kind,
        schema: None,
        unknown_keys: UnknownKeys::Refuse,
        effect: String::new(),
        origin: String::new(),
    };
    let components = component_table().iter().map(|component| {
        let level = match component.level {
            siphon_pipe::Level::Agent => Level::Agent,
            siphon_pipe::Level::Backend => Level::Backend,
        };
        let kind = match component.build {
            siphon_pipe::Build::Transport(_) => Kind::Transport,
            _ => Kind::Component,
        };
        entry(component.namespaces.iter().map(|key| (*key).to_owned()).collect(), level, kind)
    });
    let driver = entry(vec!["bench".into()], Level::Agent, Kind::Driver);
    Catalogue { entries: components.chain([driver]).collect(), plugin_folder: None }
}
