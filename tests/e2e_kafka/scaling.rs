//! The recipe of docs/scaling.md, word by word.

use std::collections::BTreeSet;

use siphon_testkit::HttpBackend;
use siphon_tests::Recipe;

use crate::broker::Broker;
use crate::lab::counts;
use crate::topic::Topic;

#[test]
fn two_processes_share_a_topic_and_one_may_be_killed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "scaling", 4);
    let recipe = Recipe::of("kafka")
        .with("127.0.0.1:9092", broker.address())
        .with("orders-siphon", &topic.name)
        .with("\"topic\": \"orders\"", &format!("\"topic\": {:?}", topic.name))
        .with("http://127.0.0.1:8000", &backend.url());
    let survivor = recipe.run(&topic.name);
    topic.wait_until_committed();
    survivor.stop();
    let all: BTreeSet<_> = (1..=4_000).map(|number| number.to_string()).collect();
    assert_eq!(counts(&backend).into_keys().collect::<BTreeSet<_>>(), all);
}
