//! Rate limits and circuit breakers in front of a backend that is there.

mod support;

use std::time::Duration;

use siphon_pipe::{FailureKind, Request};
use support::component::with;
use support::model::backend;
use support::server::{json, reply};
use support::{Action, Server, data, error, pipe, run};
use tokio::time::Instant;

#[tokio::test]
async fn a_backend_is_not_called_more_often_than_its_limit_allows() {
    let server = Server::start(|_| json("{\"a\":1}")).await;
    let limit = r#"{"max_rate": 2, "capacity": 2, "every": "1h"}"#;
    let limited = with(backend(&server.url(), "/limited"), "qos/ratelimit/proxy", limit);
    let mut free = backend(&server.url(), "/free");
    free.group = "free".into();
    let pipe = pipe(vec![limited, free]);
    for _ in 0..2 {
        assert!(run(&pipe, "{}").await.is_complete());
    }
    let third = run(&pipe, "{}").await;
    assert_eq!((error(&third).as_str(), data(&third).as_deref()), ("rate limit exceded", Some("{\"free\":{\"a\":1}}")));
    let wait = third.error.and_then(|error| error.retry_after()).expect("a time to come back");
    assert!(wait > Duration::from_secs(1_700) && wait <= Duration::from_secs(1_800), "{wait:?}");
    assert_eq!(server.seen().iter().filter(|seen| seen.target == "/limited").count(), 2);
}

#[tokio::test]
async fn what_the_limit_refuses_opens_the_breaker_around_it() {
    let server = Server::start(|_| json("{}")).await;
    let one = with(backend(&server.url(), "/b"), "qos/ratelimit/proxy", r#"{"max_rate": 1, "every": "1h"}"#);
    let one = with(one, "qos/circuit-breaker", r#"{"interval": 60, "timeout": 60, "max_errors": 1}"#);
    let pipe = pipe(vec![one]);
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(error(&run(&pipe, "{}").await));
    }
    assert_eq!(said, ["", "rate limit exceded", "rate limit exceded", "circuit breaker is open"]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_backend_that_keeps_failing_is_left_alone() {
    let failures: [fn() -> Action; 3] = [|| reply(500, &[], "down"), || json("no json"), || Action::HangUp];
    for failure in failures {
        let server = Server::start(move |_| failure()).await;
        let breaker = r#"{"interval": 60, "timeout": 60, "max_errors": 1, "log_status_change": true}"#;
        let pipe = pipe(vec![with(backend(&server.url(), "/b"), "qos/circuit-breaker", breaker)]);
        for _ in 0..2 {
            assert_ne!(error(&run(&pipe, "{}").await), "circuit breaker is open");
        }
        let third = run(&pipe, "{}").await.error.expect("open");
        assert_eq!((third.to_string().as_str(), third.kind()), ("circuit breaker is open", FailureKind::Other));
        assert!(third.retry_after().is_some_and(|wait| wait > Duration::from_secs(50)), "{third:?}");
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_backend_that_is_too_late_has_failed() {
    let server = Server::start(|_| Action::Stall).await;
    let breaker = with(backend(&server.url(), "/b"), "qos/circuit-breaker", r#"{"timeout": 60}"#);
    let pipe = pipe(vec![breaker]);
    let soon = Instant::now() + Duration::from_millis(50);
    assert_eq!(error(&pipe.run(Request::new("{}"), soon).await), "context deadline exceeded");
    assert_eq!(error(&run(&pipe, "{}").await), "circuit breaker is open");
}
