//! The broker's end: killed and started again, or the queue taken away.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::eventually;

use crate::broker::Broker;
use crate::lab::{agent, counts, lab};
use crate::queue::{Queue, ids};

#[test]
fn nothing_is_lost_when_the_broker_is_killed_and_started_again() {
    let (mut broker, backend) = (Broker::own("killed"), HttpBackend::start());
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(10)));
    let (queue, ids) = (Queue::durable(&broker, "killed"), ids(400));
    queue.publish(&ids);
    let changes = json!({"consumer": {"workers": 4}, "connection": {"backoff_strategy": "constant"}});
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), changes).start();
    backend.wait_until("some events", |log| log.requests.len() >= 100);
    broker.kill();
    let lost = siphon.wait_for_log(&["[ASYNC: orders][AMQP]", "trying again"]);
    assert!(lost.contains("lost the connection") || lost.contains("connection refused"), "{lost}");
    broker.start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running" && agent["in_flight"] == 0);
    let client = Queue::later(&broker, "look");
    let waiting = || client.waiting_in(&queue.name);
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && waiting() == 0);
    assert_eq!((siphon.stop(), waiting()), (0, 0));
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    // Of what was acknowledged just before, the broker itself forgets a part: it does not write that through.
    assert!(counts.values().all(|count| *count <= 2), "{counts:?}");
    client.delete_queue(&queue.name);
}

#[test]
fn an_event_that_is_held_for_too_long_comes_again_and_the_log_says_what_to_do() {
    let (broker, backend) = (Broker::own("impatient"), HttpBackend::start());
    // The broker looks for late consumers once in a tick; both are read when a channel is opened.
    let set = |name: &str, ms: u32| format!("application:set_env(rabbit, {name}, {ms}).");
    broker.control(&["eval", &set("channel_tick_interval", 200)]);
    broker.control(&["eval", &set("consumer_timeout", 1_000)]);
    backend.answer("/in", Reply::json(200, "{}").held());
    let queue = Queue::durable(&broker, "impatient");
    queue.publish(["event-1", "event-2"]);
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), json!({})).start();
    backend.wait_until("the first event", |log| log.running == 1);
    siphon.wait_for_log(&[
        "[ASYNC: orders][AMQP]",
        "held for longer than the broker's consumer_timeout: shorten `timeout` or `retry.max`, or raise consumer_timeout",
        "trying again",
    ]);
    broker.control(&["eval", &set("consumer_timeout", 1_800_000)]);
    backend.release();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2 && agent["in_flight"] == 0);
    queue.wait_for(0);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend).into_keys().collect::<BTreeSet<_>>(), ids(2));
}

#[test]
fn a_queue_that_is_deleted_is_noticed_and_declared_again() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::later(&broker, "deleted");
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), json!({})).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    queue.delete();
    siphon.wait_for_log(&["[ASYNC: orders][AMQP]", "the broker ended the subscription", &queue.name, "was deleted"]);
    let connections = || siphon.log().iter().filter(|line| line.ends_with("connected")).count();
    eventually("the next connection", || (connections() == 2).then_some(()));
    queue.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}
