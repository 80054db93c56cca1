use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::*;
use crate::components::testing::{component, run, with_backend};
use crate::error::PipeError;
use crate::fixture;
use crate::json::Json;
use crate::stage::ready;
use crate::taken::{Hold, Taken};

fn outer() -> Backend {
    let workflow =
        Workflow { path: "b".into(), backends: vec![fixture::backend("http://h", "/")], components: Vec::new() };
    Backend { workflow: Some(workflow), ..fixture::backend("", "/") }
}

fn built(backend: &Backend, settings: &str) -> Result<Nested, String> {
    let component = component(ENTRY.namespaces[0], settings);
    let said = |problem: &siphon_config::Problem| format!("{}: {}", problem.path, problem.message);
    with_backend(backend, |site| build(&component, site))
        .map_err(|problems| problems.iter().map(said).collect::<Vec<_>>().join("\n"))
}

/// Answers with these.
struct Answers(Reply);

impl Stage for Answers {
    fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
        ready(self.0.clone())
    }
}

/// `expected`: data, whether complete, error.
async fn check(backend: &Backend, settings: &str, inside: Reply, expected: (Option<&str>, bool, bool)) {
    let stage = built(backend, settings).unwrap_or_else(|why| panic!("{why}")).around(Box::new(Answers(inside)));
    let reply = run(stage.as_ref(), Request::new("event")).await;
    let data = reply.response.as_ref().map(|response| response.data.to_string());
    assert_eq!((data.as_deref(), reply.is_complete(), reply.error.is_some()), expected, "{settings}");
}

