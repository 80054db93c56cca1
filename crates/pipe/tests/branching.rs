//! Backends that take some of the events only, over real connections.

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use siphon_pipe::{FailureKind, Pipe, Reply, Request};
use support::server::{json, reply};
use support::settings::pipe_with_proxy;
use support::{PATIENCE, Server, data, error, loaded};
use tokio::time::Instant;

/// Every path answers with its own name; `/bad…` fails.
async fn server() -> Server {
    Server::start(|seen| match seen.target.trim_start_matches('/') {
        path if path.starts_with("bad") => reply(500, &[], "no"),
        path => json(&format!("{{\"{path}\":1}}")),
    })
    .await
}

/// A backend that takes events whose `X-Tier` is `tier`.
fn rule(path: &str, tier: &str) -> String {
    conditional(path, &format!(r#"{{"strategy": "header", "name": "X-Tier", "value": "{tier}"}}"#))
}

fn fallback(path: &str) -> String {
    conditional(path, r#"{"strategy": "fallback"}"#)
}

fn conditional(path: &str, settings: &str) -> String {
    format!(r#"{{"url_pattern": "{path}", "method": "POST", "extra_config": {{"backend/conditional": {settings}}}}}"#)
}

fn plain(path: &str) -> String {
    format!(r#"{{"url_pattern": "{path}", "method": "POST"}}"#)
}

async fn run_tier(pipe: &Pipe, tier: &str) -> Reply {
    let header = (HeaderName::from_static("x-tier"), HeaderValue::from_str(tier).expect(tier));
    let request = Request { headers: Arc::new(HeaderMap::from_iter([header])), ..Request::new("{\"e\":1}") };
    pipe.run(request, Instant::now() + PATIENCE).await
}

/// An event of `tier` makes `calls`; `expected`: data, error.
async fn check(backends: &[String], proxy: &str, tier: &str, calls: &[&str], expected: (Option<&str>, &str)) {
    let server = server().await;
    let pipe = pipe_with_proxy(&server.url(), &format!("[{}]", backends.join(",")), proxy);
    let reply = run_tier(&pipe, tier).await;
    pipe.finish().await;
    assert_eq!((data(&reply).as_deref(), error(&reply).as_str()), expected, "{tier}");
    assert_eq!(reply.is_complete(), expected.1.is_empty(), "what was left out is not missing");
    let mut seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    if !proxy.contains("sequential") {
        seen.sort();
    }
    assert_eq!(seen, calls, "{tier}");
    assert!(server.seen().iter().all(|seen| seen.body == "{\"e\":1}"), "who takes the event gets its payload");
}

#[tokio::test]
async fn of_backends_called_at_once_only_those_are_that_take_the_event() {
    let backends = [rule("/gold", "gold"), rule("/silver", "silver"), fallback("/other"), plain("/all")];
    check(&backends, "{}", "gold", &["/all", "/gold"], (Some(r#"{"gold":1,"all":1}"#), "")).await;
    check(&backends, "{}", "silver", &["/all", "/silver"], (Some(r#"{"silver":1,"all":1}"#), "")).await;
    check(&backends, "{}", "lead", &["/all", "/other"], (Some(r#"{"other":1,"all":1}"#), "")).await;
}

#[tokio::test]
async fn in_a_sequence_what_does_not_take_the_event_is_passed_over() {
    let backends = [plain("/first"), rule("/gold", "gold"), fallback("/other"), plain("/last")];
    let sequential = r#"{"sequential": true}"#;
    let gold = (Some(r#"{"first":1,"gold":1,"last":1}"#), "");
    check(&backends, sequential, "gold", &["/first", "/gold", "/last"], gold).await;
    let lead = (Some(r#"{"first":1,"other":1,"last":1}"#), "");
    check(&backends, sequential, "lead", &["/first", "/other", "/last"], lead).await;
}

const UNTAKEN: &str = "no backend takes this event: no rule of backend/conditional matches, and there is no fallback";

#[tokio::test]
async fn an_event_that_no_backend_takes_fails() {
    for (backends, proxy) in [
        (vec![rule("/gold", "gold")], "{}"),
        (vec![rule("/gold", "gold"), rule("/silver", "silver")], "{}"),
        (vec![rule("/gold", "gold"), rule("/silver", "silver")], r#"{"sequential": true}"#),
    ] {
        check(&backends, proxy, "lead", &[], (None, UNTAKEN)).await;
    }
    let server = server().await;
    let pipe = pipe_with_proxy(&server.url(), &format!("[{}]", rule("/gold", "gold")), "{}");
    let error = run_tier(&pipe, "lead").await.error.expect("a failure");
    assert_eq!((error.kind(), error.is_temporary()), (FailureKind::Invalid, false));
}

#[tokio::test]
async fn a_fallback_that_answers_by_itself_makes_such_events_done() {
    let nothing = r#"{"extra_config": {"backend/static": {}, "backend/conditional": {"strategy": "fallback"}}}"#;
    check(&[rule("/gold", "gold"), nothing.into()], "{}", "lead", &[], (Some("{}"), "")).await;
}

#[tokio::test]
async fn one_backend_may_have_a_rule() {
    check(&[rule("/gold", "gold")], "{}", "gold", &["/gold"], (Some(r#"{"gold":1}"#), "")).await;
}

#[tokio::test]
async fn a_backend_that_took_the_event_and_failed_is_no_case_for_the_fallback() {
    let server = server().await;
    let backends = format!("[{},{}]", rule("/bad", "gold"), fallback("/other"));
    let reply = run_tier(&pipe_with_proxy(&server.url(), &backends, "{}"), "gold").await;
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Status(500)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn shadows_have_rules_among_themselves() {
    let shadow =
        |text: String| text.replace("\"extra_config\": {", "\"extra_config\": {\"proxy\": {\"shadow\": true}, ");
    let backends = [plain("/all"), shadow(rule("/gold", "gold")), shadow(fallback("/other"))];
    for proxy in ["{}", r#"{"strategy": "sequential"}"#] {
        for (tier, taken) in [("gold", "/gold"), ("lead", "/other")] {
            let server = server().await;
            let pipe = pipe_with_proxy(&server.url(), &format!("[{}]", backends.join(",")), proxy);
            let reply = run_tier(&pipe, tier).await;
            tokio::time::timeout(Duration::from_secs(20), pipe.finish()).await.expect("shadows end");
            assert_eq!(data(&reply).as_deref(), Some(r#"{"all":1}"#));
            let mut seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
            seen.sort();
            assert_eq!(seen, ["/all", taken], "{proxy}");
        }
    }
}

/// The warnings about an agent that has a rule about `X-Tier`, with this at its level.
fn warnings(more: &str) -> Vec<String> {
    let backend = rule("/gold", "gold").replace("{\"url_pattern\"", "{\"host\": [\"http://h\"], \"url_pattern\"");
    let file = loaded::file("", &backend).replace("\"name\": \"x\",", &format!("\"name\": \"x\", {more}"));
    let (_, problems) = loaded::checked(&file);
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn a_rule_about_a_header_that_no_event_has_is_warned_of() {
    let path = "async_agent[0].backend[0].extra_config.backend/conditional.name";
    let expected = format!("{path}: no event has the header \"X-Tier\": the agent's input_headers does not name it");
    assert_eq!(warnings(""), [expected.as_str()]);
    assert_eq!(warnings("\"input_headers\": [\"x-tenant\"],"), [expected.as_str()]);
    for named in ["x-tier", "*"] {
        assert_eq!(warnings(&format!("\"input_headers\": [\"{named}\"],")), Vec::<String>::new());
    }
}

/// A backend that takes the events for which `expression` is true.
#[cfg(feature = "cel")]
fn policy(path: &str, expression: &str) -> String {
    conditional(path, &format!(r#"{{"strategy": "policy", "value": "{expression}"}}"#))
}

#[cfg(feature = "cel")]
#[tokio::test]
async fn a_policy_is_about_the_event() {
    let header = "req_headers['X-Tier'][0] == 'gold'";
    let backends =
        [policy("/one", "event.payload.e == 1"), policy("/two", "event.payload.e == 2"), policy("/gold", header)];
    check(&backends, "{}", "gold", &["/gold", "/one"], (Some(r#"{"one":1,"gold":1}"#), "")).await;
    check(&backends, "{}", "lead", &["/one"], (Some(r#"{"one":1}"#), "")).await;
}

#[cfg(feature = "cel")]
#[tokio::test]
async fn in_a_sequence_a_policy_may_ask_for_earlier_answers() {
    let sequential = r#"{"sequential": true}"#;
    let backends = [
        policy("/none", "has(resp_data.first)"),
        plain("/first"),
        policy("/both", "resp_data.first == 1 && event.payload.e == 1 && req_headers['X-Tier'][0] == 'gold'"),
        fallback("/other"),
    ];
    let gold = (Some(r#"{"first":1,"both":1}"#), "");
    check(&backends, sequential, "gold", &["/first", "/both"], gold).await;
    let lead = (Some(r#"{"first":1,"other":1}"#), "");
    check(&backends, sequential, "lead", &["/first", "/other"], lead).await;
}

#[cfg(feature = "cel")]
#[tokio::test]
async fn a_policy_without_an_answer_fails_the_event_before_any_call() {
    let server = server().await;
    let backends = format!("[{},{}]", plain("/all"), policy("/one", "event.payload.missing == 1"));
    let error = run_tier(&pipe_with_proxy(&server.url(), &backends, "{}"), "gold").await.error.expect("a failure");
    assert_eq!(error.to_string(), "backend/conditional: event.payload.missing == 1: no such key: missing");
    assert_eq!((error.kind(), server.seen().len()), (FailureKind::Invalid, 0));
}

#[cfg(feature = "cel")]
#[test]
fn a_policy_about_answers_that_nobody_has_is_refused() {
    let backends = format!("{},{}", plain("/a"), policy("/b", "resp_data.a == 1"))
        .replace("{\"url_pattern\"", "{\"host\": [\"http://h\"], \"url_pattern\"");
    let config = support::settings::config(&loaded::file("", &backends));
    let problems = Pipe::build(&config.agents[0], &config.service.http).err().expect("refused");
    let path = "async_agent[0].backend[1].extra_config.backend/conditional";
    assert!(
        matches!(problems.as_slice(), [one] if one.path == path && one.message.contains("asks for earlier answers")),
        "{problems:?}"
    );
}
