//! Martian in front of a server that is there.

mod support;

use std::io::Read;

use siphon_config::model::{Backend, Encoding};
use siphon_pipe::Pipe;
use support::component::with;
use support::loaded;
use support::model::backend;
use support::server::{json, reply};
use support::{Server, data, error, pipe, run};

fn modified(server: &Server, settings: &str) -> Backend {
    with(backend(&server.url(), "/orders?q=1"), "modifier/martian", settings)
}

fn modified_pipe(server: &Server, settings: &str) -> Pipe {
    pipe(vec![modified(server, settings)])
}

#[tokio::test]
async fn a_header_and_a_body_reach_the_backend() {
    let server = Server::start(|_| json("{\"ok\":1}")).await;
    let settings = r#"{"fifo.Group": {"scope": ["request"], "modifiers": [
        {"header.Modifier": {"name": "X-Kind", "value": "gold"}},
        {"header.Modifier": {"name": "Host", "value": "internal.example"}},
        {"body.Modifier": {"body": "eyJhIjoxfQ==", "contentType": "application/vnd.api+json"}}]}}"#;
    assert_eq!(data(&run(&modified_pipe(&server, settings), "{\"event\":1}").await).as_deref(), Some("{\"ok\":1}"));
    let seen = &server.seen()[0];
    let headers =
        ["host", "x-kind", "content-type", "content-length"].map(|name| seen.header(name).unwrap_or_default());
    assert_eq!(headers, ["internal.example", "gold", "application/vnd.api+json", "7"]);
    assert_eq!((seen.body.as_str(), seen.target.as_str()), ("{\"a\":1}", "/orders?q=1"));
}

#[tokio::test]
async fn a_call_goes_where_the_new_url_says_and_names_the_first_host() {
    let (first, second) = (Server::start(|_| json("{}")).await, Server::start(|_| json("{\"second\":1}")).await);
    let port = second.address.port();
    let settings = format!(
        r#"{{"fifo.Group": {{"modifiers": [
        {{"url.Modifier": {{"path": "/moved here"}}}},
        {{"querystring.Modifier": {{"name": "a", "value": "x y"}}}},
        {{"port.Modifier": {{"port": {port}}}}}]}}}}"#
    );
    assert_eq!(data(&run(&modified_pipe(&first, &settings), "{}").await).as_deref(), Some("{\"second\":1}"));
    let seen = &second.seen()[0];
    assert_eq!(
        (seen.target.as_str(), seen.header("host")),
        ("/moved%20here?a=x+y&q=1", Some(&*first.address.to_string()))
    );
    assert!(first.seen().is_empty());
}

#[tokio::test]
async fn a_status_that_is_modified_counts() {
    let server = Server::start(|_| reply(500, &[], "{\"was\":500}")).await;
    let rescued = modified_pipe(&server, r#"{"status.Modifier": {"statusCode": 200}}"#);
    assert_eq!(data(&run(&rescued, "{}").await).as_deref(), Some("{\"was\":500}"));
    let server = Server::start(|_| json("{}")).await;
    let failed = run(&modified_pipe(&server, r#"{"status.Modifier": {"statusCode": 404}}"#), "{}").await;
    let expected = format!("invalid status code 404 [POST /orders?q=1]: {}/orders?q=1", server.url());
    assert_eq!(error(&failed), expected);
}

#[tokio::test]
async fn the_body_of_an_answer_is_replaced_and_its_connection_used_again() {
    let server = Server::start(|_| json("{\"from\":\"backend\"}")).await;
    let settings = r#"{"body.Modifier": {"scope": ["response"], "body": "eyJmcm9tIjoibWFydGlhbiJ9"}}"#;
    let pipe = modified_pipe(&server, settings);
    for _ in 0..3 {
        assert_eq!(data(&run(&pipe, "{}").await).as_deref(), Some("{\"from\":\"martian\"}"));
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[tokio::test]
async fn modifiers_see_a_packed_answer_unpacked() {
    let mut packed = Vec::new();
    let packer = flate2::read::GzEncoder::new(&b"{\"n\":1}"[..], flate2::Compression::fast()).read_to_end(&mut packed);
    packer.expect("packed");
    let server = Server::start(move |_| reply(200, &["Content-Encoding: gzip"], &packed)).await;
    let settings = r#"{"header.Blacklist": {"scope": ["response"], "names": ["Content-Encoding"]}}"#;
    assert_eq!(data(&run(&modified_pipe(&server, settings), "{}").await).as_deref(), Some("{\"n\":1}"));
}

#[tokio::test]
async fn an_answer_s_headers_are_changed_where_they_are_kept() {
    let server = Server::start(|_| reply(200, &["X-Old: 1"], "raw")).await;
    let settings = r#"{"fifo.Group": {"scope": ["response"], "modifiers": [
        {"header.Modifier": {"name": "X-New", "value": "2"}}, {"header.Blacklist": {"names": ["X-Old"]}}]}}"#;
    let one = Backend { encoding: Encoding::NoOp, ..modified(&server, settings) };
    let response = run(&pipe(vec![one]), "{}").await.response.expect("a response");
    assert_eq!(
        (response.headers.get("x-new").map(|v| v.as_bytes()), response.headers.get("x-old")),
        (Some(&b"2"[..]), None)
    );
}

#[tokio::test]
async fn a_call_is_changed_once_and_redirects_follow_it() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/next" => json("{\"next\":1}"),
        _ => reply(307, &["Location: /next"], ""),
    })
    .await;
    let settings = r#"{"fifo.Group": {"modifiers": [
        {"header.Append": {"scope": ["request"], "name": "X-N", "value": "1"}},
        {"url.Filter": {"scope": ["response"], "path": "/next", "modifier": {"status.Modifier": {"statusCode": 201}},
                        "else": {"status.Modifier": {"statusCode": 500}}}}]}}"#;
    let one = with(modified(&server, settings), "backend/http/client", r#"{"send_body_on_redirect": true}"#);
    assert_eq!(data(&run(&pipe(vec![one]), "{}").await).as_deref(), Some("{\"next\":1}"));
    let values: Vec<_> = server.seen().iter().map(|seen| seen.header("x-n").unwrap_or_default().to_owned()).collect();
    assert_eq!(values, ["1", "1"]);
}

