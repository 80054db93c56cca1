//! A pipe inside a backend, over real connections and from whole files.

mod support;

use siphon_config::Severity;
use support::server::{json, reply};
use support::settings::{pipe_of, pipe_with_proxy};
use support::{Server, data, error, loaded, run};

/// Every path answers with its own name and a customer; `/bad…` fails.
async fn server() -> Server {
    Server::start(|seen| match seen.target.trim_start_matches('/') {
        path if path.starts_with("bad") => reply(500, &[], "no"),
        "find" => json(r#"{"customer":{"id":7,"lang":"pt"}}"#),
        path => json(&format!("{{\"{}\":1}}", path.split(['?', '/']).next().unwrap_or_default())),
    })
    .await
}

/// A backend that is a workflow of these.
fn workflow(backends: &[&str], more: &str) -> String {
    let backends: Vec<_> = backends.iter().map(|path| plain(path)).collect();
    workflow_of(&backends, more)
}

fn workflow_of(backends: &[String], more: &str) -> String {
    let backends = backends.join(",");
    format!(r#"{{"extra_config": {{"workflow": {{"endpoint": "w", "backend": [{backends}] {more}}}}}}}"#)
}

fn plain(path: &str) -> String {
    format!(r#"{{"url_pattern": "{path}", "method": "POST"}}"#)
}

const SEQUENTIAL: &str = r#"{"sequential": true}"#;
const INSIDE_SEQUENTIAL: &str = r#", "extra_config": {"proxy": {"sequential": true}}"#;

/// `calls` in their order where something is sequential; `expected`: data, error with `$B` for the server.
async fn check(backends: &[String], proxy: &str, calls: &[&str], expected: (Option<&str>, &str)) {
    let server = server().await;
    let list = format!("[{}]", backends.join(","));
    let pipe = pipe_with_proxy(&server.url(), &list, proxy);
    let reply = run(&pipe, "{\"e\":1}").await;
    pipe.finish().await;
    let text = error(&reply).replace(&server.url(), "$B");
    assert_eq!((data(&reply).as_deref(), text.as_str()), expected, "{list}");
    let mut seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    if !proxy.contains("sequential") && !list.contains("sequential") {
        seen.sort();
    }
    assert_eq!(seen, calls, "{list}");
    assert!(server.seen().iter().all(|seen| seen.body == "{\"e\":1}"), "every backend gets the payload");
}

#[tokio::test]
async fn a_workflow_is_one_backend_among_others() {
    let backends = [plain("/a"), workflow(&["/b", "/c"], "")];
    check(&backends, "{}", &["/a", "/b", "/c"], (Some(r#"{"a":1,"b":1,"c":1}"#), "")).await;
}

#[tokio::test]
async fn a_sequence_may_have_steps_that_call_several_at_once() {
    let backends = [plain("/find"), workflow(&["/mails/{resp0_customer.id}"], ""), plain("/last")];
    let expected = (Some(r#"{"customer":{"id":7,"lang":"pt"},"mails":1,"last":1}"#), "");
    check(&backends, SEQUENTIAL, &["/find", "/mails/7", "/last"], expected).await;
}

#[tokio::test]
async fn a_sequence_inside_counts_its_own_answers() {
    let inside = workflow(&["/find", "/mails?to={resp0_customer.id}"], INSIDE_SEQUENTIAL);
    let expected = (Some(r#"{"customer":{"id":7,"lang":"pt"},"mails":1}"#), "");
    check(&[inside], "{}", &["/find", "/mails?to=7"], expected).await;
}

#[tokio::test]
async fn workflows_stand_in_workflows_and_later_backends_see_their_data() {
    let deep = workflow_of(&[workflow(&["/find"], "")], "");
    let backends = [deep, plain("/mails/{resp0_customer.id}")];
    let expected = (Some(r#"{"customer":{"id":7,"lang":"pt"},"mails":1}"#), "");
    check(&backends, SEQUENTIAL, &["/find", "/mails/7"], expected).await;
}

const FAILED: &str = "invalid status code 500 [POST /bad]: $B/bad";

#[tokio::test]
async fn a_failure_inside_is_one_of_the_event_and_keeps_its_kind() {
    check(&[workflow(&["/a", "/bad"], "")], "{}", &["/a", "/bad"], (Some(r#"{"a":1}"#), FAILED)).await;
    let chain = workflow(&["/a", "/bad", "/c"], INSIDE_SEQUENTIAL);
    check(&[chain], "{}", &["/a", "/bad"], (Some(r#"{"a":1}"#), FAILED)).await;
}

#[tokio::test]
async fn with_ignore_errors_a_sequence_goes_on_and_the_event_is_done() {
    let more = format!("{INSIDE_SEQUENTIAL}, \"ignore_errors\": true");
    let backends = [workflow(&["/a", "/bad", "/c"], &more), plain("/last")];
    let expected = (Some(r#"{"a":1,"c":1,"last":1}"#), "");
    check(&backends, SEQUENTIAL, &["/a", "/bad", "/c", "/last"], expected).await;
}

#[tokio::test]
async fn the_components_of_an_agent_work_inside() {
    let more = r#", "extra_config": {"proxy": {"static": {"data": {"from": "inside"}}}}"#;
    check(&[workflow(&["/a"], more)], "{}", &["/a"], (Some(r#"{"a":1,"from":"inside"}"#), "")).await;
}

#[tokio::test]
async fn shadows_inside_are_called_and_awaited() {
    let shadow = r#"{"url_pattern": "/s", "method": "POST", "extra_config": {"proxy": {"shadow": true}}}"#;
    let backends = [workflow_of(&[plain("/a"), shadow.into()], "")];
    check(&backends, "{}", &["/a", "/s"], (Some(r#"{"a":1}"#), "")).await;
}

#[tokio::test]
async fn equal_calls_at_once_are_one_answer() {
    let server = server().await;
    let pipe = pipe_with_proxy(&server.url(), &format!("[{}]", workflow(&["/a"], r#", "concurrent_calls": 2"#)), "{}");
    assert_eq!(data(&run(&pipe, "{}").await).as_deref(), Some(r#"{"a":1}"#));
    assert!((1..=2).contains(&server.seen().len()), "the second may have been given up before it was sent");
}

/// The errors about a backend, with their paths behind it, and the lines and columns.
fn problems(backend: &str) -> Vec<String> {
    let (_, problems) = loaded::checked(&loaded::file("\"host\": [\"http://h\"],", backend));
    let errors = problems.into_iter().filter(|problem| problem.severity == Severity::Error);
    let below = |path: &str| path.trim_start_matches("async_agent[0].backend[0].extra_config.workflow").to_owned();
    errors.map(|problem| format!("{}: {}", below(&problem.path), problem.message)).collect()
}

#[test]
fn what_stands_inside_is_checked_as_an_agents() {
    let nested = r#"{"extra_config": {"workflow": {"endpoint": "v", "backend": [{"method": "a b"}]}}}"#;
    let cases = [
        (workflow(&[], ""), ".backend: a workflow needs at least one backend"),
        (workflow_of(&[r#"{"encoding": "yml"}"#.into()], ""), ".backend[0].encoding: the encoding \"yml\" is none of"),
        (
            workflow_of(&[nested.into()], ""),
            ".backend[0].extra_config.workflow.backend[0].method: \"a b\" is no HTTP method",
        ),
        (
            workflow(&["/a"], r#", "extra_config": {"async/sqlite": {}}"#),
            ".extra_config.async/sqlite: has no effect in a workflow",
        ),
        (
            workflow(&["/a"], r#", "extra_config": {"async/delivery": {}}"#),
            ".extra_config.async/delivery: has no effect in a workflow",
        ),
        (
            workflow(&["/a"], r#", "extra_config": {"backend/http": {}}"#),
            ".extra_config.backend/http: has no effect on an agent",
        ),
        (workflow(&["/a"], r#", "concurrent_calls": "two""#), ".concurrent_calls: "),
        (workflow(&["/a"], r#", "time_out": "1s""#), ".time_out: unknown key"),
    ];
    for (backend, expected) in cases {
        let found = problems(&backend);
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{backend}: {found:?}");
    }
}

#[test]
fn the_place_of_a_mistake_inside_is_that_in_the_file() {
    let file = loaded::file(
        "\"host\": [\"http://h\"],",
        "\n{\"extra_config\": {\"workflow\": {\"endpoint\": \"w\",\n  \"backend\": [{\"encoding\": \"yml\"}]}}}\n",
    );
    let (_, problems) = loaded::checked(&file);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{problems:?}");
    let path = "async_agent[0].backend[0].extra_config.workflow.backend[0].encoding";
    assert_eq!((errors[0].path.as_str(), errors[0].at.map(|at| (at.line, at.column))), (path, Some((3, 28))));
}

#[test]
fn workflows_stand_in_each_other_eight_deep_at_most() {
    let deep = |depth: usize| (0..depth).fold(plain("/a"), |inside, _| workflow_of(&[inside], ""));
    assert_eq!(problems(&deep(8)), Vec::<String>::new());
    let found = problems(&deep(9));
    assert!(matches!(found.as_slice(), [one] if one.contains("at most 8 deep")), "{found:?}");
}

/// What the pipe refuses, of an agent with this `backend` list.
#[track_caller]
fn refused(backends: &[String], proxy: &str, expected: (&str, &str)) {
    let text = format!(
        r#"{{"version": 3, "host": ["http://h"], "async_agent": [{{"name": "x", "topic": "x", "backend": [{}],
            "extra_config": {{"async/sqlite": {{}}, "proxy": {proxy}}}}}]}}"#,
        backends.join(",")
    );
    let config = support::settings::config(&text);
    let problems = siphon_pipe::Pipe::build(&config.agents[0], &config.service.http).err().unwrap_or_default();
    let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(
        matches!(found.as_slice(), [(path, message)] if *path == expected.0 && message.contains(expected.1)),
        "{found:?}"
    );
}

#[test]
fn references_that_nothing_fills_are_refused_inside_too() {
    let inside =
        |workflow: usize| format!("async_agent[0].backend[{workflow}].extra_config.workflow.backend[0].url_pattern");
    let uses = workflow(&["/a/{resp0_id}"], "");
    refused(std::slice::from_ref(&uses), "{}", (&inside(0), "which only a sequential agent has"));
    refused(&[uses, plain("/b")], SEQUENTIAL, (&inside(0), "not called before backend 0"));
    let chain = workflow(&["/a/{resp1_id}", "/b"], INSIDE_SEQUENTIAL);
    refused(&[chain], "{}", (&inside(0), "not called before backend 0"));
}

#[test]
fn what_changes_an_http_call_is_refused_beside_a_workflow() {
    for component in [r#""backend/http/client": {"no_redirect": true}"#, r#""qos/http-cache": {}"#] {
        let backend = workflow(&["/a"], "")
            .replace("\"extra_config\": {\"workflow\"", &format!("\"extra_config\": {{{component}, \"workflow\""));
        let namespace = component.split('"').nth(1).expect("a name");
        let path = format!("async_agent[0].backend[0].extra_config.{namespace}");
        refused(&[backend], "{}", (&path, "has no effect beside workflow; remove one of them"));
    }
}

#[test]
fn a_pipe_tells_what_it_has_inside() {
    let pipe = pipe_of(&loaded::file("\"host\": [\"http://h\"],", &workflow(&["/a", "/b"], INSIDE_SEQUENTIAL)));
    let backend = &pipe.describe().backends[0];
    let inside = backend.workflow.as_ref().expect("a workflow");
    assert_eq!((backend.transport.as_deref(), inside.is_sequential), (Some("workflow"), true));
    let urls: Vec<_> = inside.backends.iter().flat_map(|backend| &backend.urls).collect();
    assert_eq!(urls, ["http://h/a", "http://h/b"]);
}
