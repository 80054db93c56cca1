//! Verdicts on their way to the stream, and signs of life for events that take long.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Subject;
use async_nats::jetstream::AckKind;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use siphon_sdk::{Error, Settlement, Settler, Verdict};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Durable;
use crate::consumer;
use crate::error;
use crate::receive::Shared;

/// How long to wait for the last messages of a subscription that was ended.
const LEFTOVER: Duration = Duration::from_secs(1);

/// The settling half.
pub struct Judge {
    shared: Arc<Shared>,
    /// Waits for the confirmation of each acknowledgement.
    is_sure: bool,
    heart: JoinHandle<()>,
}

impl Judge {
    pub fn new(shared: Arc<Shared>, is_sure: bool) -> Self {
        let heart = tokio::spawn(report_progress(Arc::clone(&shared)));
        Self { shared, is_sure, heart }
    }

    /// What the server is to be told, and where.
    fn words(&self, settlements: &[Settlement]) -> Vec<(Subject, AckKind)> {
        let mut held = self.shared.held();
        let mut words = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            let Some(delivery) = held.settle(settlement.id) else {
                tracing::debug!(sequence = settlement.id, "settled already");
                continue;
            };
            let word = word(settlement.verdict);
            if matches!(word, AckKind::Nak(_)) && is_last(delivery.count, self.shared.info.config.max_deliver) {
                let (sequence, count) = (settlement.id, delivery.count);
                tracing::error!(
                    sequence,
                    count,
                    "not done, and delivered max_deliver times: it stays in the stream and comes to nobody"
                );
            }
            words.push((delivery.reply, word));
        }
        words
    }

    async fn send(&self, subject: Subject, word: AckKind) -> Result<(), Error> {
        let sent = self.shared.link.client.publish(subject, word.into()).await;
        sent.map_err(error::unexpected)
    }

    /// Sends and awaits the server's answer. Without one the event comes again, or not: either way it is not lost.
    async fn send_for_sure(&self, subject: Subject, word: AckKind) {
        if let Err(error) = self.shared.link.client.request(subject, Bytes::from(word)).await {
            tracing::warn!(%error, "an acknowledgement was not confirmed: its event may come again");
        }
    }

    /// Gives back what came for a subscription that nobody reads any more.
    async fn give_back_leftover(&self) -> Result<(), Error> {
        let leftover = self.shared.leftover.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut leftover) = leftover else { return Ok(()) };
        leftover.drain().await.map_err(error::unexpected)?;
        while let Ok(Some(message)) = timeout(LEFTOVER, leftover.next()).await {
            if let Some(reply) = message.reply.filter(|_| message.status.is_none()) {
                self.send(reply, AckKind::Nak(None)).await?;
            }
        }
        Ok(())
    }

    async fn ask(&self) -> Result<(), Error> {
        let Shared { link, context, info, .. } = &*self.shared;
        let durable = Durable { stream: &info.stream_name, name: &info.name };
        let Some(now) = consumer::existing(link, context, durable).await? else {
            return Err(error::consumer_is_gone(&info.name, &info.stream_name, "consumer not found"));
        };
        link.note_lag(now.num_pending);
        Ok(())
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

impl Settler for Judge {
    /// The words go into the client's queue, which writes all that is there in one go.
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let words = self.words(settlements);
        if self.is_sure && self.shared.link.is_connected() {
            join_all(words.into_iter().map(|(subject, word)| self.send_for_sure(subject, word))).await;
            return Ok(());
        }
        for (subject, word) in words {
            self.send(subject, word).await?;
        }
        Ok(())
    }

    /// Asks for the consumer: it may be gone although the connection stands.
    async fn ping(&mut self) -> Result<(), Error> {
        self.shared.link.require()?;
        self.ask().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.heart.abort();
        // Without a connection the words wait in the client: the server hears them if the process lives so long.
        self.shared.link.require()?;
        self.give_back_leftover().await?;
        self.shared.link.client.flush().await.map_err(error::unexpected)?;
        self.shared.link.round_trip().await
    }
}

fn word(verdict: Verdict) -> AckKind {
    match verdict {
        Verdict::Ack => AckKind::Ack,
        Verdict::Requeue | Verdict::Retry { delay_ms: 0 } => AckKind::Nak(None),
        Verdict::Retry { delay_ms } => AckKind::Nak(Some(Duration::from_millis(delay_ms))),
        Verdict::Reject => AckKind::Term,
    }
}

/// Whether the server will not deliver it any more. No limit is -1, or 0.
fn is_last(count: u32, max_deliver: i64) -> bool {
    max_deliver > 0 && i64::from(count) >= max_deliver
}

/// Tells the server of events that are in progress, until the task is ended.
async fn report_progress(shared: Arc<Shared>) {
    let every = shared.held().look_every();
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if !shared.link.is_connected() {
            continue; // the words would wait, and be late
        }
        let overdue = shared.held().overdue(Instant::now());
        for subject in overdue {
            if shared.link.client.publish(subject, AckKind::Progress.into()).await.is_err() {
                return; // the receiving half says why
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_word() {
        for (verdict, expected) in [
            (Verdict::Ack, "+ACK"),
            (Verdict::Requeue, "-NAK"),
            (Verdict::Retry { delay_ms: 0 }, "-NAK"),
            (Verdict::Retry { delay_ms: 1_500 }, "-NAK {\"delay\":1500000000}"),
            (Verdict::Reject, "+TERM"),
        ] {
            assert_eq!(Bytes::from(word(verdict)), expected, "{verdict:?}");
        }
    }

    #[test]
    fn the_last_delivery_is_known_as_such() {
        assert_eq!([is_last(2, 3), is_last(3, 3), is_last(4, 3)], [false, true, true]);
        assert_eq!([is_last(99, -1), is_last(99, 0)], [false, false]);
    }
}
