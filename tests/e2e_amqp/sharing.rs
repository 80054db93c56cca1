//! Several processes on one queue, many agents in one process, agents that do not touch each other.

use std::time::Duration;

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{eventually, with};

use crate::broker::Broker;
use crate::lab::{agent, counts, lab, lab_of};
use crate::queue::{Queue, ids, unique};

#[test]
fn two_processes_share_a_queue_without_repeating_anything() {
    let (broker, backends) = (Broker::shared(), [HttpBackend::start(), HttpBackend::start()]);
    let queue = Queue::durable(&broker, "shared");
    let running = backends.each_ref().map(|backend| {
        backend.answer("/in", Reply::json(200, "{}").after(Duration::from_millis(2)));
        let siphon = lab(agent(&broker, &queue, &backend.url()), json!({"consumer": {"workers": 4}})).start();
        siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
        siphon
    });
    queue.publish(ids(300));
    let acked = || running.iter().map(|siphon| siphon.agent("orders")["acked"].as_u64().unwrap_or(0)).sum::<u64>();
    eventually("all events", || (acked() == 300).then_some(()));
    running.into_iter().for_each(|mut siphon| assert_eq!(siphon.stop(), 0));
    let parts = backends.each_ref().map(counts);
    assert!(parts.iter().all(|part| part.len() > 50), "{} and {}", parts[0].len(), parts[1].len());
    let all = parts.into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(all.len(), 300, "nothing came to both");
    assert!(all.iter().all(|(_, count)| *count == 1));
    queue.wait_for(0);
}

#[test]
fn two_hundred_agents_work_in_one_process() {
    const AGENTS: usize = 200;
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queues: Vec<_> = (0..AGENTS).map(|n| unique(&format!("agent{n}"))).collect();
    let client = Queue::durable(&broker, "fleet");
    let agents = queues.iter().map(|name| {
        let settings = json!({"name": name, "exchange": "", "durable": false, "delete": true});
        let changes = json!({"name": name, "extra_config": {"async/amqp": settings}});
        with(agent(&broker, &client, &backend.url()), changes)
    });
    let mut siphon = lab_of(agents).start();
    let states = |health: &Value, state: &str| {
        let agents = health["agent_details"].as_object().expect("an object");
        agents.values().filter(|agent| agent["state"] == state).count()
    };
    eventually("all agents to run", || (states(&siphon.health(), "running") == AGENTS).then_some(()));
    for name in &queues {
        client.publish_with("", name, &lapin::BasicProperties::default(), [name]);
    }
    backend.wait_until("an event of each", |log| log.requests.len() == AGENTS);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(counts(&backend), queues.into_iter().map(|name| (name, 1)).collect());
}

#[test]
fn one_agent_that_gives_up_leaves_the_others_alone() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "others");
    let good = agent(&broker, &queue, &backend.url());
    let connection = json!({"max_retries": 1, "backoff_strategy": "linear"});
    let wrong = json!({"name": "wrong", "connection": connection,
        "extra_config": {"async/amqp": {"host": "amqp://127.0.0.1:1"}}});
    let mut siphon = lab_of([with(good.clone(), wrong), good]).start();
    siphon.wait_for_agent("wrong", |agent| agent["state"] == "failed");
    queue.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}
