//! `backend/http`: what becomes of a reply whose status is no success.

mod support;

use siphon_config::Severity;
use support::server::{json, reply};
use support::{Server, data, error, loaded, run};

async fn refusing() -> Server {
    Server::start(|seen| match seen.target.as_str() {
        "/fine" => json("{\"a\":1}"),
        "/bare" => reply(503, &[], ""),
        "/long" => reply(500, &[], "x".repeat(9_000)),
        _ => reply(422, &["Content-Type: text/plain"], "no\nsuch \"thing\""),
    })
    .await
}

fn backend(server: &Server, path: &str, http: &str) -> String {
    let extra = format!(r#"{{"backend/http": {http}}}"#);
    format!(
        r#"{{"host": ["{}"], "url_pattern": "{path}", "method": "POST", "group": "g", "extra_config": {extra}}}"#,
        server.url()
    )
}

#[tokio::test]
async fn details_make_data_of_a_refusal_and_leave_the_filters_out() {
    let server = refusing().await;
    let cases = [
        (
            "/",
            r#"{"error_x":{"http_status_code":422,"http_body":"no\nsuch \"thing\"","http_body_encoding":"text/plain"}}"#,
            false,
        ),
        ("/bare", r#"{"error_x":{"http_status_code":503}}"#, false),
        ("/fine", r#"{"g":{"a":1}}"#, true),
    ];
    for (path, expected, complete) in cases {
        let reply = run(&loaded::pipe(&backend(&server, path, r#"{"return_error_details": "x"}"#)), "{}").await;
        assert_eq!(error(&reply), "");
        assert_eq!(data(&reply).as_deref(), Some(expected));
        assert_eq!(reply.is_complete(), complete);
    }
}

#[tokio::test]
async fn the_code_brings_the_beginning_of_the_body_on_one_line() {
    let server = refusing().await;
    let reply = run(&loaded::pipe(&backend(&server, "/", r#"{"return_error_code": true}"#)), "{}").await;
    let expected = format!("invalid status code 422 [POST /]: {}/: no such \"thing\"", server.url());
    assert_eq!((error(&reply), reply.response.is_none()), (expected, true));
    let reply = run(&loaded::pipe(&backend(&server, "/long", r#"{"return_error_code": true}"#)), "{}").await;
    assert!(error(&reply).ends_with(&format!(": {}", "x".repeat(500))), "{}", error(&reply));
    assert!(!error(&reply).contains(&"x".repeat(501)));
}

#[tokio::test]
async fn the_connection_of_a_refusal_is_used_again() {
    let server = refusing().await;
    for http in [r#"{"return_error_details": "x"}"#, r#"{"return_error_code": true}"#, "{}"] {
        let before = server.connections();
        let pipe = loaded::pipe(&backend(&server, "/", http));
        run(&pipe, "{}").await;
        run(&pipe, "{}").await;
        assert_eq!(server.connections(), before + 1, "{http}");
    }
}

#[tokio::test]
async fn check_warns_that_such_an_event_is_acked() {
    let server = refusing().await;
    for (http, warned) in [(r#"{"return_error_details": "x"}"#, true), (r#"{"return_error_code": true}"#, false)] {
        let (_, problems) = loaded::checked(&loaded::file("", &backend(&server, "/", http)));
        let is_it = |message: &str| message.contains("an event whose backend failed is acked");
        let found = problems.iter().find(|problem| is_it(&problem.message));
        assert_eq!(found.map(|problem| problem.severity), warned.then_some(Severity::Warning), "{problems:?}");
    }
}
