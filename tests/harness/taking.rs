//! Agents with a backend that takes messages from another queue, and what must hold for all of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};

use crate::configuration::with;
use crate::lab::Lab;

/// An agent on the SQLite queue `orders` whose first backend takes, with this `backend`, a message such as `{"id": "event-1"}`;
/// the second is told of it: `url` + `/in/event-1`.
pub fn taking(backend: Value, url: &str) -> Value {
    let told = json!({"host": [url], "url_pattern": "/in/{resp0_id}", "method": "POST"});
    let changes = json!({
        "consumer": {"workers": 4, "timeout": "20s"},
        "backend": [backend, told],
        // Short, for those who kill it.
        "extra_config": {"proxy": {"sequential": true}, "async/sqlite": {"lease": "1s"}}
    });
    with(crate::agent("orders", url), changes)
}

/// `{"id": "event-1"}` to `{"id": "event-count"}`.
pub fn documents(count: usize) -> Vec<String> {
    (1..=count).map(|n| json!({"id": format!("event-{n}")}).to_string()).collect()
}

/// Which ids the backend was told of, each time.
pub fn told(backend: &HttpBackend) -> Vec<String> {
    let id = |path: &str| path.strip_prefix("/in/").unwrap_or_default().to_owned();
    backend.requests().iter().map(|request| id(&request.path)).collect()
}

/// Each of `count` events takes a message of its own; the second backend refuses some at first. In the end it was told of all,
/// and `is_empty` says that nothing is left to take.
///
/// # Panics
///
/// When that does not hold.
#[track_caller]
pub fn check_outcomes(lab: &Lab, backend: &HttpBackend, count: usize, is_empty: impl Fn() -> bool) {
    for n in [1, 3, 5] {
        backend.fail_first(&format!("/in/event-{n}"), 1, Reply::status(503));
    }
    lab.publish("orders", (0..count).map(|n| format!("tick-{n}")));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == count);
    assert_eq!(siphon.agent("orders")["failed"], 3, "{:#?}", siphon.log());
    assert_eq!(siphon.stop(), 0);
    let told = told(backend);
    let ids: BTreeSet<String> = (1..=count).map(|n| format!("event-{n}")).collect();
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), ids, "every message was worked on");
    assert_eq!(told.len(), count + 3, "those of failed events once more: {told:?}");
    crate::eventually("nothing to be left", || is_empty().then_some(()));
}

/// Kills the process while the second backend works on a message. Started again, it takes the same message.
///
/// # Panics
///
/// When that does not hold.
#[track_caller]
pub fn check_kill(lab: &Lab, backend: &HttpBackend, is_empty: impl Fn() -> bool) {
    backend.answer("/in/event-1", Reply::json(200, "{}").held());
    lab.publish("orders", ["tick"]);
    let siphon = lab.start();
    backend.wait_until("the message", |log| log.running == 1);
    siphon.kill();
    backend.answer("/in/event-1", Reply::json(200, "{}"));
    backend.release();
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(told(backend), ["event-1", "event-1"]);
    crate::eventually("nothing to be left", || is_empty().then_some(()));
}
