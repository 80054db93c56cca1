//! Several backends at once, over real connections.

mod support;

use std::time::Duration;

use siphon_config::model::Backend;
use siphon_pipe::FailureKind;
use support::model::backend;
use support::server::{json, reply};
use support::{Action, Server, data, error, event, pipe, run};
use tokio::time::Instant;

async fn server() -> Server {
    Server::start(|seen| match seen.target.as_str() {
        "/a" => json("{\"id\":1,\"s\":\"A\"}"),
        "/b" => json("{\"id\":2,\"only\":\"B\"}"),
        "/null" => json("null"),
        "/slow" => Action::Stall,
        "/bad" => json("{nope"),
        _ => reply(404, &[], "no"),
    })
    .await
}

fn backends(server: &Server, paths: &[&str]) -> Vec<Backend> {
    let one = |(index, path): (usize, &&str)| {
        let method = if index % 2 == 0 { "POST" } else { "GET" };
        Backend { method: method.into(), ..backend(&server.url(), path) }
    };
    paths.iter().enumerate().map(one).collect()
}

/// `expected`: data, whether complete, error with `$B` for the server's URL.
async fn check(paths: &[&str], expected: (Option<&str>, bool, &str)) {
    let server = server().await;
    let reply = run(&pipe(backends(&server, paths)), "{\"e\":1}").await;
    let complete = reply.response.as_ref().is_some_and(|response| response.complete);
    let text = expected.2.replace("$B", &server.url());
    assert_eq!((data(&reply).as_deref(), complete, error(&reply)), (expected.0, expected.1, text));
    assert!(server.seen().iter().all(|seen| seen.body == "{\"e\":1}"), "every backend gets the payload");
}

#[tokio::test]
async fn later_backends_of_the_list_win() {
    check(&["/a", "/b"], (Some("{\"id\":2,\"s\":\"A\",\"only\":\"B\"}"), true, "")).await;
    check(&["/b", "/a"], (Some("{\"id\":1,\"only\":\"B\",\"s\":\"A\"}"), true, "")).await;
}

#[tokio::test]
async fn failures_leave_partial_data_and_stand_in_the_order_of_the_list() {
    check(&["/a", "/nf"], (Some("{\"id\":1,\"s\":\"A\"}"), false, "invalid status code 404 [GET /nf]: $B/nf")).await;
    check(
        &["/nf1", "/nf2"],
        (None, false, "invalid status code 404 [POST /nf1]: $B/nf1\ninvalid status code 404 [GET /nf2]: $B/nf2"),
    )
    .await;
    let bad = "invalid character 'n' looking for beginning of object key string at line 1, column 2 [POST /bad]";
    check(&["/bad", "/b"], (Some("{\"id\":2,\"only\":\"B\"}"), false, bad)).await;
}

#[tokio::test]
async fn a_null_part_lacks_without_failing() {
    check(&["/null", "/b"], (Some("{\"id\":2,\"only\":\"B\"}"), false, "")).await;
    check(&["/null", "/null"], (Some("{}"), false, "")).await;
}

#[tokio::test]
async fn a_slow_part_is_given_up_at_85_percent_and_the_rest_is_kept() {
    let server = server().await;
    let pipe = pipe(backends(&server, &["/a", "/slow"]));
    let started = Instant::now();
    let limit = Duration::from_millis(400);
    let reply = pipe.run(event("{}"), started + limit).await;
    assert_eq!(data(&reply).as_deref(), Some("{\"id\":1,\"s\":\"A\"}"));
    assert_eq!(error(&reply), "context deadline exceeded");
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Timeout));
    // Had the pipe's own deadline ended the run, there would be no data.
    assert!(started.elapsed() >= limit * 85 / 100);
}

#[tokio::test]
async fn all_backends_are_called_at_once() {
    let server = Server::start(|_| Action::Stall).await;
    let pipe = pipe(backends(&server, &["/1", "/2", "/3", "/4"]));
    tokio::select! {
        reply = run(&pipe, "{}") => panic!("nobody answered, and yet: {reply:?}"),
        () = server.called(4) => {}
    }
    let mut paths: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    paths.sort();
    assert_eq!(paths, ["/1", "/2", "/3", "/4"]);
}
