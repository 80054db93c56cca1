//! Outages that a self-healing driver mends, or does not.

use std::time::Duration;

use siphon_core::{AgentEnd, AgentSpec, AgentState};
use siphon_sdk::Error;
use siphon_testkit::{FakeBroker, ScriptedHandler, Step, TestAgent, constant, spec};

/// An outage that does not count before an hour has passed.
const HOUR: Duration = Duration::from_secs(3_600);

fn cut_off(broker: &FakeBroker) {
    broker.refuse(Error::connection("nobody listens"));
    broker.lose_connection("the broker went away");
}

#[tokio::test]
async fn an_outage_that_outlasts_the_backoff_counts_until_the_retries_are_used_up() {
    let (dead, alive) = (FakeBroker::jetstream(), FakeBroker::jetstream());
    let handler = ScriptedHandler::always(Step::Succeed);
    let failing = TestAgent::start(AgentSpec { max_retries: Some(2), ..spec(&dead) }, &handler);
    let going_on = TestAgent::start(spec(&alive), &handler);
    dead.wait_until("a connection", |state| state.is_connected).await;
    cut_off(&dead);
    let status = failing.status.clone();
    assert_eq!(failing.ended().await, AgentEnd::Failed("the broker went away".into()));
    let status = status.snapshot();
    assert_eq!((status.state, status.attempts), (AgentState::Failed, 3), "the first and two retries");
    assert_eq!(dead.look(|state| (state.connects, state.goodbyes)), (1, 1), "never opened again, and closed in order");
    alive.publish("a");
    alive.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(going_on.drain().await, AgentEnd::Drained);
}

#[tokio::test]
async fn an_outage_within_the_backoff_counts_nothing() {
    let broker = FakeBroker::jetstream();
    let handler = ScriptedHandler::always(Step::Succeed);
    let spec = AgentSpec { max_retries: Some(1), backoff: constant(HOUR), ..spec(&broker) };
    let agent = TestAgent::start(spec, &handler);
    for generation in 1..=4 {
        broker.wait_until("a connection", move |state| state.generation == generation && state.is_connected).await;
        agent.wait_until("the state", |status| status.state == AgentState::Running).await;
        cut_off(&broker);
        agent.wait_until("the outage", |status| status.state == AgentState::Connecting).await;
        broker.accept();
    }
    broker.publish("a");
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
}

#[tokio::test]
async fn without_a_limit_an_outage_may_last_and_its_tries_are_shown() {
    let broker = FakeBroker::jetstream();
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("a connection", |state| state.is_connected).await;
    cut_off(&broker);
    agent.wait_until("several tries", |status| status.attempts >= 5).await;
    broker.accept();
    broker.publish("a");
    broker.wait_until("the ack", |state| state.all_acked()).await;
    agent.wait_until("the state", |status| status.state == AgentState::Running && status.attempts == 0).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
}

#[tokio::test]
async fn an_agent_drains_while_its_driver_mends_the_connection() {
    let broker = FakeBroker::jetstream();
    broker.publish("a");
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { backoff: constant(HOUR), ..spec(&broker) }, &handler);
    handler.wait_until("the run", |runs| runs.running == 1).await;
    cut_off(&broker);
    agent.wait_until("the outage", |status| status.state == AgentState::Connecting).await;
    handler.release(1);
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.assert_no_violations();
}
