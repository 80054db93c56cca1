//! Payloads and topics of every kind go through unchanged.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Request};
use siphon_tests::{Lab, agent, config, with};

/// Publishes `payload` as one line of standard input and returns what the backend got.
#[track_caller]
fn delivered(changes: Value, publish: &[&str], payload: &[u8]) -> Request {
    let backend = HttpBackend::start();
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    let arguments = lab.arguments("publish", &[&["--agent", "orders"], publish].concat());
    let ran = lab.siphon_reading(&arguments, payload);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
    backend.requests().swap_remove(0)
}

/// The payload arrives as it is.
#[track_caller]
fn check(payload: &[u8], content_type: Option<&str>) {
    let request = delivered(json!({}), &["-"], payload);
    assert!(request.body == payload, "{} bytes came", request.body.len());
    assert_eq!(request.header("Content-Type"), content_type);
    assert_eq!(request.header("Content-Length"), Some(payload.len().to_string().as_str()));
}

#[test]
fn an_empty_payload_arrives() {
    let request = delivered(json!({}), &[""], b"");
    assert!(request.body.is_empty());
    assert_eq!((request.method.as_str(), request.header("Content-Type")), ("POST", None));
}

#[test]
fn bytes_that_are_no_text_arrive() {
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    check(&all, None);
    check(b"\xff\xfe\x00", None);
}

#[test]
fn text_and_json_arrive_with_the_right_content_type() {
    check("žluťoučký kůň 🐴".as_bytes(), None);
    check(br#"{"id": 12345678901234567890.0, "a": [1, 2]}"#, Some("application/json"));
    check(b"{ this only begins like JSON", Some("application/json"));
}

#[test]
fn fifty_megabytes_arrive() {
    let digits = (0..50_000_000u32).map(|n| b"0123456789abcdef"[(n.wrapping_mul(2_654_435_761) >> 28) as usize]);
    let payload: Vec<u8> = digits.collect();
    check(&payload, Some("application/json"));
}

#[test]
fn a_topic_of_any_letters_fits_its_pattern_and_reaches_the_url_encoded() {
    let backend = json!([{"url_pattern": "/in/{topic}", "method": "PUT"}]);
    let changes = json!({"consumer": {"topic": "заказ.*"}, "backend": backend});
    let request = delivered_to(changes, &["--topic", "заказ.créé/1", "{}"]);
    assert_eq!(request.path, "/in/%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7.cr%C3%A9%C3%A9%2F1");
}

#[test]
fn the_key_and_wanted_headers_reach_the_backend() {
    let backend = json!([{"url_pattern": "/in?key={key}", "method": "POST", "input_headers": ["X-Tenant"]}]);
    let changes = json!({"input_headers": ["X-Tenant"], "backend": backend});
    let request = delivered_to(
        changes,
        &["--key", "a b&c", "--header", "X-Tenant=acme", "--header", "X-Secret=hidden", "payload"],
    );
    assert_eq!(request.query, "key=a%20b%26c");
    assert_eq!((request.header("X-Tenant"), request.header("X-Secret")), (Some("acme"), None));
}

#[test]
fn everything_that_the_embedded_queue_knows_can_stand_in_a_url_in_both_spellings() {
    let pattern = "/{topic}/{{.Topic}}/{{.queue}}/{message_id}/{attempt}/{offset}/{nope}?k={{.Key}}&t={topic}";
    let changes = json!({"backend": [{"url_pattern": pattern, "method": "POST"}], "consumer": {"topic": "#"}});
    let known = ["--topic", "a b/ü", "--key", "k&=?", "--attribute", "message_id=m#1", "{}"];
    let request = delivered_to(changes, &known);
    assert_eq!(request.path, "/a%20b%2F%C3%BC/a%20b%2F%C3%BC/orders/m%231/1/1/%7BNope%7D");
    assert_eq!(request.query, "k=k%26%3D%3F&t=a%20b%2F%C3%BC");
}

#[test]
fn a_property_is_a_header_where_the_agent_asks_for_it() {
    let backend = || json!([{"url_pattern": "/in", "method": "POST"}]);
    let publish = ["--attribute", "message_id=m 1", "--header", "X-Other=o", "{}"];
    let asked = delivered_to(json!({"input_headers": ["message-id"], "backend": backend()}), &publish);
    assert_eq!((asked.header("Message-Id"), asked.header("X-Other")), (Some("m 1"), None));
    let all = delivered_to(json!({"input_headers": ["*"], "backend": backend()}), &publish);
    assert_eq!((all.header("Message-Id"), all.header("X-Other")), (Some("m 1"), Some("o")));
    assert_eq!(delivered_to(json!({"backend": backend()}), &publish).header("Message-Id"), None);
}

/// [`delivered`] with a backend list that lacks its host.
#[track_caller]
fn delivered_to(mut changes: Value, publish: &[&str]) -> Request {
    let backend = HttpBackend::start();
    changes["backend"][0]["host"] = json!([backend.url()]);
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    let ran = lab.siphon(&lab.arguments("publish", &[&["--agent", "orders"], publish].concat()));
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    backend.requests().swap_remove(0)
}
