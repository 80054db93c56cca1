use std::time::Duration;

use super::*;

/// Lines of the text that have this part and are no comments.
fn lines(metrics: &Metrics, part: &str) -> Vec<String> {
    let text = metrics.text();
    text.lines().filter(|line| !line.starts_with('#') && line.contains(part)).map(str::to_owned).collect()
}

fn label() -> Label {
    Label::new("orders", "SQLite")
}

#[test]
fn every_metric_of_an_agent_is_there_from_the_start_with_its_help_and_its_type() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&label());
    let _ = agent.pipe().backend("POST /in");
    agent.set_lag(None, 0);
    let text = metrics.text();
    for metric in Metric::ALL {
        let (name, kind) = (metric.name(), metric.kind().word());
        let head = format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help());
        assert!(text.contains(&head), "{head} in {text}");
    }
    assert_eq!(text.matches("# TYPE ").count(), Metric::ALL.len());
    assert_eq!(
        lines(&metrics, "_info"),
        [
            "siphon_agent_info{agent=\"orders\",driver=\"SQLite\"} 1".to_owned(),
            format!("siphon_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[test]
fn counters_and_gauges_show_what_was_recorded() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&label());
    (0..3).for_each(|_| agent.count_received());
    agent.count_settled(Settled::Ack, 2);
    agent.count_failed(FailedBy::Status);
    agent.set_load(5, 7);
    agent.set_state(AgentState::Connecting);
    agent.set_state(AgentState::Running);
    agent.count_reconnect();
    assert_eq!((agent.received(), agent.settled(Settled::Ack), agent.failed(), agent.load()), (3, 2, 1, (5, 7)));
    let shown = [lines(&metrics, "siphon_events_"), lines(&metrics, " 1"), lines(&metrics, "reconnects")].concat();
    for line in [
        "siphon_events_received_total{agent=\"orders\"} 3",
        "siphon_events_settled_total{agent=\"orders\",outcome=\"ack\"} 2",
        "siphon_events_settled_total{agent=\"orders\",outcome=\"lost\"} 0",
        "siphon_events_in_flight{agent=\"orders\"} 5",
        "siphon_events_waiting{agent=\"orders\"} 7",
        "siphon_attempts_failed_total{agent=\"orders\",reason=\"status\"} 1",
        "siphon_agent_state{agent=\"orders\",state=\"running\"} 1",
        "siphon_agent_reconnects_total{agent=\"orders\"} 1",
    ] {
        assert!(shown.iter().any(|shown| shown == line), "{line} in {shown:#?}");
    }
    assert_eq!(lines(&metrics, "agent_state").iter().filter(|line| line.ends_with(" 1")).count(), 1);
}

#[test]
fn a_histogram_counts_each_value_in_every_bucket_that_holds_it() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&label());
    for ms in [10, 11, 700, 90_000_000] {
        agent.observe_age(Age::SinceSent(Duration::from_millis(ms)));
    }
    let of = |part: &str| lines(&metrics, &format!("age_seconds{part}{{agent=\"orders\",since=\"sent\""));
    let counts: Vec<_> =
        of("_bucket").iter().map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(counts, ["1", "2", "2", "2", "3", "3", "3", "3", "3", "3", "3", "3", "3", "4"]);
    assert!(of("_bucket")[0].contains("le=\"0.01\"") && of("_bucket")[13].contains("le=\"+Inf\""));
    assert_eq!(of("_count"), ["siphon_event_age_seconds_count{agent=\"orders\",since=\"sent\"} 4"]);
    assert!(of("_sum")[0].ends_with(" 90000.721"), "{:?}", of("_sum"));
    assert!(lines(&metrics, "since=\"taken\"").iter().all(|line| line.ends_with(" 0")));
}

#[test]
fn label_values_are_escaped() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&Label::new("a \"b\" \\ c\nd", "SQLite"));
    agent.count_received();
    let expected = r#"siphon_events_received_total{agent="a \"b\" \\ c\nd"} 1"#;
    assert_eq!(lines(&metrics, "received"), [expected]);
}

#[test]
fn agents_and_backends_of_one_name_are_told_apart() {
    let metrics = Metrics::default();
    let agents = [(); 3].map(|()| metrics.agent(&label()));
    assert_eq!(agents.each_ref().map(AgentMetrics::name), ["orders", "orders#2", "orders#3"]);
    let mut pipe = agents[1].pipe();
    pipe.backend("POST /in").start().end(RunOutcome::Done);
    let second = pipe.backend("POST /in");
    second.start().end(RunOutcome::Failed);
    drop(second.start());
    let counts: Vec<_> =
        lines(&metrics, "backend_duration_seconds_count").into_iter().filter(|line| line.ends_with(" 1")).collect();
    assert_eq!(
        counts,
        [
            "siphon_backend_duration_seconds_count{agent=\"orders#2\",backend=\"POST /in\",outcome=\"done\"} 1",
            "siphon_backend_duration_seconds_count{agent=\"orders#2\",backend=\"POST /in#2\",outcome=\"failed\"} 1",
            "siphon_backend_duration_seconds_count{agent=\"orders#2\",backend=\"POST /in#2\",outcome=\"late\"} 1",
        ]
    );
}

#[test]
fn lag_is_shown_for_each_partition_until_it_is_gone() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&label());
    assert_eq!((agent.lag(), lines(&metrics, "lag")), (None, Vec::<String>::new()));
    agent.set_lag(Some(7), 40);
    agent.set_lag(Some(8), 2);
    agent.set_lag(Some(8), 3);
    assert_eq!(agent.lag(), Some(43));
    agent.forget_lag_of(7);
    assert_eq!(lines(&metrics, "lag"), ["siphon_lag_events{agent=\"orders\",partition=\"8\"} 3"]);
    agent.forget_lag();
    assert_eq!((agent.lag(), lines(&metrics, "lag")), (None, Vec::<String>::new()));
}

#[test]
fn no_broker_can_make_the_text_grow_without_bound() {
    let metrics = Metrics::default();
    let agent = metrics.agent(&label());
    (0..2).for_each(|_| (0..5_000).for_each(|partition| agent.set_lag(Some(partition), 1)));
    assert_eq!((agent.lag(), lines(&metrics, "siphon_lag").len()), (Some(5_000), PARTITIONS));
    agent.forget_lag();
    agent.set_lag(Some(4_999), 1);
    assert_eq!(lines(&metrics, "siphon_lag").len(), 1);
}
