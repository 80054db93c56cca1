//! Queue to topic: an event is acknowledged at its source only when the brokers have confirmed its record.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siphon_tests::{Lab, config, with};

use crate::broker::Broker;
use crate::topic::{Topic, ids, unique};

/// An agent on the SQLite queue `orders` whose backend publishes.
fn bridge(extra_config: Value) -> Value {
    let backend = json!({"host": ["kafka://"], "extra_config": extra_config});
    let consumer = json!({"workers": 8, "timeout": "10s"});
    with(siphon_tests::agent("orders", ""), json!({"consumer": consumer, "backend": [backend]}))
}

fn lab(agent: Value) -> Lab {
    Lab::new(&config([agent])).with_plugin("kafka")
}

fn to_topic(broker: &Broker, topic: &str, more: Value) -> Value {
    let settings = json!({"cluster": {"brokers": [broker.address()]}, "topic": topic});
    json!({"backend/kafka/publisher": with(settings, more)})
}

/// Publishes an event with a key and a header, and expects it on the topic under `key`.
#[track_caller]
fn check(topic: &Topic, lab: &Lab, key: &str) {
    let more = ["--agent", "orders", "--key", "own", "--header", "x-key=k-7", "--header", "x-other=1", "hello"];
    assert_eq!(lab.siphon(&lab.arguments("publish", &more)).status, 0);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let records = topic.records();
    assert_eq!(records.len(), 1, "{records:?}");
    let (found, headers, payload) = &records[0];
    assert_eq!((found.as_str(), payload.as_str()), (key, "hello"));
    assert!(headers.iter().any(|(name, value)| name == "x-key" && value == "k-7"), "{headers:?}");
    assert!(!headers.iter().any(|(name, _)| name == "x-other"), "{headers:?}");
}

#[test]
fn an_event_becomes_a_record_with_its_key_and_headers() {
    let broker = Broker::shared();
    let topic = Topic::new(&broker, "bridge", 3);
    let settings = to_topic(&broker, &topic.name, json!({"key": "{key}", "producer": {"compression_codec": "zstd"}}));
    let lab = lab(with(bridge(settings), json!({"input_headers": ["x-key"]})));
    check(&topic, &lab, "own");
}

#[test]
fn krakends_writer_takes_its_key_from_a_header() {
    let broker = Broker::shared();
    let topic = Topic::new(&broker, "writer", 1);
    let cluster = json!({"brokers": [broker.address()]});
    let writer =
        json!({"cluster": cluster, "topic": topic.name, "key_meta": "X-Key", "producer": {"partitioner": "sarama"}});
    let settings = json!({"backend/pubsub/publisher/kafka": {"success_status_code": 201, "writer": writer}});
    let lab = lab(with(bridge(settings), json!({"input_headers": ["x-key"]})));
    check(&topic, &lab, "k-7");
}

#[test]
fn a_kafka_topic_url_takes_its_brokers_from_the_environment() {
    let broker = Broker::shared();
    let topic = Topic::new(&broker, "pubsub", 1);
    let settings = json!({"backend/pubsub/publisher": {"topic_url": format!("{}?key_name=X-Key", topic.name)}});
    let lab = lab(with(bridge(settings), json!({"input_headers": ["x-key"]})));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert!(ran.status == 1 && ran.stderr.contains("the environment names no broker: set KAFKA_BROKERS"), "{ran:?}");
    check(&topic, &lab.with_environment("KAFKA_BROKERS", broker.address()), "k-7");
}

#[test]
fn a_topic_that_does_not_exist_fails_the_event_which_stays_in_its_queue() {
    let broker = Broker::shared();
    let lab = lab(bridge(to_topic(&broker, &unique("nowhere"), json!({}))));
    lab.publish("orders", ["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=2", "backend/kafka/publisher: topic", "does not exist: create it"]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 1);
}

#[test]
fn a_bridge_loses_nothing_when_the_target_broker_is_killed() {
    let mut broker = Broker::own("bridge-target");
    let (topic, ids) = (Topic::new(&broker, "killed", 3), ids(3_000));
    let lab = lab(bridge(to_topic(&broker, &topic.name, json!({}))));
    lab.publish("orders", &ids);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(200));
    broker.kill();
    siphon.wait_for_log(&["event failed", "context deadline exceeded"]);
    broker.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    let records = topic.records();
    let found: BTreeSet<String> = records.iter().map(|(_, _, payload)| payload.clone()).collect();
    assert_eq!(found, ids);
    eprintln!("the target killed: {} of {} records were written twice", records.len() - ids.len(), ids.len());
}
