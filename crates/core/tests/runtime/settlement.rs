//! What becomes of events that succeed and of events that fail.

use std::time::Duration;

use siphon_core::{AgentEnd, AgentSpec, Failure, FailureKind, Outcome, delivery::Policy};
use siphon_sdk::Verdict;
use siphon_testkit::{FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

fn retry_after(spec: AgentSpec, ms: u64) -> AgentSpec {
    AgentSpec { policy: Policy { retry: constant(Duration::from_millis(ms)) }, ..spec }
}

/// Runs one event that fails once, and expects these verdicts.
async fn check_failed_once(broker: FakeBroker, retry_ms: u64, expected: &[Verdict]) {
    broker.publish("a");
    let handler = ScriptedHandler::fail_first(1);
    let agent = TestAgent::start(retry_after(spec(&broker), retry_ms), &handler);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), expected));
    broker.assert_no_violations();
}

#[tokio::test]
async fn events_that_succeed_are_acked_once_each() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 500);
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    let snapshot = agent.status.snapshot();
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert_eq!((snapshot.received, snapshot.failed), (500, 0));
    assert!(handler.look(|runs| runs.counts().values().all(|count| *count == 1)));
    broker.look(|state| assert!(state.messages.iter().all(|message| message.is_in_order())));
    broker.assert_no_violations();
}

#[tokio::test]
async fn what_finishes_together_is_settled_together() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 40);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { workers: 40, ..spec(&broker) }, &handler);
    handler.wait_until("all to run", |runs| runs.running == 40).await;
    handler.release(40);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    assert!(
        broker.look(|state| state.settle_calls.len()) <= 10,
        "{:?}",
        broker.look(|state| state.settle_calls.clone())
    );
}

#[tokio::test]
async fn a_broker_that_delays_is_told_how_long() {
    let verdicts = [Verdict::Retry { delay_ms: 7 }, Verdict::Ack];
    check_failed_once(FakeBroker::jetstream(), 7, &verdicts).await;
    check_failed_once(FakeBroker::sqlite(), 7, &verdicts).await;
}

#[tokio::test]
async fn where_the_broker_cannot_delay_the_event_is_held_and_then_given_back() {
    check_failed_once(FakeBroker::rabbitmq(), 7, &[Verdict::Retry { delay_ms: 0 }, Verdict::Ack]).await;
}

#[tokio::test]
async fn without_a_wait_the_event_goes_back_at_once() {
    check_failed_once(FakeBroker::rabbitmq(), 0, &[Verdict::Retry { delay_ms: 0 }, Verdict::Ack]).await;
}

#[tokio::test]
async fn where_nothing_can_be_given_back_the_event_is_tried_again_in_place() {
    check_failed_once(FakeBroker::kafka(), 7, &[Verdict::Ack]).await;
    check_failed_once(FakeBroker::kafka(), 0, &[Verdict::Ack]).await;
}

/// Runs an event that is refused once with this outcome, and expects these verdicts.
async fn check_refused_once(broker: FakeBroker, outcome: Outcome, expected: &[Verdict], fate: Fate) {
    broker.publish("a");
    let refused = Failure { outcome: Some(outcome), ..Failure::new(FailureKind::Invalid, "refused") };
    let handler =
        ScriptedHandler::new(move |run| if run.nth == 1 { Step::Fail(refused.clone()) } else { Step::Succeed });
    let agent = TestAgent::start(retry_after(spec(&broker), 7), &handler);
    broker.wait_until("the last settlement", move |state| state.count(fate) == 1).await;
    let snapshot = agent.status.snapshot();
    assert_eq!((snapshot.failed, snapshot.received >= 1), (1, true));
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), expected, "{outcome:?}"));
    broker.assert_no_violations();
}

#[tokio::test]
async fn who_refuses_an_event_may_choose_what_becomes_of_it() {
    let again = [Verdict::Retry { delay_ms: 7 }, Verdict::Ack];
    check_refused_once(FakeBroker::sqlite(), Outcome::Retry, &again, Fate::Acked).await;
    for broker in [FakeBroker::rabbitmq(), FakeBroker::jetstream(), FakeBroker::sqlite()] {
        check_refused_once(broker, Outcome::DeadLetter, &[Verdict::Reject], Fate::Rejected).await;
    }
    for broker in [FakeBroker::rabbitmq(), FakeBroker::kafka()] {
        check_refused_once(broker, Outcome::Discard, &[Verdict::Ack], Fate::Acked).await;
    }
}

