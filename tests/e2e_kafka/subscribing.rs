//! Backends that take records of a topic: committed with the outcome of the event that took them.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, check_kill, check_outcomes, config, documents, taking};

use crate::broker::Broker;
use crate::topic::Topic;

/// A backend that takes from this topic, as a member of the group of the same name.
fn reader(broker: &Broker, topic: &Topic) -> Value {
    let group = json!({"id": topic.name, "session_timeout": "6s", "heartbeat_interval": "500ms"});
    let cluster = json!({"brokers": [broker.address()]});
    let reader = json!({"cluster": cluster, "topics": [topic.name], "group": group, "start": "earliest"});
    json!({"extra_config": {"backend/pubsub/subscriber/kafka": {"reader": reader}}})
}

fn lab(agent: Value) -> Lab {
    Lab::new(&config([agent])).with_plugin("kafka")
}

#[test]
fn a_record_is_committed_when_its_event_is_done_and_taken_again_when_it_failed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "taken", 3);
    topic.publish(documents(40));
    let lab = lab(taking(reader(&broker, &topic), &backend.url()));
    check_outcomes(&lab, &backend, 40, || topic.committed() == topic.ends());
}

#[test]
fn a_record_of_a_killed_process_comes_again() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "killed", 1);
    topic.publish(documents(1));
    let lab = lab(taking(reader(&broker, &topic), &backend.url()));
    check_kill(&lab, &backend, || topic.committed() == topic.ends());
}

#[test]
fn a_kafka_group_url_takes_its_brokers_from_the_environment() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "group", 1);
    topic.publish(documents(8));
    let subscription_url = format!("{0}?topic={0}&offset=oldest", topic.name);
    let settings = json!({"backend/pubsub/subscriber": {"subscription_url": subscription_url}});
    let lab = lab(taking(json!({"host": ["kafka://"], "extra_config": settings}), &backend.url()));
    let lab = lab.with_environment("KAFKA_BROKERS", broker.address());
    check_outcomes(&lab, &backend, 8, || topic.committed() == topic.ends());
}
