//! How long runs and backends take, told by how they ended.

mod support;

use std::time::Duration;

use siphon_config::model::Backend;
use siphon_pipe::{NoTransports, Pipe};
use siphon_telemetry::{Label, Metrics};
use support::model::{agent, backend, http};
use support::server::{json, reply};
use support::{Action, PATIENCE, Server, event};
use tokio::time::Instant;

async fn server() -> Server {
    Server::start(|seen| match seen.target.as_str() {
        "/slow" => Action::Stall,
        "/bad" => json("{nope"),
        target if target.starts_with("/no") => reply(404, &[], "no"),
        _ => json("{}"),
    })
    .await
}

/// Runs one event through backends with these patterns and expects these counts: what, how it ended, how often.
async fn check(patterns: &[&str], patience: Duration, expected: &[(&str, &str, u32)]) {
    let (server, metrics) = (server().await, Metrics::default());
    let backends: Vec<Backend> = patterns.iter().map(|pattern| backend(&server.url(), pattern)).collect();
    let handles = metrics.agent(&Label::new("orders", "Test"));
    let pipe = Pipe::build_with_plugins(&agent(backends), &http(), &NoTransports, handles.pipe()).expect("a pipe");
    pipe.run(event("{}"), Instant::now() + patience).await;
    let text = metrics.text();
    let counts = text.lines().filter(|line| line.contains("_duration_seconds_count{") && !line.ends_with(" 0"));
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(backend, outcome, count)| match *backend {
            "" => format!("siphon_pipe_duration_seconds_count{{agent=\"orders\",outcome=\"{outcome}\"}} {count}"),
            _ => format!(
                "siphon_backend_duration_seconds_count{{agent=\"orders\",backend=\"{backend}\",outcome=\"{outcome}\"}} {count}"
            ),
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn each_backend_and_the_whole_run_are_measured() {
    check(&["/a"], PATIENCE, &[("", "done", 1), ("POST /a", "done", 1)]).await;
    check(&["/bad"], PATIENCE, &[("", "failed", 1), ("POST /bad", "failed", 1)]).await;
    let mixed = [("", "failed", 1), ("POST /a", "done", 1), ("POST /no", "failed", 1)];
    check(&["/a", "/no"], PATIENCE, &mixed).await;
}

#[tokio::test]
async fn what_is_given_up_is_late() {
    let soon = Duration::from_millis(50);
    check(&["/slow"], soon, &[("", "late", 1), ("POST /slow", "late", 1)]).await;
}

#[tokio::test]
async fn backends_are_named_as_written_without_secrets_and_told_apart() {
    let expected = [("", "done", 1), ("POST /a/{Id}?token=***", "done", 1), ("POST /a/{Id}?token=***#2", "done", 1)];
    check(&["/a/{Id}?token=hunter2", "/a/{Id}?token=hunter2"], PATIENCE, &expected).await;
}
