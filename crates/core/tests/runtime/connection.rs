//! Connections that are refused, lost, mended and tried again.

use std::time::Duration;

use siphon_core::{AgentEnd, AgentSpec, AgentState};
use siphon_sdk::{Error, Verdict};
use siphon_testkit::{Call, FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    broker.refuse(Error::connection("nobody listens"));
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("several tries", |state| state.connect_attempts >= 4).await;
    let snapshot = agent.status.snapshot();
    assert_eq!(snapshot.state, AgentState::Connecting);
    assert_eq!(snapshot.last_error.map(|(_, error)| error).as_deref(), Some("nobody listens"));
    broker.accept();
    broker.wait_until("the ack", |state| state.all_acked()).await;
    agent.wait_until("the state", |status| status.state == AgentState::Running && status.last_ping.is_some()).await;
}

#[tokio::test]
async fn an_agent_whose_retries_are_used_up_fails_and_the_others_go_on() {
    let (dead, alive) = (FakeBroker::rabbitmq(), FakeBroker::rabbitmq());
    dead.refuse(Error::connection("nobody listens"));
    let handler = ScriptedHandler::always(Step::Succeed);
    let failing = TestAgent::start(AgentSpec { max_retries: Some(2), ..spec(&dead) }, &handler);
    let going_on = TestAgent::start(spec(&alive), &handler);
    failing.wait_until("the failure", |status| status.state == AgentState::Failed).await;
    assert_eq!(failing.ended().await, AgentEnd::Failed("nobody listens".into()));
    assert_eq!(dead.look(|state| state.connect_attempts), 3);
    alive.publish("a");
    alive.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(going_on.drain().await, AgentEnd::Drained);
}

#[tokio::test]
async fn what_waiting_cannot_mend_is_not_tried_again() {
    for error in [Error::fatal("no such queue"), Error::config("broker", "no such queue")] {
        let broker = FakeBroker::rabbitmq();
        broker.refuse(error.clone());
        let agent = TestAgent::start(spec(&broker), &ScriptedHandler::always(Step::Succeed));
        assert_eq!(agent.ended().await, AgentEnd::Failed(error.to_string()));
        assert_eq!(broker.look(|state| state.connect_attempts), 1);
    }
}

#[tokio::test]
async fn an_unknown_broker_is_refused_when_the_driver_is_opened() {
    let broker = FakeBroker::rabbitmq();
    let config = r#"{"broker": "nobody"}"#.to_owned();
    let agent = TestAgent::start(AgentSpec { config, ..spec(&broker) }, &ScriptedHandler::always(Step::Succeed));
    let AgentEnd::Failed(reason) = agent.ended().await else { panic!("it drained") };
    assert!(reason.contains("there is no broker \"nobody\""), "{reason}");
}

#[tokio::test]
async fn a_lost_connection_with_events_in_the_pipe_loses_nothing_and_settles_nothing_twice() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 4);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    broker.lose_connection("the broker went away");
    broker.wait_until("the next connection", |state| state.connects == 2 && state.is_connected).await;
    // The two of the lost connection still hold their workers: nothing starts before they have left.
    handler.release(1);
    handler.wait_until("a third run", |runs| runs.all.len() == 3).await;
    handler.release(5);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert_eq!(handler.look(|runs| (runs.most_running, runs.all.len())), (2, 6));
    broker.assert_no_violations();
}

#[tokio::test]
async fn what_leaves_the_pipe_between_two_connections_is_not_settled_on_the_next() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 2);
    let handler = ScriptedHandler::new(|run| match (run.payload.as_str(), run.nth) {
        ("order-0", 1) => Step::Hold,
        ("order-1", 1) => Step::HoldThenFail,
        _ => Step::Succeed,
    });
    let wait = constant(Duration::from_millis(100));
    let agent = TestAgent::start(AgentSpec { backoff: wait, ..spec(&broker) }, &handler);
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    broker.lose_connection("the broker went away");
    agent.wait_until("the loss", |status| status.state == AgentState::Connecting && status.last_error.is_some()).await;
    assert_eq!(broker.look(|state| state.connects), 1, "it still waits for its backoff");
    handler.release(2);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    agent.drain().await;
    // Tags start again on each connection: a late settlement would have acked somebody else's message.
    broker.assert_no_violations();
    broker.look(|state| assert!(state.messages.iter().all(|message| message.verdicts() == [Verdict::Ack])));
}

#[tokio::test]
async fn a_held_event_of_a_lost_connection_is_forgotten() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let handler = ScriptedHandler::fail_first(1);
    let wait = siphon_core::delivery::Policy { retry: constant(Duration::from_secs(3_600)) };
    let agent = TestAgent::start(AgentSpec { policy: wait, ..spec(&broker) }, &handler);
    agent.wait_until("the held event", |status| status.waiting == 1).await;
    broker.lose_connection("the broker went away");
    broker.wait_until("the ack of its next delivery", |state| state.all_acked()).await;
    agent.drain().await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_self_healing_driver_mends_its_connection_without_being_opened_again() {
    let broker = FakeBroker::jetstream();
    broker.publish_many("order", 6);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    broker.lose_connection("the broker went away");
    broker.wait_until("a mended connection", |state| state.generation == 2).await;
    handler.release(100);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    agent.wait_until("the state", |status| status.state == AgentState::Running).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    // Every delivery of the lost connection got its settlement, too; the driver judged that it was stale.
    broker.look(|state| assert!(state.messages.iter().all(|message| message.is_in_order()), "{state:#?}"));
    assert_eq!(broker.look(|state| state.goodbyes), 1);
    broker.assert_no_violations();
}

#[tokio::test]
async fn an_ack_wait_that_passes_delivers_again_and_the_late_ack_is_harmless() {
    let broker = FakeBroker::jetstream();
    broker.publish("a");
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("the first run", |runs| runs.running == 1).await;
    broker.redeliver();
    handler.wait_until("the second run", |runs| runs.running == 2).await;
    handler.release(2);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    agent.drain().await;
    assert_eq!(handler.look(|runs| runs.all.iter().map(|run| run.attempt).collect::<Vec<_>>()), [Some(1), Some(2)]);
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_broker_is_asked_for_its_health_and_one_that_stalls_blocks_nobody() {
    let broker = FakeBroker::rabbitmq();
    let often = AgentSpec { health_interval: Duration::from_millis(5), ..spec(&broker) };
    let agent = TestAgent::start(often, &ScriptedHandler::always(Step::Succeed));
    broker.wait_until("pings", |state| state.pings >= 3).await;
    broker.stall(Call::Ping);
    broker.publish("a");
    agent.wait_until("the event to be taken", |status| status.received == 1).await;
    broker.resume(Call::Ping);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    drop(agent);
}

#[tokio::test]
async fn settlements_wait_behind_a_stalled_connection_and_arrive_when_it_goes_on() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Settle);
    broker.publish_many("order", 10);
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(spec(&broker), &handler);
    agent.wait_until("all to be done", |status| status.acked == 10).await;
    assert_eq!(broker.look(|state| state.count(Fate::Acked)), 0);
    broker.resume(Call::Settle);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    agent.drain().await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn the_lag_that_a_driver_reports_is_shown() {
    let broker = FakeBroker::kafka();
    let agent = TestAgent::start(spec(&broker), &ScriptedHandler::always(Step::Succeed));
    broker.report_lag(42);
    agent.wait_until("the lag", |status| status.lag == Some(42)).await;
    agent.drain().await;
}
