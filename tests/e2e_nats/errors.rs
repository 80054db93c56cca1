//! What the server refuses is one line that says what to do.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use serde_json::{Value, json};

use crate::lab::{agent, driver, lab};
use crate::server::{Server, shared};
use crate::stream::{Stream, unique};

/// Expects one line of the log with these parts when the agent on a stream has these settings.
#[track_caller]
fn check(stream: &Stream, settings: Value, parts: &[&str]) {
    let siphon = lab(agent(stream, "http://127.0.0.1:1"), driver(settings)).start();
    siphon.wait_for_log(&[&["[ASYNC: orders][NATS]", "trying again"], parts].concat());
    let is_other = |line: &&String| line.contains("ERROR");
    assert_eq!(siphon.log().iter().find(is_other), None, "one line is enough");
}

#[test]
fn a_missing_stream_and_a_missing_consumer() {
    let (stream, missing) = (Stream::new(&shared(), "missing"), unique("nowhere"));
    check(&stream, json!({"stream": missing}), &["stream", &missing, "does not exist at nats://", "nats stream add"]);
    check(&stream, json!({"passive": true}), &["consumer \\\"siphon\\\"", "does not exist: create it, or do without"]);
}

#[test]
fn a_consumer_that_exists_with_other_settings() {
    let stream = Stream::new(&shared(), "other");
    stream.create_consumer(pull::Config {
        filter_subject: format!("{}.elsewhere", stream.name),
        ack_wait: Duration::from_secs(7),
        ..pull::Config::default()
    });
    let topic = format!("exists with topic {0}.elsewhere, and the configuration says {0}.t", stream.name);
    check(&stream, json!({}), &[&topic, "correct `topic`, or delete the consumer", "nats consumer rm"]);
    let wait = "ack_wait 7s, and the configuration says 9s: correct `topic`, `ack_wait`";
    check(&stream, json!({"ack_wait": "9s"}), &[&topic, wait]);
}

#[test]
fn a_topic_that_the_stream_does_not_hold() {
    let stream = Stream::new(&shared(), "subset");
    let topics = json!({"consumer": {"topic": [stream.topic(), "foreign.>"]}});
    let siphon = lab(agent(&stream, "http://127.0.0.1:1"), topics).start();
    let subjects = format!("takes {}.>", stream.name);
    siphon.wait_for_log(&["trying again", &subjects, "nothing of the topic \\\"foreign.>\\\" can be in it"]);
    assert!(stream.try_consumer().is_none(), "nothing was created");
}

#[test]
fn an_unreachable_server_and_one_without_jetstream() {
    let stream = Stream::new(&shared(), "unreachable");
    let unreachable = json!({"servers": ["nats://127.0.0.1:1"]});
    check(&stream, unreachable, &["cannot reach nats://127.0.0.1:1: connection refused; start the server"]);
    let bare = Server::with("accounts { A: { users: [{ user: a, password: secret }] } }");
    let settings = json!({"servers": bare.url(), "username": "a", "password": "secret"});
    check(&stream, settings, &["JetStream does not answer at nats://", "start the server with -js"]);
}

#[test]
fn a_server_of_a_list_that_is_away_is_passed_over() {
    let stream = Stream::new(&shared(), "several");
    let settings = json!({"servers": ["nats://127.0.0.1:1", stream.url]});
    let mut siphon = lab(agent(&stream, "http://127.0.0.1:1"), driver(settings)).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    assert_eq!(siphon.stop(), 0);
}
