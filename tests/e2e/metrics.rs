//! `/metrics` of the running program: well-formed to the last character, and right to the last event.

use serde_json::json;
use siphon_telemetry::metrics::Metric;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Siphon, agent, config, eventually, with};

use crate::exposition::Exposition;

fn scrape(siphon: &Siphon) -> Exposition {
    let answer = siphon.ask("GET", "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    Exposition::parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.body))
}

/// Waits until this sample has the value, then returns the scrape that showed it.
#[track_caller]
fn wait_for(siphon: &Siphon, sample: &str, value: f64) -> Exposition {
    eventually(&format!("{sample} {value}, log {:#?}", siphon.log()), || {
        let scrape = scrape(siphon);
        (scrape.value(sample) == Some(value)).then_some(scrape)
    })
}

#[track_caller]
fn check(scrape: &Exposition, expected: &[(&str, f64)]) {
    for (sample, value) in expected {
        assert_eq!(scrape.value(sample), Some(*value), "{sample}");
    }
}

#[test]
fn the_text_is_well_formed_and_every_event_is_counted_exactly() {
    let backend = HttpBackend::start();
    backend.fail_first("/in", 5, Reply::status(503));
    let second = json!({"host": [backend.url()], "url_pattern": "/log?token=hunter2", "method": "PUT"});
    let first = json!({"host": [backend.url()], "url_pattern": "/in", "method": "POST"});
    let orders = with(agent("orders", &backend.url()), json!({"backend": [first, second]}));
    let lab = Lab::new(&config([orders, agent("idle \"one\"\\", &backend.url())]));
    lab.publish("orders", (1..=20).map(|n| format!("event-{n}")));
    let mut siphon = lab.start();
    let text = wait_for(&siphon, r#"siphon_events_settled_total{agent="orders",outcome="ack"}"#, 20.0);
    check(
        &text,
        &[
            (r#"siphon_events_received_total{agent="orders"}"#, 25.0),
            (r#"siphon_events_settled_total{agent="orders",outcome="retry"}"#, 5.0),
            (r#"siphon_events_settled_total{agent="orders",outcome="reject"}"#, 0.0),
            (r#"siphon_events_settled_total{agent="orders",outcome="lost"}"#, 0.0),
            (r#"siphon_attempts_failed_total{agent="orders",reason="status"}"#, 5.0),
            (r#"siphon_pipe_duration_seconds_count{agent="orders",outcome="done"}"#, 20.0),
            (r#"siphon_pipe_duration_seconds_count{agent="orders",outcome="failed"}"#, 5.0),
            (r#"siphon_pipe_duration_seconds_count{agent="orders",outcome="late"}"#, 0.0),
            (r#"siphon_backend_duration_seconds_count{agent="orders",backend="POST /in",outcome="failed"}"#, 5.0),
            (r#"siphon_backend_duration_seconds_count{agent="orders",backend="POST /in",outcome="done"}"#, 20.0),
            (
                r#"siphon_backend_duration_seconds_count{agent="orders",backend="PUT /log?token=***",outcome="done"}"#,
                25.0,
            ),
            (r#"siphon_event_age_seconds_count{agent="orders",since="sent"}"#, 20.0),
            (r#"siphon_agent_state{agent="orders",state="running"}"#, 1.0),
            (r#"siphon_agent_state{agent="orders",state="connecting"}"#, 0.0),
            (r#"siphon_agent_info{agent="orders",driver="SQLite"}"#, 1.0),
            (r#"siphon_events_received_total{agent="idle \"one\"\\"}"#, 0.0),
        ],
    );
    let idle = wait_for(&siphon, r#"siphon_events_in_flight{agent="orders"}"#, 0.0);
    check(&idle, &[(r#"siphon_events_waiting{agent="orders"}"#, 0.0)]);
    // All of the table, but the lag: this driver knows none.
    let wanted: Vec<_> = Metric::ALL.into_iter().filter(|metric| *metric != Metric::Lag).collect();
    assert_eq!(text.families.len(), wanted.len());
    for metric in wanted {
        let family = text.families.get(metric.name()).unwrap_or_else(|| panic!("{} is missing", metric.name()));
        assert_eq!((family.kind.as_str(), family.help.as_str()), (metric.kind().word(), metric.help()));
        assert!(family.labels.iter().eq(metric.labels()), "{}: {:?}", metric.name(), family.labels);
    }
    assert_eq!(siphon.agent("orders")["received"], 25);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_run_that_is_given_up_is_late() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let changes = json!({"consumer": {"timeout": "100ms"}, "extra_config": {"async/delivery": {"retry": {"base": "1h", "max": "1h"}}}});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    lab.publish("orders", ["event-1"]);
    let mut siphon = lab.start();
    let text = wait_for(&siphon, r#"siphon_attempts_failed_total{agent="orders",reason="timeout"}"#, 1.0);
    check(
        &text,
        &[
            (r#"siphon_pipe_duration_seconds_count{agent="orders",outcome="late"}"#, 1.0),
            (r#"siphon_backend_duration_seconds_count{agent="orders",backend="POST /in",outcome="late"}"#, 1.0),
            (r#"siphon_agent_reconnects_total{agent="orders"}"#, 0.0),
            (r#"siphon_event_age_seconds_count{agent="orders",since="sent"}"#, 0.0),
        ],
    );
    backend.release();
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn metrics_are_for_get_only_and_their_path_is_theirs() {
    let lab = Lab::new(&config([agent("orders", "http://127.0.0.1:1")]));
    let siphon = lab.start();
    assert_eq!((siphon.ask("POST", "/metrics").status, siphon.ask("GET", "/metrics/x").status), (405, 404));
    let moved = json!({"extra_config": {"router": {"health_path": "/metrics"}}});
    lab.write("siphon.json", with(config([agent("orders", "http://127.0.0.1:1")]), moved).to_string());
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 1, "{ran:?}");
    let sentence = "extra_config.router.health_path: \"/metrics\" is the path of the metrics; choose another";
    assert!(ran.stderr.contains(sentence), "{ran:?}");
}

#[test]
fn the_manual_has_every_metric_as_it_is() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let found: Vec<_> = page.lines().filter(|line| line.starts_with("| `siphon_")).collect();
    let row = |metric: Metric| {
        let labels: Vec<_> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", metric.name(), metric.kind().word(), labels.join(", "), metric.help())
    };
    assert_eq!(found, Metric::ALL.map(row));
}
