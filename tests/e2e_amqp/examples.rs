//! The examples, and the founding page's configuration as it stands.

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
    check(&example("amqp-bridge.json"), ("orders", "incoming-orders", "shop"), "order.created");
    check(&example("amqp-dead-letter.json"), ("billing", "invoices", "accounting"), "invoice.overdue.long");
}

/// Nothing in the text is changed but where broker and backend are.
#[test]
fn the_founding_pages_configuration_runs_as_it_stands() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let client = Queue::later(&broker, "founding");
    let text = include_str!("../../crates/config/tests/fixtures/8.0-founding.json");
    let lab = Lab::empty().with_plugin("amqp");
    let local = text.replace("amqp://guest:guest@localhost:5672/", broker.url());
    lab.write("siphon.json", local.replace("http://127.0.0.1:8080", &backend.url()));
    let mut siphon = lab.start();
    siphon.wait_for_agent("cool-agent", |agent| agent["state"] == "running");
    client.publish_with("foo", "anything", &lapin::BasicProperties::default(), ["{\"id\":1}"]);
    siphon.wait_for_agent("cool-agent", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let request = backend.look(|log| log.requests[0].clone());
    assert_eq!((request.path.as_str(), request.text().as_str()), ("/__debug", "{\"id\":1}"));
    client.delete_queue("krakend");
    client.delete_exchange("foo");
}
