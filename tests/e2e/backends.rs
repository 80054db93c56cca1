//! Backends that are down, slow, hang up or talk garbage: the event waits and comes when they are well.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, agent, config, with};

/// An agent that waits half a second for its backend.
fn lab(backend: &HttpBackend, changes: Value) -> Lab {
    let changes = with(json!({"consumer": {"timeout": "500ms"}}), changes);
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ["event-1"]);
    lab
}

/// The first three answers are `reply`: the log says `error`, and the event is acknowledged in the end.
#[track_caller]
fn check(reply: Reply, error: &str) {
    let backend = HttpBackend::start();
    backend.fail_first("/in", 3, reply);
    let lab = lab(&backend, json!({}));
    let mut siphon = lab.start();
    let acked = siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!((&acked["received"], &acked["failed"]), (&json!(4), &json!(3)), "{acked}");
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
    let error = error.replace("{url}", &backend.url());
    let lines: Vec<_> = siphon.log().into_iter().filter(|line| line.contains("event failed attempt=")).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (line, attempt) in lines.iter().zip(1..) {
        let (_, line) = line.split_once(" ERROR ").unwrap();
        assert!(line.starts_with(&format!("[ASYNC: orders][SQLite] event failed attempt={attempt} wait=")), "{line}");
        assert!(line.ends_with(&format!(" error=\"{error}\" event=\"t offset=1\"")), "{line}");
    }
}

#[test]
fn a_status_that_is_no_success_fails_the_event() {
    check(Reply::json(500, "{}"), "invalid status code 500 [POST /in]: {url}/in");
    check(Reply::json(404, "{}"), "invalid status code 404 [POST /in]: {url}/in");
}

#[test]
fn a_backend_that_is_slow_fails_the_event() {
    check(Reply::json(200, "{}").after(std::time::Duration::from_secs(600)), "context deadline exceeded");
}

#[test]
fn a_backend_that_hangs_up_fails_the_event() {
    check(Reply::hang_up(), r#"Post \"{url}/in\": EOF"#);
    check(Reply::hang_up_in_the_body(), r#"Post \"{url}/in\": unexpected EOF"#);
}

#[test]
fn a_backend_that_talks_garbage_fails_the_event() {
    check(Reply::garbage(), r#"Post \"{url}/in\": malformed HTTP response: invalid HTTP version parsed"#);
}

#[test]
fn an_answer_that_is_no_json_fails_the_event_where_json_is_due() {
    let error = "invalid character 'o' looking for beginning of value at line 1, column 1 [POST /in]";
    check(Reply::new(200, "text/plain", "ok, thanks"), error);
}

#[test]
fn the_same_answer_is_fine_as_a_string() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::new(200, "text/plain", "ok, thanks"));
    let entry = json!([{"host": [backend.url()], "url_pattern": "/in", "method": "POST", "encoding": "string"}]);
    let lab = lab(&backend, json!({"backend": entry}));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1 && agent["failed"] == 0);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_backend_that_is_down_is_waited_for() {
    let backend = HttpBackend::start();
    backend.go_down();
    let lab = lab(&backend, json!({}));
    let mut siphon = lab.start();
    let address = backend.address();
    let error = format!("Post \\\"http://{address}/in\\\": dial tcp {address}: connect: connection refused");
    siphon.wait_for_log(&["event failed attempt=2", &error]);
    assert!(backend.requests().is_empty());
    backend.come_back();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((lab.rows(), backend.requests().len()), (0, 1));
}

#[test]
fn thousands_of_equal_failures_are_a_few_lines() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::status(503));
    let lab = lab(&backend, json!({"consumer": {"workers": 8}}));
    lab.publish("orders", (0..50).map(|n| n.to_string()));
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["failed"].as_u64() > Some(50));
    backend.answer("/in", Reply::status(204));
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 51);
    assert_eq!(siphon.stop(), 0);
    let lines = |text: &str| siphon.log().iter().filter(|line| line.contains(text)).count();
    assert!(lines("event failed attempt=") <= 5 * (1 + lines("more events failed like this")), "{:#?}", siphon.log());
    assert!(lines("more events failed like this") >= 1, "{:#?}", siphon.log());
}
