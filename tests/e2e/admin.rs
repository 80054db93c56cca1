//! The HTTP service of the running program.

use std::net::TcpListener;

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Answer, Lab, Launch, Siphon, agent, config, with};

/// The program with one agent, and `changes` at the root of its configuration.
fn started(changes: Value, health_path: &'static str) -> (Lab, Siphon) {
    let lab = Lab::new(&with(config([agent("orders", "http://127.0.0.1:1")]), changes));
    let siphon = Launch::new(&lab).health_path(health_path).start();
    (lab, siphon)
}

fn not_found() -> Answer {
    Answer { status: 404, body: "404 page not found".into() }
}

#[test]
fn a_taken_port_ends_the_start_with_status_1_and_a_sentence() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let lab = Lab::new(&config([agent("orders", "http://127.0.0.1:1")]));
    let mut siphon = Launch::new(&lab).spawn(address.port());
    assert_eq!(siphon.wait(), 1);
    let sentence = "it is taken; stop the program that holds it or set another \"port\"";
    assert_eq!(siphon.log(), [format!("error: cannot listen on {address}: {sentence}")]);
    assert!(!lab.path("events.db").exists(), "nothing was begun");
}

#[test]
fn health_keeps_the_known_shape_and_adds_details() {
    let (_lab, siphon) = started(json!({}), "/__health");
    let details = siphon.wait_for_agent("orders", |agent| !agent["last_ping"].is_null());
    let health = siphon.health();
    let keys: Vec<&String> = health.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["agent_details", "agents", "now", "status"]);
    assert_eq!(health["status"], "ok");
    assert!(health["agents"]["orders"].as_str().unwrap().contains(" +0000 UTC m=+"), "{health}");
    let expected = json!({
        "type": "SQLite", "state": "running", "in_flight": 0, "received": 0, "acked": 0, "failed": 0, "given_back": 0, "lag": null,
        "attempts": details["attempts"], "last_ping": details["last_ping"], "last_error": null
    });
    assert_eq!(details, expected);
    assert_eq!(siphon.ask("GET", "/__health/").status, 200);
    assert_eq!(siphon.ask("POST", "/__health").status, 405);
}

#[test]
fn health_can_be_moved() {
    let router = json!({"extra_config": {"router": {"health_path": "/ready"}}});
    let (_lab, siphon) = started(router, "/ready");
    assert_eq!(siphon.ask("GET", "/ready").json()["status"], "ok");
    assert_eq!(siphon.ask("GET", "/__health"), not_found());
}

#[test]
fn health_can_be_turned_off_and_the_agents_go_on() {
    let backend = HttpBackend::start();
    let router = json!({"extra_config": {"router": {"disable_health": true}}});
    let lab = Lab::new(&with(config([agent("orders", &backend.url())]), router));
    let mut siphon = lab.start();
    assert_eq!(siphon.ask("GET", "/__health"), not_found());
    lab.publish("orders", ["event-1"]);
    backend.wait_until("the event", |log| log.requests.len() == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
}

#[test]
fn debug_answers_on_every_path_below_and_shows_what_arrived() {
    let (_lab, siphon) = started(json!({"debug_endpoint": true}), "/__health");
    for path in ["/__debug", "/__debug/", "/__debug/a/b", "/__debug/?x=1"] {
        let answer = siphon.send("POST", path, "{\"id\": 7}");
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"message":"pong"}"#), "{path}");
    }
    siphon.wait_for_log(&["[SERVICE: Debug] request arrived method=POST url=/__debug/a/b body={\"id\": 7} length=9"]);
    assert_eq!(siphon.ask("GET", "/__echo"), not_found());
}

#[test]
fn debug_shows_no_credentials() {
    let (_lab, siphon) = started(json!({"debug_endpoint": true}), "/__health");
    siphon.ask("GET", "/__debug?token=hunter2&page=3");
    let line = siphon.wait_for_log(&["request arrived method=GET"]);
    assert!(line.contains("page=3") && !line.contains("hunter2"), "{line}");
}

#[test]
fn echo_answers_with_the_request() {
    let (_lab, siphon) = started(json!({"echo_endpoint": true}), "/__health");
    for path in ["/__echo", "/__echo/a"] {
        let echo = siphon.send("POST", &format!("{path}?x=1"), "hello").json();
        assert_eq!((&echo["req_method"], &echo["req_body"]), (&json!("POST"), &json!("hello")));
        assert_eq!((&echo["req_uri"], &echo["req_querystring"]), (&json!(format!("{path}?x=1")), &json!({"x": ["1"]})));
    }
    assert_eq!(siphon.ask("GET", "/__debug"), not_found());
}

#[test]
fn debug_can_be_told_to_fail() {
    let (_lab, siphon) = started(json!({"debug_endpoint": true}), "/__health");
    assert_eq!(siphon.ask("PUT", "/__debug?answer=503").status, 200);
    assert_eq!(siphon.send("POST", "/__debug", "{}").status, 503);
    assert_eq!(siphon.ask("PUT", "/__debug?answer=200").status, 200);
    assert_eq!(siphon.send("POST", "/__debug", "{}").status, 200);
}
