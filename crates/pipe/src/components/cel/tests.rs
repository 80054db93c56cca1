use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::components::testing;
use crate::error;
use crate::json::Json;
use crate::message::Response;

/// Answers `{"i": 5, "s": "abc"}`, or fails, and counts its calls.
struct Backend {
    calls: Shared<AtomicUsize>,
    fails: bool,
}

impl Stage for Backend {
    fn call<'a>(&'a self, _request: Request, _context: &'a Context) -> StageFuture<'a> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let data = Json::parse(br#"{"i": 5, "s": "abc"}"#).expect("JSON");
        ready(if self.fails { PipeError::NoHosts.into() } else { Reply::from(Ok(Response::complete(data))) })
    }
}

/// The text of the error (empty: none), what it asks for, and how often the backend was called.
async fn ran(settings: &str, fails: bool) -> (String, Option<error::Outcome>, usize) {
    let calls = Shared::new(AtomicUsize::new(0));
    let component = testing::component("validation/cel", settings);
    let backend = Box::new(Backend { calls: Shared::clone(&calls), fails });
    let stage = testing::with_site(|site| build(&component, site, backend)).expect(settings);
    let event = Request { method: http::Method::POST, ..Request::new(r#"{"n": 1, "i": 5}"#) };
    let reply = testing::run(stage.as_ref(), event).await;
    let outcome = reply.error.as_ref().and_then(PipeError::outcome);
    (reply.error.map(|error| error.to_string()).unwrap_or_default(), outcome, calls.load(Ordering::Relaxed))
}

#[track_caller]
fn same(found: (String, Option<error::Outcome>, usize), text: &str, calls: usize) {
    assert_eq!(found, (text.to_owned(), None, calls));
}

#[tokio::test]
async fn what_is_said_about_the_request_is_checked_before_the_call() {
    same(
        ran(r#"[{"check_expr": "req_method == 'POST'"}, {"check_expr": "event.payload.n == 1"}]"#, false).await,
        "",
        1,
    );
    let refusal = "request aborted by evaluator #1: event.payload.n > 1: is false";
    same(
        ran(r#"[{"check_expr": "req_method == 'POST'"}, {"check_expr": " event.payload.n > 1"}]"#, false).await,
        refusal,
        0,
    );
    let refusal = "request aborted by evaluator #0: event.payload.zz == 1: no such key: zz";
    same(ran(r#"[{"check_expr": "event.payload.zz == 1"}]"#, false).await, refusal, 0);
    same(ran(r#"[{"check_expr": "false"}]"#, false).await, "request aborted by evaluator #0: false: is false", 0);
    same(ran("[]", false).await, "", 1);
}

#[tokio::test]
async fn what_is_said_about_the_answer_is_checked_after_the_call_and_may_look_at_the_event() {
    same(ran(r#"[{"check_expr": "resp_data.i == 5 && resp_data.i == event.payload.i"}]"#, false).await, "", 1);
    let checks = r#"[{"check_expr": "req_method == 'POST'"}, {"check_expr": "resp_data.s == 'no'"}]"#;
    same(ran(checks, false).await, "request aborted by evaluator #0: resp_data.s == 'no': is false", 1);
    same(ran(checks, true).await, "no hosts available", 1);
}

#[tokio::test]
async fn an_expression_over_both_sides_is_checked_twice() {
    let both = "request aborted by evaluator #0: req_method == 'POST' && resp_completed: \
                resp_completed is not known before the answer";
    same(ran(r#"[{"check_expr": "req_method == 'POST' && resp_completed"}]"#, false).await, both, 0);
    same(ran(r#"[{"check_expr": "req_method == 'POST' || resp_completed"}]"#, false).await, "", 1);
}

#[tokio::test]
async fn a_check_may_choose_what_becomes_of_the_event() {
    let chosen = |word: &str| format!(r#"[{{"check_expr": "event.payload.n > 1", "outcome": "{word}"}}]"#);
    for (word, outcome) in [
        ("retry", error::Outcome::Retry),
        ("dead-letter", error::Outcome::DeadLetter),
        ("discard", error::Outcome::Discard),
    ] {
        assert_eq!(ran(&chosen(word), false).await.1, Some(outcome));
    }
}

#[test]
fn everything_wrong_is_said_at_load_with_its_place() {
    let component = testing::component(
        "validation/cel",
        "[{\"check_expr\": \"req_metod == 'A'\"},\n {\"check_expr\": \"1 == \"}, {\"check_expr\": \"now == 1\"}]",
    );
    let inner = || Box::new(Backend { calls: Shared::default(), fails: false });
    let problems = testing::with_site(|site| build(&component, site, inner())).err().expect("problems");
    let found: Vec<_> = problems.iter().map(|one| (one.path.as_str(), one.at.map(|at| at.line))).collect();
    assert_eq!(found, [("b[0].check_expr", Some(1)), ("b[1].check_expr", Some(2)), ("b[2].check_expr", Some(2))]);
    assert!(problems[0].message.starts_with("there is no variable \"req_metod\""), "{problems:?}");
    let wrong = testing::component("validation/cel", r#"[{"check_expr": "true", "outcome": "drop"}]"#);
    let problems = testing::with_site(|site| build(&wrong, site, inner())).err().expect("problems");
    assert!(problems[0].path == "b[0].outcome" && problems[0].message.contains("dead-letter"), "{problems:?}");
}

#[tokio::test]
async fn a_check_without_an_answer_throws_no_event_away() {
    let chosen = |word: &str| format!(r#"[{{"check_expr": "event.payload.zz > 1", "outcome": "{word}"}}]"#);
    for (word, outcome) in [
        ("retry", error::Outcome::Retry),
        ("dead-letter", error::Outcome::DeadLetter),
        ("discard", error::Outcome::Retry),
    ] {
        assert_eq!(ran(&chosen(word), false).await.1, Some(outcome), "{word}");
    }
    assert_eq!(ran(r#"[{"check_expr": "event.payload.zz > 1"}]"#, false).await.1, None);
}

#[tokio::test]
async fn a_check_that_outlasts_its_event_is_a_time_that_ended() {
    let settings = r#"[{"check_expr": "[1, 2].all(x, x > 5)", "outcome": "discard"}]"#;
    let component = testing::component("validation/cel", settings);
    let backend = Box::new(Backend { calls: Shared::default(), fails: false });
    let stage = testing::with_site(|site| build(&component, site, backend)).expect(settings);
    let over = Context { deadline: tokio::time::Instant::now() };
    let reply = stage.call(Request::new("{}"), &over).await;
    assert!(matches!(reply.error, Some(PipeError::TimedOut)), "{:?}", reply.error);
}
