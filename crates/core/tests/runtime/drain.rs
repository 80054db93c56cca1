//! How an agent ends when the process does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use siphon_core::{AgentEnd, AgentSpec, AgentState, Event, Handled, Handler, Phase};
use siphon_sdk::{Error, Verdict};
use siphon_testkit::fake::MessageRecord;
use siphon_testkit::{Call, FakeBroker, Fate, ScriptedHandler, Step, TestAgent, constant, spec};

#[tokio::test]
async fn what_is_in_the_pipe_finishes_and_the_rest_goes_back_untouched() {
    for broker in [FakeBroker::rabbitmq(), FakeBroker::sqlite(), FakeBroker::jetstream()] {
        broker.publish_many("order", 20);
        let handler = ScriptedHandler::always(Step::Hold);
        let agent = TestAgent::start(spec(&broker), &handler);
        handler.wait_until("busy workers", |runs| runs.running == 2).await;
        broker.wait_until("a read-ahead", |state| state.delivered == 6).await;
        agent.shutdown.advance(Phase::Draining);
        handler.release(2);
        assert_eq!(agent.ended().await, AgentEnd::Drained);
        assert_eq!(handler.look(|runs| runs.all.len()), 2, "nothing new was begun");
        broker.look(|state| {
            assert_eq!((state.count(Fate::Acked), state.count(Fate::Ready), state.goodbyes), (2, 18, 1));
            assert!(state.messages[2..6].iter().all(|message| message.verdicts() == [Verdict::Requeue]), "{state:#?}");
        });
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn settlements_and_the_goodbye_that_come_together_are_both_done() {
    // Many rounds: the last settlement and the close meet in the driver's inbox.
    for _ in 0..50 {
        let broker = FakeBroker::rabbitmq();
        broker.publish_many("order", 2);
        let handler = ScriptedHandler::always(Step::Hold);
        let agent = TestAgent::start(spec(&broker), &handler);
        handler.wait_until("busy workers", |runs| runs.running == 2).await;
        agent.shutdown.advance(Phase::Draining);
        handler.release(2);
        assert_eq!(agent.ended().await, AgentEnd::Drained);
        broker.look(|state| assert_eq!((state.count(Fate::Acked), state.goodbyes), (2, 1)));
    }
}

#[tokio::test]
async fn what_waits_goes_back_at_once() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 3);
    let retry = siphon_core::delivery::Policy { retry: constant(Duration::from_secs(3_600)) };
    let handler = ScriptedHandler::always(Step::fail());
    let agent = TestAgent::start(AgentSpec { policy: retry, ..spec(&broker) }, &handler);
    agent.wait_until("held events", |status| status.waiting == 3).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!((state.count(Fate::Ready), state.goodbyes), (3, 1)));
    broker.assert_no_violations();
}

#[tokio::test]
async fn an_event_that_fails_while_draining_does_not_wait() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let retry = siphon_core::delivery::Policy { retry: constant(Duration::from_secs(3_600)) };
    let handler = ScriptedHandler::always(Step::HoldThenFail);
    let agent = TestAgent::start(AgentSpec { policy: retry, ..spec(&broker) }, &handler);
    handler.wait_until("the run", |runs| runs.running == 1).await;
    agent.shutdown.advance(Phase::Draining);
    handler.release(1);
    assert_eq!(agent.ended().await, AgentEnd::Drained);
    broker.look(|state| {
        let verdicts = state.messages[0].verdicts();
        assert_eq!(verdicts[0], Verdict::Retry { delay_ms: 0 });
        assert!(verdicts[1..].iter().all(|verdict| *verdict == Verdict::Requeue), "{verdicts:?}");
    });
}

#[tokio::test]
async fn when_the_grace_period_ends_the_pipe_is_cut_and_its_events_go_back_untouched() {
    let broker = FakeBroker::sqlite();
    broker.publish_many("order", 2);
    let handler = ScriptedHandler::always(Step::Hang);
    let agent = TestAgent::start(AgentSpec { drain: Duration::from_millis(30), ..spec(&broker) }, &handler);
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert_eq!(handler.look(|runs| (runs.cancelled, runs.running)), (2, 0));
    broker.look(|state| {
        assert_eq!((state.count(Fate::Ready), state.goodbyes), (2, 1));
        // Perhaps twice: a `recv` that was under way may get them once more.
        let verdicts: Vec<_> = state.messages.iter().flat_map(MessageRecord::verdicts).collect();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Requeue), "{verdicts:?}");
    });
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_second_signal_ends_the_grace_period() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 2);
    let handler = ScriptedHandler::always(Step::Hang);
    let agent = TestAgent::start(AgentSpec { drain: Duration::from_secs(3_600), ..spec(&broker) }, &handler);
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    agent.shutdown.advance(Phase::Draining);
    tokio::task::yield_now().await;
    agent.shutdown.advance(Phase::Ending);
    assert_eq!(agent.ended().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!(state.count(Fate::Ready), 2));
}

