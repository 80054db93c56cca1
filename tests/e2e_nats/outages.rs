//! The server's end: killed and started again, or gone for good; the consumer's end.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};

use crate::lab::{agent, counts, driver, lab};
use crate::server::{Server, shared};
use crate::stream::{Stream, ids};

#[test]
fn nothing_is_lost_when_the_server_is_killed_and_started_again() {
    let (mut server, backend) = (Server::with(""), HttpBackend::start());
    server.wait_for_jetstream();
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(10)));
    let (stream, ids) = (Stream::new(&server.url(), "killed"), ids(400));
    stream.publish(&ids);
    let agent = siphon_tests::with(agent(&stream, &backend.url()), driver(json!({"ack_wait": "2s"})));
    let mut siphon = lab(agent, json!({"consumer": {"workers": 4}})).start();
    for seen in [50, 150] {
        backend.wait_until("some events", |log| log.requests.len() >= seen);
        server.kill();
        siphon.wait_for_agent("orders", |agent| agent["state"] == "connecting");
        server.start();
        siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    }
    siphon.wait_for_log(&["[ASYNC: orders][NATS]", "not connected, trying again", "lost the connection to nats://"]);
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    // What was acknowledged to a server that was just killed may come again.
    assert!(counts.values().all(|count| *count <= 3), "{counts:?}");
}

#[test]
fn a_server_that_stays_away_uses_up_the_retries() {
    let (mut server, backend) = (Server::with(""), HttpBackend::start());
    server.wait_for_jetstream();
    let stream = Stream::new(&server.url(), "gone");
    let connection = json!({"connection": {"max_retries": 2, "backoff_strategy": "constant"}});
    let mut siphon = lab(agent(&stream, &backend.url()), connection).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    server.kill();
    assert_eq!(siphon.wait(), 4, "every agent has failed");
    let line = siphon.wait_for_log(&["agent failed for good", "lost the connection to nats://"]);
    assert!(line.contains("attempts=3"), "{line}");
}

#[test]
fn a_consumer_that_is_deleted_is_noticed_and_created_again() {
    let (stream, backend) = (Stream::new(&shared(), "deleted"), HttpBackend::start());
    let mut siphon = lab(agent(&stream, &backend.url()), json!({})).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    stream.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    stream.delete_consumer();
    siphon.wait_for_log(&["[ASYNC: orders][NATS]", "consumer \\\"siphon\\\" of stream", "is gone", "deleted"]);
    // The new one begins where the configuration says: with all.
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!((siphon.stop(), counts(&backend)["event-1"]), (0, 2));
}
