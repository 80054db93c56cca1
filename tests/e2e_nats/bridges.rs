//! Queue to stream: an event is acknowledged at its source only when the server has confirmed its message.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siphon_tests::{Lab, config, with};

use crate::server::{Server, shared};
use crate::stream::{Client, Stream, ids, unique};

/// An agent on the SQLite queue `orders` whose backend publishes.
fn bridge(extra_config: Value) -> Value {
    let backend = json!({"host": ["nats://"], "extra_config": extra_config});
    with(siphon_tests::agent("orders", ""), json!({"consumer": {"workers": 8}, "backend": [backend]}))
}

fn lab(agent: Value) -> Lab {
    Lab::new(&config([agent])).with_plugin("nats")
}

fn to_subject(url: &str, subject: &str, more: Value) -> Value {
    json!({"backend/nats/publisher": with(json!({"servers": url, "subject": subject}), more)})
}

#[test]
fn an_event_is_stored_with_its_headers_and_its_id() {
    let stream = Stream::new(&shared(), "bridge");
    let subject = format!("{}.{{topic}}.done", stream.name);
    let settings = json!({"stream": stream.name, "message_id": "{message_id}-done"});
    let lab = lab(with(bridge(to_subject(&stream.url, &subject, settings)), json!({"input_headers": ["x-a"]})));
    let more =
        ["--agent", "orders", "--header", "x-a=1", "--header", "x-b=2", "--attribute", "message_id=m-1", "hello"];
    assert_eq!(lab.siphon(&lab.arguments("publish", &more)).status, 0);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let stored = stream.stored();
    assert_eq!((stored.len(), &stored[0].payload[..]), (1, &b"hello"[..]));
    assert_eq!(stored[0].subject.as_str(), format!("{}.t.done", stream.name));
    let header = |name: &str| stored[0].headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(
        [header("x-a"), header("x-b"), header("Nats-Msg-Id")],
        [Some("1".into()), None, Some("m-1-done".into())]
    );
}

#[test]
fn a_subject_that_no_stream_takes_fails_the_event_which_stays_in_its_queue() {
    let lab = lab(bridge(to_subject(&shared(), &unique("nowhere"), json!({}))));
    lab.publish("orders", ["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["event failed", "attempt=2", "backend/nats/publisher: no stream takes the subject"]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 1);
}

#[test]
fn a_plain_subject_is_published_to_only_when_that_is_asked_for_and_said() {
    let (client, subject) = (Client::of(&shared()), unique("plain"));
    let mut listener = client.listen(&subject);
    let lab = lab(bridge(to_subject(&shared(), &subject, json!({"plain": true}))));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert!(ran.status == 0 && ran.stderr.contains("plain: the server confirms that it has read"), "{ran:?}");
    lab.publish("orders", ["hello"]);
    let mut siphon = lab.start();
    assert_eq!(&client.hear(&mut listener).payload[..], b"hello");
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_nats_topic_url_takes_its_server_from_the_environment() {
    let stream = Stream::new(&shared(), "pubsub");
    let topic_url = format!("{}.v1?natsv2=true", stream.name);
    let lab = lab(bridge(json!({"backend/pubsub/publisher": {"topic_url": topic_url}})));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert!(ran.status == 1 && ran.stderr.contains("the environment names no server: set NATS_SERVER_URL"), "{ran:?}");
    let lab = lab.with_environment("NATS_SERVER_URL", &stream.url);
    lab.publish("orders", ["hello"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let stored = stream.stored();
    assert_eq!((stored.len(), &stored[0].payload[..]), (1, &b"hello"[..]), "as it was, without a frame around it");
}

#[test]
fn a_bridge_loses_nothing_when_the_target_server_is_killed() {
    let mut server = Server::with("");
    server.wait_for_jetstream();
    let (stream, ids) = (Stream::new(&server.url(), "killed"), ids(3_000));
    let lab = lab(bridge(to_subject(&server.url(), &stream.topic(), json!({"stream": stream.name}))));
    lab.publish("orders", &ids);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"].as_u64() > Some(200));
    server.kill();
    siphon.wait_for_log(&["event failed", "backend/nats/publisher: "]);
    server.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    server.wait_for_jetstream();
    let stored = stream.stored();
    let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).expect("text");
    assert_eq!(stored.iter().map(|message| text(&message.payload)).collect::<BTreeSet<_>>(), ids);
    eprintln!("the target killed: {} of {} messages were stored twice", stored.len() - ids.len(), ids.len());
}
