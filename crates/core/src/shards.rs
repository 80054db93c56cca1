//! Which thread an agent lives on. This file alone makes that choice.
//!
//! A shard is a thread with a current-thread runtime. An agent lives on one shard with its workers, connections and timers,
//! and no work is stolen: measured against one multi-thread runtime that saves a quarter of the CPU per event
//! (cross-thread wake-ups). All futures are `Send` nevertheless, so that this can be decided otherwise.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A fixed set of threads that run futures. Dropping it ends them; futures that still run are dropped there.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Shard {
    handle: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shards {
    /// One shard per core, and no more than `agents` could use.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no event queue.
    pub fn start(agents: usize) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (0..cores.min(agents).max(1)).map(Shard::start).collect::<io::Result<_>>()?;
        Ok(Self { shards, next: AtomicUsize::new(0) })
    }

    /// Runs `future` on the next shard, in turn.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.shards[index].handle.spawn(future)
    }
}

impl Shard {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name(format!("siphon-shard-{index}")).spawn(run)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_take_turns_on_the_shards_and_stay_there() {
        let shards = Shards::start(2).expect("threads");
        let name = || async {
            tokio::task::yield_now().await;
            std::thread::current().name().map(str::to_owned)
        };
        let spawned: Vec<_> = (0..4).map(|_| shards.spawn(name())).collect();
        let wait = Builder::new_current_thread().build().expect("a runtime");
        let names: Vec<_> = spawned.into_iter().map(|task| wait.block_on(task).expect("no panic")).collect();
        assert_eq!(names[0], names[2 % shards.shards.len()]);
        assert_eq!(names[1], names[3]);
    }

    #[test]
    fn dropping_the_shards_drops_what_still_runs() {
        let shards = Shards::start(1).expect("threads");
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        shards.spawn(async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        drop(shards);
        assert!(receiver.recv().is_err(), "the future's end of the channel is gone");
    }
}
