//! Backends that publish: queue to queue.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, agent, config, with};

/// An agent that takes from the queue `orders` and publishes to the queue `shipped` of `file`.
fn bridge(file: &str) -> Value {
    let publisher = json!({"path": file, "queue": "shipped", "topic": "done.{topic}", "key": "{message_id}"});
    publishing(publisher)
}

fn publishing(publisher: Value) -> Value {
    with(agent("orders", ""), json!({"backend": [{"extra_config": {"backend/sqlite/publisher": publisher}}]}))
}

#[test]
fn an_event_goes_from_queue_to_queue_and_is_acknowledged_when_it_is_stored() {
    let backend = HttpBackend::start();
    let shipped = with(
        agent("shipped", &backend.url()),
        json!({
            "consumer": {"topic": "done.#"},
            "input_headers": ["*"],
            "backend": [{"host": [backend.url()], "url_pattern": "/in/{topic}/{key}", "method": "POST"}]
        }),
    );
    backend.answer("/in/done.t/m-1", Reply::json(200, "{}"));
    let lab = Lab::new(&config([bridge("events.db"), shipped]));
    let mut arguments = lab.arguments("publish", &["--agent", "orders", "--attribute", "message_id=m-1"]);
    arguments.extend(["--header", "x-tenant=7", "hello"]);
    let ran = lab.siphon(&arguments);
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut siphon = lab.start();
    backend.wait_until("the event", |log| log.requests.len() == 1);
    siphon.wait_for_agent("shipped", |_| lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    backend.look(|log| {
        assert_eq!(log.bodies("/in/done.t/m-1"), ["hello"]);
    });
}

#[test]
fn an_event_whose_publish_fails_comes_back() {
    let lab = Lab::new(&config([publishing(json!({"path": "later/events.db", "queue": "shipped"}))]));
    lab.publish("orders", ["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=2", "backend/sqlite/publisher: "]);
    std::fs::create_dir(lab.path("later")).expect("a folder");
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
    assert_eq!(siphon_tests::rows(&lab.path("later/events.db")), 1);
}

#[test]
fn settings_of_a_publisher_are_refused_with_their_place() {
    let publisher = json!({"path": "events.db", "queue": "shipped", "topic": "a.#"});
    let lab = Lab::new(&config([publishing(publisher)]));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("backend[0].extra_config.backend/sqlite/publisher.topic: is a pattern"), "{ran:?}");
}

#[test]
fn check_says_where_events_go() {
    let lab = Lab::new(&config([bridge("events.db")]));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("[+] backend/sqlite/publisher (json)"), "{ran:?}");
}
