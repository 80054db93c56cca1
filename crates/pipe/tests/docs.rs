//! The examples of docs/pipe.md are configurations that load and make a pipe, and replies become what the page says.

mod support;

use siphon_pipe::Pipe;
use support::settings::config;
use support::{Server, data, run};

const PAGE: &str = include_str!("../../../docs/pipe.md");

fn examples() -> Vec<&'static str> {
    PAGE.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// A whole file; an example that is none stands for an agent (it has `backend`), else for a backend.
fn file(example: &str) -> String {
    if example.contains("\"async_agent\"") {
        return example.to_owned();
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
    for example in examples {
        let config = config(&file(example));
        let built = Pipe::build(&config.agents[0], &config.service.http);
        assert!(built.is_ok(), "{example}: {:?}", built.err());
    }
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
