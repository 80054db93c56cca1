//! Agents that read several topics.

use std::collections::BTreeSet;

use serde_json::json;
use siphon_testkit::HttpBackend;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab, wait_for_all};
use crate::topic::{Topic, unique};

#[test]
fn a_list_of_topics_and_a_regular_expression_are_read() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let prefix = unique("regex");
    let topics = ["one", "two", "other"].map(|name| Topic::new(&broker, &format!("{prefix}.{name}"), 2));
    let expression = format!("^{}[.](one|two)", prefix.replace('.', "[.]"));
    let listed = json!({"consumer": {"topic": [expression, topics[2].name]}});
    let refresh = driver(json!({"librdkafka": {"topic.metadata.refresh.interval.ms": 500}}));
    let mut siphon = lab(siphon_tests::with(agent(&broker, &topics[0], &backend.url()), listed), refresh).start();
    topics.iter().for_each(|topic| topic.publish([format!("of {}", topic.name)]));
    let mut expected: BTreeSet<String> = topics.iter().map(|topic| format!("of {}", topic.name)).collect();
    wait_for_all(&backend, &expected);
    // One that comes later is found, too.
    let later = Topic::new(&broker, &format!("{prefix}.two.more"), 1);
    later.publish(["of the later one"]);
    expected.insert("of the later one".into());
    wait_for_all(&backend, &expected);
    assert_eq!(siphon.stop(), 0);
}
