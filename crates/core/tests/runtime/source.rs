//! A source by itself: what the plugin host promises to the supervisor.

use std::time::Duration;

use siphon_core::Event;
use siphon_core::plugin::{Arrival, Handle, OpenOptions, Outgoing, Settlement, Sink, Source, Verdict};
use siphon_sdk::Verdict as Said;
use siphon_testkit::{Call, FakeBroker, Fate, driver, spec};

/// Opens a source with a ring of four messages.
pub fn open(broker: &FakeBroker) -> Source {
    let options = OpenOptions { read_ahead: 4, max_in_flight: 100, ..spec(broker).open_options() };
    Source::open(&driver(broker), &options).unwrap()
}

/// Takes exactly `count` events, waiting for them.
pub async fn events(source: &mut Source, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        let mut keep = |arrival| {
            if let Arrival::Event(event) = arrival {
                events.push(event);
            }
        };
        if source.next(1, &mut keep).unwrap() == 0 {
            source.rung().await;
        }
    }
    events
}

pub fn settlement(handle: Handle, verdict: Verdict) -> Settlement {
    Settlement { handle, verdict, reserved: 0, delay_ms: 0 }
}

pub fn ack(handle: Handle) -> Settlement {
    settlement(handle, Verdict::ACK)
}

#[tokio::test]
async fn next_hands_over_at_most_as_many_as_asked() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 4);
    let mut source = open(&broker);
    broker.wait_until("a full ring", |state| state.delivered == 4).await;
    source.ping().await.unwrap(); // answered by the task that has put them into the ring
    let taken = [0, 3, 3, 3].map(|events| source.next(events, drop).unwrap());
    assert_eq!(taken, [1, 3, 1, 0], "the notice of the connection, then four messages");
}

#[tokio::test]
async fn commands_and_settlements_never_cancel_recv() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 8);
    let mut source = open(&broker);
    for _ in 0..8 {
        let event = events(&mut source, 1).await.remove(0);
        source.settle(&[ack(event.handle())]);
        source.ping().await.unwrap();
        source.pause(true).await.unwrap();
        source.pause(false).await.unwrap();
    }
    broker.wait_until("all acks", |state| state.all_acked()).await;
    assert_eq!(broker.look(|state| state.cancelled_receives), 0);
    source.close(Duration::from_secs(5)).await.unwrap();
    assert!(broker.look(|state| state.cancelled_receives) <= 1, "close may cancel the one that waits");
}

#[tokio::test]
async fn settlements_beyond_the_drivers_room_wait_for_the_bell() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Settle);
    broker.publish_many("order", 600);
    let mut source = open(&broker);
    let mut waited = 0;
    for _ in 0..600 {
        let ack = ack(events(&mut source, 1).await[0].handle());
        while source.settle(&[ack]) == 0 {
            waited += 1;
            broker.resume(Call::Settle);
            source.rung().await;
        }
    }
    assert!(waited > 0, "the driver took everything although it stalled");
    broker.wait_until("all acks", |state| state.all_acked()).await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_paused_source_fetches_nothing_until_it_is_resumed() {
    let broker = FakeBroker::rabbitmq();
    let mut source = open(&broker);
    source.pause(true).await.unwrap_or_default(); // also before the connection is there
    broker.wait_until("the connection", |state| state.is_connected).await;
    source.pause(true).await.unwrap();
    // The `recv` that was under way is not cancelled: what it brings is kept.
    broker.publish_many("order", 10);
    source.ping().await.unwrap();
    source.pause(false).await.unwrap();
    assert_eq!(events(&mut source, 10).await.len(), 10);
    assert!(broker.look(|state| state.pauses.ends_with(&[true, false])));
}

#[tokio::test]
async fn a_verdict_of_a_later_siphon_gives_the_message_back() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let mut source = open(&broker);
    let event = events(&mut source, 1).await.remove(0);
    source.settle(&[settlement(event.handle(), siphon_core::abi::Verdict(77))]);
    broker.wait_until("the settlement", |state| !state.messages[0].settlements.is_empty()).await;
    broker.look(|state| assert_eq!(state.messages[0].verdicts(), [Said::Requeue]));
}

