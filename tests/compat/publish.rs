//! `siphon publish`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, Ran, agent, config, with};

fn lab(backend: &HttpBackend, topic: Value) -> Lab {
    let mut agent = agent("orders", &backend.url());
    agent["consumer"]["topic"] = topic;
    Lab::new(&config([agent]))
}

#[track_caller]
fn publish(lab: &Lab, more: &[&str], stdin: &str) -> Ran {
    lab.siphon_reading(&lab.arguments("publish", &[&["--agent", "orders"], more].concat()), stdin.as_bytes())
}

fn said(stdout: &str) -> Ran {
    Ran { status: 0, stdout: stdout.to_owned(), stderr: String::new() }
}

/// What arrives when the agent runs.
fn delivered(lab: &Lab, backend: &HttpBackend) -> Vec<String> {
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |_| lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    backend.look(|log| log.bodies("/in"))
}

#[test]
fn arguments_are_events_in_their_order() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, json!("order.created"));
    let ran = publish(&lab, &["one", "two"], "");
    assert_eq!(ran, said("published 2 events to async/sqlite with topic order.created\n"));
    assert_eq!(delivered(&lab, &backend), ["one", "two"]);
}

#[test]
fn each_line_of_standard_input_is_an_event() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, json!("order.created"));
    let ran = publish(&lab, &["before", "-"], "first\n\nsecond\nwithout a line break");
    assert_eq!(ran, said("published 4 events to async/sqlite with topic order.created\n"));
    assert_eq!(delivered(&lab, &backend), ["before", "first", "second", "without a line break"]);
}

#[test]
fn a_thousand_lines_are_more_than_one_batch() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, json!("t"));
    let lines: String = (0..1_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(publish(&lab, &["-"], &lines), said("published 1000 events to async/sqlite with topic t\n"));
    assert_eq!(lab.rows(), 1_000);
}

#[test]
fn an_agent_with_a_pattern_or_several_topics_needs_one_named() {
    let backend = HttpBackend::start();
    for (topics, shown) in [(json!("order.*"), "order.*"), (json!(["order.#", "x"]), "order.#, x")] {
        let lab = lab(&backend, topics);
        let ran = publish(&lab, &["one"], "");
        let error =
            format!("error: agent \"orders\" listens to {shown}: say which topic the events have, with --topic\n");
        assert_eq!(ran, Ran { status: 2, stdout: String::new(), stderr: error });
        let ran = publish(&lab, &["--topic", "order.eu", "one"], "");
        assert_eq!(ran, said("published 1 event to async/sqlite with topic order.eu\n"));
        assert_eq!(delivered(&lab, &backend).pop().as_deref(), Some("one"));
    }
}

#[test]
fn a_queue_that_cannot_be_opened_is_told() {
    let mut agent = agent("orders", "http://127.0.0.1:1");
    agent = with(agent, json!({"extra_config": {"async/sqlite": {"path": "missing/events.db"}}}));
    let ran = publish(&Lab::new(&config([agent])), &["one"], "");
    let sentence = "missing/events.db: the folder does not exist: create it, or correct `path`\n";
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.ends_with(sentence), "{ran:?}");
    assert_eq!((ran.status, ran.stdout.as_str()), (4, ""));
}

#[test]
fn a_line_is_published_before_the_next_one_comes() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, json!("t"));
    let mut command = lab.command();
    command.args(lab.arguments("publish", &["--agent", "orders", "-"]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut siphon = lab.start();
    stdin.write_all(b"first\r\n").unwrap();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    stdin.write_all(b"second\n").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), ["first", "second"]);
}

#[test]
fn an_attribute_reaches_the_placeholder_of_its_name() {
    let backend = HttpBackend::start();
    let mut agent = agent("orders", &backend.url());
    agent["consumer"]["topic"] = json!("t");
    agent["backend"][0]["url_pattern"] = json!("/in/{message_id}");
    let lab = Lab::new(&config([agent]));
    assert_eq!(publish(&lab, &["--attribute", "message_id=m 7", "x"], "").status, 0);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in/m%207")), ["x"]);
}
