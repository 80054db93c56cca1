use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Response;
use crate::components::testing;

/// Answers as the payload says: `ok`, `fail`, `hang`, `panic`.
struct Backend {
    calls: Arc<AtomicUsize>,
}

impl Stage for Backend {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match &request.body[..] {
                b"ok" => Reply::from(Ok(Response::empty())),
                b"fail" => PipeError::NoHosts.into(),
                b"hang" => std::future::pending().await,
                _ => panic!("as the test wants it"),
            }
        })
    }
}

fn built(settings: &str) -> Checked<(Box<dyn Stage>, Arc<AtomicUsize>)> {
    let component = testing::component(ENTRY.namespaces[0], settings);
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = Backend { calls: Arc::clone(&calls) };
    testing::with_site(|site| build(&component, site, Box::new(backend))).map(|stage| (stage, calls))
}

/// What each of `events` ends with; how often the backend was called.
async fn run(settings: &str, events: &[&'static str]) -> (Vec<String>, usize) {
    let (stage, calls) = built(settings).expect(settings);
    let mut endings = Vec::new();
    for event in events {
        let reply = testing::run(stage.as_ref(), Request::new(*event)).await;
        endings.push(reply.error.map_or_else(|| "done".to_owned(), |error| error.to_string()));
    }
    (endings, calls.load(Ordering::SeqCst))
}

const OPEN: &str = "circuit breaker is open";
const FAILED: &str = "no hosts available";

#[tokio::test]
async fn failures_in_a_row_open_it_and_the_backend_is_left_alone() {
    let (endings, calls) = run(r#"{"interval": 60, "timeout": 60, "max_errors": 1}"#, &["fail", "fail", "ok"]).await;
    assert_eq!((endings, calls), (vec![FAILED.to_owned(), FAILED.to_owned(), OPEN.to_owned()], 2));
    let (endings, calls) = run(r#"{"log_status_change": true}"#, &["ok", "fail", "ok"]).await;
    assert_eq!((endings, calls), (vec!["done".to_owned(), FAILED.to_owned(), OPEN.to_owned()], 2));
}

#[tokio::test]
async fn a_very_long_time_is_one() {
    let (endings, _) = run(r#"{"interval": 1e18, "timeout": 1e18}"#, &["fail", "ok"]).await;
    assert_eq!(endings, [FAILED, OPEN]);
}

#[tokio::test]
async fn an_event_that_meets_an_open_breaker_is_told_when_to_come_back() {
    let (stage, _) = built(r#"{"timeout": 3600}"#).expect("a stage");
    testing::run(stage.as_ref(), Request::new("fail")).await;
    let error = testing::run(stage.as_ref(), Request::new("ok")).await.error.expect("open");
    let wait = error.retry_after().expect("a time");
    assert!(wait > Duration::from_secs(3_000) && wait <= Duration::from_secs(3_600), "{wait:?}");
}

#[tokio::test]
async fn what_the_deadline_cuts_off_is_a_failure_and_what_is_dropped_before_is_none() {
    for (left, expected) in [(Duration::from_millis(1), OPEN), (Duration::from_secs(60), "done")] {
        let (stage, _) = built(r#"{"timeout": 60}"#).expect("a stage");
        let context = Context { deadline: Instant::now() + left };
        let call = stage.call(Request::new("hang"), &context);
        let wait = left.min(Duration::from_millis(1));
        assert!(tokio::time::timeout(wait, call).await.is_err());
        let reply = testing::run(stage.as_ref(), Request::new("ok")).await;
        assert_eq!(reply.error.map_or_else(|| "done".to_owned(), |error| error.to_string()), expected);
    }
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let (stage, _) = built(r#"{"timeout": 60}"#).expect("a stage");
    let stage: Arc<dyn Stage> = stage.into();
    let running = Arc::clone(&stage);
    let run = tokio::spawn(async move { testing::run(running.as_ref(), Request::new("panic")).await });
    assert!(run.await.is_err_and(|error| error.is_panic()));
    let reply = testing::run(stage.as_ref(), Request::new("ok")).await;
    assert_eq!(reply.error.map(|error| error.to_string()).as_deref(), Some(OPEN));
}

#[track_caller]
fn refused(settings: &str, path: &str, message: &str) {
    let problems = built(settings).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
}

#[test]
fn what_would_never_open_is_refused_at_load() {
    refused("{}", "b", "qos/circuit-breaker sets nothing");
    refused(r#"{"interval": 0, "timeout": 0, "max_errors": 0}"#, "b", "set interval, timeout and max_errors");
    refused(r#"{"interval": "60s"}"#, "b.interval", "invalid type: string");
    refused(r#"{"timeout": -1, "max_errors": 1}"#, "b.timeout", "-1 is no number of seconds");
    refused(r#"{"timeout": 1, "max_errors": -1}"#, "b.max_errors", "-1");
}
