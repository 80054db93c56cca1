//! Messages of plain subjects: nobody acknowledges, nobody keeps. At most once, as far as NATS goes; a failed event is tried
//! again for as long as the process lives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Message as Delivered, Subscriber};
use futures_util::stream::{SelectAll, select_all};
use futures_util::{FutureExt as _, StreamExt as _};
use siphon_sdk::{Batch, Context, Error, Receiver, Settlement, Settler, Verdict};
use tokio::sync::Notify;

use crate::config::Config;
use crate::error;
use crate::kept::Kept;
use crate::link::{Link, News};
use crate::message::Names;
use crate::receive::sleep_until;

/// What the two halves share.
struct Shared {
    link: Arc<Link>,
    kept: Mutex<Kept>,
    /// There is room again, or something to be tried again.
    changed: Notify,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving half.
pub struct Listener {
    shared: Arc<Shared>,
    subscribers: SelectAll<Subscriber>,
    names: Names,
    news: News,
}

/// The settling half.
pub struct Forgetter {
    shared: Arc<Shared>,
}

/// Listens to the agent's topics, in the queue group if there is one.
///
/// # Errors
///
/// The client has ended.
pub async fn listen(link: Arc<Link>, config: &Config, context: &Context) -> Result<(Listener, Forgetter), Error> {
    let mut subscribers = Vec::new();
    for topic in &context.topics {
        subscribers.push(
            match &config.queue {
                Some(queue) => link.client.queue_subscribe(topic.clone(), queue.clone()).await,
                None => link.client.subscribe(topic.clone()).await,
            }
            .map_err(error::unexpected)?,
        );
    }
    // The server has the subscriptions: what is published from here on comes.
    link.round_trip().await?;
    let news = News::of(&link);
    let kept = Mutex::new(Kept::new(context.max_in_flight));
    let shared = Arc::new(Shared { link, kept, changed: Notify::new() });
    let subscribers = select_all(subscribers);
    Ok((Listener { shared: Arc::clone(&shared), subscribers, names: Names::default(), news }, Forgetter { shared }))
}

impl Listener {
    fn take(&mut self, delivered: Delivered, batch: &mut Batch) {
        let mut kept = self.shared.kept();
        let id = kept.next_id();
        let message = self.names.of_subject(id, delivered);
        batch.push(kept.came(id, message));
    }

    /// Takes what is there without waiting, failed ones first. True: there was something.
    fn take_ready(&mut self, batch: &mut Batch) -> bool {
        let before = batch.room();
        self.shared.kept().take_due(before, Instant::now()).into_iter().for_each(|message| batch.push(message));
        while self.room(batch) > 0 {
            let Some(Some(delivered)) = self.subscribers.next().now_or_never() else { break };
            self.take(delivered, batch);
        }
        batch.room() < before
    }

    fn room(&self, batch: &Batch) -> usize {
        batch.room().min(self.shared.kept().room())
    }
}

impl Receiver for Listener {
    const POLLS_WITHOUT_ROOM: bool = true;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        loop {
            let told = self.news.tell(&self.shared.link, batch)?;
            if told.is_new | self.take_ready(batch) {
                return Ok(());
            }
            let (has_room, has_place) = (batch.room() > 0, self.room(batch) > 0);
            let due = self.shared.kept().next_due().filter(|_| has_room);
            tokio::select! {
                delivered = self.subscribers.next(), if has_place => match delivered {
                    Some(delivered) => {
                        self.take(delivered, batch);
                        return Ok(());
                    }
                    None => return Err(error::unexpected("the client has ended")),
                },
                changed = self.news.changed() => changed?,
                () = self.shared.changed.notified() => {}
                () = sleep_until(due) => {}
                () = batch.room_changed(), if !has_room => return Ok(()),
            }
        }
    }
}

impl Settler for Forgetter {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let now = Instant::now();
        let mut kept = self.shared.kept();
        for settlement in settlements {
            match settlement.verdict {
                Verdict::Ack => kept.finish(settlement.id),
                Verdict::Reject => {
                    tracing::error!("an event failed for good, and plain NATS has nowhere to put it: it is lost");
                    kept.finish(settlement.id);
                }
                Verdict::Requeue => kept.again(settlement.id, now),
                Verdict::Retry { delay_ms } => kept.again(settlement.id, now + Duration::from_millis(delay_ms)),
            }
        }
        drop(kept);
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.shared.link.round_trip().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        let count = self.shared.kept().len();
        if count > 0 {
            tracing::warn!(count, "lost: events that were not done when the agent ended; a stream would keep them");
        }
        Ok(())
    }
}