#[tokio::test]
async fn where_failed_events_have_no_place_a_dead_letter_is_tried_again() {
    check_refused_once(FakeBroker::kafka(), Outcome::DeadLetter, &[Verdict::Ack], Fate::Acked).await;
}

#[tokio::test]
async fn a_held_event_occupies_no_worker() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("broken");
    broker.publish_many("order", 20);
    let script =
        |run: &siphon_testkit::handler::Run| if run.payload == "broken" { Step::fail() } else { Step::Succeed };
    let handler = ScriptedHandler::new(script);
    let one_worker = AgentSpec { workers: 1, ..spec(&broker) };
    let agent = TestAgent::start(retry_after(one_worker, 3_600_000), &handler);
    broker.wait_until("the others", |state| state.count(Fate::Acked) == 20).await;
    agent.wait_until("the held one", |status| (status.waiting, status.in_flight) == (1, 0)).await;
    broker.look(|state| assert_eq!(state.messages[0].fate, Fate::Unsettled));
}

#[tokio::test]
async fn delays_follow_the_attempts_whoever_counts_them() {
    for broker in [FakeBroker::rabbitmq(), FakeBroker::sqlite(), FakeBroker::kafka()] {
        broker.publish("a");
        let handler = ScriptedHandler::fail_first(3);
        let linear = siphon_core::delivery::Backoff {
            strategy: siphon_core::delivery::Strategy::Exponential,
            ..constant(Duration::from_millis(8))
        };
        let agent = TestAgent::start(AgentSpec { policy: Policy { retry: linear }, ..spec(&broker) }, &handler);
        broker.wait_until("the ack", |state| state.all_acked()).await;
        drop(agent);
        let at: Vec<_> = handler.look(|runs| runs.all.iter().map(|run| run.at).collect());
        let waits: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let at_least = [8, 16, 32].map(Duration::from_millis);
        assert!(waits.iter().zip(at_least).all(|(wait, least)| *wait >= least), "{} waited {waits:?}", broker.key());
    }
}

#[tokio::test]
async fn a_backend_that_asks_for_time_gets_it() {
    let broker = FakeBroker::jetstream();
    broker.publish("a");
    let busy = Failure {
        retry_after: Some(Duration::from_secs(7)),
        ..Failure::new(FailureKind::Status(429), "too many requests")
    };
    let handler = ScriptedHandler::always(Step::Fail(busy));
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("the settlement", |state| state.count(Fate::Delayed) == 1).await;
    drop(agent);
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), [Verdict::Retry { delay_ms: 7_000 }]));
}

#[tokio::test]
async fn an_event_that_panics_in_the_pipe_is_a_failed_event() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let handler = ScriptedHandler::new(|run| if run.nth == 1 { Step::Panic } else { Step::Succeed });
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    let snapshot = agent.status.snapshot();
    assert_eq!((snapshot.failed, snapshot.acked), (1, 1));
    let said = snapshot.last_error.map(|(_, error)| error).unwrap_or_default();
    assert_eq!(said, "the pipe panicked: told to panic");
}

#[tokio::test]
async fn an_event_that_is_late_is_a_failed_event() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let handler = ScriptedHandler::new(|run| if run.nth == 1 { Step::Hang } else { Step::Succeed });
    let agent = TestAgent::start(AgentSpec { timeout: Duration::from_millis(20), ..spec(&broker) }, &handler);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(agent.status.snapshot().failed, 1);
    assert_eq!(handler.look(|runs| (runs.cancelled, runs.running)), (1, 0));
}

#[tokio::test]
async fn a_driver_that_settles_slowly_loses_no_settlement() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(siphon_testkit::Call::Settle);
    broker.publish_many("order", 400);
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(AgentSpec { workers: 8, ..spec(&broker) }, &handler);
    // As many as may be unsettled: workers, read-ahead and held ones.
    broker.wait_until("the driver to be full", |state| state.delivered >= 8 + 8 + 64).await;
    assert!(broker.look(|state| state.delivered) < 400, "an unsettled event takes a place");
    broker.resume(siphon_testkit::Call::Settle);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.assert_no_violations();
}
