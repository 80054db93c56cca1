//! Several processes in one group: they share the partitions, and one takes over from another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{eventually, with};

use crate::broker::Broker;
use crate::lab::{agent, counts, driver, lab, lab_of, wait_for_all, wait_for_partitions};
use crate::topic::{Topic, ids};

fn with_strategy(agent: Value, strategy: &str) -> Value {
    with(agent, driver(json!({"group": {"rebalance_strategies": [strategy]}})))
}

/// How often each event reached any of the backends.
fn all_counts(backends: &[&HttpBackend]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for (id, count) in backends.iter().flat_map(|backend| counts(backend)) {
        *all.entry(id).or_default() += count;
    }
    all
}

/// One process works, a second one joins while work is in flight, both work on, the first one leaves in order.
#[track_caller]
fn check_join_and_leave(strategy: &str) {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "join", 6), ids(1_200));
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(30)));
    topic.publish(&ids);
    let agent = with_strategy(agent(&broker, &topic, &backend.url()), strategy);
    let lab = lab(agent, json!({"consumer": {"workers": 16}}));
    let mut first = lab.start();
    backend.wait_until("some events", |log| log.requests.len() >= 100);
    let mut second = lab.start();
    wait_for_partitions(&second, 1);
    first.wait_for_log(&["partitions went away", "in_work=0"]);
    second.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(50));
    assert_eq!(first.stop(), 0);
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(second.stop(), 0);
    // What is in the pipe when a partition goes away is finished and committed first: nothing is done twice.
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect(), "{strategy}");
}

#[test]
fn a_second_process_joins_and_the_first_leaves_without_repeating_anything() {
    check_join_and_leave("range");
    check_join_and_leave("sticky");
}

#[test]
fn a_killed_process_loses_nothing_and_the_other_takes_over() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "takeover", 6), ids(3_000));
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(10)));
    topic.publish(ids.iter().take(1_500));
    let agent = with_strategy(agent(&broker, &topic, &backend.url()), "sticky");
    let lab = lab(agent, json!({"consumer": {"workers": 16}, "extra_config": {"async/kafka": {"window": 200}}}));
    let (first, mut second) = (lab.start(), lab.start());
    first.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(100));
    second.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(100));
    topic.publish(ids.iter().skip(1_500));
    first.kill();
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(second.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    assert!(repeated <= 6 * 200, "{repeated} came again");
    eprintln!("one of two killed: {repeated} of {} came again", ids.len());
}

/// Partition 0 of one topic goes away; the host then gives back what waits of partition 0 of the other topic, too.
#[test]
fn topics_whose_partitions_have_the_same_numbers_do_not_disturb_each_other() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topics = [Topic::new(&broker, "same-a", 4), Topic::new(&broker, "same-b", 4)];
    let ids: Vec<_> = ["a", "b"].map(|prefix| (1..=60).map(|n| format!("{prefix}-{n}")).collect::<Vec<_>>()).into();
    topics.iter().zip(&ids).for_each(|(topic, ids)| topic.publish(ids));
    let is_mended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mended = std::sync::Arc::clone(&is_mended);
    backend.script("/in", move |_| {
        if mended.load(std::sync::atomic::Ordering::Acquire) { Reply::json(200, "{}") } else { Reply::status(503) }
    });
    let agent = with_strategy(agent(&broker, &topics[0], &backend.url()), "sticky");
    let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let changes = json!({"consumer": {"workers": 8, "topic": names}});
    let mut first = lab(agent.clone(), changes).start();
    first.wait_for_agent("orders", |agent| agent["in_flight"].as_u64() > Some(60));
    // Takes all of the second topic, and what is held of the first one is read again.
    let mut second = lab(agent, json!({"consumer": {"workers": 8, "topic": topics[1].name}})).start();
    first.wait_for_log(&["partitions went away"]);
    second.wait_for_agent("orders", |agent| agent["in_flight"].as_u64() > Some(5));
    is_mended.store(true, std::sync::atomic::Ordering::Release);
    let group = &topics[0].name;
    for topic in &topics {
        eventually("all to be committed", || (topic.committed_of(group) == [15, 15, 15, 15]).then_some(()));
    }
    assert_eq!((first.stop(), second.stop()), (0, 0));
    let done = all_counts(&[&backend]).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(done, ids.into_iter().flatten().collect());
}

#[test]
fn a_restart_with_a_lasting_name_keeps_its_partitions() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "static", 4);
    let named = |name: &str| {
        let agent = with_strategy(agent(&broker, &topic, &backend.url()), "sticky");
        lab(agent, driver(json!({"group": {"instance_id": name, "session_timeout": "30s"}})))
    };
    let (one, two) = (named("one"), named("two"));
    let mut first = one.start();
    wait_for_partitions(&first, 1);
    let mut second = two.start();
    wait_for_partitions(&second, 1);
    first.wait_for_log(&["partitions went away"]);
    let changes =
        |siphon: &siphon_tests::Siphon| siphon.log().iter().filter(|line| line.contains("partitions ")).count();
    let before = changes(&second);
    assert_eq!(first.stop(), 0);
    let mut first = one.start();
    wait_for_partitions(&first, 1);
    topic.publish(ids(40));
    wait_for_all(&backend, &ids(40));
    assert_eq!(changes(&second), before, "the group was not shared out anew");
    assert_eq!((first.stop(), second.stop()), (0, 0));
}

#[test]
fn two_processes_with_one_lasting_name_do_not_both_run() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "fenced", 2);
    let settings = driver(json!({"group": {"instance_id": "one"}}));
    let lab = lab_of([with(agent(&broker, &topic, &backend.url()), settings)]);
    let mut first = lab.start();
    wait_for_partitions(&first, 1);
    let mut second = lab.start();
    first.wait_for_log(&["[ASYNC: orders][Kafka]", "took `group.instance_id`: give each process its own"]);
    topic.publish(["event-1"]);
    second.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!((first.wait(), second.stop()), (4, 0));
}
