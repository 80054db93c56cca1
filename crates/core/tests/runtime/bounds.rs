//! Workers, rate, read-ahead, and the session that lives from being polled.

use std::time::{Duration, Instant};

use siphon_core::AgentSpec;
use siphon_testkit::{FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

#[tokio::test]
async fn as_many_events_as_workers_are_in_the_pipe_and_never_more() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 50);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { workers: 5, ..spec(&broker) }, &handler);
    for begun in 5..=50 {
        handler.wait_until("the workers to be busy", move |runs| runs.all.len() == begun && runs.running == 5).await;
        handler.release(1);
    }
    handler.release(5);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    assert_eq!(handler.look(|runs| runs.most_running), 5);
}

#[tokio::test]
async fn the_driver_is_asked_for_workers_and_a_small_read_ahead() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 500);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { workers: 10, ..spec(&broker) }, &handler);
    broker.wait_until("workers and read-ahead", |state| state.delivered == 20).await;
    handler.wait_until("the workers to be busy", |runs| runs.running == 10).await;
    agent.wait_until("the load", |status| status.in_flight == 10).await;
    broker.look(|state| assert_eq!((state.delivered, state.count(Fate::Ready)), (20, 480)));
}

#[tokio::test]
async fn a_flood_is_kept_and_worked_off_in_order_of_places() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 1_000);
    broker.flood(1_000);
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(AgentSpec { workers: 3, ..spec(&broker) }, &handler);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    assert!(handler.look(|runs| runs.most_running) <= 3);
    broker.assert_no_violations();
}

#[tokio::test]
async fn held_events_are_bounded_and_the_agent_takes_more_once_they_are_gone() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 300);
    let handler = ScriptedHandler::fail_first(1);
    let retry = siphon_core::delivery::Policy { retry: constant(Duration::from_millis(50)) };
    let agent = TestAgent::start(AgentSpec { workers: 4, policy: retry, ..spec(&broker) }, &handler);
    let mut most = 0;
    while !broker.look(|state| state.all_acked()) {
        most = most.max(agent.status.snapshot().waiting);
        tokio::task::yield_now().await;
    }
    assert!((1..=64 + 4).contains(&most), "{most} were held");
    broker.assert_no_violations();
}

/// The gaps between the beginnings of runs, over all but the first burst.
fn check_rate(starts: &[Instant], burst: usize, rate: f64) {
    let took = starts[starts.len() - 1] - starts[0];
    let least = (starts.len() - burst) as f64 / rate;
    assert!(took.as_secs_f64() >= least - 0.005, "{} runs took {took:?}, not {least} s", starts.len());
}

#[tokio::test]
async fn max_rate_bounds_the_runs_of_the_pipe() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 70);
    let handler = ScriptedHandler::always(Step::Succeed);
    let agent = TestAgent::start(AgentSpec { max_rate: Some(50.0), ..spec(&broker) }, &handler);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    check_rate(&handler.look(|runs| runs.all.iter().map(|run| run.at).collect::<Vec<_>>()), 50, 50.0);
}

#[tokio::test]
async fn max_rate_bounds_what_is_tried_again_in_place() {
    let broker = FakeBroker::kafka();
    broker.publish_to(0, "a");
    let handler = ScriptedHandler::fail_first(30);
    let agent = TestAgent::start(AgentSpec { max_rate: Some(20.0), ..spec(&broker) }, &handler);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    drop(agent);
    check_rate(&handler.look(|runs| runs.all.iter().map(|run| run.at).collect::<Vec<_>>()), 20, 20.0);
}

#[tokio::test]
async fn a_session_is_polled_while_there_is_no_room() {
    let broker = FakeBroker::kafka();
    (0..200).for_each(|n| broker.publish_to(0, &format!("order-{n}")));
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { workers: 1, ..spec(&broker) }, &handler);
    broker.wait_until("polls without room", |state| state.polls_without_room > 20).await;
    handler.release(200);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    assert_eq!(handler.look(|runs| runs.most_running), 1);
}

#[tokio::test]
async fn a_broker_without_a_session_is_not_polled_without_room() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 100);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(AgentSpec { workers: 1, ..spec(&broker) }, &handler);
    broker.wait_until("a full driver", |state| state.delivered == 5).await;
    handler.release(100);
    broker.wait_until("all acks", |state| state.all_acked()).await;
    drop(agent);
    assert_eq!(broker.look(|state| state.polls_without_room), 0);
}
