//! What goes on beside reading: commits, and looking whether the brokers are there. Each waits in a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use siphon_sdk::{Batch, Error};
use tokio::sync::oneshot::{Receiver, channel, error::TryRecvError};
use tokio::time::Instant;

use crate::error;
use crate::session::{Session, is_overtaken};

/// How often brokers that are out of reach are asked.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Commits and questions that are under way, and when the next are due.
pub struct Chores {
    interval: Duration,
    committing: Option<Receiver<Result<(), KafkaError>>>,
    next_commit: Instant,
    /// The last commit failed, and that was said.
    has_warned: bool,
    asking: Option<Receiver<Result<(), Error>>>,
    next_question: Instant,
    /// The brokers are out of reach, and the host knows.
    is_lost: bool,
}

impl Chores {
    pub fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            interval,
            committing: None,
            next_commit: now,
            has_warned: false,
            asking: None,
            next_question: now,
            is_lost: false,
        }
    }

    /// Starts what is due and notes what has ended. True when the batch has a new notice.
    pub fn run(&mut self, session: &Arc<Session>, batch: &mut Batch) -> bool {
        let now = Instant::now();
        self.commit(session, now);
        self.ask(session, now, batch)
    }

    /// When there is something to do without anything happening.
    pub fn next(&self, session: &Session) -> Option<Instant> {
        let commit = (self.committing.is_none() && session.has_commit_due()).then_some(self.next_commit);
        let question = (self.asking.is_none() && self.is_lost).then_some(self.next_question);
        commit.into_iter().chain(question).min()
    }

    fn commit(&mut self, session: &Arc<Session>, now: Instant) {
        if let Some(ended) = ended(&mut self.committing) {
            self.note_commit(ended);
        }
        if self.committing.is_none() && session.has_commit_due() && now >= self.next_commit {
            self.next_commit = now + self.interval;
            self.committing = Some(beside(session, Session::commit));
        }
    }

    fn note_commit(&mut self, committed: Result<(), KafkaError>) {
        match committed {
            Ok(()) => self.has_warned = false,
            Err(error) if is_overtaken(&error) || self.has_warned => tracing::debug!(%error, "a commit failed"),
            Err(error) => {
                self.has_warned = true;
                let reason = error::short(&error);
                tracing::warn!(reason, "a commit failed, and is tried again: a kill now would repeat what is done");
            }
        }
    }

    /// The client says early that it reaches nobody; the host is told when a question confirms it.
    fn ask(&mut self, session: &Arc<Session>, now: Instant, batch: &mut Batch) -> bool {
        let answer = ended(&mut self.asking);
        let is_in_doubt = session.watcher().was_cut_off();
        if self.asking.is_none() && answer.is_none() && (is_in_doubt || self.is_lost && now >= self.next_question) {
            self.asking = Some(beside(session, Session::ask));
        }
        match answer {
            Some(Ok(())) if self.is_lost => {
                self.is_lost = false;
                batch.connected(0);
                true
            }
            Some(Err(error)) => {
                self.next_question = now + ASK_AGAIN;
                let is_news = !self.is_lost;
                if is_news {
                    self.is_lost = true;
                    // Of generation 0 is no message: they stay ours until the group gives their partitions away.
                    batch.lost(0, error.to_string());
                }
                is_news
            }
            _ => false,
        }
    }
}

/// Runs `work` in a thread that may wait, and wakes the receiving half when it is done.
fn beside<T: Send + 'static>(session: &Arc<Session>, work: fn(&Session) -> T) -> Receiver<T> {
    let (sender, receiver) = channel();
    let session = Arc::clone(session);
    tokio::task::spawn_blocking(move || {
        // Nobody waits for it once the receiving half is gone.
        drop(sender.send(work(&session)));
        session.wake.notify_one();
    });
    receiver
}

/// What came of some work, once it has ended; of a thread that broke comes nothing.
fn ended<T>(work: &mut Option<Receiver<T>>) -> Option<T> {
    let outcome = work.as_mut()?.try_recv();
    if !matches!(outcome, Err(TryRecvError::Empty)) {
        *work = None;
    }
    outcome.ok()
}