#[tokio::test]
async fn an_agent_that_waits_for_its_next_connection_ends_at_once() {
    let broker = FakeBroker::rabbitmq();
    broker.refuse(Error::connection("nobody listens"));
    let an_hour = constant(Duration::from_secs(300));
    let agent =
        TestAgent::start(AgentSpec { backoff: an_hour, ..spec(&broker) }, &ScriptedHandler::always(Step::Succeed));
    agent.wait_until("the refusal", |status| status.last_error.is_some()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
}

#[tokio::test]
async fn an_agent_that_is_connecting_ends_at_once() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Connect);
    let agent = TestAgent::start(spec(&broker), &ScriptedHandler::always(Step::Succeed));
    agent.wait_until("the start", |status| status.state == AgentState::Connecting).await;
    let began = Instant::now();
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Lets these calls never complete, and expects the end within `bound`.
async fn check_stalled(calls: &[Call], phase: Phase, bound: Duration) {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 4);
    let handler = ScriptedHandler::always(Step::Succeed);
    let often = AgentSpec { health_interval: Duration::from_millis(5), ..spec(&broker) };
    calls.iter().for_each(|call| broker.stall(*call));
    let agent = TestAgent::start(often, &handler);
    handler.wait_until("the runs", |runs| runs.all.len() == 4).await;
    agent.shutdown.advance(phase);
    let began = Instant::now();
    assert_eq!(agent.ended().await, AgentEnd::Drained);
    assert!(began.elapsed() < bound, "{calls:?}: {:?}", began.elapsed());
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_stalled_driver_cannot_hold_up_the_end() {
    let bound = Duration::from_secs(7);
    tokio::join!(
        check_stalled(&[Call::Ping, Call::Settle, Call::Close], Phase::Draining, bound),
        check_stalled(&[Call::Close], Phase::Draining, bound),
        check_stalled(&[Call::Settle, Call::Close], Phase::Ending, Duration::from_secs(3)),
    );
}

#[tokio::test]
async fn others_get_at_once_what_a_draining_agent_had_ready() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 20);
    let handler = ScriptedHandler::always(Step::Hold);
    let agent = TestAgent::start(spec(&broker), &handler);
    broker.wait_until("a read-ahead", |state| state.delivered == 6).await;
    handler.wait_until("busy workers", |runs| runs.running == 2).await;
    agent.shutdown.advance(Phase::Draining);
    broker.wait_until("the read-ahead to be back", |state| state.count(Fate::Ready) == 18).await;
    assert_eq!(handler.look(|runs| runs.running), 2, "the pipe still works");
    assert_eq!(broker.look(|state| state.pauses.clone()), [true]);
    handler.release(2);
    assert_eq!(agent.ended().await, AgentEnd::Drained);
    broker.look(|state| assert_eq!((state.delivered, state.count(Fate::Acked)), (6, 2)));
    broker.assert_no_violations();
}

/// Acknowledges everything, and has something left to do that ends when it may.
struct Lingering {
    may_end: tokio::sync::Semaphore,
    asked: tokio::sync::Semaphore,
}

impl Handler for Lingering {
    type Reply = ();

    async fn handle(&self, _: &Event, _: tokio::time::Instant) -> Handled<()> {
        Handled { reply: None, failure: None, on_done: None }
    }

    async fn finish(&self) {
        self.asked.add_permits(1);
        self.may_end.acquire().await.expect("open").forget();
    }
}

fn lingering() -> Arc<Lingering> {
    Arc::new(Lingering { may_end: tokio::sync::Semaphore::new(0), asked: tokio::sync::Semaphore::new(0) })
}

#[tokio::test]
async fn an_agent_ends_when_its_handler_has_finished_and_not_before() {
    let broker = FakeBroker::rabbitmq();
    let handler = lingering();
    let agent = TestAgent::start(spec(&broker), &handler);
    agent.wait_until("a connection", |status| status.state == AgentState::Running).await;
    agent.shutdown.advance(Phase::Draining);
    handler.asked.acquire().await.expect("open").forget();
    broker.look(|state| assert_eq!(state.goodbyes, 1, "the broker does not wait for it"));
    handler.may_end.add_permits(1);
    assert_eq!(agent.ended().await, AgentEnd::Drained);
}

#[tokio::test]
async fn a_handler_that_does_not_finish_ends_with_the_grace_period_or_the_second_signal() {
    let broker = FakeBroker::rabbitmq();
    let short = AgentSpec { drain: Duration::from_millis(20), ..spec(&broker) };
    assert_eq!(TestAgent::start(short, &lingering()).drain().await, AgentEnd::Drained);
    let handler = lingering();
    let agent = TestAgent::start(AgentSpec { drain: Duration::from_secs(3_600), ..spec(&broker) }, &handler);
    agent.shutdown.advance(Phase::Draining);
    handler.asked.acquire().await.expect("open").forget();
    agent.shutdown.advance(Phase::Ending);
    assert_eq!(agent.ended().await, AgentEnd::Drained);
}
