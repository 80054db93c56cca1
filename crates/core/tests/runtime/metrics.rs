//! What an agent's metrics say of its events: each one that came is settled, lost with its connection, or still here.

use std::time::Duration;

use siphon_core::delivery::Policy;
use siphon_core::{AgentEnd, AgentSpec};
use siphon_sdk::Verdict;
use siphon_telemetry::AgentMetrics;
use siphon_telemetry::metrics::Settled;
use siphon_testkit::{FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

/// Counts of ack, retry, requeue, reject, lost.
fn settled(metrics: &AgentMetrics) -> [u64; 5] {
    [Settled::Ack, Settled::Retry, Settled::Requeue, Settled::Reject, Settled::Lost].map(|one| metrics.settled(one))
}

/// Waits until the agent's metrics show these counts, then expects that they add up.
async fn expect_settled(agent: &TestAgent, expected: [u64; 5]) {
    let metrics = agent.status.metrics();
    agent.wait_until("the settlements", |_| settled(metrics) == expected).await;
    assert_eq!(metrics.received(), expected.iter().sum::<u64>());
}

fn waiting_an_hour(broker: &FakeBroker) -> AgentSpec {
    AgentSpec { policy: Policy { retry: constant(Duration::from_secs(3_600)) }, ..spec(broker) }
}

#[tokio::test]
async fn every_delivery_is_counted_once_whatever_becomes_of_it() {
    for (broker, expected) in [
        (FakeBroker::rabbitmq(), [50, 50, 0, 0, 0]),
        (FakeBroker::sqlite(), [50, 50, 0, 0, 0]),
        (FakeBroker::kafka(), [50, 0, 0, 0, 0]),
    ] {
        broker.publish_many("order", 50);
        let agent = TestAgent::start(spec(&broker), &ScriptedHandler::fail_first(1));
        expect_settled(&agent, expected).await;
        assert_eq!(agent.status.metrics().failed(), 50, "{}", broker.key());
        agent.wait_until("nothing to be here", |status| (status.in_flight, status.waiting) == (0, 0)).await;
        assert_eq!(agent.drain().await, AgentEnd::Drained);
    }
}

#[tokio::test]
async fn what_a_lost_connection_leaves_unsettled_is_counted_as_lost() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 2);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("two runs", |runs| runs.running == 2).await;
    broker.lose_connection("pulled the plug");
    let metrics = agent.status.metrics();
    agent.wait_until("the loss", |_| metrics.reconnects() == 1).await;
    handler.release(4);
    expect_settled(&agent, [2, 0, 0, 0, 2]).await;
    assert_eq!(metrics.reconnects(), 1);
    agent.drain().await;
}

#[tokio::test]
async fn what_waits_when_its_connection_is_lost_is_counted_as_lost() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let handler = ScriptedHandler::fail_first(1);
    let agent = TestAgent::start(waiting_an_hour(&broker), &handler);
    agent.wait_until("the held event", |status| status.waiting == 1).await;
    broker.refuse(siphon_sdk::Error::connection("not yet"));
    broker.lose_connection("pulled the plug");
    agent.wait_until("nothing to be held any more", |status| status.waiting == 0).await;
    assert_eq!(settled(agent.status.metrics()), [0, 0, 0, 0, 1]);
    broker.accept();
    expect_settled(&agent, [1, 0, 0, 0, 1]).await;
    agent.drain().await;
}

#[tokio::test]
async fn what_goes_back_when_the_process_ends_is_counted() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 3);
    let handler = ScriptedHandler::new(|run| if run.payload == "order-0" { Step::fail() } else { Step::Hang });
    let agent = TestAgent::start(AgentSpec { drain: Duration::ZERO, ..waiting_an_hour(&broker) }, &handler);
    agent.wait_until("all to be here", |status| (status.in_flight, status.waiting) == (2, 1)).await;
    let status = std::sync::Arc::clone(&agent.status);
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    // What is given back may come once more before the goodbye.
    let [ack, retry, requeue, reject, lost] = settled(status.metrics());
    assert_eq!((ack, retry, reject, lost, status.metrics().received()), (0, 1, 0, 0, retry + requeue));
    assert!(requeue >= 2, "{requeue} were abandoned");
}

#[tokio::test]
async fn where_a_failure_is_final_the_event_is_rejected_at_once() {
    let broker = FakeBroker::rabbitmq();
    broker.make_failures_final();
    broker.publish("poison");
    broker.publish("fine");
    let script =
        |run: &siphon_testkit::handler::Run| if run.payload == "poison" { Step::fail() } else { Step::Succeed };
    let handler = ScriptedHandler::new(script);
    let agent = TestAgent::start(waiting_an_hour(&broker), &handler);
    broker.wait_until("the rejection", |state| state.count(Fate::Rejected) == 1 && state.count(Fate::Acked) == 1).await;
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), [Verdict::Reject]));
    expect_settled(&agent, [1, 0, 0, 1, 0]).await;
    assert_eq!(handler.look(|runs| runs.all.len()), 2);
    // The terms are those of the source: said again with the next connection.
    broker.lose_connection("pulled the plug");
    broker.publish("poison");
    broker.wait_until("the next rejection", |state| state.count(Fate::Rejected) == 2).await;
    agent.drain().await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn lag_is_known_for_each_partition_until_it_or_the_connection_is_gone() {
    let broker = FakeBroker::kafka();
    let agent = TestAgent::start(spec(&broker), &ScriptedHandler::always(Step::Succeed));
    broker.report_lag_of(7, 40);
    broker.report_lag_of(8, 2);
    agent.wait_until("the lag", |status| status.lag == Some(42)).await;
    broker.revoke(7);
    agent.wait_until("the rest of the lag", |status| status.lag == Some(2)).await;
    broker.lose_connection("pulled the plug");
    agent.wait_until("no lag", |status| status.lag.is_none()).await;
    agent.drain().await;
}
