//! The program's own end under load: killed, or told to stop. Nothing is lost, and a stop repeats nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, soak_events};

use crate::broker::Broker;
use crate::lab::{agent, counts, lab};
use crate::queue::{Queue, ids};

const WORKERS: usize = 8;

/// Messages that one process may have taken and not settled: the prefetch that follows from the workers.
const IN_FLIGHT: usize = 2 * WORKERS;

/// An agent with a slow backend, and so many events.
fn loaded(broker: &Broker, backend: &HttpBackend, events: usize) -> (Lab, Queue, BTreeSet<String>) {
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(15)));
    let (queue, ids) = (Queue::durable(broker, "load"), ids(events));
    queue.publish(&ids);
    (lab(agent(broker, &queue, &backend.url()), json!({"consumer": {"workers": WORKERS}})), queue, ids)
}

#[test]
fn nothing_is_lost_when_the_program_is_killed() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (lab, queue, ids) = loaded(&broker, &backend, 400);
    for seen in [80, 160] {
        let siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        siphon.kill();
    }
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["in_flight"] == 0 && agent["acked"] != 0 && queue.waiting() == 0);
    assert_eq!(siphon.stop(), 0);
    queue.wait_for(0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    assert!(repeated <= 2 * IN_FLIGHT, "{repeated} came again");
}

#[test]
fn a_stop_loses_nothing_and_processes_nothing_twice() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (lab, queue, ids) = loaded(&broker, &backend, 400);
    for seen in [80, 160] {
        let mut siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        assert_eq!(siphon.stop(), 0);
        siphon.wait_for_log(&["[ASYNC: orders][AMQP] agent drained"]);
    }
    let mut siphon = lab.start();
    backend.wait_until("all events", |log| log.requests.len() >= ids.len());
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
    queue.wait_for(0);
}

#[test]
fn every_one_of_many_messages_is_processed_once() {
    let (broker, backend, events) = (Broker::shared(), HttpBackend::start(), soak_events(20_000));
    let (queue, ids) = (Queue::durable(&broker, "many"), ids(events));
    queue.publish(&ids);
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), json!({"consumer": {"workers": 64}})).start();
    backend.wait_until("all events", |log| log.requests.len() >= events);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == events);
    assert_eq!(siphon.stop(), 0);
    queue.wait_for(0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
}
