//! What becomes of events when the program is killed or told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, agent, config, with};

const WORKERS: usize = 8;

/// Events that a driver may have taken beyond those in the pipe or waiting to be settled: see `AgentSpec::open_options`.
const IN_FLIGHT: usize = 2 * WORKERS + 64;

/// An agent with a slow backend and a short lease, and so many events.
fn loaded(backend: &HttpBackend, events: usize) -> (Lab, BTreeSet<String>) {
    let lease = json!({"async/sqlite": {"lease": "1s"}});
    let changes = json!({"consumer": {"workers": WORKERS}, "extra_config": lease});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), changes)]));
    let ids: BTreeSet<String> = (1..=events).map(|n| format!("event-{n}")).collect();
    lab.publish("orders", &ids);
    (lab, ids)
}

/// How often each event came.
fn counts(backend: &HttpBackend) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    backend.look(|log| log.bodies("/in")).into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    counts
}

#[test]
fn nothing_is_lost_when_the_program_is_killed_under_load() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(15)));
    let (lab, ids) = loaded(&backend, 300);
    let mut killed = 0;
    for seen in [60, 120] {
        let siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        siphon.kill();
        killed += 1;
    }
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    assert!(repeated <= killed * IN_FLIGHT, "{repeated} came again: {counts:?}");
}

#[test]
fn a_stop_under_load_loses_nothing_and_processes_nothing_twice() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(15)));
    let (lab, ids) = loaded(&backend, 300);
    for (seen, signal) in [(60, "-TERM"), (120, "-INT")] {
        let mut siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        siphon.signal(signal);
        assert_eq!(siphon.wait(), 0);
        siphon.wait_for_log(&["[ASYNC: orders][SQLite] agent drained"]);
    }
    let mut siphon = lab.start();
    backend.wait_until("all events", |log| log.requests.len() >= ids.len());
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
    assert_eq!(lab.rows(), 0);
}

/// A library function that runs for hours and cannot be interrupted: nothing else happens on the agent's thread.
#[test]
fn a_second_signal_ends_the_process_though_a_script_keeps_the_agents_thread() {
    let backend = HttpBackend::start();
    let script = "string.find(string.rep('a', 1000), string.rep('a*', 12) .. 'b')";
    let busy = json!({"extra_config": {"modifier/lua-proxy": {"pre": script, "allow_open_libs": true}}});
    let lab = Lab::new(&config([with(agent("orders", &backend.url()), busy)]));
    lab.publish("orders", ["event-1"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 1);
    siphon.terminate();
    siphon.wait_for_log(&["[SERVICE: Signal] draining"]);
    siphon.terminate();
    assert_eq!(siphon.wait(), 4);
    siphon.wait_for_log(&["ends with agents that are busy", "agents=1"]);
    assert_eq!(lab.rows(), 1, "the event is still in the queue");
}

#[test]
fn a_second_signal_ends_at_once_and_the_event_comes_back() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let (lab, ids) = loaded(&backend, 1);
    let mut siphon = lab.start();
    backend.wait_until("the event", |log| log.running == 1);
    siphon.terminate();
    siphon.wait_for_log(&["[SERVICE: Signal] draining"]);
    assert_eq!(siphon.agent("orders")["in_flight"], 1, "health answers while it drains");
    siphon.terminate();
    assert_eq!(siphon.wait(), 0);
    siphon.wait_for_log(&["agent stopped before its pipe was empty", "finished=0", "abandoned=1"]);
    assert_eq!(lab.rows(), 1);
    backend.release();
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend).into_keys().collect::<BTreeSet<_>>(), ids);
}

#[test]
fn the_grace_period_bounds_the_drain() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let (lab, _) = loaded(&backend, 1);
    let mut short: Value = serde_json::from_slice(&std::fs::read(lab.path("siphon.json")).unwrap()).unwrap();
    short["async_agent"][0]["extra_config"]["async/delivery"]["drain"] = json!("200ms");
    lab.write("siphon.json", short.to_string());
    let mut siphon = lab.start();
    backend.wait_until("the event", |log| log.running == 1);
    assert_eq!(siphon.stop(), 0);
    siphon.wait_for_log(&["agent stopped before its pipe was empty", "abandoned=1"]);
    assert_eq!(lab.rows(), 1);
}
