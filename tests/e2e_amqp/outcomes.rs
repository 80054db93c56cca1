//! What becomes of an event: done, failed, rejected; and what its message carries into the pipe.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::with;

use crate::broker::Broker;
use crate::lab::{agent, counts, driver, lab};
use crate::queue::{Queue, ids, unique};

#[test]
fn events_that_the_backend_took_are_gone_from_the_queue() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "done");
    queue.publish(ids(40));
    let lab = lab(agent(&broker, &queue, &backend.url()), json!({"consumer": {"workers": 4}}));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 40);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids(40).into_iter().map(|id| (id, 1)).collect());
    queue.wait_for(0);
}

#[test]
fn a_failed_event_waits_and_comes_back_without_holding_up_others() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    backend.script("/in", |request| match request.text().as_str() {
        "event-1" if request.nth < 6 => Reply::status(503),
        _ => Reply::json(200, "{}"),
    });
    let queue = Queue::durable(&broker, "failed");
    queue.publish(ids(3));
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), json!({})).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 3);
    siphon.wait_for_log(&["event failed", "attempt=2", "wait=40ms"]);
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!((counts["event-2"], counts["event-3"]), (1, 1));
    assert!(counts["event-1"] >= 2, "{counts:?}");
    queue.wait_for(0);
}

/// A failed event of this agent would wait for an hour, if it waited.
fn waiting_an_hour(agent: Value) -> Value {
    with(agent, json!({"extra_config": {"async/delivery": {"retry": {"base": "1h", "max": "1h"}}}}))
}

#[test]
fn nack_discard_sends_failed_events_where_the_policy_says() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    backend.answer("/in", Reply::status(500));
    let (queue, dead) = (Queue::durable(&broker, "discard"), Queue::durable(&broker, "dead"));
    let definition = json!({"dead-letter-exchange": "", "dead-letter-routing-key": dead.name}).to_string();
    broker.control(&["set_policy", "--apply-to", "queues", &queue.name, &format!("^{}$", queue.name), &definition]);
    queue.publish(["poison"]);
    let lab = lab(waiting_an_hour(agent(&broker, &queue, &backend.url())), driver(json!({"nack_discard": true})));
    let mut siphon = lab.start();
    dead.wait_for(1);
    siphon.wait_for_log(&["event failed for good", "attempt=1", "invalid status code 500"]);
    let figures = siphon.ask("GET", "/metrics").body;
    assert!(figures.contains("siphon_events_settled_total{agent=\"orders\",outcome=\"reject\"} 1\n"), "{figures}");
    assert_eq!(siphon.stop(), 0);
    let message = dead.take();
    assert_eq!((message.data.as_slice(), queue.waiting()), (&b"poison"[..], 0));
    assert_eq!(counts(&backend).into_values().sum::<usize>(), 1);
    broker.control(&["clear_policy", &queue.name]);
}

#[test]
fn with_auto_ack_a_failed_event_is_lost_and_not_tried_again() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    backend.fail_first("/in", 1, Reply::status(500));
    let queue = Queue::durable(&broker, "auto");
    queue.publish(["event-1"]);
    let lab = lab(waiting_an_hour(agent(&broker, &queue, &backend.url())), driver(json!({"auto_ack": true})));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["failed"] == 1 && agent["in_flight"] == 0);
    queue.publish(["event-2"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), ["event-1", "event-2"]);
    queue.wait_for(0);
}

#[test]
fn the_prefetch_bounds_what_is_taken_from_the_queue_and_the_workers_what_is_in_the_pipe() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    backend.answer("/in", Reply::json(200, "{}").held());
    let queue = Queue::durable(&broker, "prefetch");
    queue.publish(ids(20));
    let changes = json!({"consumer": {"workers": 2}, "extra_config": {"async/amqp": {"prefetch_count": 5}}});
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), changes).start();
    backend.wait_until("two requests", |log| log.running == 2);
    queue.wait_for(15);
    backend.release();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 20);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.most_running), 2);
    queue.wait_for(0);
}