#[tokio::test]
async fn every_verdict_arrives_as_it_was_said() {
    let broker = FakeBroker::sqlite();
    broker.publish_many("order", 4);
    let mut source = open(&broker);
    let verdicts = [Verdict::ACK, Verdict::REJECT, Verdict::REQUEUE, Verdict::RETRY];
    let taken = events(&mut source, 4).await;
    let mut settlements: Vec<_> =
        taken.iter().zip(verdicts).map(|(event, verdict)| settlement(event.handle(), verdict)).collect();
    settlements[3].delay_ms = 3_600_000;
    assert_eq!(source.settle(&settlements), 4);
    broker.wait_until("four settlements", |state| state.messages.iter().all(|one| !one.settlements.is_empty())).await;
    let fates = broker.look(|state| state.messages.iter().map(|message| message.fate).collect::<Vec<_>>());
    assert_eq!((fates[0], fates[1], fates[3]), (Fate::Acked, Fate::Rejected, Fate::Delayed));
    assert!(broker.look(|state| state.messages[2].verdicts() == [Said::Requeue]));
}

#[tokio::test]
async fn settling_twice_confuses_nobody() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 8);
    let mut source = open(&broker);
    let first = events(&mut source, 1).await.remove(0);
    (0..20).for_each(|_| assert_eq!(source.settle(&[ack(first.handle())]), 1));
    let others = events(&mut source, 7).await;
    others.iter().for_each(|event| assert_eq!(source.settle(&[ack(event.handle())]), 1));
    broker.wait_until("all acks", |state| state.all_acked()).await;
    assert_eq!(broker.look(|state| state.violations.len()), 19, "the broker saw each of them");
}

#[tokio::test]
async fn a_ping_before_the_connection_is_answered() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Connect);
    let source = open(&broker);
    let error = source.ping().await.unwrap_err();
    assert_eq!(error.message, "not connected yet");
    source.close(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn close_is_bounded_by_its_deadline() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Close);
    let source = open(&broker);
    broker.wait_until("the connection", |state| state.is_connected).await;
    let error = source.close(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.message, "the broker did not answer in time");
}

fn outgoing(payload: &str) -> Outgoing {
    Outgoing { payload: payload.to_owned().into(), ..Outgoing::default() }
}

fn sink(broker: &FakeBroker) -> Sink {
    let registry = siphon_testkit::fake::registry();
    Sink::open(registry.sink(broker.key()).unwrap(), &spec(broker).open_options()).unwrap()
}

#[tokio::test]
async fn a_sink_says_how_many_were_confirmed_and_connects_again() {
    let broker = FakeBroker::rabbitmq();
    let sink = sink(&broker);
    assert_eq!(sink.publish(&[outgoing("a"), outgoing("b")]).await, (2, Ok(())));
    broker.fail_publishes(1);
    let (confirmed, result) = sink.publish(&[outgoing("c"), outgoing("d")]).await;
    assert_eq!((confirmed, result.unwrap_err().message.as_str()), (0, "not confirmed"));
    assert_eq!(sink.publish(&[outgoing("e")]).await, (1, Ok(())));
    assert_eq!(broker.look(|state| state.connect_attempts), 2, "after an error of the connection");
    sink.close(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn publishes_at_once_are_answered_each_with_its_share() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Publish);
    let sink = sink(&broker);
    let answers: Vec<_> = (1..=4).map(|count| sink.publish(&vec![outgoing("a"); count])).collect();
    broker.resume(Call::Publish);
    for (answer, count) in answers.into_iter().zip(1..) {
        assert_eq!(answer.await, (count, Ok(())));
    }
    assert_eq!(sink.publish(&[]).await, (0, Ok(())));
}

#[tokio::test]
async fn a_sink_that_is_freed_while_it_stalls_answers_closed() {
    let broker = FakeBroker::rabbitmq();
    broker.stall(Call::Publish);
    let sink = sink(&broker);
    let answer = sink.publish(&[outgoing("a")]);
    drop(sink);
    let (confirmed, result) = answer.await;
    assert_eq!((confirmed, result.unwrap_err().kind), (0, siphon_core::abi::ErrorKind::CLOSED));
}
