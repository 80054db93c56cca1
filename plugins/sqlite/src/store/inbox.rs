//! The way of commands to a file's thread: senders wait for room without blocking, the thread sleeps
//! without a runtime.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::command::Command;

/// Commands that may wait; who asks more waits for room.
const ROOM: usize = 1_024;

type Posted = (Command, Option<OwnedSemaphorePermit>);

#[derive(Debug)]
pub struct Outbox {
    sender: mpsc::Sender<Posted>,
    room: Arc<Semaphore>,
}

/// The thread's end. Dropped or closed, it takes nothing any more.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::Receiver<Posted>,
    room: Arc<Semaphore>,
}

/// What the thread woke up for.
#[derive(Debug)]
pub enum Taken {
    Command(Command),
    Nothing,
    /// There are no senders left.
    End,
}

pub fn channel() -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel();
    let room = Arc::new(Semaphore::new(ROOM));
    (Outbox { sender, room: room.clone() }, Inbox { receiver, room })
}

impl Outbox {
    /// Waits for room, then sends. False when nobody takes it any more.
    pub async fn send(&self, command: Command) -> bool {
        let Ok(room) = self.room.clone().acquire_owned().await else { return false };
        self.sender.send((command, Some(room))).is_ok()
    }

    /// Sends what cannot wait and needs no answer.
    pub fn send_at_once(&self, command: Command) {
        if self.sender.send((command, None)).is_err() {
            tracing::debug!("the queue was closed before its last command");
        }
    }

    pub fn is_closed(&self) -> bool {
        self.room.is_closed()
    }
}

impl Inbox {
    /// Waits for a command.
    pub fn take(&self) -> Taken {
        self.receiver.recv().map_or(Taken::End, |(command, _)| Taken::Command(command))
    }

    /// Waits for a command, at most until `at`.
    pub fn take_until(&self, at: Instant) -> Taken {
        match self.receiver.recv_timeout(at.saturating_duration_since(Instant::now())) {
            Ok((command, _)) => Taken::Command(command),
            Err(mpsc::RecvTimeoutError::Timeout) => Taken::Nothing,
            Err(mpsc::RecvTimeoutError::Disconnected) => Taken::End,
        }
    }

    /// A command that waits already.
    pub fn take_waiting(&self) -> Option<Command> {
        self.receiver.try_recv().ok().map(|(command, _)| command)
    }

    /// Lets nobody in any more; what waits can still be taken.
    pub fn close(&self) {
        self.room.close();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::command::Job;

    fn ping() -> Command {
        Command::Ping(Job::unattended(()))
    }

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    #[test]
    fn a_full_inbox_lets_senders_wait_until_something_is_taken() {
        let (outbox, inbox) = channel();
        run(async {
            for _ in 0..ROOM {
                assert!(outbox.send(ping()).await);
            }
            let mut waiting = std::pin::pin!(outbox.send(ping()));
            let first_try = std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
            assert!(first_try.await.is_pending());
            assert!(matches!(inbox.take(), Taken::Command(_)));
            assert!(waiting.await);
        });
    }

    #[test]
    fn a_closed_inbox_gives_what_it_has_and_takes_nothing() {
        let (outbox, inbox) = channel();
        assert!(run(outbox.send(ping())));
        inbox.close();
        assert!(outbox.is_closed() && !run(outbox.send(ping())));
        assert!(inbox.take_waiting().is_some() && inbox.take_waiting().is_none());
    }

    #[test]
    fn the_thread_ends_with_the_last_sender() {
        let (outbox, inbox) = channel();
        assert!(matches!(inbox.take_until(Instant::now()), Taken::Nothing));
        drop(outbox);
        assert!(matches!(inbox.take_until(Instant::now()), Taken::End));
        assert!(matches!(inbox.take(), Taken::End));
    }
}
