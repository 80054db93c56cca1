//! The examples of docs/pipe.md and docs/components are configurations that load and make a pipe, and replies become what
//! the pipe's page says.

mod support;

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use siphon_config::model::Component;
use siphon_pipe::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use siphon_pipe::{Checked, Context, Pipe, Site, Stage, Transports};
use siphon_telemetry::metrics::PipeMetrics;
use support::settings::config;
use support::{Server, data, run};

const PAGE: &str = include_str!("../../../docs/pipe.md");

fn examples() -> Vec<&'static str> {
    examples_of(PAGE)
}

fn examples_of(page: &str) -> Vec<&str> {
    page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Has every modifier and every client; they do nothing.
struct AnyPlugin;

impl Transports for AnyPlugin {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn build(&self, component: &Component, _: &Site<'_>) -> Checked<Box<dyn Stage>> {
        Err(vec![component.problem("", "is no backend of a plugin")])
    }

    fn modify(&self, _: &Component, _: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
        Ok(inner)
    }

    fn client(&self, _: &Component, _: &Site<'_>) -> Checked<Box<dyn Exchange>> {
        Ok(Box::new(Self))
    }
}

impl Exchange for AnyPlugin {
    fn exchange<'a>(&'a self, call: Outgoing, _: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(async move { Ok(Answer::from_memory(&call, StatusCode::OK, HeaderMap::new(), Bytes::new())) })
    }
}

/// Name and text of each page about a component.
fn component_pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/components");
    let files = std::fs::read_dir(folder).expect("the pages").map(|entry| entry.expect("a file").path());
    files.map(|file| (file.display().to_string(), std::fs::read_to_string(&file).expect("a page"))).collect()
}

/// A whole file; an example that is none stands for an agent (it has `backend`), else for a backend.
fn file(example: &str) -> String {
    if example.contains("\"async_agent\"") {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples/orders.pb");
        return example.replace("\"orders.pb\"", &format!("{:?}", set.display().to_string()));
    }
    let driver = r#""extra_config": {"async/sqlite": {}}"#;
    let agent = match example.contains("\"backend\"") {
        true => example.to_owned(),
        false => format!(r#"{{"name": "x", "topic": "x", "backend": [{example}], {driver}}}"#),
    };
    format!(r#"{{"version": 3, "async_agent": [{agent}]}}"#)
}

#[test]
fn every_example_loads_and_makes_a_pipe() {
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    examples.into_iter().for_each(makes_a_pipe);
}

#[test]
fn every_page_about_a_component_has_an_example_that_makes_a_pipe() {
    let pages = component_pages();
    assert!(!pages.is_empty());
    for (name, page) in &pages {
        let examples = examples_of(page);
        assert!(!examples.is_empty(), "{name}");
        examples.into_iter().for_each(makes_a_pipe);
    }
}

#[track_caller]
fn makes_a_pipe(example: &str) {
    let config = config(&file(example));
    let (agent, http) = (&config.agents[0], &config.service.http);
    let built = Pipe::build_with_plugins(agent, http, &AnyPlugin, PipeMetrics::default());
    assert!(built.is_ok(), "{example}: {:?}", built.err());
}

/// The example with `marker` in it, run against a server at its host with these replies.
async fn check(marker: &str, answers: &'static [(&'static str, &'static str)], calls: &[&str], expected: &str) {
    let example = examples().into_iter().find(|example| example.contains(marker)).expect(marker);
    let server = Server::answering(answers).await;
    let pipe = support::settings::pipe_of(&file(example).replace("http://localhost:8080", &server.url()));
    let reply = run(&pipe, "{}").await;
    assert_eq!(data(&reply).as_deref(), Some(expected), "{marker}: {}", support::error(&reply));
    pipe.finish().await;
    let mut seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    if !example.contains("\"sequential\"") {
        seen.sort();
    }
    assert_eq!(seen, calls, "{marker}");
}

#[tokio::test]
async fn the_examples_of_proxy_do_what_the_page_says() {
    check(
        "\"sequential\": true",
        &[
            ("/customers/find", r#"{"customer":{"id":7,"lang":"pt"}}"#),
            ("/accounts/7", r#"{"iban":"PT50"}"#),
            ("/mails?to=PT50&lang=pt", r#"{"queued":true}"#),
        ],
        &["/customers/find", "/accounts/7", "/mails?to=PT50&lang=pt"],
        r#"{"customer":{"id":7,"lang":"pt"},"iban":"PT50","queued":true}"#,
    )
    .await;
    check(
        "\"static\"",
        &[("/stock", r#"{"stock":3}"#)],
        &["/stock"],
        r#"{"stock":3,"source":"warehouse","version":1.50}"#,
    )
    .await;
    check(
        "\"users.*.password\"",
        &[("/users", r#"{"users":[{"id":1,"password":"x","geo":{"lat":1}}],"old":[0],"new":[1]}"#)],
        &["/users"],
        r#"{"users":[{"id":1,"geo":null,"lat":1}],"all":[0,1]}"#,
    )
    .await;
    check(
        "\"shadow\": true",
        &[("/orders", r#"{"order":1}"#), ("/next/orders", r#"{"order":2}"#)],
        &["/next/orders", "/orders"],
        r#"{"order":1}"#,
    )
    .await;
}

/// What the GET of the GraphQL example asks for.
const FOUND: &str = "/graphql?query=query%20Find%28%24id%3A%20ID%21%29%20%7B%20find%28id%3A%20%24id%29%20%7B%20name%20%7D%20%7D\
                     &variables=%7B%22id%22%3A%22%22%7D";

#[tokio::test]
async fn the_examples_of_encodings_graphql_and_static_backends_do_what_the_page_says() {
    check(
        "\"target\": \"car\"",
        &[("/car.xml", r#"<car wheels="4"><door side="left">red</door><door/></car>"#)],
        &["/car.xml"],
        r##"{"door":[{"-side":"left","#text":"red"},""]}"##,
    )
    .await;
    check(
        "\"encoding\": \"rss\"",
        &[("/news", "<rss><channel><title>News</title><item><title>One</title></item></channel></rss>")],
        &["/news"],
        r#"{"items":[{"title":"One"}],"title":"News"}"#,
    )
    .await;
    check("mutation Add", &[("/graphql", r#"{"data":{"id":1}}"#)], &["/graphql"], r#"{"data":{"id":1}}"#).await;
    check("query Find", &[(FOUND, r#"{"data":{"name":"x"}}"#)], &[FOUND], r#"{"data":{"name":"x"}}"#).await;
    check("\"left\": 3", &[], &[], r#"{"stock":{"left":3}}"#).await;
}