#[test]
fn max_rate_holds() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "rate");
    queue.publish(ids(30));
    let lab = lab(agent(&broker, &queue, &backend.url()), json!({"consumer": {"workers": 8, "max_rate": 10}}));
    let began = std::time::Instant::now();
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 30);
    // A full bucket of 10, then 10 a second.
    assert!(began.elapsed().as_millis() >= 1_900, "{:?}", began.elapsed());
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn what_a_message_carries_reaches_the_backend() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::later(&broker, "carries");
    let changes = json!({
        "consumer": {"topic": ["order.*", "refund.#"]},
        "input_headers": ["X-Tenant"],
        "backend": [{"host": [backend.url()], "url_pattern": "/{exchange}/{routing_key}/{message_id}", "method": "POST"}]
    });
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    let mut headers = FieldTable::default();
    headers.insert("x-tenant".into(), AMQPValue::LongString("seven".into()));
    headers.insert("x-other".into(), AMQPValue::LongString("no".into()));
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_message_id("m 1".into())
        .with_headers(headers);
    queue.publish_with(&queue.name, "order.new", &properties, ["{}"]);
    queue.publish_with(&queue.name, "refund", &properties, [""]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    let requests = backend.requests();
    let paths: Vec<_> = requests.iter().map(|request| request.path.clone()).collect();
    let name = &queue.name;
    assert_eq!(paths, [format!("/{name}/order.new/m%201"), format!("/{name}/refund/m%201")]);
    let header = |name: &str| requests[0].header(name);
    let found = [header("content-type"), header("x-tenant"), header("x-other")];
    assert_eq!(found, [Some("application/cloudevents+json"), Some("seven"), None]);
}

#[test]
fn every_property_of_a_message_can_stand_in_a_url_and_be_a_header() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::later(&broker, "properties");
    let pattern = "/{topic}/{{.Topic}}/{queue}/{correlation_id}/{type}/{redelivered}/{nope}\
                   ?r={reply_to}&a={{.App_id}}&e={expiration}&p={priority}";
    let changes = json!({
        "input_headers": ["Correlation-Id", "Priority"],
        "backend": [{"host": [backend.url()], "url_pattern": pattern, "method": "POST"}]
    });
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    let properties = BasicProperties::default()
        .with_correlation_id("c/1".into())
        .with_type("t?".into())
        .with_reply_to("r&s".into())
        .with_app_id("ä".into())
        .with_expiration("60000".into())
        .with_priority(7);
    queue.publish_with("", &queue.name, &properties, ["{}"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let request = backend.requests().swap_remove(0);
    let name = &queue.name;
    assert_eq!(request.path, format!("/{name}/{name}/{name}/c%2F1/t%3F/false/%7BNope%7D"));
    assert_eq!(request.query, "r=r%26s&a=%C3%A4&e=60000&p=7");
    let headers = ["Correlation-Id", "Priority", "Reply-To"].map(|name| request.header(name));
    assert_eq!(headers, [Some("c/1"), Some("7"), None]);
}

#[test]
fn publish_reaches_the_agents_own_queue_with_its_topic_before_and_after_the_first_start() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (queue, other) = (Queue::later(&broker, "publish"), unique("other"));
    let changes = json!({
        "consumer": {"topic": "order.*"},
        "backend": [{"host": [backend.url()], "url_pattern": "/in/{topic}", "method": "POST"}]
    });
    let lab = lab(agent(&broker, &queue, &backend.url()), changes);
    let publish = |more: &[&str]| lab.siphon(&lab.arguments("publish", &[&["--agent", "orders"], more].concat()));
    let ran = publish(&["--topic", "order.new", "one", "two"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (0, "published 2 events to async/amqp with topic order.new\n"),
        "{ran:?}"
    );
    queue.wait_for(2);
    let mut siphon = lab.start();
    assert_eq!(publish(&["--topic", &other, "three"]).status, 0);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 3);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in/order.new")), ["one", "two"]);
    assert_eq!(backend.look(|log| log.bodies(&format!("/in/{other}"))), ["three"]);
}
