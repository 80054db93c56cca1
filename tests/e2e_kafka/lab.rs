//! Labs with agents on Kafka.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, Siphon, config, eventually, with};

use crate::broker::Broker;
use crate::topic::Topic;

/// An agent that reads this topic from its beginning, in a group of the same name, and posts to `url` + `/in`. A failed
/// event is tried again after 20 ms to 200 ms.
pub fn agent(broker: &Broker, topic: &Topic, url: &str) -> Value {
    json!({
        "name": "orders",
        "consumer": {"topic": topic.name, "timeout": "30s"},
        "connection": {"backoff_strategy": "constant"},
        "backend": [{"host": [url], "url_pattern": "/in", "method": "POST"}],
        "extra_config": {
            "async/kafka": {
                "cluster": {"brokers": [broker.address()]}, "group": {"id": topic.name, "session_timeout": "6s", "heartbeat_interval": "500ms"},
                "start": "earliest"
            },
            "async/delivery": {"retry": {"strategy": "exponential", "base": "20ms", "max": "200ms"}}
        }
    })
}

/// A lab with this agent, changed.
pub fn lab(agent: Value, changes: Value) -> Lab {
    lab_of([with(agent, changes)])
}

/// A lab with these agents; its plugin folder has the Kafka driver, too.
pub fn lab_of(agents: impl IntoIterator<Item = Value>) -> Lab {
    Lab::new(&config(agents)).with_plugin("kafka")
}

/// Settings of the driver, as changes of an agent.
pub fn driver(settings: Value) -> Value {
    json!({"extra_config": {"async/kafka": settings}})
}

/// How often each event reached the backend.
pub fn counts(backend: &HttpBackend) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    backend.look(|log| log.bodies("/in")).into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    counts
}

/// Waits until every one of these reached the backend.
#[track_caller]
pub fn wait_for_all(backend: &HttpBackend, ids: &BTreeSet<String>) {
    // Step by step: a busy machine may need long for many, and gets its time as long as it goes on.
    for seen in (0..ids.len()).step_by(1_000) {
        backend.wait_until("the next thousand events", |log| log.requests.len() >= seen);
    }
    backend.wait_until("all events", |log| {
        log.requests.len() >= ids.len() && log.bodies("/in").into_iter().collect::<BTreeSet<_>>().is_superset(ids)
    });
}

/// Waits until partitions came to the agent; returns how often that happened so far.
#[track_caller]
pub fn wait_for_partitions(siphon: &Siphon, times: usize) {
    let came = || siphon.log().iter().filter(|line| line.contains("partitions came")).count();
    eventually("partitions to come", || (came() >= times).then_some(()));
}
