//! What becomes of an event: done, failed, given up; and what its message carries into the pipe.

use async_nats::HeaderMap;
use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};

use crate::lab::{agent, counts, driver, lab};
use crate::server::shared;
use crate::stream::{Stream, ids};

#[test]
fn events_that_the_backend_took_are_acknowledged() {
    let (stream, backend) = (Stream::new(&shared(), "done"), HttpBackend::start());
    stream.publish(ids(40));
    let mut siphon = lab(agent(&stream, &backend.url()), json!({"consumer": {"workers": 4}})).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 40);
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids(40).into_iter().map(|id| (id, 1)).collect());
    assert_eq!((stream.consumer().ack_floor.stream_sequence, stream.messages()), (40, 40), "they stay in the stream");
}

#[test]
fn acknowledgements_can_be_confirmed_one_by_one() {
    let (stream, backend) = (Stream::new(&shared(), "sure"), HttpBackend::start());
    stream.publish(ids(40));
    let changes = json!({"consumer": {"workers": 4}, "extra_config": {"async/nats": {"ack_sync": true}}});
    let mut siphon = lab(agent(&stream, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 40);
    stream.wait_until_done();
    assert_eq!((siphon.stop(), counts(&backend).len()), (0, 40));
}

#[test]
fn a_failed_event_comes_back_after_its_delay_as_the_next_attempt() {
    let (stream, backend) = (Stream::new(&shared(), "failed"), HttpBackend::start());
    backend.answer("/in/1", Reply::status(503));
    backend.answer("/in/2", Reply::status(503));
    stream.publish(["event-1"]);
    let changes = json!({"backend": [{"host": [backend.url()], "url_pattern": "/in/{attempt}", "method": "POST"}]});
    let mut acknowledgements = stream.client.listen(&format!("$JS.ACK.{}.siphon.>", stream.name));
    let mut siphon = lab(agent(&stream, &backend.url()), changes).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1 && agent["failed"] == 2);
    siphon.wait_for_log(&["event failed", "offset=1", "attempt=2", "wait=40ms"]);
    let mut hear = || String::from_utf8_lossy(&stream.client.hear(&mut acknowledgements).payload).into_owned();
    let heard = [hear(), hear(), hear()];
    assert_eq!(heard, ["-NAK {\"delay\":20000000}", "-NAK {\"delay\":40000000}", "+ACK"], "the server keeps the delay");
    assert_eq!(siphon.stop(), 0);
    let paths: Vec<_> = backend.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/in/1", "/in/2", "/in/3"]);
}

#[test]
fn an_event_that_takes_longer_than_the_ack_wait_is_not_delivered_again() {
    let (stream, backend) = (Stream::new(&shared(), "long"), HttpBackend::start());
    backend.answer("/in", Reply::json(200, "{}").held());
    let mut acknowledgements = stream.client.listen(&format!("$JS.ACK.{}.siphon.>", stream.name));
    stream.publish(ids(3));
    // One in the pipe, two behind it in siphon.
    let mut siphon = lab(agent(&stream, &backend.url()), driver(json!({"ack_wait": "1s"}))).start();
    backend.wait_until("a request", |log| log.running == 1);
    // A sign of life comes every half of the wait at the earliest: with five of each it is over twice.
    for _ in 0..15 {
        let message = stream.client.hear(&mut acknowledgements);
        assert_eq!(&message.payload[..], b"+WPI", "{message:?}");
    }
    backend.release();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 3);
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids(3).into_iter().map(|id| (id, 1)).collect());
    assert_eq!(stream.consumer().delivered.consumer_sequence, 3, "three deliveries of three events");
}

#[test]
fn an_event_that_was_delivered_as_often_as_allowed_stays_in_the_stream_and_is_told() {
    let (stream, backend) = (Stream::new(&shared(), "limit"), HttpBackend::start());
    backend.answer("/in", Reply::status(500));
    stream.publish(["poison"]);
    let mut advisories = stream.advisories("MAX_DELIVERIES");
    let mut siphon = lab(agent(&stream, &backend.url()), driver(json!({"max_deliver": 2}))).start();
    siphon.wait_for_log(&["ERROR", "[ASYNC: orders]", "comes to nobody", "sequence=1", "count=2"]);
    let advisory = String::from_utf8_lossy(&stream.client.hear(&mut advisories).payload).into_owned();
    assert!(advisory.contains("\"deliveries\":2"), "{advisory}");
    assert_eq!(siphon.stop(), 0);
    assert_eq!((counts(&backend)["poison"], stream.messages()), (2, 1));
}

#[test]
fn what_a_message_carries_reaches_the_backend() {
    let (stream, backend) = (Stream::new(&shared(), "carries"), HttpBackend::start());
    let (one, other) = (format!("{}.order.new", stream.name), format!("{}.refund", stream.name));
    let changes = json!({
        "consumer": {"topic": [format!("{}.order.*", stream.name), other]},
        "input_headers": ["X-Tenant"],
        "backend": [{"host": [backend.url()], "method": "POST",
            "url_pattern": "/{stream}/{consumer}/{subject}/{stream_sequence}/{message_id}"}]
    });
    let mut siphon = lab(agent(&stream, &backend.url()), changes).start();
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/cloudevents+json");
    headers.insert("x-tenant", "seven");
    headers.insert("x-other", "no");
    headers.insert("Nats-Msg-Id", "m 1");
    stream.publish_with(&one, &headers, ["{}"]);
    headers.insert("Nats-Msg-Id", "m 2");
    stream.publish_with(&other, &headers, [""]);
    stream.publish_with(&format!("{}.elsewhere", stream.name), &HeaderMap::new(), ["not ours"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    let requests = backend.requests();
    let paths: Vec<_> = requests.iter().map(|request| request.path.clone()).collect();
    let name = &stream.name;
    assert_eq!(paths, [format!("/{name}/siphon/{one}/1/m%201"), format!("/{name}/siphon/{other}/2/m%202")]);
    let header = |name: &str| requests[0].header(name);
    let found = [header("content-type"), header("x-tenant"), header("x-other")];
    assert_eq!(found, [Some("application/cloudevents+json"), Some("seven"), None]);
}

#[test]
fn publish_reaches_the_stream_before_and_after_the_agents_first_start() {
    let (stream, backend) = (Stream::new(&shared(), "publish"), HttpBackend::start());
    let topic = stream.topic();
    let lab = lab(agent(&stream, &backend.url()), json!({}));
    let publish = |more: &[&str]| lab.siphon(&lab.arguments("publish", &[&["--agent", "orders"], more].concat()));
    let ran = publish(&["one", "two"]);
    let expected = format!("published 2 events to async/nats with topic {topic}\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, expected.as_str()), "{ran:?}");
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    // The same id twice: the server takes it once.
    (0..2).for_each(|_| assert_eq!(publish(&["--attribute", "message_id=7", "three"]).status, 0));
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 3);
    assert_eq!((siphon.stop(), stream.messages()), (0, 3));
    let ran = publish(&["--topic", "nobody.takes.this", "four"]);
    assert!(ran.status != 0 && ran.stderr.contains("no stream takes the subject"), "{ran:?}");
    assert_eq!(backend.look(|log| log.bodies("/in")), ["one", "two", "three"]);
}
