//! What becomes of events that a check refuses, and of answers.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, agent, config, with};

/// One agent, `orders`, with these components.
fn orders(url: &str, components: Value) -> Value {
    with(agent("orders", url), json!({ "extra_config": components }))
}

#[test]
fn a_check_sends_events_to_the_dead_letters_drops_them_or_lets_them_come_again() {
    let backend = HttpBackend::start();
    let checks = json!([
        {"check_expr": "event.payload.kind != 'broken'", "outcome": "dead-letter"},
        {"check_expr": "event.payload.kind != 'test'", "outcome": "discard"},
        {"check_expr": "event.payload.kind != 'early' || event.attempt > 2", "outcome": "retry"},
    ]);
    // What is dead is an event of the queue `orders.dead`: an agent shows it.
    let dead = with(
        agent("dead", &backend.url()),
        json!({
            "backend": [{"host": [backend.url()], "url_pattern": "/dead", "method": "POST"}],
            "extra_config": {"async/sqlite": {"queue": "orders.dead"}}
        }),
    );
    let lab = Lab::new(&config([orders(&backend.url(), json!({"validation/cel": checks})), dead]));
    let events = ["good", "broken", "test", "early"].map(|kind| format!(r#"{{"kind": "{kind}"}}"#));
    lab.publish("orders", &events);
    let mut siphon = lab.start();
    backend.wait_until("the good, the late and the dead", |log| log.requests.len() == 3);
    let line = siphon.wait_for_log(&["event failed and was discarded attempt=1", "request aborted by evaluator #1"]);
    assert!(line.contains("event.payload.kind != 'test': is false"), "{line}");
    siphon.wait_for_log(&["event failed for good attempt=1", "request aborted by evaluator #0"]);
    siphon.wait_for_log(&["event failed attempt=1 wait=20ms", "request aborted by evaluator #2"]);
    siphon.wait_for_log(&["event failed attempt=2 wait=40ms", "request aborted by evaluator #2"]);
    siphon.wait_for_agent("dead", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/dead")), [events[1].as_str()]);
    let mut arrived = backend.look(|log| log.bodies("/in"));
    arrived.sort_unstable();
    assert_eq!(arrived, [events[3].as_str(), events[0].as_str()]);
    assert_eq!(lab.rows(), 0);
}

#[test]
fn an_answer_that_is_refused_makes_the_event_come_again() {
    let backend = HttpBackend::start();
    let answers = std::sync::atomic::AtomicUsize::new(0);
    backend.script("/in", move |_| {
        let nth = answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Reply::json(200, [r#"{"number": "seven"}"#, r#"{"number": 7}"#][nth.min(1)])
    });
    let schema = json!({"schema": {"properties": {"number": {"type": "integer"}}}});
    let lab = Lab::new(&config([orders(&backend.url(), json!({"validation/response-json-schema": schema}))]));
    lab.publish("orders", ["{}"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    siphon.wait_for_log(&["event failed attempt=1", "- at '/number': got string, want integer"]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((backend.look(|log| log.requests.len()), lab.rows()), (2, 0));
}

#[test]
fn a_schema_beside_the_configuration_is_loaded_and_keeps_what_does_not_fit_from_the_backend() {
    let backend = HttpBackend::start();
    let schema = json!({"$ref": "schemas/order.json", "outcome": "discard"});
    let lab = Lab::new(&config([orders(&backend.url(), json!({"validation/json-schema": schema}))]));
    std::fs::create_dir(lab.path("schemas")).expect("a folder");
    lab.write("schemas/order.json", r#"{"required": ["id"], "properties": {"id": {"$ref": "id.json"}}}"#);
    lab.write("schemas/id.json", r#"{"type": "integer"}"#);
    lab.publish("orders", [r#"{"id": "x"}"#, r#"{"id": 1}"#]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    siphon.wait_for_log(&["event failed and was discarded", "- at '/id': got string, want integer"]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), [r#"{"id": 1}"#]);
}

#[test]
fn invoke_shows_what_would_become_of_an_event() {
    let backend = HttpBackend::start();
    let checks = json!([
        {"check_expr": "event.payload.n > 0", "outcome": "discard"},
        {"check_expr": "event.payload.n > 1", "outcome": "dead-letter"},
        {"check_expr": "event.payload.n > 2"},
    ]);
    let lab = Lab::new(&config([orders(&backend.url(), json!({"validation/cel": checks}))]));
    for (n, outcome) in [(0, "discard"), (1, "dead-letter"), (2, "nack"), (3, "ack")] {
        lab.write("event", format!(r#"{{"n": {n}}}"#));
        let ran =
            lab.siphon(&lab.arguments("invoke", &["--agent", "orders", "--payload", "event", "--output", "json"]));
        assert!(ran.stdout.starts_with(&format!(r#"{{"outcome": "{outcome}""#)), "{ran:?}");
        assert_eq!(ran.status, if outcome == "ack" { 0 } else { 3 }, "{ran:?}");
    }
}
