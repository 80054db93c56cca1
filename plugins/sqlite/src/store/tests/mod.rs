//! The store under a fake clock, without its thread; `threads` has the real ones.

mod claims;
mod faults;
mod model;
mod settlements;
mod threads;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Now;
use super::command::{Answer, Claim, Command, Job, Publish, Settle, Subscribe};
use super::engine::{ConsumerId, Engine};
use super::event::{Event, NewEvent, Settled, Settlement, Ticket, Verdict};
use super::inbox::{self, Outbox};
use super::keeper::Keeper;
use super::settle::Route;
use super::{StoreError, schema};
use crate::topic::TopicFilter;

pub const LEASE: Duration = Duration::from_secs(30);

/// A folder with a place for a queue file.
pub fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("events.db");
    (folder, path)
}

pub fn route(queue: &str) -> Route {
    Route { queue: queue.to_owned(), dead_letter_queue: format!("{queue}.dead") }
}

pub fn event(topic: &str, payload: &str) -> NewEvent {
    NewEvent {
        topic: topic.to_owned(),
        payload: bytes::Bytes::copy_from_slice(payload.as_bytes()),
        ..NewEvent::default()
    }
}

/// A time that moves only when it is told to.
pub fn start_of_time() -> Now {
    Now { wall: 1_700_000_000_000, steady: Instant::now() }
}

pub fn later(now: Now, by: Duration) -> Now {
    Now { wall: now.wall + by.as_millis() as i64, steady: now.steady + by }
}

/// One process's view of a file: each call is one round of its keeper.
pub struct Bench {
    pub keeper: Keeper,
    pub now: Now,
    _outbox: Outbox,
}

pub struct Reader {
    pub id: ConsumerId,
    pub alive: Arc<()>,
}

impl Bench {
    pub fn open(path: &Path, now: Now) -> Self {
        Self::with(Engine::open(path, now).unwrap(), now)
    }

    pub fn with(engine: Engine, now: Now) -> Self {
        let (outbox, inbox) = inbox::channel();
        Self { keeper: Keeper::new(engine, inbox), now, _outbox: outbox }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now = later(self.now, by);
    }

    /// The answer to `command`, none when it waits for something.
    pub fn try_ask<O>(&mut self, command: Command, mut answer: Answer<O>) -> Option<Result<O, StoreError>> {
        self.keeper.round(vec![command], self.now).unwrap();
        answer.try_recv().ok()
    }

    pub fn publish(&mut self, queue: &str, events: Vec<NewEvent>) -> Vec<i64> {
        let (job, answer) = Job::new(Publish { queue: queue.to_owned(), events });
        self.try_ask(Command::Publish(job), answer).unwrap().unwrap()
    }

    /// A reader of `queue` with the patterns `topics`, divided by spaces.
    pub fn reader(&mut self, queue: &str, topics: &str) -> Reader {
        let patterns: Vec<&str> = topics.split(' ').filter(|topic| !topic.is_empty()).collect();
        let alive = Arc::new(());
        let wish = Subscribe {
            route: route(queue),
            filter: TopicFilter::new(&patterns),
            lease: LEASE,
            alive: Arc::downgrade(&alive),
        };
        let (job, answer) = Job::new(wish);
        let id = self.try_ask(Command::Subscribe(job), answer).unwrap().unwrap();
        Reader { id, alive }
    }

    /// Up to `max` events; none instead of waiting.
    pub fn claim(&mut self, reader: &Reader, max: usize) -> Vec<Event> {
        let (job, answer) = Job::new(Claim { consumer: reader.id, max });
        self.try_ask(Command::Claim(job), answer).map(Result::unwrap).unwrap_or_default()
    }

    /// Payloads of [`claim`](Self::claim).
    pub fn payloads(&mut self, reader: &Reader, max: usize) -> Vec<String> {
        let payload = |event: Event| String::from_utf8(event.payload).unwrap();
        self.claim(reader, max).into_iter().map(payload).collect()
    }

    pub fn settle(&mut self, reader: &Reader, ticket: Ticket, verdict: Verdict) -> Settled {
        let settlements = vec![Settlement { ticket, verdict }];
        let (job, answer) = Job::new(Settle { consumer: reader.id, settlements });
        self.try_ask(Command::Settle(job), answer).unwrap().unwrap()[0]
    }
}

/// Rows in the tables `state` and `content`.
pub fn rows(path: &Path) -> (i64, i64) {
    let connection = schema::open(path).unwrap();
    let count = |table| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    (count("state"), count("content"))
}
