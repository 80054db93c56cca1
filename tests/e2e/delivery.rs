//! What becomes of events while everything is well but the backend.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, agent, config, with};

/// `event-1` to `event-COUNT`.
fn ids(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("event-{n}")).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

#[test]
fn every_published_event_arrives_once_and_the_queue_is_empty_afterwards() {
    let backend = HttpBackend::start();
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), json!({"consumer": {"workers": 8}}))]));
    lab.publish("orders", ids(300));
    let mut siphon = lab.start();
    lab.publish("orders", ["event-while-running"]);
    backend.wait_until("all events", |log| log.requests.len() >= 301);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(
        sorted(backend.look(|log| log.bodies("/in"))),
        sorted([ids(300), vec!["event-while-running".into()]].concat())
    );
    assert_eq!(lab.rows(), 0);
}

#[test]
fn a_failed_event_waits_longer_each_time_and_holds_nobody_up() {
    const GOOD: usize = 30;
    let backend = HttpBackend::start();
    let (tries, seen) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeSet::new())));
    let tries_of_bad = Arc::clone(&tries);
    backend.script("/in", move |request| {
        let mut seen = seen.lock().unwrap();
        if request.text() != "bad" {
            seen.insert(request.text());
            return Reply::json(200, "{}");
        }
        let mut tries = tries_of_bad.lock().unwrap();
        tries.push(Instant::now());
        // It fails until all others went past it, and often enough to see the delays grow.
        let is_over = seen.len() == GOOD && tries.len() > 3;
        if is_over { Reply::json(200, "{}") } else { Reply::status(503) }
    });
    let delivery = json!({"async/delivery": {"retry": {"strategy": "exponential", "base": "100ms", "max": "400ms"}}});
    let changes = json!({"consumer": {"workers": 1}, "extra_config": delivery});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ["bad".to_owned()].into_iter().chain(ids(GOOD)));
    let mut siphon = lab.start();
    let wanted = |acked: u64| move |agent: &serde_json::Value| agent["acked"] == acked;
    siphon.wait_for_agent("orders", wanted(GOOD as u64 + 1));
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);

    let tries = tries.lock().unwrap();
    for (pair, wait) in tries.windows(2).zip([100, 200, 400]) {
        // A millisecond less: the queue counts in whole ones.
        assert!(pair[1] - pair[0] >= Duration::from_millis(wait - 1), "{tries:?}");
    }
    for (attempt, wait) in [(1, "100ms"), (2, "200ms"), (3, "400ms")] {
        let parts = [&format!("event failed attempt={attempt} wait={wait}"), "invalid status code 503 [POST /in]"];
        assert!(siphon.log().iter().any(|line| parts.iter().all(|part| line.contains(*part))), "{:#?}", siphon.log());
    }
}

/// Runs an agent with so many workers; the backend must see exactly as many events at once.
#[track_caller]
fn check_workers(workers: usize) {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let changes = json!({"consumer": {"workers": workers}});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ids(3 * workers));
    let mut siphon = lab.start();
    backend.wait_until("busy workers", |log| log.running == workers);
    // A ping is answered by the driver, through the same loop that would take more events if it did.
    siphon.wait_for_agent("orders", |agent| !agent["last_ping"].is_null() && agent["in_flight"] == workers);
    backend.release();
    backend.wait_until("all events", |log| log.requests.len() == 3 * workers);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.most_running), workers);
}

#[test]
fn the_backend_sees_as_many_events_at_once_as_there_are_workers() {
    [1, 4, 16].into_iter().for_each(check_workers);
}

#[test]
fn max_rate_is_held() {
    const RATE: f64 = 20.0;
    let backend = HttpBackend::start();
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&arrivals);
    backend.script("/in", move |_| {
        noted.lock().unwrap().push(Instant::now());
        Reply::json(200, "{}")
    });
    let changes = json!({"consumer": {"workers": 8, "max_rate": RATE}});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ids(60));
    let before = Instant::now();
    let mut siphon = lab.start();
    backend.wait_until("all events", |log| log.requests.len() == 60);
    assert_eq!(siphon.stop(), 0);
    for (place, at) in arrivals.lock().unwrap().iter().enumerate() {
        // The bucket was full when it began, which was after `before`.
        let allowed = RATE + RATE * at.duration_since(before).as_secs_f64();
        assert!((place + 1) as f64 <= allowed, "event {} of {allowed}", place + 1);
    }
}

#[test]
fn an_event_whose_backend_hangs_fails_in_time_and_comes_back() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let changes = json!({"consumer": {"timeout": "300ms"}});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ["slow"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed attempt=1", "error=\"context deadline exceeded\""]);
    assert_eq!(siphon.agent("orders")["last_error"]["text"], "context deadline exceeded");
    backend.release();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
    assert!(backend.look(|log| log.bodies("/in").iter().all(|body| body == "slow")));
}