fn partial() -> Reply {
    let data = Json::parse(br#"{"a":{"x":1.50},"b":2}"#).expect("valid");
    let response = Response { complete: false, status: Some(200), raw: Some("raw".into()), ..Response::complete(data) };
    Reply { response: Some(response), error: Some(PipeError::NoHosts) }
}

#[tokio::test]
async fn the_backends_filters_are_about_the_data_of_the_whole_workflow() {
    let backend = Backend { target: "a".into(), group: "g".into(), ..outer() };
    check(&backend, r#"{"endpoint": "x"}"#, partial(), (Some(r#"{"g":{"x":1.50}}"#), false, true)).await;
}

#[tokio::test]
async fn failures_inside_count_unless_they_are_ignored() {
    let all = Some(r#"{"a":{"x":1.50},"b":2}"#);
    check(&outer(), r#"{"endpoint": "x"}"#, partial(), (all, false, true)).await;
    let ignoring = r#"{"endpoint": "x", "ignore_errors": true}"#;
    check(&outer(), ignoring, partial(), (all, true, false)).await;
    check(&outer(), ignoring, PipeError::NoHosts.into(), (Some("{}"), true, false)).await;
}

#[tokio::test]
async fn no_op_hands_on_what_the_only_backend_said() {
    let backend = Backend { encoding: Encoding::NoOp, ..outer() };
    let nested =
        built(&backend, r#"{"endpoint": "x", "output_encoding": "no-op"}"#).unwrap_or_else(|why| panic!("{why}"));
    let stage = nested.around(Box::new(Answers(partial())));
    let response = run(stage.as_ref(), Request::new("event")).await.response.expect("a response");
    assert_eq!((response.raw.as_deref(), response.status), (Some(b"raw".as_slice()), Some(200)));
}

#[tokio::test]
async fn a_workflow_may_have_less_time_than_the_event() {
    struct Never;
    impl Stage for Never {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            Box::pin(std::future::pending())
        }
    }
    let nested = built(&outer(), r#"{"endpoint": "x", "timeout": "5ms"}"#).unwrap_or_else(|why| panic!("{why}"));
    let reply = run(nested.around(Box::new(Never)).as_ref(), Request::new("event")).await;
    assert!(matches!(reply.error, Some(PipeError::TimedOut)), "{reply:?}");
}

#[test]
fn the_inside_is_called_by_its_workflows_name() {
    for endpoint in ["enrich", "/enrich"] {
        let nested = built(&outer(), &format!(r#"{{"endpoint": "{endpoint}"}}"#)).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(nested.name, "/__workflow/enrich");
        let agent = fixture::agent(Vec::new());
        let inside = nested.agent(&agent, outer().workflow.as_ref().expect("one"));
        assert_eq!((inside.name.as_str(), inside.backends.len()), ("test/__workflow/enrich", 1));
    }
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    let no_op = || Backend { encoding: Encoding::NoOp, ..outer() };
    let cases = [
        (outer(), r#"{}"#, "b: missing field `endpoint`"),
        (outer(), r#"{"endpoint": "/"}"#, "b.endpoint: is empty"),
        (outer(), r#"{"endpoint": "x", "timeout": "0s"}"#, "b.timeout: must be more than 0"),
        (outer(), r#"{"endpoint": "x", "concurrent_calls": 6}"#, "b.concurrent_calls: 6 is not from 1 to 5"),
        (outer(), r#"{"endpoint": "x", "output_encoding": "xml"}"#, "b.output_encoding: \"xml\" is not in this build"),
        (outer(), r#"{"endpoint": "x", "output_encoding": "no-op"}"#, "b.output_encoding: needs \"encoding\""),
        (no_op(), r#"{"endpoint": "x"}"#, "b: needs \"output_encoding\""),
        (
            no_op(),
            r#"{"endpoint": "x", "output_encoding": "no-op", "ignore_errors": true}"#,
            "b.ignore_errors: has no effect",
        ),
        (
            Backend { encoding: Encoding::Xml, ..outer() },
            r#"{"endpoint": "x"}"#,
            "b: gives data that needs no decoding",
        ),
        (Backend { is_collection: true, ..outer() }, r#"{"endpoint": "x"}"#, "b: gives an object"),
    ];
    for (backend, settings, expected) in cases {
        let said = built(&backend, settings).map(|_| ()).expect_err(settings);
        assert!(said.starts_with(expected), "{settings}: {said}");
    }
}

#[tokio::test]
async fn of_equal_calls_at_once_the_first_complete_answer_counts() {
    /// The last call of three is complete, and its answer is the first that counts.
    struct Third(AtomicUsize);
    impl Stage for Third {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => ready(PipeError::NoHosts),
                1 => Box::pin(std::future::pending()),
                _ => ready(Ok(Response::empty())),
            }
        }
    }
    let stage = Concurrent::of(3, Box::new(Third(AtomicUsize::new(0))));
    assert!(run(stage.as_ref(), Request::new("event")).await.is_complete());
    let stage = Concurrent::of(2, Box::new(Answers(PipeError::NoHosts.into())));
    assert!(matches!(run(stage.as_ref(), Request::new("event")).await.error, Some(PipeError::NoHosts)));
}

/// Takes something for the event, then ends so; `settled` counts 1 for what was done and -1 for what was given back.
struct Takes {
    ends: fn(usize) -> Reply,
    calls: AtomicUsize,
    settled: Arc<AtomicI32>,
}

struct Counted(Arc<AtomicI32>);

impl Hold for Counted {
    fn done(self: Box<Self>) {
        self.0.fetch_add(2, Ordering::SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stage for Takes {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        assert!(request.taken.hold(Box::new(Counted(Arc::clone(&self.settled)))));
        ready((self.ends)(self.calls.fetch_add(1, Ordering::SeqCst)))
    }
}

/// What becomes of all that is taken for an event that is done.
async fn settled(ends: fn(usize) -> Reply, around: impl FnOnce(Box<dyn Stage>) -> Box<dyn Stage>) -> i32 {
    let settled = Arc::new(AtomicI32::new(0));
    let stage = around(Box::new(Takes { ends, calls: AtomicUsize::new(0), settled: Arc::clone(&settled) }));
    let taken = Taken::open();
    run(stage.as_ref(), Request { taken: taken.clone(), ..Request::new("event") }).await;
    taken.done();
    settled.load(Ordering::SeqCst)
}

#[tokio::test]
async fn what_was_taken_for_an_ignored_failure_is_given_back() {
    let ignoring = |inside| {
        let nested = built(&outer(), r#"{"endpoint": "x", "ignore_errors": true}"#);
        nested.unwrap_or_else(|why| panic!("{why}")).around(inside)
    };
    assert_eq!(settled(|_| Ok(Response::empty()).into(), ignoring).await, 1);
    assert_eq!(settled(|_| PipeError::NoHosts.into(), ignoring).await, -1);
}

#[tokio::test]
async fn of_equal_calls_at_once_only_what_the_answer_took_is_done() {
    let second = |call| if call == 1 { Ok(Response::empty()).into() } else { PipeError::NoHosts.into() };
    assert_eq!(settled(second, |inside| Concurrent::of(2, inside)).await, 0, "one is done, one given back");
}
