//! A source that is asked for one message at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use siphon_core::{Event, Failure, FailureKind, Handled, Handler, NotTaken, Received, Subscription};
use siphon_sdk::{Error, Verdict};
use siphon_testkit::{FakeBroker, Fate, TestAgent, constant, driver, spec};
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(20);

fn subscribe(broker: &FakeBroker) -> Arc<Subscription> {
    let options = siphon_core::plugin::OpenOptions { read_ahead: 1, max_in_flight: 10, ..spec(broker).open_options() };
    Subscription::new(&driver(broker), options, constant(Duration::from_millis(1)))
}

async fn take(subscription: &Arc<Subscription>) -> Received {
    subscription.take(Instant::now() + LONG).await.expect("a message")
}

fn text(received: &Received) -> String {
    String::from_utf8(received.payload().to_vec()).expect("text")
}

fn verdicts(broker: &FakeBroker, index: usize) -> Vec<Verdict> {
    broker.look(|state| state.messages[index].verdicts())
}

#[tokio::test]
async fn what_is_done_is_acknowledged_and_what_is_dropped_comes_again() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 1);
    let subscription = subscribe(&broker);
    drop(take(&subscription).await);
    let again = take(&subscription).await;
    assert_eq!(text(&again), "order-0");
    again.failed();
    take(&subscription).await.done();
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(verdicts(&broker, 0), [Verdict::Requeue, Verdict::Retry { delay_ms: 0 }, Verdict::Ack]);
    subscription.close().await.unwrap();
    broker.assert_no_violations();
}

#[tokio::test]
async fn where_nothing_can_be_given_back_the_next_one_gets_it() {
    let broker = FakeBroker::kafka();
    broker.publish_to(0, "first");
    broker.publish_to(0, "second");
    let subscription = subscribe(&broker);
    drop(take(&subscription).await);
    let first = take(&subscription).await;
    assert_eq!(text(&first), "first", "untouched, it keeps its place");
    first.failed();
    let mut second = take(&subscription).await;
    while text(&second) == "first" {
        second.failed(); // as long as the driver has no other, which makes room for it
        second = take(&subscription).await;
    }
    assert_eq!(text(&second), "second");
    second.done();
    take(&subscription).await.done();
    broker.wait_until("the acks", |state| state.all_acked()).await;
    assert_eq!([verdicts(&broker, 0), verdicts(&broker, 1)], [[Verdict::Ack], [Verdict::Ack]]);
    subscription.close().await.unwrap();
    broker.assert_no_violations();
}

#[tokio::test]
async fn each_of_many_that_wait_gets_one() {
    let broker = FakeBroker::rabbitmq();
    let subscription = subscribe(&broker);
    let takers: Vec<_> = (0..8)
        .map(|_| {
            let subscription = Arc::clone(&subscription);
            tokio::spawn(async move {
                let received = take(&subscription).await;
                let payload = text(&received);
                received.done();
                payload
            })
        })
        .collect();
    broker.wait_until("a connection", |state| state.is_connected).await;
    broker.publish_many("order", 8);
    let mut taken = Vec::new();
    for taker in takers {
        taken.push(taker.await.unwrap());
    }
    taken.sort();
    assert_eq!(taken, (0..8).map(|n| format!("order-{n}")).collect::<Vec<_>>());
    broker.wait_until("the acks", |state| state.all_acked()).await;
}

#[tokio::test]
async fn waiting_ends_in_time_and_says_why() {
    let broker = FakeBroker::rabbitmq();
    let subscription = subscribe(&broker);
    let within = Duration::from_millis(30);
    let late = |result: Result<Received, NotTaken>| result.unwrap_err().to_string();
    let said = late(subscription.take(Instant::now() + within).await);
    assert!(said.starts_with("no message came within ") && !said.contains(':'), "{said}");
    let refused = FakeBroker::rabbitmq();
    refused.refuse(Error::connection("cannot reach mq"));
    let subscription = subscribe(&refused);
    let error = subscription.take(Instant::now() + within).await.unwrap_err();
    assert!(matches!(&error, NotTaken::NotConnected { reason, .. } if reason == "cannot reach mq"), "{error}");
    refused.accept();
    refused.publish("order");
    take(&subscription).await.done();
    subscription.close().await.unwrap();
    assert_eq!(subscription.take(Instant::now() + within).await.unwrap_err(), NotTaken::Closed);
}

#[tokio::test]
async fn a_message_of_a_lost_connection_is_not_settled_on_the_next_one() {
    for broker in [FakeBroker::rabbitmq(), FakeBroker::jetstream()] {
        broker.publish("order");
        let subscription = subscribe(&broker);
        let old = take(&subscription).await;
        broker.lose_connection("cut");
        let new = take(&subscription).await;
        old.done();
        new.done();
        broker.wait_until("the ack", |state| state.all_acked()).await;
        subscription.close().await.unwrap();
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn a_message_of_a_revoked_partition_is_handed_to_nobody_else() {
    let broker = FakeBroker::kafka();
    broker.publish_to(0, "theirs");
    let subscription = subscribe(&broker);
    let received = take(&subscription).await;
    broker.revoke(0);
    broker.publish_to(1, "ours");
    let ours = take(&subscription).await;
    assert_eq!(text(&ours), "ours");
    drop(received);
    ours.done();
    let none = subscription.take(Instant::now() + Duration::from_millis(20)).await;
    assert!(matches!(none.unwrap_err(), NotTaken::Late { .. }));
    broker.wait_until("both settlements", |state| state.messages.iter().all(|one| one.is_in_order())).await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn closing_gives_back_what_nobody_took() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 3);
    let subscription = subscribe(&broker);
    let received = take(&subscription).await;
    broker.wait_until("the read-ahead", |state| state.delivered == 2).await;
    subscription.close().await.unwrap();
    drop(received); // too late to be told, and no harm: its connection is gone
    assert_eq!(broker.look(|state| state.count(Fate::Ready)), 3);
    broker.assert_no_violations();
}

/// Says how often it was told that an event is done.
struct Told {
    fails: bool,
    done: Arc<AtomicUsize>,
    runs: AtomicUsize,
}

impl Handler for Told {
    type Reply = ();

    async fn handle(&self, _: &Event, _: Instant) -> Handled<()> {
        let is_first = self.runs.fetch_add(1, Ordering::SeqCst) == 0;
        let failure = (self.fails && is_first).then(|| Failure::new(FailureKind::Other, "not yet"));
        let done = Arc::clone(&self.done);
        let on_done: siphon_core::OnDone = Box::new(move || {
            done.fetch_add(1, Ordering::SeqCst);
        });
        Handled { reply: None, failure, on_done: Some(on_done) }
    }
}

#[tokio::test]
async fn the_handler_is_told_once_an_event_is_done_and_not_when_it_failed() {
    for fails in [false, true] {
        let (broker, done) = (FakeBroker::rabbitmq(), Arc::<AtomicUsize>::default());
        broker.publish("order");
        let handler = Arc::new(Told { fails, done: Arc::clone(&done), runs: AtomicUsize::new(0) });
        let agent = TestAgent::start(spec(&broker), &handler);
        broker.wait_until("the ack", |state| state.all_acked()).await;
        assert_eq!(done.load(Ordering::SeqCst), 1, "before the acknowledgement");
        agent.drain().await;
        assert_eq!(handler.runs.load(Ordering::SeqCst), if fails { 2 } else { 1 });
    }
}