#[tokio::test]
async fn what_a_modifier_does_to_host_belongs_to_the_key_of_the_cache() {
    let server = Server::start(|seen| {
        let body = format!("{{\"host\":\"{}\"}}", seen.header("host").unwrap_or_default());
        reply(200, &["Cache-Control: max-age=60"], body)
    })
    .await;
    let settings = r#"{"header.Copy": {"scope": ["request"], "from": "X-Tenant", "to": "Host"}}"#;
    let one = Backend { method: "GET".into(), ..modified(&server, settings) };
    let pipe = pipe(vec![with(one, "qos/http-cache", "{}")]);
    for tenant in ["a.example", "b.example", "a.example"] {
        let mut event = support::event("{}");
        std::sync::Arc::make_mut(&mut event.headers).insert("x-tenant", tenant.parse().expect("a value"));
        let reply = pipe.run(event, tokio::time::Instant::now() + support::PATIENCE).await;
        assert_eq!(data(&reply), Some(format!("{{\"host\":\"{tenant}\"}}")));
    }
    assert_eq!(server.seen().len(), 2);
}

/// The messages about a backend with this `modifier/martian`, as `check` gives them.
fn said(settings: &str) -> Vec<String> {
    let backend = format!(
        r#"{{"host": ["http://h:80"], "url_pattern": "/", "method": "POST", "extra_config": {{"modifier/martian": {settings}}}}}"#
    );
    let text = loaded::file("", &backend);
    let (_, mut problems) = loaded::checked(&text);
    if problems.iter().all(|problem| !problem.is_error()) {
        let config = support::settings::config(&text);
        let http = &config.service.http;
        problems.extend(Pipe::build(&config.agents[0], http).err().into_iter().flatten());
    }
    let short = |path: &str| path.rsplit_once("modifier/martian").map_or("", |(_, rest)| rest).to_owned();
    problems
        .iter()
        .map(|problem| format!("{}{}: {}", problem.severity, short(&problem.path), problem.message))
        .collect()
}

#[test]
fn a_file_s_mistakes_are_told_with_their_place() {
    assert_eq!(said("\"text\""), ["error: expected an object, found \"text\""]);
    let scope = said(r#"{"header.Id": {"scope": ["requests"]}}"#);
    assert!(scope.len() == 1 && scope[0].contains(".header.Id.scope[0]: \"requests\" is none of"), "{scope:?}");
    let unknown = said(r#"{"fifo.Group": {"modifiers": [{"skip.RoundTrip": {}}]}}"#);
    assert!(unknown[0].starts_with("error.fifo.Group.modifiers[0].skip.RoundTrip: parse: unknown"), "{unknown:?}");
    let ignored =
        said(r#"{"header.RegexFilter": {"header": "a", "regex": "b", "modifier": {"header.Id": {}}, "else": {}}}"#);
    assert!(ignored.len() == 1 && ignored[0].starts_with("error.header.RegexFilter.else: unknown key"), "{ignored:?}");
    assert!(
        said(r#"{"@comment": "x", "body.Modifier": {"ContentType": "a", "@comment": "y", "Body": "eA=="}}"#).is_empty()
    );
}
