//! Several processes on one durable consumer.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::Siphon;

use crate::lab::{agent, counts, driver, lab};
use crate::server::shared;
use crate::stream::{Stream, ids};

fn pair(stream: &Stream) -> ([HttpBackend; 2], [Siphon; 2]) {
    let backends = [HttpBackend::start(), HttpBackend::start()];
    let running = backends.each_ref().map(|backend| {
        backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(5)));
        let agent = siphon_tests::with(agent(stream, &backend.url()), driver(json!({"ack_wait": "2s"})));
        let siphon = lab(agent, json!({"consumer": {"workers": 4}})).start();
        siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
        siphon
    });
    (backends, running)
}

#[test]
fn two_processes_share_the_work_without_repeating_anything() {
    let stream = Stream::new(&shared(), "shared");
    let (backends, running) = pair(&stream);
    stream.publish(ids(400));
    stream.wait_until_done();
    running.into_iter().for_each(|mut siphon| assert_eq!(siphon.stop(), 0));
    let parts = backends.each_ref().map(counts);
    assert!(parts.iter().all(|part| part.len() > 50), "{} and {}", parts[0].len(), parts[1].len());
    let all = parts.into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(all.len(), 400, "nothing came to both");
    assert!(all.iter().all(|(_, count)| *count == 1));
}

#[test]
fn when_one_of_two_processes_is_killed_the_other_does_its_work() {
    let stream = Stream::new(&shared(), "survivor");
    let (backends, [victim, mut survivor]) = pair(&stream);
    let ids = ids(400);
    stream.publish(&ids);
    backends[0].wait_until("some events", |log| log.requests.len() >= 50);
    victim.kill();
    stream.wait_until_done();
    assert_eq!(survivor.stop(), 0);
    let seen: BTreeSet<_> = backends.iter().flat_map(|backend| counts(backend).into_keys()).collect();
    assert_eq!(seen, ids);
}
