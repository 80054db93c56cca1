//! What becomes of records: done, failed and tried again, in work when the program is told to stop.

use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};

use crate::broker::Broker;
use crate::lab::{agent, counts, driver, lab, wait_for_all};
use crate::topic::{Topic, ids};

#[test]
fn records_of_all_partitions_arrive_and_are_committed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "arrive", 3), ids(60));
    topic.publish(&ids);
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 8}})).start();
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(siphon.agent("orders")["acked"], 60);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
}

#[test]
fn the_pipe_gets_key_headers_partition_offset_and_time() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "parts", 2);
    topic.publish_to(1, ["before"]);
    let headers = [("x-a", "1"), ("x-a", "2"), ("content-type", "text/csv")];
    topic.publish_record(1, "customer 7", &headers, 1_700_000_000_123, "a;b");
    let pattern = "/in/{topic}/{partition}/{offset}/{key}/{timestamp}";
    let changes = json!({
        "backend": [{"host": [backend.url()], "url_pattern": pattern, "method": "POST", "input_headers": ["*"]}],
        "input_headers": ["*"]
    });
    let mut changes = driver_and(changes);
    changes["consumer"] = json!({"workers": 1});
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["received"] == 2);
    backend.wait_until("both", |log| log.requests.len() == 2);
    assert_eq!(siphon.stop(), 0);
    let request = &backend.requests()[1];
    assert_eq!(request.path, format!("/in/{}/1/1/customer%207/1700000000123", topic.name));
    assert_eq!(request.text(), "a;b");
    let header = |name: &str| {
        request
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!((header("x-key"), header("x-a")), (vec!["customer 7"], vec!["1", "2"]));
    assert_eq!(header("content-type"), ["text/csv"]);
}

fn driver_and(mut changes: serde_json::Value) -> serde_json::Value {
    changes["extra_config"] = driver(json!({"key_meta": "X-Key"}))["extra_config"].take();
    changes
}

#[test]
fn a_failed_record_is_tried_again_in_place_while_others_go_on_and_nothing_is_committed_past_it() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "poison", 1), ids(40));
    let is_mended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mended = std::sync::Arc::clone(&is_mended);
    backend.script("/in", move |request| {
        let is_poison = request.text() == "event-3" && !mended.load(std::sync::atomic::Ordering::Acquire);
        if is_poison { Reply::status(503) } else { Reply::json(200, "{}") }
    });
    topic.publish_to(0, (1..=40).map(|n| format!("event-{n}")));
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 4}})).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 39);
    siphon.wait_for_log(&["event failed", "attempt=3", "offset=2", "503"]);
    siphon_tests::eventually("the commit", || (topic.committed() == [2]).then_some(()));
    is_mended.store(true, std::sync::atomic::Ordering::Release);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<std::collections::BTreeSet<_>>(), ids);
    assert!(counts.iter().all(|(id, count)| *count == 1 || id == "event-3"), "{counts:?}");
}

#[test]
fn a_partition_stops_at_its_window_behind_a_record_that_is_not_done_and_others_go_on() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "window", 2);
    topic.publish_to(0, ["poison"]);
    topic.publish_to(0, (1..=400).map(|n| format!("event-{n}")));
    backend.script(
        "/in",
        |request| {
            if request.text() == "poison" { Reply::status(503) } else { Reply::json(200, "{}") }
        },
    );
    let changes = json!({"consumer": {"workers": 2}, "extra_config": {"async/kafka": {"window": 100}}});
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 99);
    topic.publish_to(1, (401..=430).map(|n| format!("event-{n}")));
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 129);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(topic.committed(), [0, 30]);
}

#[test]
fn a_stop_finishes_what_is_in_the_pipe_commits_it_and_repeats_nothing() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "stop", 3), ids(300));
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(20)));
    topic.publish(&ids);
    let lab = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 8}}));
    for seen in [80, 160] {
        let mut siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        assert_eq!(siphon.stop(), 0);
        siphon.wait_for_log(&["[ASYNC: orders][Kafka] agent drained"]);
        let committed: i64 = topic.committed().iter().filter(|position| **position >= 0).sum();
        assert!(committed >= 80, "{committed}");
    }
    let mut siphon = lab.start();
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
}

#[test]
fn health_tells_how_many_records_wait_at_the_broker() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "lag", 2);
    backend.answer("/in", Reply::json(200, "{}").held());
    topic.publish(ids(400));
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 2}})).start();
    siphon.wait_for_agent("orders", |agent| agent["lag"].as_u64().is_some_and(|lag| (300..400).contains(&lag)));
    backend.release();
    backend.answer("/in", Reply::json(200, "{}"));
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 400 && agent["lag"] == 0);
    assert_eq!(siphon.stop(), 0);
}
