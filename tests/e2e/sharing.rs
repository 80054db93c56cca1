//! Several processes on one queue.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Launch, agent, config, with};

const WORKERS: usize = 4;

/// The configuration of a process that sends the queue's events to `backend`.
fn share(backend: &HttpBackend) -> Value {
    let changes = json!({"consumer": {"workers": WORKERS}, "extra_config": {"async/sqlite": {"lease": "1s"}}});
    config([with(agent("orders", &backend.url()), changes)])
}

/// A folder with a configuration for each backend, and so many events.
fn shared(first: &HttpBackend, second: &HttpBackend, events: usize) -> (Lab, BTreeSet<String>) {
    let lab = Lab::new(&share(first));
    lab.write("second.json", share(second).to_string());
    let ids: BTreeSet<String> = (1..=events).map(|n| format!("event-{n}")).collect();
    lab.publish("orders", &ids);
    (lab, ids)
}

fn bodies(backend: &HttpBackend) -> Vec<String> {
    backend.look(|log| log.bodies("/in"))
}

#[test]
fn two_processes_share_a_queue_and_each_event_is_processed_once() {
    let backends = [HttpBackend::start(), HttpBackend::start()];
    for backend in &backends {
        backend.answer("/in", Reply::json(200, "{}").held());
    }
    let (lab, ids) = shared(&backends[0], &backends[1], 200);
    let mut siphons = [lab.start(), Launch::new(&lab).config("second.json").start()];
    for backend in &backends {
        backend.wait_until("busy workers", |log| log.running == WORKERS);
    }
    backends.iter().for_each(HttpBackend::release);
    siphons[0].wait_for_agent("orders", |_| lab.rows() == 0);
    siphons.iter_mut().for_each(|siphon| assert_eq!(siphon.stop(), 0));
    let all = [bodies(&backends[0]), bodies(&backends[1])].concat();
    assert_eq!(all.len(), ids.len());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[test]
fn when_one_process_is_killed_the_other_takes_over_what_it_held() {
    let (dying, surviving) = (HttpBackend::start(), HttpBackend::start());
    dying.answer("/in", Reply::json(200, "{}").held());
    let (lab, ids) = shared(&dying, &surviving, 100);
    let first = lab.start();
    dying.wait_until("busy workers", |log| log.running == WORKERS);
    let mut second = Launch::new(&lab).config("second.json").start();
    surviving.wait_until("events", |log| log.requests.len() > WORKERS);
    first.kill();
    second.wait_for_agent("orders", |_| lab.rows() == 0);
    assert_eq!(second.stop(), 0);
    let seen = bodies(&surviving);
    assert_eq!(seen.len(), ids.len(), "nothing was acknowledged by the killed one");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[test]
fn what_another_process_publishes_is_noticed_while_waiting() {
    let backend = HttpBackend::start();
    let (lab, _) = shared(&backend, &backend, 0);
    let mut siphon = lab.start();
    for n in 1..=3 {
        lab.publish("orders", [format!("event-{n}")]);
        backend.wait_until("the event", |log| log.requests.len() == n);
    }
    assert_eq!(siphon.stop(), 0);
}
