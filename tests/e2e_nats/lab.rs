//! Labs with agents on NATS.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, config, with};

use crate::stream::Stream;

/// An agent on the stream's topic that posts to `url` + `/in`. A failed event comes back after 20 ms to 200 ms.
pub fn agent(stream: &Stream, url: &str) -> Value {
    let driver = json!({"servers": stream.url, "stream": stream.name, "durable": "siphon"});
    with(bare(&stream.topic(), url), json!({"extra_config": {"async/nats": driver}}))
}

/// The same without the driver's settings.
pub fn bare(topic: &str, url: &str) -> Value {
    json!({
        "name": "orders",
        "consumer": {"topic": topic, "timeout": "30s"},
        "backend": [{"host": [url], "url_pattern": "/in", "method": "POST"}],
        "extra_config": {
            "async/nats": {},
            "async/delivery": {"retry": {"strategy": "exponential", "base": "20ms", "max": "200ms"}}
        }
    })
}

/// A lab with this agent, changed.
pub fn lab(agent: Value, changes: Value) -> Lab {
    lab_of([with(agent, changes)])
}

/// A lab with these agents; its plugin folder has the NATS driver, too.
pub fn lab_of(agents: impl IntoIterator<Item = Value>) -> Lab {
    Lab::new(&config(agents)).with_plugin("nats")
}

/// Settings of the driver, as changes of an agent.
pub fn driver(settings: Value) -> Value {
    json!({"extra_config": {"async/nats": settings}})
}

/// How often each event reached the backend.
pub fn counts(backend: &HttpBackend) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    backend.look(|log| log.bodies("/in")).into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    counts
}
