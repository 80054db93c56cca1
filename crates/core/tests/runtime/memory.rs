//! Who owns a message, and when it is released: exactly once, also after the driver is gone.

use std::time::Duration;

use siphon_core::plugin::{Arrival, Source, SourceEnd};
use siphon_testkit::{Call, FakeBroker, driver, spec};

use crate::source::{events, open};

#[tokio::test]
async fn a_payload_outlives_its_source_and_is_released_once() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("the payload");
    let mut source = open(&broker);
    let event = events(&mut source, 1).await.remove(0);
    let payload = event.payload().clone();
    drop(event);
    source.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(broker.look(|state| state.released), 0);
    assert_eq!(&payload[..], b"the payload");
    let slice = payload.slice(4..);
    drop(payload);
    assert_eq!((&slice[..], broker.look(|state| state.released)), (&b"payload"[..], 0));
    drop(slice);
    assert_eq!(broker.look(|state| state.released), 1);
}

#[tokio::test]
async fn a_payload_may_be_released_on_another_thread() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let mut source = open(&broker);
    let event = events(&mut source, 1).await.remove(0);
    drop(source);
    std::thread::spawn(move || drop(event)).join().unwrap();
    assert_eq!(broker.look(|state| state.released), 1);
}

#[tokio::test]
async fn what_nobody_took_is_released_when_the_source_is_closed() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 6);
    let mut source = open(&broker);
    let event = events(&mut source, 1).await.remove(0);
    broker.wait_until("a full ring", |state| state.delivered >= 4).await;
    source.close(Duration::from_secs(5)).await.unwrap();
    broker.wait_until("all but one to be released", |state| state.released == state.delivered - 1).await;
    drop(event);
    assert!(broker.look(|state| state.released == state.delivered));
}

#[tokio::test]
async fn a_source_that_is_freed_without_being_closed_releases_everything() {
    let broker = FakeBroker::rabbitmq();
    broker.publish_many("order", 6);
    let source = open(&broker);
    broker.wait_until("a full ring", |state| state.delivered >= 3).await;
    let ping = source.ping();
    drop(source);
    broker.wait_until("the ring to be released", |state| state.released == state.delivered).await;
    broker.wait_until("the connection's end", |state| !state.is_connected).await;
    drop(ping.await);
}

#[tokio::test]
async fn a_source_that_is_freed_while_it_stalls_releases_everything() {
    for call in [Call::Connect, Call::Recv, Call::Settle, Call::Ping] {
        let broker = FakeBroker::rabbitmq();
        broker.stall(call);
        broker.publish_many("order", 6);
        let mut source = open(&broker);
        if !matches!(call, Call::Connect | Call::Recv) {
            let handles: Vec<_> = events(&mut source, 2).await.iter().map(siphon_core::Event::handle).collect();
            source.settle(&handles.into_iter().map(crate::source::ack).collect::<Vec<_>>());
        }
        let ping = source.ping();
        drop(source);
        let is_answered = ping.await.is_ok();
        assert!(!is_answered || call == Call::Recv, "{call:?} holds up its task, and so the answer");
        broker.wait_until("everything to be released", |state| state.released == state.delivered).await;
    }
}

#[tokio::test]
async fn an_event_shows_all_that_the_driver_told() {
    let broker = FakeBroker::kafka();
    broker.publish_to(3, "body");
    let mut source = Source::open(&driver(&broker), &spec(&broker).open_options()).unwrap();
    let event = events(&mut source, 1).await.remove(0);
    assert_eq!((event.topic(), event.key(), &event.payload()[..]), (&b"orders"[..], &b"key-0"[..], &b"body"[..]));
    assert_eq!(event.headers().collect::<Vec<_>>(), [(&b"number"[..], &b"0"[..])]);
    assert_eq!(event.attributes().collect::<Vec<_>>(), [(&b"message_id"[..], &b"message-0"[..])]);
    assert_eq!((event.partition(), event.offset(), event.attempt()), (Some(3), Some(0), None));
    assert_eq!(event.timestamp(), Some(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
}

#[tokio::test]
async fn notices_are_released_and_come_in_order() {
    let broker = FakeBroker::jetstream();
    let mut source = open(&broker);
    let mut seen = Vec::new();
    let mut lost = false;
    while seen.len() < 3 {
        let taken = source.next(9, |arrival| seen.push(describe(&arrival))).unwrap();
        if taken == 0 {
            source.rung().await;
        }
        if !lost && seen.len() == 1 {
            broker.lose_connection("the broker went away");
            lost = true;
        }
    }
    assert_eq!(seen, ["connected 0", "lost 1: the broker went away", "connected 2"]);
}

fn describe(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Connected { generation, .. } => format!("connected {generation}"),
        Arrival::Lost { generation, reason } => format!("lost {generation}: {reason}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_source_that_broke_says_why_and_goes_on_saying_it() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    let mut source = open(&broker);
    let event = events(&mut source, 1).await.remove(0);
    broker.lose_connection("the broker went away");
    let end = loop {
        match source.next(9, drop) {
            Ok(0) => source.rung().await,
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    let SourceEnd::Failed(error) = &end else { panic!("{end:?}") };
    assert_eq!((error.message.as_str(), error.is_temporary()), ("the broker went away", true));
    assert_eq!(source.next(9, drop), Err(end));
    assert_eq!(source.settle(&[crate::source::ack(event.handle())]), 1, "what comes too late is taken and forgotten");
    assert!(source.ping().await.is_err());
    assert!(source.close(Duration::from_secs(5)).await.is_err());
}
