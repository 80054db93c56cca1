//! The examples, and the founding page's configuration as it stands.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::Lab;

use crate::broker::Broker;
use crate::queue::{Queue, unique};

/// Runs `text` with the shared broker and a scripted backend in the place of its own, and other names for `queue` and
/// `exchange`. An event with `topic`, published to the exchange, must reach the backend.
#[track_caller]
fn check(text: &str, (agent, queue, exchange): (&str, &str, &str), topic: &str) {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (client, other) = (Queue::later(&broker, queue), unique(exchange));
    let quoted = |name: &str| format!("{name:?}");
    let text = text
        .replace("amqp://guest:guest@localhost:5672/", broker.url())
        .replace(&quoted(queue), &quoted(&client.name))
        .replace(&quoted(exchange), &quoted(&other))
        .replace("http://127.0.0.1:8000", &backend.url())
        .replace("http://127.0.0.1:8080", &backend.url());
    let lab = Lab::empty().with_plugin("amqp");
    lab.write("siphon.json", text);
    let mut siphon = lab.start();
    siphon.wait_for_agent(agent, |agent| agent["state"] == "running");
    client.publish_with(&other, topic, &lapin::BasicProperties::default(), ["{\"id\":1}"]);
    siphon.wait_for_agent(agent, |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.requests[0].text()), "{\"id\":1}");
    client.delete_exchange(&other);
}

fn example(name: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name);
    std::fs::read_to_string(file).expect("the example")
}

#[test]
fn the_examples_do_what_they_say() {
    check(&example("amqp.json"), ("orders", "orders-siphon", "shop"), "order.created.eu");
    check(&example("amqp-bridge.json"), ("orders", "orders", "shop"), "order.created");
    check(&example("amqp-dead-letter.json"), ("billing", "invoices", "accounting"), "invoice.overdue.long");
}

#[test]
fn the_founding_pages_configuration_runs_as_it_stands() {
    let driver: Value = json!({"name": "krakend", "host": "amqp://guest:guest@localhost:5672/", "exchange": "foo",
        "durable": true, "delete": false, "exclusive": false, "no_wait": true, "prefetch_count": 5, "auto_ack": false,
        "no_local": true});
    let config = json!({"version": 3, "async_agent": [{"name": "cool-agent", "topic": "*", "workers": 1,
        "max_retries": 10, "backoff_strategy": "exponential-jitter", "timeout": "150ms", "health_interval": "10s",
        "backend": [{"host": ["http://127.0.0.1:8080"], "url_pattern": "/__debug"}],
        "extra_config": {"github.com/devopsfaith/krakend-amqp/consume": driver}}]});
    check(&config.to_string(), ("cool-agent", "krakend", "foo"), "anything");
}
