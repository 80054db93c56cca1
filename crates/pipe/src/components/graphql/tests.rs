use std::sync::{Arc, Mutex};

use ::http::Uri;

use super::*;
use crate::components::testing;
use crate::message::{Params, Request, Response};
use crate::stage::{Context, StageFuture};

/// Remembers what came down.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<Request>>>);

impl Stage for Last {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        *self.0.lock().expect("whole") = Some(request);
        crate::stage::ready(Ok(Response::empty()))
    }
}

fn built(settings: &str) -> Checked<(Last, Box<dyn Stage>)> {
    let last = Last::default();
    testing::with_site(|site| build(&testing::component("backend/graphql", settings), site, Box::new(last.clone())))
        .map(|stage| (last, stage))
}

fn params() -> Params {
    let mut params = Params::default();
    params.insert("topic", "a&b \"c\"");
    params
}

/// What goes out for `event`, or the error.
fn sent(settings: &str, event: &'static str) -> Result<Request, String> {
    let (last, stage) = built(settings).expect(settings);
    let url = Uri::from_static("http://h/g?v=1");
    let request = Request { url, params: Arc::new(params()), ..Request::new(event) };
    let context = Context { deadline: tokio::time::Instant::now() };
    let reply = futures_util::FutureExt::now_or_never(stage.call(request, &context)).expect("nothing to wait for");
    let sent = last.0.lock().expect("whole").take();
    sent.ok_or_else(|| reply.error.expect("an error").to_string())
}

#[track_caller]
fn check(settings: &str, event: &'static str, expected: &str) {
    let request = sent(settings, event).expect(settings);
    assert_eq!((request.method.as_str(), String::from_utf8_lossy(&request.body).as_ref()), ("POST", expected));
    assert_eq!(request.headers.get("content-type").map(|value| value.as_bytes()), Some(&b"application/json"[..]));
    assert_eq!(request.url, "http://h/g?v=1");
}

#[test]
fn a_mutation_takes_the_event_and_fills_it_at_the_top() {
    let settings = r#"{"type": "Mutation", "query": "m", "operationName": "M", "variables": {"a": 9, "b": "<x>&", "in": {"k": 1.50}}}"#;
    check(
        settings,
        r#"{"a":12345678901234567890,"in":{},"f":1.50}"#,
        r#"{"query":"m","operationName":"M","variables":{"a":12345678901234567890,"b":"<x>&","in":{},"f":1.50}}"#,
    );
    check(settings, "null", r#"{"query":"m","operationName":"M","variables":{"a":9,"b":"<x>&","in":{"k":1.50}}}"#);
    check(r#"{"type": "mutation", "query": "m"}"#, "{}", r#"{"query":"m"}"#);
}

#[test]
fn a_mutation_of_what_is_no_object_fails() {
    let cases = [
        ("", "unexpected end of JSON input"),
        (
            "[1]",
            "json: cannot unmarshal array into Go value of type map[string]interface {}; a mutation takes an object",
        ),
        ("{} x", "invalid character 'x' after top-level value at line 1, column 4"),
        ("<a>", "invalid character '<' looking for beginning of value at line 1, column 1"),
    ];
    for (event, expected) in cases {
        assert_eq!(
            sent(r#"{"type": "mutation", "query": "m"}"#, event).map(|_| ()),
            Err(expected.to_owned()),
            "{event}"
        );
    }
}

#[test]
fn a_query_takes_what_is_known_about_the_message_and_not_the_event() {
    check(
        r#"{"type": "query", "query": "q", "variables": {"id": "{topic}", "no": "{nope}", "n": {"deep": "{topic}"}, "k": 1}}"#,
        "ignored",
        r#"{"query":"q","variables":{"id":"a&b \"c\"","no":"","n":{"deep":"{topic}"},"k":1}}"#,
    );
}

#[test]
fn a_get_carries_the_request_in_its_url() {
    let settings = r#"{"type": "query", "query": "{ a(x: 1) }", "operationName": "O", "method": "get", "variables": {"t": "{topic}"}}"#;
    let request = sent(settings, "ignored").expect("sent");
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    let expected = "http://h/g?v=1&query=%7B%20a%28x%3A%201%29%20%7D&operationName=O\
                    &variables=%7B%22t%22%3A%22a%26b%20%5C%22c%5C%22%22%7D";
    assert_eq!(request.url.to_string(), expected);
}

#[track_caller]
fn refused(settings: &str, expected: &[(&str, &str)]) {
    let problems = built(settings).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((path, message), (expected_path, part)) in said.iter().zip(expected) {
        assert!(path == expected_path && message.contains(part), "{said:?}");
    }
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    refused(
        r#"{"type": "subscription", "query": " ", "method": "PUT"}"#,
        &[
            ("b.type", "\"subscription\" is neither \"query\" nor \"mutation\""),
            ("b.method", "\"PUT\" is neither \"POST\" nor \"GET\""),
            ("b", "has neither query nor query_path"),
        ],
    );
    refused(
        r#"{"type": "query", "query": "q", "query_path": "not/there.graphql"}"#,
        &[("b.query_path", "not/there.graphql cannot be read: ")],
    );
}

#[test]
fn the_file_counts_when_both_are_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("q.graphql");
    std::fs::write(&file, "{ fromFile }").expect("written");
    let settings = serde_json::json!({"type": "query", "query": "q", "query_path": file}).to_string();
    check(&settings, "", r#"{"query":"{ fromFile }"}"#);
    std::fs::write(&file, " \n").expect("written");
    refused(&settings, &[("b.query_path", "is empty")]);
}
