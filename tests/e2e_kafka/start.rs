//! Where a group begins to read.

use serde_json::json;
use siphon_testkit::HttpBackend;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab, wait_for_partitions};
use crate::topic::Topic;

/// What reaches the backend of a topic with the records `old` (of 2023) and `young` (of 2024), and one that comes later.
#[track_caller]
fn check(start: serde_json::Value, expected: &[&str]) {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "start", 1);
    topic.publish_record(0, "k", &[], 1_690_000_000_000, "old");
    topic.publish_record(0, "k", &[], 1_710_000_000_000, "young");
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), driver(json!({"start": start}))).start();
    wait_for_partitions(&siphon, 1);
    topic.publish(["later"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == expected.len());
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), expected);
}

#[test]
fn a_new_group_begins_where_start_says() {
    check(json!("earliest"), &["old", "young", "later"]);
    check(json!("latest"), &["later"]);
    check(json!("2024-01-01"), &["young", "later"]);
    check(json!(4_000_000_000_000_i64), &["later"]);
}

#[test]
fn what_comes_while_nobody_runs_is_not_skipped_by_latest() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "latest", 2);
    let lab = lab(agent(&broker, &topic, &backend.url()), driver(json!({"start": "latest"})));
    topic.publish(["before", "before"]);
    let siphon = lab.start();
    siphon_tests::eventually("the first positions", || (topic.committed() == [1, 1]).then_some(()));
    siphon.kill();
    topic.publish(["while", "nobody", "runs"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 3);
    assert_eq!(siphon.stop(), 0);
    let mut bodies = backend.look(|log| log.bodies("/in"));
    bodies.sort();
    assert_eq!(bodies, ["nobody", "runs", "while"]);
}

#[test]
fn records_that_retention_has_deleted_are_passed_and_nothing_else_is_skipped() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "deleted", 1);
    topic.publish((1..=5).map(|n| format!("event-{n}")));
    let lab = lab(agent(&broker, &topic, &backend.url()), driver(json!({"start": "latest"})));
    // The group is at 1, and the broker has nothing before 3.
    let mut one = rdkafka::TopicPartitionList::new();
    one.add_partition_offset(&topic.name, 0, rdkafka::Offset::Offset(1)).expect("an offset");
    let reader = topic.reader(&topic.name);
    rdkafka::consumer::Consumer::commit(&reader, &one, rdkafka::consumer::CommitMode::Sync).expect("committed");
    topic.delete_before(3);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), ["event-4", "event-5"]);
}
