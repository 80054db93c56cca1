//! `siphon publish` to Kafka.

use serde_json::json;

use crate::broker::Broker;
use crate::lab::{agent, lab};
use crate::topic::{Topic, unique};
use siphon_testkit::HttpBackend;

#[test]
fn key_headers_and_partition_travel_along() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "published", 3);
    let changes = json!({
        "input_headers": ["x-a"],
        "backend": [{"host": [backend.url()], "url_pattern": "/in/{partition}/{key}", "method": "POST", "input_headers": ["x-a"]}]
    });
    let lab = lab(agent(&broker, &topic, &backend.url()), changes);
    let more = ["--agent", "orders", "--key", "k1", "--header", "x-a=1", "--attribute", "partition=2", "{\"id\":1}"];
    let ran = lab.siphon(&lab.arguments("publish", &more));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, format!("published 1 event to async/kafka with topic {}\n", topic.name));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let request = &backend.requests()[0];
    assert_eq!((request.path.as_str(), request.text().as_str()), ("/in/2/k1", "{\"id\":1}"));
    assert!(
        request.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("x-a") && value == "1"),
        "{:?}",
        request.headers
    );
}

#[test]
fn a_regular_expression_needs_a_topic_and_a_missing_topic_is_named() {
    let broker = Broker::shared();
    let topic = Topic::new(&broker, "named", 1);
    let lab = lab(agent(&broker, &topic, "http://h"), json!({"consumer": {"topic": "^named.*"}}));
    let publish = |more: &[&str]| lab.siphon(&lab.arguments("publish", &[&["--agent", "orders"], more].concat()));
    let ran = publish(&["{}"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("say which topic the events have, with --topic"), "{ran:?}");
    let ran = publish(&["--topic", &topic.name, "{}"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(topic.ends(), [1]);
    let missing = unique("nowhere");
    let ran = publish(&["--topic", &missing, "{}"]);
    assert!(ran.status != 0 && ran.stderr.contains(&format!("topic {missing:?} does not exist: create it")), "{ran:?}");
}
