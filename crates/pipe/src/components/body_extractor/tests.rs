use std::sync::Mutex;

use ::http::HeaderMap;

use super::*;
use crate::components::testing;
use crate::error::FailureKind;
use crate::message::{Reply, Response};

const EVENT: &str = r#"{"id": 7, "price": 1.50, "customer": {"name": "Zoë", "tags": ["a", 2, null, {"b": 1}]},
    "lines": [{"sku": "x", "count": 2}, {"sku": "y", "count": 10}], "none": null, "bad": "a\nb"}"#;

/// Remembers what it is called with.
#[derive(Default, Clone)]
struct Below(Arc<Mutex<Option<Request>>>);

impl Stage for Below {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        *self.0.lock().expect("whole") = Some(request);
        ready(Reply::from(Ok(Response::empty())))
    }
}

fn built(operations: &str, below: Below) -> Checked<Box<dyn Stage>> {
    let component = testing::component(NAMESPACE, &format!("{{\"operations\": {operations}}}"));
    testing::with_site(|site| build(&component, site, Box::new(below)))
}

fn operation(kind: &str, strategy: &str, expression: &str, target: &str, on_conflict: &str) -> String {
    serde_json::json!({
        "type": kind, "strategy": strategy, "expression": expression, "target": target, "on_conflict": on_conflict
    })
    .to_string()
}

/// The call that the event becomes, with a header and a query value that are there already.
async fn called(operation: &str, payload: &'static str) -> Result<Request, PipeError> {
    let below = Below::default();
    let stage = built(&format!("[{operation}]"), below.clone()).expect(operation);
    let headers = [(HeaderName::from_static("x-old"), HeaderValue::from_static("old"))];
    let request = Request {
        headers: Arc::new(HeaderMap::from_iter(headers)),
        query: vec![("old".into(), "1".into())],
        ..Request::new(payload)
    };
    let reply = testing::run(stage.as_ref(), request).await;
    match reply.error {
        Some(error) => Err(error),
        None => Ok(below.0.lock().expect("whole").take().expect("called")),
    }
}

async fn header(strategy: &str, expression: &str, target: &str, on_conflict: &str) -> Vec<String> {
    let request = called(&operation("header", strategy, expression, target, on_conflict), EVENT).await.expect("called");
    let values = request.headers.get_all(target).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

#[tokio::test]
async fn values_of_the_event_become_headers() {
    let cases: [(&str, &[&str]); 7] = [
        ("price", &["1.50"]),
        ("customer.name", &["Zoë"]),
        ("customer.tags", &["a", "2", r#"{"b":1}"#]),
        ("lines.1.sku", &["y"]),
        ("lines.0", &[r#"{"sku":"x","count":2}"#]),
        ("none", &[]),
        ("customer.nope.deeper", &[]),
    ];
    for (expression, expected) in cases {
        assert_eq!(header("dotnotation", expression, "x-new", "replace").await, expected, "{expression}");
    }
}

#[cfg(feature = "jmespath")]
#[tokio::test]
async fn jmespath_finds_what_dots_cannot() {
    assert_eq!(header("jmespath", "lines[?count > `5`].sku | [0]", "x-new", "skip").await, ["y"]);
    assert_eq!(header("jmespath", "lines[].sku", "x-new", "append").await, ["x", "y"]);
    assert_eq!(header("jmespath", "length(lines)", "x-new", "skip").await, ["2"]);
}

#[tokio::test]
async fn a_conflict_is_settled_as_it_says() {
    let cases: [(&str, &[&str]); 3] = [("skip", &["old"]), ("replace", &["7"]), ("append", &["old", "7"])];
    for (on_conflict, expected) in cases {
        assert_eq!(header("dotnotation", "id", "X-Old", on_conflict).await, expected, "{on_conflict}");
    }
    // What is not there replaces nothing.
    assert_eq!(header("dotnotation", "nope", "X-Old", "replace").await, ["old"]);
}

#[tokio::test]
async fn values_of_the_event_become_query_values() {
    let cases = [("skip", "old=1"), ("replace", "old=x"), ("append", "old=1&old=x")];
    for (on_conflict, expected) in cases {
        let operation = operation("query_string", "dotnotation", "lines.0.sku", "old", on_conflict);
        let query = called(&operation, EVENT).await.expect("called").query;
        let query: Vec<_> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(query.join("&"), expected, "{on_conflict}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_fails_the_event() {
    let failed = |operation: String, payload| async move { called(&operation, payload).await.expect_err("refused") };
    let error = failed(operation("header", "dotnotation", "id", "x-id", "skip"), "no JSON").await;
    assert_eq!(error.kind(), FailureKind::Invalid);
    assert!(
        error.to_string().starts_with("modifier/request-body-extractor: the payload is no JSON: invalid"),
        "{error}"
    );
    let error = failed(operation("header", "dotnotation", "bad", "x-id", "skip"), EVENT).await;
    assert!(error.to_string().ends_with("the value for x-id cannot stand in a header"), "{error}");
}

#[track_caller]
fn refused(operations: &str, path: &str, message: &str) {
    let problems = built(operations, Below::default()).err().expect(operations);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.iter().any(|said| said.0 == path && said.1.contains(message)), "{said:?}");
}

#[test]
fn what_cannot_work_is_refused_at_load() {
    let one =
        |kind, strategy, expression, target| format!("[{}]", operation(kind, strategy, expression, target, "skip"));
    refused("[]", "b.operations", "is empty");
    refused(&one("cookie", "dotnotation", "a", "b"), "b.operations[0].type", "expected `header` or `query_string`");
    refused(&one("header", "dots", "a", "b"), "b.operations[0].strategy", "unknown variant `dots`");
    refused(&one("header", "dotnotation", "a..b", "b"), "b.operations[0].expression", "\"a..b\" is no path");
    refused(&one("header", "dotnotation", "a", "a b"), "b.operations[0].target", "\"a b\" is no name of a header");
    refused(&one("header", "dotnotation", "a", "Content-Length"), "b.operations[0].target", "written by siphon itself");
    refused(&one("query_string", "dotnotation", "a", ""), "b.operations[0].target", "is empty");
    refused(r#"[{"type": "header"}]"#, "b.operations[0]", "missing field `strategy`");
    // All that is wrong is told at once.
    refused(&one("header", "dotnotation", "", "a b"), "b.operations[0].target", "no name of a header");
    #[cfg(feature = "jmespath")]
    refused(&one("header", "jmespath", "a[", "b"), "b.operations[0].expression", "at line 1, column");
}
