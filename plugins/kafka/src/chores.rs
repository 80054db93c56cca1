//! What goes on beside reading: commits, and looking whether the brokers are there. Each waits in a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use siphon_sdk::{Batch, Error};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error;
use crate::session::{Session, is_overtaken};

/// How often brokers that are out of reach are asked.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Commits and questions that are under way, and when the next are due.
pub struct Chores {
    interval: Duration,
    committing: Option<JoinHandle<Result<(), KafkaError>>>,
    next_commit: Instant,
    /// The last commit failed, and that was said.
    has_warned: bool,
    asking: Option<JoinHandle<Result<(), Error>>>,
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
    pub async fn run(&mut self, session: &Arc<Session>, batch: &mut Batch) -> bool {
        let now = Instant::now();
        self.commit(session, now).await;
        self.ask(session, now, batch).await
    }

    /// When there is something to do without anything happening.
    pub fn next(&self, session: &Session) -> Option<Instant> {
        let commit = (self.committing.is_none() && session.has_commit_due()).then_some(self.next_commit);
        let question = (self.asking.is_none() && self.is_lost).then_some(self.next_question);
        commit.into_iter().chain(question).min()
    }

    async fn commit(&mut self, session: &Arc<Session>, now: Instant) {
        if let Some(ended) = ended(&mut self.committing).await {
            self.note_commit(ended);
        }
        if self.committing.is_none() && session.has_commit_due() && now >= self.next_commit {
            self.next_commit = now + self.interval;
            let session = Arc::clone(session);
            self.committing = Some(tokio::task::spawn_blocking(move || {
                let committed = session.commit();
                session.wake.notify_one();
                committed
            }));
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
    async fn ask(&mut self, session: &Arc<Session>, now: Instant, batch: &mut Batch) -> bool {
        let answer = ended(&mut self.asking).await;
        let is_in_doubt = session.watcher().was_cut_off();
        if self.asking.is_none() && answer.is_none() && (is_in_doubt || self.is_lost && now >= self.next_question) {
            let session = Arc::clone(session);
            self.asking = Some(tokio::task::spawn_blocking(move || {
                let answer = session.ask();
                session.wake.notify_one();
                answer
            }));
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

/// What a task has returned, once it has; a task that broke is gone without a word.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    if !task.as_ref().is_some_and(JoinHandle::is_finished) {
        return None;
    }
    task.take()?.await.ok()
}
