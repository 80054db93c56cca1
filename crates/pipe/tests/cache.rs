//! The HTTP cache in front of a backend that counts its calls.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use siphon_config::model::{Backend, Encoding};
use siphon_pipe::Pipe;
use support::component::with;
use support::model::backend;
use support::server::reply;
use support::{Action, Seen, Server, data, error, pipe, run};

/// Answers `{"n":1}`, `{"n":2}`, … with these header lines.
async fn counting(lines: &'static [&'static str]) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| reply(200, lines, numbered(&count))).await
}

fn numbered(count: &AtomicUsize) -> String {
    format!("{{\"n\":{}}}", count.fetch_add(1, Ordering::SeqCst) + 1)
}

fn cached(server: &Server, settings: &str) -> Backend {
    let get = Backend { method: "GET".into(), ..backend(&server.url(), "/c") };
    with(get, "qos/http-cache", settings)
}

fn cached_pipe(server: &Server) -> Pipe {
    pipe(vec![cached(server, "{}")])
}

/// Data, or the error, of each event.
async fn answers(pipe: &Pipe, events: &[&'static str]) -> Vec<String> {
    let mut answers = Vec::new();
    for event in events {
        let reply = run(pipe, event).await;
        answers.push(data(&reply).unwrap_or_else(|| error(&reply)));
    }
    answers
}

const ONE: &str = "{\"n\":1}";
const TWO: &str = "{\"n\":2}";

#[tokio::test]
async fn an_answer_is_used_again_for_the_same_event_only() {
    let server = counting(&["Cache-Control: max-age=60"]).await;
    assert_eq!(answers(&cached_pipe(&server), &["a", "a", "b", "a", "b"]).await, [ONE, ONE, TWO, ONE, TWO]);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn without_the_backend_s_leave_nothing_is_kept() {
    for lines in [&[] as &[_], &["Cache-Control: max-age=60, no-store"], &["Cache-Control: s-maxage=60"]] {
        let server = counting(lines).await;
        assert_eq!(answers(&cached_pipe(&server), &["a", "a"]).await, [ONE, TWO], "{lines:?}");
    }
}

#[tokio::test]
async fn a_post_always_arrives() {
    let server = counting(&["Cache-Control: max-age=60"]).await;
    let post = Backend { method: "POST".into(), ..cached(&server, "{}") };
    assert_eq!(answers(&pipe(vec![post]), &["a", "a"]).await, [ONE, TWO]);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        reply(if number == 0 { 500 } else { 200 }, &["Cache-Control: max-age=60"], format!("{{\"n\":{number}}}"))
    })
    .await;
    let said = answers(&cached_pipe(&server), &["a", "a", "a"]).await;
    assert!(said[0].starts_with("invalid status code 500"), "{said:?}");
    assert_eq!(said[1..], [ONE, ONE]);
}

#[tokio::test]
async fn a_stale_answer_is_asked_about() {
    let count = AtomicUsize::new(0);
    let lines = &["ETag: \"v1\"", "Cache-Control: no-cache"];
    let server = Server::start(move |seen: &Seen| match seen.header("if-none-match") {
        Some("\"v1\"") => Action::Answer(b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_vec()),
        _ => reply(200, lines, numbered(&count)),
    })
    .await;
    assert_eq!(answers(&cached_pipe(&server), &["a", "a", "a"]).await, [ONE, ONE, ONE]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_changed_answer_takes_the_place_of_the_stale_one() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen: &Seen| {
        let age = if seen.header("if-none-match").is_none() { 0 } else { 60 };
        reply(200, &["ETag: \"v\"", &format!("Cache-Control: max-age={age}")], numbered(&count))
    })
    .await;
    assert_eq!(answers(&cached_pipe(&server), &["a", "a", "a"]).await, [ONE, TWO, TWO]);
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_failure_where_the_backend_allows_it() {
    for (allowed, expected) in [(", stale-if-error", ONE), ("", "invalid status code 503")] {
        let count = AtomicUsize::new(0);
        let control = format!("Cache-Control: max-age=0{allowed}");
        let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => reply(200, &["ETag: \"v\"", &control], ONE),
            _ => reply(503, &[], "down"),
        })
        .await;
        let said = answers(&cached_pipe(&server), &["a", "a"]).await;
        assert!(said[0] == ONE && said[1].starts_with(expected), "{said:?}");
    }
}

#[tokio::test]
async fn two_backends_share_where_both_say_so() {
    let server = counting(&["Cache-Control: max-age=60"]).await;
    let pipes = [0, 1].map(|_| pipe(vec![cached(&server, r#"{"shared": true, "max_items": 77}"#)]));
    assert_eq!(answers(&pipes[0], &["a"]).await, [ONE]);
    assert_eq!(answers(&pipes[1], &["a"]).await, [ONE]);
    assert_eq!(answers(&cached_pipe(&server), &["a"]).await, [TWO]);
}

#[tokio::test]
async fn a_kept_answer_needs_no_token() {
    let server = Server::start(|seen: &Seen| match seen.target.as_str() {
        "/token" => reply(200, &["Content-Type: application/json"], "{\"access_token\":\"T\",\"expires_in\":1}"),
        _ => reply(200, &["Cache-Control: max-age=60"], ONE),
    })
    .await;
    let token = format!(r#"{{"client_id": "a", "client_secret": "b", "token_url": "{}/token"}}"#, server.url());
    let pipe = pipe(vec![with(cached(&server, "{}"), "auth/client-credentials", &token)]);
    assert_eq!(answers(&pipe, &["a", "a", "a"]).await, [ONE, ONE, ONE]);
    assert_eq!(server.seen().iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(), ["/token", "/c"]);
}

#[tokio::test]
async fn a_kept_answer_is_whole_whatever_the_encoding() {
    let server = counting(&["Cache-Control: max-age=60", "X-Mark: yes"]).await;
    let pipe = pipe(vec![Backend { encoding: Encoding::NoOp, ..cached(&server, "{}") }]);
    for _ in 0..2 {
        let response = run(&pipe, "a").await.response.expect("a response");
        assert_eq!((response.status, response.raw.as_deref()), (Some(200), Some(ONE.as_bytes())));
        assert_eq!(response.headers["x-mark"], "yes");
    }
    assert_eq!(server.seen().len(), 1);
}
