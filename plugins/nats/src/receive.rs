//! Events of a stream on their way to the agent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::context::Context;
use async_nats::{Message as Delivered, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::json;
use siphon_sdk::{Batch, Error, Receiver};

use crate::consumer;
use crate::error;
use crate::held::{Delivery, Held};
use crate::link::{Link, News};
use crate::message::{Names, Place};
use crate::pull::{EXPIRES, Pull};

/// The wait before asking again a server that could not serve the last request.
const AGAIN: Duration = Duration::from_millis(250);

/// How long a consumer may be out of reach, while its server starts or its leader is elected, before it counts as gone.
const OUT_OF_REACH: Duration = Duration::from_secs(10);

/// What the two halves share.
pub struct Shared {
    pub link: Arc<Link>,
    pub context: Context,
    pub info: Info,
    held: Mutex<Held>,
    /// The subscription of the receiving half, when that is gone: what came for it must be given back.
    pub leftover: Mutex<Option<Subscriber>>,
}

impl Shared {
    pub fn new(link: Arc<Link>, context: Context, info: Info) -> Arc<Self> {
        let held = Mutex::new(Held::new(consumer::ack_wait(&info.config)));
        Arc::new(Self { link, context, info, held, leftover: Mutex::default() })
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving half.
pub struct Deliveries {
    shared: Arc<Shared>,
    inbox: String,
    /// `None` only while it is dropped.
    subscriber: Option<Subscriber>,
    requests: String,
    pull: Pull,
    names: Names,
    news: News,
    /// Not to be asked before.
    pause: Option<Instant>,
    /// Since when nobody answers for the consumer.
    out_of_reach: Option<Instant>,
}

impl Deliveries {
    /// # Errors
    ///
    /// The client has ended.
    pub async fn new(shared: Arc<Shared>) -> Result<Self, Error> {
        let client = &shared.link.client;
        let inbox = client.new_inbox();
        let subscriber = Some(client.subscribe(inbox.clone()).await.map_err(error::unexpected)?);
        let (stream, name, limits) = (&shared.info.stream_name, &shared.info.name, &shared.info.config);
        let requests = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let largest = usize::try_from(limits.max_batch).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
        let expires = if limits.max_expires.is_zero() { EXPIRES } else { limits.max_expires.min(EXPIRES) };
        let (pull, names) = (Pull::new(largest, expires), Names::of_consumer(stream, name));
        let news = News::of(&shared.link);
        Ok(Self { inbox, subscriber, requests, pull, names, news, pause: None, out_of_reach: None, shared })
    }

    /// Asks for as many as there is room for.
    async fn ask(&mut self, room: usize) -> Result<(), Error> {
        let now = Instant::now();
        self.pause = self.pause.filter(|until| *until > now);
        if self.pull.over().is_some_and(|over| over <= now) {
            self.pull.forgotten();
        }
        if self.pause.is_some() || !self.news.is_connected() {
            return Ok(());
        }
        let count = self.pull.ask(room, now);
        if count == 0 {
            return Ok(());
        }
        let expires = u64::try_from(self.pull.expires().as_nanos()).unwrap_or(u64::MAX);
        let request = json!({"batch": count, "expires": expires}).to_string();
        let client = &self.shared.link.client;
        let sent = client.publish_with_reply(self.requests.clone(), self.inbox.clone(), request.into()).await;
        sent.map_err(error::unexpected)
    }

    /// Takes what came. True: it is a message for the batch.
    fn take(&mut self, delivered: Delivered, batch: &mut Batch) -> Result<bool, Error> {
        if let Some(status) = delivered.status {
            return self.status(status.as_u16(), &delivered).map(|()| false);
        }
        self.out_of_reach = None;
        self.pull.arrived();
        let Some((place, reply)) = delivered.reply.clone().and_then(|reply| Some((Place::of(&reply)?, reply))) else {
            tracing::warn!(subject = delivered.subject.as_str(), "ignored: a message that is not from the stream");
            return Ok(false);
        };
        let delivery = Delivery { reply, count: place.count };
        if !self.shared.held().deliver(place.sequence, delivery, Instant::now()) {
            tracing::debug!(sequence = place.sequence, "delivered again while it is worked on");
            return Ok(false);
        }
        batch.push(self.names.of_stream(delivered, &place));
        Ok(true)
    }

    /// The server's word about a request.
    ///
    /// Source: <https://docs.nats.io/nats-concepts/jetstream/consumers>, ADR-37.
    fn status(&mut self, status: u16, delivered: &Delivered) -> Result<(), Error> {
        let said = delivered.description.as_deref().unwrap_or_default();
        let left = delivered.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok());
        match (status, said.to_lowercase().as_str()) {
            (100, _) => Ok(()),
            (404 | 408, _) => {
                self.out_of_reach = None;
                match left {
                    Some(left) => self.pull.ended(left),
                    None => self.pull.forgotten(),
                }
                Ok(())
            }
            (409, "batch completed" | "message size exceeds maxbytes") => {
                self.pull.ended(left.unwrap_or_default());
                Ok(())
            }
            (409, why) if why.contains("deleted") || why.contains("push based") => Err(self.gone(said)),
            (503, _) => {
                self.ask_again_later();
                let since = *self.out_of_reach.get_or_insert_with(Instant::now);
                if since.elapsed() > OUT_OF_REACH { Err(self.gone("no responders")) } else { Ok(()) }
            }
            _ => {
                tracing::debug!(status, said, "the server ended a request");
                self.ask_again_later();
                Ok(())
            }
        }
    }

    fn ask_again_later(&mut self) {
        self.pull.forgotten();
        self.pause = Some(Instant::now() + AGAIN);
    }

    fn gone(&self, why: &str) -> Error {
        error::consumer_is_gone(&self.shared.info.name, &self.shared.info.stream_name, why)
    }

    /// Takes what is there without waiting. True: there was a message for the batch.
    fn take_ready(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let mut is_filled = false;
        while let Some(Some(delivered)) = self.subscriber.as_mut().and_then(|ready| ready.next().now_or_never()) {
            is_filled |= self.take(delivered, batch)?;
        }
        Ok(is_filled)
    }

    /// Waits until something comes: a message or a status, which is returned, or news, or the time to ask again.
    async fn wait(&mut self) -> Result<Option<Delivered>, Error> {
        let Some(subscriber) = &mut self.subscriber else { return Err(error::unexpected("no subscription")) };
        let wake = [self.pause, self.pull.over()].into_iter().flatten().min();
        tokio::select! {
            delivered = subscriber.next() => {
                delivered.map(Some).ok_or_else(|| error::unexpected("the client has ended"))
            }
            changed = self.news.changed() => changed.map(|()| None),
            () = sleep_until(wake) => Ok(None),
        }
    }
}

impl Receiver for Deliveries {
    /// What happens to the connection is told at once, also while the agent has no room.
    const POLLS_WITHOUT_ROOM: bool = true;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut is_filled = false;
        loop {
            let told = self.news.tell(&self.shared.link, batch)?;
            if told.is_another_connection {
                self.pull.forgotten();
            }
            is_filled |= told.is_new | self.take_ready(batch)?;
            self.ask(batch.room()).await?;
            if is_filled {
                return Ok(());
            }
            let has_no_room = batch.room() == 0;
            let came = tokio::select! {
                came = self.wait() => came?,
                () = batch.room_changed(), if has_no_room => return Ok(()),
            };
            if let Some(delivered) = came {
                is_filled = self.take(delivered, batch)?;
            }
        }
    }
}

/// Leaves the subscription to the settling half, which gives back what came too late.
impl Drop for Deliveries {
    fn drop(&mut self) {
        *self.shared.leftover.lock().unwrap_or_else(PoisonError::into_inner) = self.subscriber.take();
    }
}

/// Waits for ever when there is nothing to wait for.
pub async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
