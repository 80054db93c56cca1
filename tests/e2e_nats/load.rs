//! Many events, and the program's own end among them: killed, or told to stop.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, soak_events};

use crate::lab::{agent, counts, driver, lab};
use crate::server::shared;
use crate::stream::{Stream, ids};

const WORKERS: usize = 8;

/// Events that one process may have asked for and not settled: those in the pipe, those that wait for it in siphon, those
/// that were on their way to it.
const IN_FLIGHT: usize = 3 * WORKERS;

/// An agent with a slow backend, and so many events.
fn loaded(backend: &HttpBackend, events: usize, ack_wait: &str) -> (Lab, Stream, BTreeSet<String>) {
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(15)));
    let (stream, ids) = (Stream::new(&shared(), "load"), ids(events));
    stream.publish(&ids);
    let workers = json!({"consumer": {"workers": WORKERS}});
    let agent = siphon_tests::with(agent(&stream, &backend.url()), driver(json!({"ack_wait": ack_wait})));
    (lab(agent, workers), stream, ids)
}

#[test]
fn nothing_is_lost_when_the_program_is_killed() {
    let backend = HttpBackend::start();
    let (lab, stream, ids) = loaded(&backend, 400, "2s");
    for seen in [80, 160] {
        let siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        siphon.kill();
    }
    let mut siphon = lab.start();
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    assert!(repeated <= 2 * IN_FLIGHT, "{repeated} came again");
}

#[test]
fn a_stop_loses_nothing_and_processes_nothing_twice() {
    let backend = HttpBackend::start();
    // What a process that is gone did not give back would be missed for longer than the test waits.
    let (lab, stream, ids) = loaded(&backend, 400, "1h");
    for seen in [80, 160] {
        let mut siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        assert_eq!(siphon.stop(), 0);
    }
    let mut siphon = lab.start();
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
}

#[test]
fn every_one_of_many_events_is_processed_once() {
    let events = soak_events(20_000);
    let (stream, backend, ids) = (Stream::new(&shared(), "many"), HttpBackend::start(), ids(events));
    stream.publish(&ids);
    let mut siphon = lab(agent(&stream, &backend.url()), json!({"consumer": {"workers": 64}})).start();
    backend.wait_until("all events", |log| log.requests.len() >= events);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == events);
    stream.wait_until_done();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
    let delivered = stream.consumer().delivered.consumer_sequence;
    assert_eq!(delivered, events as u64, "nothing was delivered twice");
}
