//! The recipe of docs/scaling.md, word by word.

use std::collections::BTreeSet;

use siphon_testkit::HttpBackend;
use siphon_tests::Recipe;

use crate::lab::counts;
use crate::server::shared;
use crate::stream::Stream;

#[test]
fn two_processes_share_a_consumer_and_one_may_be_killed() {
    let (stream, backend) = (Stream::new(&shared(), "scaling"), HttpBackend::start());
    let recipe = Recipe::of("nats")
        .with("nats://127.0.0.1:4222", &stream.url)
        .with("ORDERS", &stream.name)
        .with("orders-siphon", "siphon")
        .with("orders.>", &format!("{}.>", stream.name))
        // What the killed process had comes back after this time.
        .with("\"ack_wait\": \"30s\"", "\"ack_wait\": \"2s\"")
        .with("http://127.0.0.1:8000", &backend.url());
    let survivor = recipe.run(&stream.topic());
    stream.wait_until_done();
    survivor.stop();
    let all: BTreeSet<_> = (1..=4_000).map(|number| number.to_string()).collect();
    assert_eq!(counts(&backend).into_keys().collect::<BTreeSet<_>>(), all);
}
