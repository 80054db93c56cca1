//! Plain subjects: at most once, and said so.

use std::time::Duration;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::eventually;

use crate::lab::{bare, counts, driver, lab};
use crate::server::shared;
use crate::stream::{Client, ids, unique};

fn agent(topic: &str, backend: &HttpBackend) -> Value {
    siphon_tests::with(bare(topic, &backend.url()), driver(json!({"servers": shared(), "queue": "siphon"})))
}

#[test]
fn a_queue_group_shares_the_messages() {
    let (topic, client) = (unique("group"), Client::of(&shared()));
    let backends = [HttpBackend::start(), HttpBackend::start()];
    let running = backends.each_ref().map(|backend| {
        backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(2)));
        let siphon = lab(agent(&format!("{topic}.>"), backend), json!({"consumer": {"workers": 4}})).start();
        siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
        siphon
    });
    ids(200).iter().for_each(|id| client.tell(&format!("{topic}.new"), id));
    let acked = || running.iter().map(|siphon| siphon.agent("orders")["acked"].as_u64().unwrap_or(0)).sum::<u64>();
    eventually("all events", || (acked() == 200).then_some(()));
    running.into_iter().for_each(|mut siphon| {
        siphon.wait_for_log(&["WARN", "[ASYNC: orders]", "without a stream events come at most once"]);
        assert_eq!(siphon.stop(), 0);
    });
    let parts = backends.each_ref().map(counts);
    assert!(parts.iter().all(|part| part.len() > 20), "{} and {}", parts[0].len(), parts[1].len());
    assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>().len(), 200, "each came to one of them");
}

#[test]
fn a_failed_message_is_tried_again_while_the_program_lives() {
    let (topic, client, backend) = (unique("retry"), Client::of(&shared()), HttpBackend::start());
    backend.answer("/in/1", Reply::status(503));
    backend.answer("/in/2", Reply::status(503));
    let url = json!({"backend": [{"host": [backend.url()], "url_pattern": "/in/{attempt}", "method": "POST"}]});
    let mut siphon = lab(agent(&topic, &backend), url).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    client.tell(&topic, "event-1");
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1 && agent["failed"] == 2);
    assert_eq!(siphon.stop(), 0);
    assert!(!siphon.log().iter().any(|line| line.contains("lost: ")), "{:#?}", siphon.log());
}

#[test]
fn a_message_that_is_not_done_at_the_end_is_told() {
    let (topic, client, backend) = (unique("unfinished"), Client::of(&shared()), HttpBackend::start());
    backend.answer("/in", Reply::status(503));
    let retry = json!({"extra_config": {"async/delivery": {"retry": {"base": "1h", "max": "1h"}}}});
    let mut siphon = lab(agent(&topic, &backend), retry).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    client.tell(&topic, "event-1");
    siphon.wait_for_agent("orders", |agent| agent["failed"] == 1);
    assert_eq!(siphon.stop(), 0);
    siphon.wait_for_log(&["WARN", "[ASYNC: orders]", "lost: events that were not done", "count=1"]);
}

#[test]
fn publish_reaches_a_plain_subject_with_its_headers() {
    let (topic, client, backend) = (unique("publish"), Client::of(&shared()), HttpBackend::start());
    let lab = lab(agent(&topic, &backend), json!({}));
    let mut subscriber = client.listen(&topic);
    let more = ["--agent", "orders", "--header", "X-Tenant=seven", "--attribute", "reply_to=answers", "one"];
    let ran = lab.siphon(&lab.arguments("publish", &more));
    assert_eq!(ran.status, 0, "{ran:?}");
    let message = client.hear(&mut subscriber);
    let header = message.headers.as_ref().and_then(|headers| headers.get("X-Tenant"));
    let found = (&message.payload[..], message.reply.as_deref(), header.map(|value| value.as_str()));
    assert_eq!(found, (&b"one"[..], Some("answers"), Some("seven")));
}
