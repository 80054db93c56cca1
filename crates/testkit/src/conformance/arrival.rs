//! How events arrive.

use std::collections::BTreeMap;

use super::lab::{IN_FLIGHT, Lab, names, texts};

/// Larger than any buffer on the way, smaller than what brokers refuse by default.
const BIG: usize = 900_000;

/// Every byte value, so that nothing on the way may take it for text.
fn big() -> Vec<u8> {
    (0..=255u8).cycle().take(BIG).collect()
}

pub(super) async fn payloads(lab: Lab<'_>) {
    let mut published = vec![b"text".to_vec(), Vec::new(), vec![0xff, 0x00, 0xfe], big()];
    lab.publish(&published).await;
    let mut consumer = lab.open();
    let events = consumer.take(published.len()).await;
    let mut arrived: Vec<Vec<u8>> = events.iter().map(|event| event.payload().to_vec()).collect();
    published.sort();
    arrived.sort();
    assert!(arrived == published, "payloads of {:?} bytes arrived", lengths(&arrived));
    consumer.finish(events).await;
    lab.is_empty().await;
}

fn lengths(payloads: &[Vec<u8>]) -> Vec<usize> {
    payloads.iter().map(Vec::len).collect()
}

pub(super) async fn headers(lab: Lab<'_>) {
    let published = [("x-tenant".to_owned(), "7".to_owned()), ("x-text".to_owned(), "ä, b; c".to_owned())];
    lab.publish_with(vec![b"with headers".to_vec()], &published).await;
    let mut consumer = lab.open();
    let events = consumer.take(1).await;
    let arrived: Vec<(&[u8], &[u8])> = events[0].headers().collect();
    for (name, value) in &published {
        let is_there = arrived.contains(&(name.as_bytes(), value.as_bytes()));
        assert!(is_there, "the header {name} arrives unchanged; there is {arrived:?}");
    }
    consumer.finish(events).await;
}

/// Within a partition, where there are some.
pub(super) async fn order(lab: Lab<'_>) {
    let published = names("event", 200);
    lab.publish(&published).await;
    let mut consumer = lab.open();
    let mut last: BTreeMap<Option<i32>, String> = BTreeMap::new();
    let mut count = 0;
    while count < published.len() {
        let events = consumer.take(1).await;
        for (event, text) in events.iter().zip(texts(&events)) {
            let before = last.insert(event.partition(), text.clone());
            assert!(before.as_ref().is_none_or(|before| *before < text), "{text} came after {before:?}");
        }
        count += events.len();
        consumer.acknowledge(&events).await;
    }
    consumer.close().await;
}

/// Nothing is settled until nothing more comes.
pub(super) async fn bound(lab: Lab<'_>) {
    let published = names("event", IN_FLIGHT * 2 + 1);
    lab.publish(&published).await;
    let mut consumer = lab.open();
    let mut seen = Vec::new();
    while seen.len() < published.len() {
        let mut events = consumer.take(1).await;
        events.extend(consumer.take_all_there_are().await);
        assert!(events.len() <= IN_FLIGHT, "{} events are out, {IN_FLIGHT} are allowed", events.len());
        seen.extend(texts(&events));
        consumer.acknowledge(&events).await;
    }
    seen.sort();
    assert_eq!(seen, published.into_iter().collect::<Vec<_>>(), "every event comes once");
    consumer.close().await;
}

pub(super) async fn outlives(lab: Lab<'_>) {
    lab.publish([big()]).await;
    let mut consumer = lab.open();
    let events = consumer.take(1).await;
    let payload = events[0].payload().clone();
    consumer.finish(events).await;
    assert!(payload == big(), "the payload is what it was");
}

pub(super) async fn ping(lab: Lab<'_>) {
    let mut consumer = lab.open();
    consumer.connected().await;
    consumer.ping().await;
    consumer.close().await;
}
