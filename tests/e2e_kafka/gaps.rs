//! Offsets that nobody ever reads: compacted records, markers of transactions, records of aborted ones.

use std::collections::BTreeSet;

use rdkafka::consumer::Consumer as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::json;
use siphon_testkit::HttpBackend;
use siphon_tests::eventually;

use crate::broker::Broker;
use crate::lab::{agent, counts, driver, lab, wait_for_all};
use crate::topic::{PATIENCE, Topic, unique};

/// Publishes `payloads` in one transaction, which is committed or not.
fn transaction(broker: &Broker, topic: &Topic, payloads: &[String], is_committed: bool) {
    let before = topic.ends()[0];
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address()).set("transactional.id", unique("transaction"));
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    producer.begin_transaction().expect("begun");
    for payload in payloads {
        let record = BaseRecord::<str, str>::to(&topic.name).partition(0).payload(payload);
        producer.send(record).map_err(|(error, _)| error).expect("a place in the queue");
    }
    producer.flush(PATIENCE).expect("sent");
    let ended = if is_committed { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) };
    ended.expect("ended");
    // The broker answers before it has written the marker.
    let end = before + i64::try_from(payloads.len()).expect("a number") + 1;
    eventually("the marker", || (topic.ends()[0] == end).then_some(()));
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{prefix}-{n}")).collect()
}

#[test]
fn aborted_transactions_are_passed_and_markers_hold_nothing() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "transactions", 1);
    let (first, lost, last) = (names("first", 5), names("aborted", 5), names("last", 5));
    transaction(&broker, &topic, &first, true);
    transaction(&broker, &topic, &lost, false);
    transaction(&broker, &topic, &last, true);
    topic.publish(["plain"]);
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 4}})).start();
    let expected: BTreeSet<String> = first.into_iter().chain(last).chain(["plain".to_owned()]).collect();
    wait_for_all(&backend, &expected);
    topic.wait_until_committed();
    assert_eq!(topic.ends(), [3 * 6 + 1], "markers have offsets, too");
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), expected.into_iter().map(|id| (id, 1)).collect());
}

#[test]
fn krakends_spelling_of_read_uncommitted_reads_all() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "uncommitted", 1);
    let aborted = names("aborted", 5);
    transaction(&broker, &topic, &aborted, false);
    let settings = driver(json!({"group": {"isolation_level": "read_uncommited"}}));
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), settings).start();
    wait_for_all(&backend, &aborted.into_iter().collect());
    assert_eq!(siphon.stop(), 0);
}

/// How many records the topic's partition 0 still has.
fn records_left(topic: &Topic) -> usize {
    let reader = topic.reader(&unique("look"));
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(&topic.name, 0, Offset::Beginning).expect("an offset");
    reader.assign(&all).expect("assigned");
    let end = topic.ends()[0];
    let mut count = 0;
    loop {
        let record = reader.poll(PATIENCE).expect("a record").expect("no error");
        count += 1;
        if record.offset() + 1 >= end {
            return count;
        }
    }
}

#[test]
fn a_compacted_topic_is_read_and_committed_over_its_gaps() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("min.compaction.lag.ms", "0"),
        ("max.compaction.lag.ms", "100"),
    ];
    let topic = Topic::with(&broker, "compacted", 1, &settings);
    // Each of five keys again and again; only the last record of a key outlives the compaction.
    for round in 0..20 {
        for key in 0..5 {
            topic.publish_record(0, &format!("key-{key}"), &[], now(), &format!("{key} of round {round}"));
        }
    }
    eventually("the compaction", || {
        topic.publish_record(0, "tick", &[], now(), "tick"); // a segment closes when the next one begins
        (2 * records_left(&topic) < usize::try_from(topic.ends()[0]).expect("an offset")).then_some(())
    });
    let left = records_left(&topic);
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 4}})).start();
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    let received = backend.requests().len();
    assert!(received <= left && received > 5, "{received} of {left}");
    for key in 0..5 {
        assert!(counts(&backend).contains_key(&format!("{key} of round 19")), "the newest of each key");
    }
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_millis()).expect("a time in this age")
}
