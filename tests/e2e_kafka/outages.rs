//! The broker's end: killed and started again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};

use crate::broker::Broker;
use crate::lab::{agent, counts, lab, wait_for_all};
use crate::topic::{Topic, ids};

#[test]
fn nothing_is_lost_when_the_broker_is_killed_and_started_again() {
    let (mut broker, backend) = (Broker::own("kafka-killed"), HttpBackend::start());
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(10)));
    let (topic, ids) = (Topic::new(&broker, "outage", 3), ids(2_000));
    topic.publish(&ids);
    let changes = json!({"consumer": {"workers": 4}, "connection": {"health_interval": "1s"}});
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), changes).start();
    backend.wait_until("some events", |log| log.requests.len() >= 100);
    broker.kill();
    siphon.wait_for_log(&["[ASYNC: orders][Kafka]", "no broker answers"]);
    siphon.wait_for_agent("orders", |agent| agent["state"] == "connecting");
    broker.start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    eprintln!("the broker killed: {repeated} of {} came again", ids.len());
}

#[test]
fn an_agent_that_is_started_before_its_broker_waits_for_it() {
    let (mut broker, backend) = (Broker::own("kafka-late"), HttpBackend::start());
    let topic = Topic::new(&broker, "late", 1);
    topic.publish(["event-1"]);
    broker.kill();
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({})).start();
    siphon.wait_for_log(&[
        "[ASYNC: orders][Kafka]",
        "cannot reach",
        "connection refused; start the broker",
        "trying again",
    ]);
    broker.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}
