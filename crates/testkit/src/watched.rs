//! A value that tests wait for: whoever changes it wakes whoever waits for a condition.

use std::fmt::Debug;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a condition may take before the test has failed, on the real clock. Far beyond what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A value behind a lock, with a bell that rings on every change.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Debug> Watched<T> {
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// Changes the value and wakes those who wait.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Looks at the value.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Blocks until `condition` holds.
    ///
    /// # Panics
    ///
    /// When it does not hold within 60 s; shows `what` was awaited, and the value.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&T) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut value = self.lock();
        while !condition(&value) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {PATIENCE:?} for {what}; there is {value:#?}");
            value = self.changed.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A failed test must not hide behind another one's poisoned lock.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what blocks beside the runtime; a panic of it is this task's panic.
pub(crate) async fn block<T: Send + 'static>(blocking: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(blocking).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
