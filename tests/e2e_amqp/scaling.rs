//! The recipe of docs/scaling.md, word by word.

use std::collections::BTreeSet;

use siphon_testkit::HttpBackend;
use siphon_tests::Recipe;

use crate::broker::Broker;
use crate::lab::counts;
use crate::queue::{Queue, unique};

#[test]
fn two_processes_share_a_queue_and_one_may_be_killed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (queue, exchange) = (Queue::later(&broker, "scaling"), unique("scaling-exchange"));
    let recipe = Recipe::of("amqp")
        .with("amqp://guest:guest@127.0.0.1:5672/", broker.url())
        .with("orders-siphon", &queue.name)
        .with("\"shop\"", &format!("{exchange:?}"))
        .with("http://127.0.0.1:8000", &backend.url());
    let survivor = recipe.run("order.created");
    queue.wait_for(0);
    survivor.stop();
    queue.wait_for(0);
    let all: BTreeSet<_> = (1..=4_000).map(|number| number.to_string()).collect();
    assert_eq!(counts(&backend).into_keys().collect::<BTreeSet<_>>(), all);
    queue.delete_exchange(&exchange);
}
