//! A partition that goes to somebody else, and comes back.

use std::time::Duration;

use siphon_core::{AgentEnd, AgentSpec};
use siphon_sdk::Verdict;
use siphon_testkit::{FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

fn waiting_an_hour(broker: &FakeBroker) -> AgentSpec {
    let retry = siphon_core::delivery::Policy { retry: constant(Duration::from_secs(3_600)) };
    AgentSpec { policy: retry, ..spec(broker) }
}

#[tokio::test]
async fn an_event_in_the_pipe_finishes_and_its_late_settlement_is_stale() {
    let broker = FakeBroker::kafka();
    broker.publish_to(7, "a");
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("the run", |runs| runs.running == 1).await;
    broker.revoke(7);
    handler.release(1);
    broker.wait_until("the late settlement", |state| state.messages[0].settlements.len() == 1).await;
    broker.look(|state| assert!(state.messages[0].settlements[0].is_stale));
    broker.look(|state| assert_eq!(state.messages[0].fate, Fate::Uncommitted));
    agent.drain().await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_held_event_of_a_revoked_partition_is_let_go_and_others_stay() {
    let broker = FakeBroker::kafka();
    broker.publish_to(7, "theirs");
    broker.publish_to(8, "ours");
    let handler = ScriptedHandler::always(Step::fail());
    let agent = TestAgent::start(waiting_an_hour(&broker), &handler);
    agent.wait_until("two held events", |status| status.waiting == 2).await;
    broker.revoke(7);
    agent.wait_until("one to be let go", |status| status.waiting == 1).await;
    broker.wait_until("its settlement", |state| state.messages[0].settlements.len() == 1).await;
    broker.look(|state| assert!(state.messages[1].settlements.is_empty()));
    agent.drain().await;
    broker.look(|state| assert!(state.messages.iter().all(|message| message.is_in_order())));
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_partition_that_comes_back_brings_what_was_not_committed() {
    let broker = FakeBroker::kafka();
    broker.publish_to(7, "a");
    let handler = ScriptedHandler::new(|run| if run.nth == 1 { Step::fail() } else { Step::Succeed });
    let agent = TestAgent::start(waiting_an_hour(&broker), &handler);
    agent.wait_until("the held event", |status| status.waiting == 1).await;
    broker.revoke(7);
    agent.wait_until("it to be let go", |status| status.waiting == 0).await;
    broker.assign(7);
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!(state.messages[0].deliveries[1].generation, 2));
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_revocation_is_noticed_while_every_held_place_is_taken() {
    let broker = FakeBroker::kafka();
    (0..100).for_each(|n| broker.publish_to(7, &format!("order-{n}")));
    let handler = ScriptedHandler::always(Step::fail());
    let agent = TestAgent::start(waiting_an_hour(&broker), &handler);
    agent.wait_until("as many held events as may be", |status| status.waiting >= 64 && status.in_flight == 0).await;
    broker.revoke(7);
    agent.wait_until("all to be let go", |status| status.waiting == 0).await;
    agent.drain().await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn an_event_that_fails_after_its_partition_was_revoked_is_not_tried_again() {
    let broker = FakeBroker::kafka();
    broker.publish_to(7, "theirs");
    let handler = ScriptedHandler::new(|run| if run.nth == 1 { Step::HoldThenFail } else { Step::fail() });
    let agent = TestAgent::start(spec(&broker), &handler);
    handler.wait_until("the run", |runs| runs.running == 1).await;
    broker.revoke(7);
    broker.publish_to(8, "ours");
    handler.wait_until("what came behind the notice", |runs| runs.running == 2).await;
    handler.release(1);
    broker.wait_until("its settlement", |state| state.messages[0].settlements.len() == 1).await;
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), [Verdict::Requeue]));
    handler.look(|runs| assert_eq!(runs.counts()["theirs"], 1));
    handler.release(9);
    agent.drain().await;
    broker.assert_no_violations();
}
