//! What the driver holds: a [`Store`] for each file, a [`Consumer`] for each agent that reads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::command::{Answer, Claim, Command, Job, Publish, Settle, Subscribe};
use super::engine::ConsumerId;
use super::error::{Fault, StoreError};
use super::event::{Event, MAX_EVENT_BYTES, NewEvent, Settled, Settlement, Verdict};
use super::inbox::{self, Outbox};
use super::keeper;
use super::settle::Route;
use crate::topic::TopicFilter;

/// One file, shared by everybody in this process who opened it. The file is closed after the last.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    commands: Outbox,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// The place of one file among all that are open; locked while it is being opened.
type Place = Arc<tokio::sync::Mutex<Weak<Shared>>>;

static PLACES: LazyLock<Mutex<HashMap<PathBuf, Place>>> = LazyLock::new(Mutex::default);

impl Store {
    /// Opens the file at `path`, creating it when there is none.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let place = place_of(&one_name(path));
        let mut open = place.lock().await;
        if let Some(shared) = open.upgrade().filter(|shared| !shared.commands.is_closed()) {
            return Ok(Self { shared });
        }
        let store = Self::open_alone(path).await?;
        *open = Arc::downgrade(&store.shared);
        Ok(store)
    }

    /// Opens the file with a connection of its own, as another process would.
    pub async fn open_alone(path: &Path) -> Result<Self, StoreError> {
        let (commands, inbox) = inbox::channel();
        let (opened, is_open) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        keeper::start(path, inbox, opened, ended)?;
        is_open.await.unwrap_or_else(|_| Err(Fault::Closed.at(path)))?;
        let ended = Mutex::new(Some(has_ended));
        Ok(Self { shared: Arc::new(Shared { path: path.to_owned(), commands, ended }) })
    }

    /// Stores `events` in `queue`; they are on the disk when this returns. All or none. Their numbers,
    /// in the same order.
    pub async fn publish(&self, queue: &str, events: Vec<NewEvent>) -> Result<Vec<i64>, StoreError> {
        for event in &events {
            let size = event.size();
            if size > MAX_EVENT_BYTES {
                return Err(Fault::TooLarge { size }.at(&self.shared.path));
            }
        }
        let (job, answer) = Job::new(Publish { queue: queue.to_owned(), events });
        self.ask(Command::Publish(job), answer).await
    }

    /// A consumer of the events of `route.queue` that `filter` lets through.
    pub async fn consumer(&self, route: Route, filter: TopicFilter, lease: Duration) -> Result<Consumer, StoreError> {
        let alive = Arc::new(());
        let wish = Subscribe { route, filter, lease, alive: Arc::downgrade(&alive) };
        let (job, answer) = Job::new(wish);
        let id = self.ask(Command::Subscribe(job), answer).await?;
        Ok(Consumer { store: self.clone(), id, _alive: alive })
    }

    /// Whether the file can be written.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let (job, answer) = Job::new(());
        self.ask(Command::Ping(job), answer).await
    }

    #[cfg(test)]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Lets go of the file; when nobody else in this process has it, waits until it is closed.
    pub async fn close(self) {
        let Some(shared) = Arc::into_inner(self.shared) else { return };
        drop(shared.commands);
        let ended = shared.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = ended {
            // The sender is never used, only dropped: an error is the end we wait for.
            let _ = ended.await;
        }
    }

    async fn ask<O>(&self, command: Command, answer: Answer<O>) -> Result<O, StoreError> {
        let closed = || Fault::Closed.at(&self.shared.path);
        if !self.shared.commands.send(command).await {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// One reader of a queue, and the leases that it holds.
///
/// Leases are renewed as long as this lives. When it is dropped without [`close`](Self::close), they
/// end by themselves.
#[derive(Debug)]
pub struct Consumer {
    store: Store,
    id: ConsumerId,
    _alive: Arc<()>,
}

impl Consumer {
    /// Waits for events and leases up to `max` of them, at least one, the oldest first.
    ///
    /// When the future is dropped, events that were claimed for it are given back, at the latest by
    /// [`close`](Self::close).
    pub async fn claim(&self, max: usize) -> Result<Vec<Event>, StoreError> {
        let (job, answer) = Job::new(Claim { consumer: self.id, max: max.max(1) });
        let mut claiming = Claiming { consumer: self, answer };
        let closed = || Fault::Closed.at(&self.store.shared.path);
        if !self.store.shared.commands.send(Command::Claim(job)).await {
            return Err(closed());
        }
        (&mut claiming.answer).await.unwrap_or_else(|_| Err(closed()))
    }

    /// Carries out `settlements`; they are on the disk when this returns. For each, whether it counted.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, StoreError> {
        let (job, answer) = Job::new(Settle { consumer: self.id, settlements });
        self.store.ask(Command::Settle(job), answer).await
    }

    /// Gives back what is still held, as failed attempts that may be made again at once.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (job, answer) = Job::new(self.id);
        self.store.ask(Command::Close(job), answer).await
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn into_store(self) -> Store {
        self.store
    }
}

/// A claim under way. When it is given up in the moment between the answer and its being read, what
/// was claimed goes back.
struct Claiming<'a> {
    consumer: &'a Consumer,
    answer: Answer<Vec<Event>>,
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(events)) = self.answer.try_recv() {
            let give_back = |event: &Event| Settlement { ticket: event.ticket, verdict: Verdict::Requeue };
            let settlements = events.iter().map(give_back).collect();
            let job = Job::unattended(Settle { consumer: self.consumer.id, settlements });
            self.consumer.store.shared.commands.send_at_once(Command::Settle(job));
        }
    }
}

fn place_of(path: &Path) -> Place {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.entry(path.to_owned()).or_default().clone()
}

/// The same name for all that lead to the same file, also when it does not exist yet.
fn one_name(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
