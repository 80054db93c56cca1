//! Ends of consumers, agents and brokers, with work in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use siphon_core::abi::Capabilities;
use siphon_core::{AgentEnd, Snapshot};

use super::lab::{IN_FLIGHT, Lab, PATIENCE, names, texts};
use crate::{ScriptedHandler, Step, TestAgent};

pub(super) async fn closed(lab: Lab<'_>) {
    let published = names("event", 30);
    lab.publish(&published).await;
    let mut consumer = lab.open();
    let events = consumer.take(3).await;
    let mut seen: Vec<String> = texts(&events);
    consumer.finish(events).await;
    let mut consumer = lab.open();
    while seen.len() < published.len() {
        let events = consumer.take(1).await;
        seen.extend(texts(&events));
        consumer.acknowledge(&events).await;
    }
    consumer.close().await;
    seen.sort();
    assert_eq!(seen, published.into_iter().collect::<Vec<_>>(), "every event comes once");
    lab.is_empty().await;
}

/// The source is dropped without a goodbye. What was acknowledged just before may come again, nothing else may be missing.
pub(super) async fn killed(lab: Lab<'_>) {
    let published = names("event", 30);
    lab.publish(&published).await;
    let mut consumer = lab.open();
    let events = consumer.take(8).await;
    consumer.acknowledge(&events[..3]).await;
    let done: BTreeSet<String> = texts(&events[..3]).into_iter().collect();
    drop((consumer, events));
    let mut missing: BTreeSet<String> = published.difference(&done).cloned().collect();
    let mut consumer = lab.open();
    while !missing.is_empty() {
        let events = consumer.take(1).await;
        for text in texts(&events) {
            assert!(missing.remove(&text) || done.contains(&text), "{text} came twice to one consumer");
        }
        consumer.acknowledge(&events).await;
    }
    let late = consumer.take_all_there_are().await;
    assert!(texts(&late).iter().all(|text| done.contains(text)), "{:?} came twice", texts(&late));
    consumer.finish(late).await;
    lab.is_empty().await;
}

/// Every event fails once and then succeeds, while agents drain and start again. Without [`Capabilities::GIVE_BACK`] one
/// agent does it all: what is done behind an event that is not done would come again to the next.
pub(super) async fn coming_and_going(lab: Lab<'_>) {
    let published = names("event", 60);
    let share = if lab.can(Capabilities::GIVE_BACK) { 25 } else { published.len() as u64 };
    lab.publish(&published).await;
    let handler = ScriptedHandler::fail_first(1);
    let mut acked = 0;
    while acked < published.len() as u64 {
        let agent = TestAgent::start(lab.spec(), &handler);
        let goal = share.min(published.len() as u64 - acked);
        wait_until("events to be acknowledged", &agent, |status| status.acked >= goal).await;
        let status = Arc::clone(&agent.status);
        assert_eq!(agent.drain().await, AgentEnd::Drained);
        acked += status.snapshot().acked;
    }
    let runs: BTreeMap<String, usize> =
        handler.look(|runs| runs.counts().into_iter().map(|(text, count)| (text.to_owned(), count)).collect());
    let expected = published.into_iter().map(|name| (name, 2)).collect();
    assert_eq!(runs, expected, "every event runs twice: it fails, and succeeds");
    lab.is_empty().await;
}

/// One consumer takes an event and then no more; the other gets all but what the first may hold.
pub(super) async fn shared(lab: Lab<'_>) {
    let published = names("event", IN_FLIGHT * 3);
    let (mut idle, mut busy) = (lab.open(), lab.open());
    idle.connected().await;
    busy.connected().await;
    lab.publish(&published).await;
    let first = idle.take(1).await;
    let mut seen = texts(&first);
    for _ in 0..published.len() - IN_FLIGHT {
        let events = busy.take(1).await;
        seen.extend(texts(&events));
        busy.acknowledge(&events).await;
    }
    idle.finish(first).await;
    while seen.len() < published.len() {
        let events = busy.take(1).await;
        seen.extend(texts(&events));
        busy.acknowledge(&events).await;
    }
    busy.close().await;
    seen.sort();
    assert_eq!(seen, published.into_iter().collect::<Vec<_>>(), "every event comes to one of them, once");
    lab.is_empty().await;
}

pub(super) async fn restarted(lab: Lab<'_>) {
    let published = names("event", 300);
    lab.publish(&published).await;
    let handler = ScriptedHandler::always(Step::Slow(Duration::from_millis(5)));
    let agent = TestAgent::start(lab.spec(), &handler);
    wait_until("some events", &agent, |status| status.acked >= 50).await;
    let restart = lab.bench.restart.as_ref().expect("the behaviour needs it");
    restart();
    let missing =
        || handler.look(|runs| published.iter().filter(|name| !runs.counts().contains_key(name.as_str())).count());
    wait_until("every event to arrive", &agent, |_| missing() == 0).await;
    wait_until("what is under way to end", &agent, |status| status.in_flight == 0).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
}

/// Nobody rings for a status: it is looked at.
async fn wait_until(what: &str, agent: &TestAgent, condition: impl Fn(&Snapshot) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = agent.status.snapshot();
        if condition(&status) {
            return;
        }
        assert!(Instant::now() < until, "waited {PATIENCE:?} for {what}; there is {status:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
