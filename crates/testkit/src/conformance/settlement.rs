//! What becomes of events that were judged.

use std::time::{Duration, Instant};

use siphon_core::abi::Capabilities;
use siphon_core::plugin::{Handle, Verdict};

use super::lab::{Lab, handles, names, texts};

/// Long enough to be told from "at once", and from clocks that differ a little.
const DELAY: Duration = Duration::from_millis(600);

/// What the clocks of the broker and of this process may differ over the delay.
const TOLERANCE: Duration = Duration::from_millis(100);

pub(super) async fn acknowledged(lab: Lab<'_>) {
    lab.publish(names("event", 8)).await; // no more than the smallest prefetch
    let mut consumer = lab.open();
    let events = consumer.take(8).await;
    consumer.finish(events).await;
    lab.is_empty().await;
}

pub(super) async fn given_back(lab: Lab<'_>) {
    comes_again(&lab, Verdict::REQUEUE).await;
}

pub(super) async fn failed(lab: Lab<'_>) {
    let (first, second) = comes_again(&lab, Verdict::RETRY).await;
    if lab.can(Capabilities::ATTEMPTS)
        && let (Some(first), Some(second)) = (first, second)
    {
        assert!(second > first, "attempt {second} follows attempt {first}");
    }
}

/// Three events come again after this verdict; the attempt of one of them, before and after.
async fn comes_again(lab: &Lab<'_>, verdict: Verdict) -> (Option<u32>, Option<u32>) {
    lab.publish(names("event", 3)).await;
    let mut consumer = lab.open();
    let events = consumer.take(3).await;
    consumer.settle(&handles(&events), verdict, Duration::ZERO).await;
    let again = consumer.take(3).await;
    let mut found = texts(&again);
    found.sort();
    assert_eq!(found, names("event", 3).into_iter().collect::<Vec<_>>(), "they come again");
    let attempts = (events[0].attempt(), again[0].attempt());
    consumer.finish(again).await;
    lab.is_empty().await;
    attempts
}

pub(super) async fn delayed(lab: Lab<'_>) {
    lab.publish(["delayed"]).await;
    let mut consumer = lab.open();
    let events = consumer.take(1).await;
    let judged = Instant::now();
    consumer.settle(&handles(&events), Verdict::RETRY, DELAY).await;
    let again = consumer.take(1).await;
    let waited = judged.elapsed();
    assert_eq!(texts(&again), ["delayed"]);
    assert!(waited + TOLERANCE >= DELAY, "it came again after {waited:?}, before its {DELAY:?} had passed");
    consumer.finish(again).await;
    lab.is_empty().await;
}

pub(super) async fn rejected(lab: Lab<'_>) {
    // Its queue may have to be there before something is sent to it.
    let mut dead = lab.queue.dead_letters.as_deref().map(|config| lab.open_with(config));
    if let Some(dead) = &mut dead {
        dead.connected().await;
    }
    lab.publish(["rejected"]).await;
    let mut consumer = lab.open();
    let events = consumer.take(1).await;
    consumer.settle(&handles(&events), Verdict::REJECT, Duration::ZERO).await;
    consumer.close().await;
    if let Some(mut dead) = dead {
        let events = dead.take(1).await;
        assert_eq!(texts(&events), ["rejected"], "it is where rejected events go");
        dead.finish(events).await;
    }
    lab.is_empty().await;
}

pub(super) async fn twice(lab: Lab<'_>) {
    lab.publish(names("event", 3)).await;
    let mut consumer = lab.open();
    let events = consumer.take(3).await;
    let own = handles(&events);
    let unknown = Handle { id: own.iter().map(|handle| handle.id).max().unwrap_or_default() + 1_000_000, ..own[0] };
    consumer.settle(&[own[0]], Verdict::ACK, Duration::ZERO).await;
    consumer.settle(&[own[0], unknown], Verdict::ACK, Duration::ZERO).await;
    consumer.settle(&[own[0], unknown], Verdict::REQUEUE, Duration::ZERO).await;
    consumer.ping().await;
    consumer.settle(&own[1..], Verdict::ACK, Duration::ZERO).await;
    lab.publish(["one more"]).await;
    let more = consumer.take(1).await;
    assert_eq!(texts(&more), ["one more"], "no event comes twice");
    consumer.finish(more).await;
    lab.is_empty().await;
}
