//! Where a group begins to read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};

use crate::broker::Broker;
use crate::lab::{agent, driver, lab, wait_for_all, wait_for_partitions};
use crate::topic::{Topic, ids, unique};

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

/// The next commit is far away: only where the group begins can have been committed before the kill.
#[test]
fn what_was_read_and_not_done_before_a_kill_is_not_skipped_by_latest() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    backend.script(
        "/in",
        move |_| {
            if mended.load(Ordering::Acquire) { Reply::json(200, "{}") } else { Reply::status(503) }
        },
    );
    let prefix = unique("begun");
    let first = Topic::new(&broker, &format!("{prefix}.first"), 1);
    let expression = json!({"consumer": {"topic": format!("^{}[.].*", prefix.replace('.', "[.]"))}});
    let settings = driver(json!({
        "start": "latest", "commit_interval": "60s", "librdkafka": {"topic.metadata.refresh.interval.ms": 500}
    }));
    let lab = lab(siphon_tests::with(agent(&broker, &first, &backend.url()), expression), settings);
    let siphon = lab.start();
    siphon_tests::eventually("the first position", || (first.committed() == [0]).then_some(()));
    let later = Topic::new(&broker, &format!("{prefix}.later"), 1);
    wait_for_partitions(&siphon, 2);
    later.publish(ids(5));
    wait_for_all(&backend, &ids(5));
    siphon.kill();
    assert_eq!(later.committed_of(&first.name), [0]);
    is_mended.store(true, Ordering::Release);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 5);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(later.committed_of(&first.name), [5]);
    let done: BTreeSet<String> = backend.look(|log| log.bodies("/in")).into_iter().collect();
    assert_eq!(done, ids(5));
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
