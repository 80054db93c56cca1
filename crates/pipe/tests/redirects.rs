//! Replies that send a call elsewhere.

mod support;

use siphon_config::model::{Backend, Component};
use siphon_config::tree::{Entry, Node, Value};
use siphon_pipe::Reply;
use support::model::{backend, map};
use support::server::{Seen, json, reply};
use support::{Server, data, error, pipe, run};

/// `/N` answers with status N and the Location `/r`; `/loop` leads to itself; `/r` arrives.
async fn server() -> Server {
    Server::start(|seen| match seen.target.as_str() {
        "/r" => json("{\"r\":1}"),
        "/loop" => reply(302, &["Location: /loop"], "again"),
        "/lost" => reply(302, &[], "nowhere"),
        "/ftp" => reply(302, &["Location: ftp://h/x"], ""),
        status => reply(status[1..].parse().expect("a status"), &["Location: /r"], "moved"),
    })
    .await
}

fn with_client(settings: &[&str], backend: Backend) -> Backend {
    let mut node = map();
    let at = node.at;
    let entry = |key: &&str| Entry { key: (*key).to_owned(), at, value: Node { value: Value::Bool(true), at } };
    node.value = Value::Map(settings.iter().map(entry).collect());
    let component = Component { namespace: "backend/http/client".into(), path: "c".into(), settings: node };
    Backend { components: vec![component], ..backend }
}

/// Calls `path` with `method` and `body`; the reply and what the server saw.
async fn call(settings: &[&str], method: &str, path: &str, body: &'static str) -> (Reply, Vec<Seen>, String) {
    let server = server().await;
    let one = Backend { method: method.into(), ..backend(&server.url(), path) };
    let reply = run(&pipe(vec![with_client(settings, one)]), body).await;
    (reply, server.seen(), server.url())
}

#[tokio::test]
async fn a_redirect_that_would_lose_the_payload_is_a_failure() {
    let replay = ["send_body_on_redirect"].as_slice();
    for (settings, method, path) in [
        ([].as_slice(), "POST", "/301"),
        (&[], "POST", "/302"),
        (&[], "GET", "/303"),
        (&[], "POST", "/307"),
        (&[], "PUT", "/308"),
        (replay, "POST", "/301"),
    ] {
        let (reply, seen, url) = call(settings, method, path, "{}").await;
        let expected = format!("invalid status code {} [{method} {path}]: {url}{path}", &path[1..]);
        assert_eq!((error(&reply), seen.len()), (expected, 1));
    }
}

#[tokio::test]
async fn the_payload_goes_along_when_the_backend_says_so() {
    for path in ["/307", "/308"] {
        let (reply, seen, url) = call(&["send_body_on_redirect"], "POST", path, "{\"r\":7}").await;
        assert_eq!(data(&reply).as_deref(), Some("{\"r\":1}"));
        let calls: Vec<_> =
            seen.iter().map(|seen| (seen.method.as_str(), seen.target.as_str(), seen.body.as_str())).collect();
        assert_eq!(calls, [("POST", path, "{\"r\":7}"), ("POST", "/r", "{\"r\":7}")]);
        assert_eq!(
            (seen[1].header("content-length"), seen[1].header("content-type")),
            (Some("7"), Some("application/json"))
        );
        assert_eq!(seen[1].header("referer"), Some(format!("{url}{path}").as_str()));
        assert_eq!(seen[1].connection, seen[0].connection);
    }
}

#[tokio::test]
async fn without_a_payload_redirects_are_followed() {
    for (method, path, then) in
        [("GET", "/301", "GET"), ("POST", "/302", "GET"), ("HEAD", "/303", "HEAD"), ("DELETE", "/307", "DELETE")]
    {
        let (reply, seen, _) = call(&[], method, path, "").await;
        assert!(reply.is_complete(), "{}", error(&reply));
        assert_eq!((seen.len(), seen[1].method.as_str(), seen[1].target.as_str()), (2, then, "/r"));
    }
}

#[tokio::test]
async fn no_redirect_makes_every_redirect_a_failure() {
    let (reply, seen, url) = call(&["no_redirect"], "GET", "/302", "").await;
    assert_eq!((error(&reply), seen.len()), (format!("invalid status code 302 [GET /302]: {url}/302"), 1));
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_a_failure() {
    let (reply, seen, url) = call(&[], "GET", "/lost", "").await;
    assert_eq!((error(&reply), seen.len()), (format!("invalid status code 302 [GET /lost]: {url}/lost"), 1));
    let (reply, _, url) = call(&[], "GET", "/ftp", "").await;
    assert_eq!(error(&reply), format!("Get \"{url}/ftp\": unsupported protocol scheme \"ftp\""));
}

#[tokio::test]
async fn a_circle_is_left_after_ten_hops() {
    let (reply, seen, url) = call(&[], "GET", "/loop", "").await;
    assert_eq!(error(&reply), format!("Get \"{url}/loop\": stopped after 10 redirects"));
    assert_eq!(seen.len(), 11);
}

#[tokio::test]
async fn the_failure_after_a_redirect_names_where_it_happened() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/from" => reply(302, &["Location: /missing?x"], ""),
        _ => reply(404, &[], "no"),
    })
    .await;
    let one = Backend { method: "GET".into(), ..backend(&server.url(), "/from") };
    let reply = run(&pipe(vec![one]), "").await;
    assert_eq!(error(&reply), format!("invalid status code 404 [GET /from]: {}/missing?x", server.url()));
}
