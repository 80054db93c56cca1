//! Many records, with exact accounts of their ids; and the program's own end in the middle of them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::soak_events;

use crate::broker::Broker;
use crate::lab::{agent, counts, driver, lab, wait_for_all};
use crate::topic::{Topic, ids};

#[test]
fn every_one_of_many_records_arrives_once() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "many", 8), ids(soak_events(20_000)));
    topic.publish(&ids);
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({"consumer": {"workers": 64}})).start();
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), ids.into_iter().map(|id| (id, 1)).collect());
}

#[test]
fn nothing_is_lost_when_the_program_is_killed_and_what_comes_again_is_bounded() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (topic, ids) = (Topic::new(&broker, "killed", 3), ids(600));
    backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(10)));
    topic.publish(&ids);
    // The window bounds what a kill can repeat in each partition.
    let changes = driver(json!({"window": 100, "commit_interval": "50ms"}));
    let mut changes = changes;
    changes["consumer"] = json!({"workers": 8});
    let lab = lab(agent(&broker, &topic, &backend.url()), changes);
    for seen in [150, 300] {
        let siphon = lab.start();
        backend.wait_until("events", |log| log.requests.len() >= seen);
        siphon.kill();
    }
    let mut siphon = lab.start();
    wait_for_all(&backend, &ids);
    topic.wait_until_committed();
    assert_eq!(siphon.stop(), 0);
    let counts = counts(&backend);
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let repeated = counts.values().sum::<usize>() - ids.len();
    assert!(repeated <= 2 * 3 * 100, "{repeated} came again");
    eprintln!("killed twice: {repeated} of {} came again", ids.len());
}
