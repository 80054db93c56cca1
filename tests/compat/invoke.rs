//! `siphon invoke`, as `shared/cases/README.md` says.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Ran, agent, config, with};

fn lab(backend: &HttpBackend, changes: Value) -> Lab {
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.write("first.json", "{\"id\": 1}");
    lab.write("second.json", "{\"id\": 2}");
    lab
}

#[track_caller]
fn invoke(lab: &Lab, more: &[&str]) -> Ran {
    lab.siphon(&lab.arguments("invoke", &[&["--agent", "orders", "--output", "json"], more].concat()))
}

/// The lines, each as JSON, with the durations checked and taken out.
#[track_caller]
fn results(ran: &Ran) -> Vec<Value> {
    let parse = |line: &str| {
        let mut result: Value = serde_json::from_str(line).expect(line);
        let duration = result.as_object_mut().and_then(|result| result.remove("duration_ms"));
        assert!(duration.is_some_and(|duration| duration.is_f64()), "{line}");
        result
    };
    ran.stdout.lines().map(parse).collect()
}

#[test]
fn each_payload_is_run_in_order_and_has_its_line() {
    let backend = HttpBackend::start();
    backend.script("/in", |request| Reply::json(200, format!("{{\"seen\": {}}}", request.nth)));
    let lab = lab(&backend, json!({}));
    let ran = invoke(&lab, &["--payload", "first.json", "--payload", "second.json"]);
    let ack = |seen: u8| json!({"outcome": "ack", "complete": true, "data": {"seen": seen}, "error": null});
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(results(&ran), [ack(1), ack(2)]);
    assert_eq!(backend.look(|log| log.bodies("/in")), ["{\"id\": 1}", "{\"id\": 2}"]);
    assert!(!lab.path("events.db").exists(), "no broker is contacted");
}

#[test]
fn a_failure_is_a_nack_and_status_3() {
    let backend = HttpBackend::start();
    backend.fail_first("/in", 1, Reply::status(503));
    let lab = lab(&backend, json!({}));
    let ran = invoke(&lab, &["--payload", "first.json", "second.json"]);
    assert_eq!(ran.status, 3);
    let error = format!("invalid status code 503 [POST /in]: {}/in", backend.url());
    let nack = json!({"outcome": "nack", "complete": false, "data": null, "error": error});
    let ack = json!({"outcome": "ack", "complete": true, "data": {}, "error": null});
    assert_eq!(results(&ran), [nack, ack]);
}

#[test]
fn metadata_becomes_headers_where_the_agent_wants_them() {
    let backend = HttpBackend::start();
    let entry = json!([{"host": [backend.url()], "url_pattern": "/in/{topic}", "method": "POST", "input_headers": ["X-Tenant"]}]);
    let lab = lab(&backend, json!({"input_headers": ["X-Tenant"], "backend": entry}));
    let metadata = ["--metadata", "X-Tenant=acme=co", "--metadata", "X-Other=1", "--topic", "a b", "--payload", "-"];
    let arguments = lab.arguments("invoke", &[&["--agent", "orders"], metadata.as_slice()].concat());
    let ran = lab.siphon_reading(&arguments, b"from standard input");
    assert_eq!(ran.status, 0, "{ran:?}");
    let request = backend.requests().swap_remove(0);
    assert_eq!((request.path.as_str(), request.text().as_str()), ("/in/a%20b", "from standard input"));
    assert_eq!((request.header("X-Tenant"), request.header("X-Other")), (Some("acme=co"), None));
}

#[test]
fn a_hanging_backend_ends_with_the_agents_timeout() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let lab = lab(&backend, json!({"consumer": {"timeout": "200ms"}}));
    let ran = invoke(&lab, &["--payload", "first.json"]);
    assert_eq!(ran.status, 3);
    assert_eq!(results(&ran)[0]["error"], "context deadline exceeded");
}

#[test]
fn people_get_text() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::status(500));
    let lab = lab(&backend, json!({}));
    let ran = lab.siphon(&lab.arguments("invoke", &["--agent", "orders", "--payload", "first.json"]));
    assert_eq!(ran.status, 3);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("nack (incomplete, ") && lines[0].ends_with(" ms)"), "{lines:?}");
    assert_eq!(lines[1], "  data: null");
    assert!(lines[2].starts_with("  error: invalid status code 500 [POST /in]: "), "{lines:?}");
}
