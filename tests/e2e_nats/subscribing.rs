//! Backends that take messages of a stream or a subject: settled with the outcome of the event that took them.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, check_kill, check_outcomes, config, documents, eventually, taking, told};

use crate::server::shared;
use crate::stream::{Client, Stream, unique};

fn subscriber(subscription_url: &str) -> Value {
    let settings = json!({"backend/pubsub/subscriber": {"subscription_url": subscription_url}});
    json!({"host": ["nats://"], "extra_config": settings})
}

fn of_stream(stream: &Stream) -> Value {
    subscriber(&format!("{}?stream={}&durable=siphon", stream.topic(), stream.name))
}

fn lab(agent: Value) -> Lab {
    Lab::new(&config([agent])).with_plugin("nats").with_environment("NATS_SERVER_URL", &shared())
}

fn is_empty(stream: &Stream) -> bool {
    stream.try_consumer().is_some_and(|info| info.num_pending == 0 && info.num_ack_pending == 0)
}

#[test]
fn a_message_is_acknowledged_when_its_event_is_done_and_comes_again_when_it_failed() {
    let (stream, backend) = (Stream::new(&shared(), "taken"), HttpBackend::start());
    stream.publish(documents(40));
    let lab = lab(taking(of_stream(&stream), &backend.url()));
    check_outcomes(&lab, &backend, 40, || is_empty(&stream));
}

#[test]
fn a_message_of_a_killed_process_comes_again() {
    let (stream, backend) = (Stream::new(&shared(), "killed"), HttpBackend::start());
    stream.publish(documents(1));
    // The server waits so long for a word of the process that was killed.
    stream.create_consumer(async_nats::jetstream::consumer::pull::Config {
        ack_wait: std::time::Duration::from_secs(2),
        filter_subject: stream.topic(),
        ..Default::default()
    });
    let lab = lab(taking(of_stream(&stream), &backend.url()));
    check_kill(&lab, &backend, || is_empty(&stream));
}

#[test]
fn a_plain_subject_gives_what_is_published_while_siphon_listens_and_that_is_said() {
    let (client, subject, backend) = (Client::of(&shared()), unique("plain"), HttpBackend::start());
    let lab = lab(taking(subscriber(&format!("{subject}?queue=q&natsv2=true")), &backend.url()));
    lab.publish("orders", ["tick"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["without a stream events come at most once"]);
    eventually("the message to be heard", || {
        client.tell(&subject, &documents(1)[0]);
        (siphon.agent("orders")["acked"] == 1).then_some(())
    });
    assert_eq!(siphon.stop(), 0);
    assert_eq!(told(&backend), ["event-1"]);
}
