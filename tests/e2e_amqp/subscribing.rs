//! Backends that take messages of a queue: settled with the outcome of the event that took them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, check_kill, check_outcomes, config, documents, taking, told, with};

use crate::broker::Broker;
use crate::queue::{Queue, ids};

/// A backend that takes from this queue.
fn consumer(broker: &Broker, queue: &Queue, more: Value) -> Value {
    let settings = json!({"name": queue.name, "exchange": "", "durable": true});
    json!({"host": [broker.url()], "extra_config": {"backend/amqp/consumer": with(settings, more)}})
}

fn lab(agent: Value) -> Lab {
    Lab::new(&config([agent])).with_plugin("amqp")
}

#[test]
fn a_message_is_acknowledged_when_its_event_is_done_and_comes_again_when_it_failed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "taken");
    queue.publish(documents(40));
    let lab = lab(taking(consumer(&broker, &queue, json!({})), &backend.url()));
    check_outcomes(&lab, &backend, 40, || queue.waiting() == 0);
}

#[test]
fn a_message_of_a_killed_process_comes_again() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "killed");
    queue.publish(documents(1));
    let lab = lab(taking(consumer(&broker, &queue, json!({})), &backend.url()));
    check_kill(&lab, &backend, || queue.waiting() == 0);
}

#[test]
fn a_rabbit_queue_url_takes_its_broker_from_the_environment() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "pubsub");
    queue.publish(documents(8));
    let subscription_url = format!("{}?prefetch_count=2", queue.name);
    let taker = json!({"host": ["rabbit://"], "extra_config": {"backend/pubsub/subscriber": {"subscription_url": subscription_url}}});
    let lab = lab(taking(taker, &backend.url())).with_environment("RABBIT_SERVER_URL", broker.url());
    check_outcomes(&lab, &backend, 8, || queue.waiting() == 0);
}

#[test]
fn the_queue_is_declared_and_bound_with_each_key() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::later(&broker, "bound");
    let keys = ["order.*", "refund"].map(|key| format!("{}.{key}", queue.name));
    let taker = consumer(&broker, &queue, json!({"exchange": "amq.topic", "routing_key": keys, "delete": true}));
    let lab = lab(taking(taker, &backend.url()));
    lab.publish("orders", ["tick-1", "tick-2"]);
    let mut siphon = lab.start();
    for (key, document) in ["order.new", "refund"].iter().zip(documents(2)) {
        let key = format!("{}.{key}", queue.name);
        siphon_tests::eventually("a binding", || queue.try_publish("amq.topic", &key, &document).then_some(()));
    }
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    let mut ids = told(&backend);
    ids.sort();
    assert_eq!(ids, ["event-1", "event-2"]);
}

#[test]
fn an_event_that_finds_no_message_fails_in_time_and_says_so() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "empty");
    let agent = taking(consumer(&broker, &queue, json!({})), &backend.url());
    let lab = lab(with(agent, json!({"consumer": {"timeout": "400ms"}})));
    lab.publish("orders", ["tick"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=2", "backend/amqp/consumer: no message came within"]);
    queue.publish(documents(1));
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((told(&backend), queue.waiting()), (vec!["event-1".to_owned()], 0));
}

#[test]
fn a_broker_that_is_not_there_is_named_in_the_failure() {
    let backend = HttpBackend::start();
    let taker = json!({
        "host": ["amqp://127.0.0.1:1/"], "extra_config": {"backend/amqp/consumer": {"name": "q", "exchange": ""}}
    });
    let lab = lab(with(taking(taker, &backend.url()), json!({"consumer": {"timeout": "400ms"}})));
    lab.publish("orders", ["tick"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "backend/amqp/consumer: no message came within", "connection refused"]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 1, "the event stays");
}

#[test]
fn what_the_encoding_cannot_read_is_rejected_where_that_is_asked_for() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "poison");
    queue.publish(["no JSON", documents(1)[0].as_str()]);
    let lab = lab(taking(consumer(&broker, &queue, json!({"nack_discard": true})), &backend.url()));
    lab.publish("orders", ["tick"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=1", "invalid character"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((told(&backend), queue.waiting()), (vec!["event-1".to_owned()], 0));
}

#[test]
fn a_shadow_takes_no_messages() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    backend.answer("/in", Reply::json(200, "{}"));
    let queue = Queue::later(&broker, "shadow");
    let shadow = with(consumer(&broker, &queue, json!({})), json!({"extra_config": {"proxy": {"shadow": true}}}));
    let mut agent = siphon_tests::agent("orders", &backend.url());
    agent["backend"].as_array_mut().expect("backends").push(shadow);
    let lab = lab(agent);
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert!(ran.status == 1 && ran.stderr.contains("a shadow does not share: remove proxy.shadow"), "{ran:?}");
}

#[test]
fn a_taker_loses_nothing_when_its_broker_is_stopped_and_started_again() {
    let (mut broker, backend) = (Broker::own("taken-from"), HttpBackend::start());
    let queue = Queue::durable(&broker, "taken");
    // RabbitMQ writes acknowledgements down late: those that it had are lost with it, and each takes one event more.
    let (name, count, spare) = (queue.name.clone(), 400, 400);
    queue.publish(documents(count));
    for id in ids(count) {
        backend.answer(&format!("/in/{id}"), Reply::json(200, "{}").after(Duration::from_millis(20)));
    }
    let agent =
        with(taking(consumer(&broker, &queue, json!({})), &backend.url()), json!({"consumer": {"timeout": "5s"}}));
    let lab = lab(agent);
    lab.publish("orders", ids(count + spare));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(100));
    // In order: after SIGKILL, RabbitMQ 3.10 on a busy machine sometimes hands out nothing of a queue that it recovers.
    _ = broker.control(&["stop"]);
    siphon.wait_for_log(&["event failed", "backend/amqp/consumer: no message came within"]);
    broker.start();
    let queue = Queue::existing(&broker, &name);
    siphon.wait_for_agent("orders", |_| told(&backend).into_iter().collect::<BTreeSet<_>>() == ids(count));
    siphon_tests::eventually("nothing to be left", || (queue.waiting() == 0).then_some(()));
    assert_eq!(siphon.stop(), 0);
    let repeated = told(&backend).len() - count;
    assert_eq!((queue.waiting(), lab.rows() as usize), (0, spare - repeated));
    eprintln!("the broker stopped: {repeated} of {count} messages were taken twice");
}
