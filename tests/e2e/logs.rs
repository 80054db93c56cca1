//! What the running program writes, and where.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Launch, Siphon, agent, config, with};

/// What a run wrote in which one event failed once.
struct Written {
    stdout: Vec<String>,
    stderr: Vec<String>,
}

/// Runs one event that fails once, with this at `telemetry/logging`, to the end.
fn written(logging: Value, launch: impl FnOnce(Launch<'_>) -> Launch<'_>) -> Written {
    let backend = HttpBackend::start();
    backend.fail_first("/in", 1, Reply::status(503));
    let mut config = config([with(agent("orders", &backend.url()), json!({"input_headers": ["*"]}))]);
    if !logging.is_null() {
        config["extra_config"] = json!({"telemetry/logging": logging});
    }
    let lab = Lab::new(&config);
    let header = "Authorization=Bearer hunter2";
    let published = lab.arguments("publish", &["--agent", "orders", "--header", header, "payload-with-a-secret"]);
    assert_eq!(lab.siphon(&published).status, 0);
    let mut siphon: Siphon = launch(Launch::new(&lab)).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    let written = Written { stdout: siphon.stdout(), stderr: siphon.log() };
    for line in written.stdout.iter().chain(&written.stderr) {
        assert!(!line.contains("hunter2") && !line.contains("payload-with-a-secret"), "{line}");
    }
    written
}

/// The levels of the lines, each once, in their order.
fn levels(lines: &[String]) -> Vec<&'static str> {
    let all = ["DEBUG", "INFO", "WARNING", "ERROR"];
    all.into_iter().filter(|level| lines.iter().any(|line| line.contains(&format!(" {level} ")))).collect()
}

#[test]
fn every_line_of_an_agent_begins_with_its_name_and_type() {
    let written = written(Value::Null, |launch| launch);
    assert_eq!(written.stdout, [""; 0]);
    let own = |text: &str| written.stderr.iter().any(|line| line.contains(&format!(" [ASYNC: orders][SQLite] {text}")));
    for text in ["agent started workers=1", "connected", "event failed attempt=1 wait=20ms", "agent drained finished=0"]
    {
        assert!(own(text), "{text}: {:#?}", written.stderr);
    }
    assert_eq!(levels(&written.stderr), ["INFO", "ERROR"]);
}

#[test]
fn the_level_comes_from_the_flag_then_the_environment_then_the_file() {
    let file = || json!({"level": "WARNING", "prefix": "", "stdout": false});
    assert_eq!(levels(&written(file(), |launch| launch).stderr), ["ERROR"]);
    let environment = written(file(), |launch| launch.environment("SIPHON_LOG", "info"));
    assert_eq!(levels(&environment.stderr), ["INFO", "ERROR"]);
    let flag =
        written(file(), |launch| launch.environment("SIPHON_LOG", "info").arguments(&["--log-level", "critical"]));
    assert_eq!(levels(&flag.stderr), [""; 0]);
}

#[test]
fn json_lines_have_the_same_fields() {
    let logging = json!({"level": "INFO", "format": "json", "stdout": true, "prefix": "[GATE]"});
    let written = written(logging, |launch| launch);
    let lines: Vec<Value> = written.stdout.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let failed = lines.iter().find(|line| line["message"] == "event failed").expect("the failed event");
    assert_eq!((&failed["level"], &failed["prefix"]), (&json!("ERROR"), &json!("[GATE]")));
    assert_eq!((&failed["agent"], &failed["agent_type"]), (&json!("orders"), &json!("SQLite")));
    assert_eq!((&failed["attempt"], &failed["wait"]), (&json!(1), &json!("20ms")));
    assert!(failed["error"].as_str().unwrap().starts_with("invalid status code 503 [POST /in]: http://127.0.0.1:"));
}

#[test]
fn a_prefix_starts_every_line() {
    let written = written(json!({"level": "INFO", "prefix": "[GATE]"}), |launch| launch);
    assert!(!written.stderr.is_empty());
    let lines = written.stderr.iter().filter(|line| !line.starts_with("[GATE] 2"));
    assert_eq!(lines.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_level_that_is_none_is_refused() {
    let lab = Lab::new(&config([agent("orders", "http://127.0.0.1:1")]));
    let mut siphon = Launch::new(&lab).arguments(&["--log-level", "loud"]).spawn(1);
    assert_eq!(siphon.wait(), 2);
    let log = siphon.log();
    assert!(log[0].contains("loud"), "{log:?}");
}
