//! Queue to queue: an event is acknowledged at its source only when the target's broker has confirmed it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siphon_tests::{Lab, Launch, with};

use crate::broker::Broker;
use crate::lab::{agent, lab_of};
use crate::queue::{Queue, ids, unique};

/// An agent on `source` whose backend publishes to an exchange, from where the events get into `target`.
fn bridge(broker: &Broker, source: &Queue, target: &Queue, settings: Value) -> Value {
    let usual = json!({
        "exchange": unique("bridge"), "name": target.name, "routing_key": "k", "static_routing_key": true,
        "declare_queue": true, "durable": true
    });
    let backend = json!({"host": [broker.url()], "extra_config": {"backend/amqp/producer": with(usual, settings)}});
    with(agent(broker, source, ""), json!({"consumer": {"workers": 8}, "backend": [backend]}))
}

/// Everything in the queue, duplicates once.
fn drained(queue: &Queue) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    while queue.waiting() > 0 {
        found.insert(String::from_utf8(queue.take().delivery.data.clone()).expect("text"));
    }
    found
}

fn bridged(agent: Value) -> Lab {
    lab_of([agent])
}

#[test]
fn an_event_goes_on_with_its_headers_and_is_persistent() {
    let broker = Broker::shared();
    let (source, target) = (Queue::durable(&broker, "source"), Queue::later(&broker, "target"));
    let named = json!({"routing_key": "k", "msg_id_key": "message_id"});
    let lab = bridged(with(bridge(&broker, &source, &target, named), json!({"input_headers": ["*"]})));
    let properties =
        lapin::BasicProperties::default().with_message_id("m-1".into()).with_content_type("text/plain".into());
    source.publish_with("", &source.name, &properties, ["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    let message = target.take();
    assert_eq!(message.delivery.data, b"hello");
    assert_eq!(message.delivery.routing_key.as_str(), "k");
    let properties = &message.delivery.properties;
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some("m-1"));
    assert_eq!(properties.content_type().as_ref().map(|kind| kind.as_str()), Some("text/plain"));
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn what_no_queue_takes_fails_and_stays_in_its_queue() {
    let broker = Broker::shared();
    let (source, target) = (Queue::durable(&broker, "source"), Queue::later(&broker, "target"));
    let lab = bridged(bridge(&broker, &source, &target, json!({"declare_queue": false})));
    source.publish(["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=2", "the broker returned the message: no queue takes"]);
    assert_eq!(siphon.stop(), 0);
    source.wait_for(1);
}

#[test]
fn a_bridge_loses_nothing_when_the_target_broker_is_killed() {
    let (broker, mut other) = (Broker::shared(), Broker::own("bridge-target"));
    let source = Queue::durable(&broker, "source");
    let name = unique("target");
    let ids = ids(3_000);
    let mut agent = {
        let target = Queue::later(&other, "unused");
        bridge(&broker, &source, &target, json!({"name": name}))
    };
    agent["backend"][0]["host"] = json!([other.url()]);
    let lab = bridged(agent);
    source.publish(&ids);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(200));
    other.kill();
    siphon.wait_for_log(&["event failed", "backend/amqp/producer: "]);
    other.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && source.waiting() == 0);
    assert_eq!(siphon.stop(), 0);
    let target = Queue::existing(&other, &name);
    assert_eq!(drained(&target), ids);
}

#[test]
fn a_rabbit_topic_takes_its_broker_from_the_environment_and_its_key_from_a_header() {
    let broker = Broker::shared();
    let (source, target) = (Queue::durable(&broker, "source"), Queue::durable(&broker, "target"));
    let exchange = target.bind_exchange("k");
    let backend = json!({
        "host": ["rabbit://"],
        "extra_config": {"backend/pubsub/publisher": {"topic_url": format!("{exchange}?key_name=X-Key")}}
    });
    let changes = json!({"backend": [backend], "input_headers": ["X-Key"]});
    let lab = bridged(with(agent(&broker, &source, ""), changes));
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("x-key".into(), lapin::types::AMQPValue::LongString("k".into()));
    source.publish_with("", &source.name, &lapin::BasicProperties::default().with_headers(headers), ["hello"]);
    let mut siphon = Launch::new(&lab).environment("RABBIT_SERVER_URL", broker.url()).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(target.take().delivery.data, b"hello");
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_scheme_that_no_plugin_serves_is_refused_with_those_that_are() {
    let broker = Broker::shared();
    let source = Queue::later(&broker, "source");
    let backend = json!({
        "host": ["gcppubsub://"], "extra_config": {"backend/pubsub/publisher": {"topic_url": "projects/p/topics/t"}}
    });
    let lab = bridged(with(agent(&broker, &source, ""), json!({"backend": [backend]})));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("no plugin serves gcppubsub://; served are rabbit://"), "{ran:?}");
}
