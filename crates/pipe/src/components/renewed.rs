//! A value that somebody else gives out and that gets old: a token, credentials. It is fetched once for all who wait.
//!
//! The fetch belongs to no event: it goes on as long as anybody waits for it, and who gives up at its deadline leaves it
//! to the others. What it brings is kept until shortly before its end. No lock is held while somebody waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::{Instant, timeout};

use crate::error::{Call, FailureKind, PipeError};

/// How long before its end a value is no longer given out: a call that begins now must not arrive too late.
const LEEWAY: Duration = Duration::from_secs(10);

/// Longest time of a fetch, whoever waits. One that is not done by then never will be.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// What was fetched, and until when it is good; `None`: for ever.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    pub value: Arc<T>,
    pub until: Option<Instant>,
}

// Derived it would ask for `T: Clone`.
impl<T> Clone for Fresh<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), until: self.until }
    }
}

impl<T> Fresh<T> {
    /// `lifetime` counts from `asked`: the answer may have been read much later.
    pub fn new(value: T, asked: Instant, lifetime: Option<Duration>) -> Self {
        // A lifetime past the end of the clock is as good as none.
        Self { value: Arc::new(value), until: lifetime.and_then(|lifetime| asked.checked_add(lifetime)) }
    }

    fn is_good(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until > now + LEEWAY)
    }
}

/// Why there is no value. Everybody who waits for the fetch gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unavailable {
    /// Without secrets.
    pub reason: String,
    /// Who gives it out could not be reached, or went away.
    pub is_connection: bool,
    pub retry_after: Option<Duration>,
}

impl Unavailable {
    /// Whoever was asked has answered, and this is wrong with it.
    pub fn answered(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_connection: false, retry_after: None }
    }

    /// No answer, or none that can be read.
    pub fn unreached(error: &PipeError) -> Self {
        let is_connection = error.is_temporary() || matches!(error.kind(), FailureKind::Connect);
        Self { reason: error.to_string(), is_connection, retry_after: None }
    }

    /// As the failure of the call that needs the value.
    pub fn for_call(self, call: Call) -> PipeError {
        let Self { reason, is_connection, retry_after } = self;
        PipeError::Credential { call, reason, is_connection, retry_after }
    }
}

pub(super) type Fetched<T> = Result<Fresh<T>, Unavailable>;

/// Asks for a value anew.
pub(super) type Fetch<T> = Box<dyn Fn() -> BoxFuture<'static, Fetched<T>> + Send + Sync>;

/// The value, and how to get another one.
pub(super) struct Renewed<T> {
    fetch: Fetch<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    held: Option<Fresh<T>>,
    flight: Option<Flight<T>>,
}

/// A fetch under way.
struct Flight<T> {
    began: Instant,
    result: Shared<BoxFuture<'static, Fetched<T>>>,
}

impl<T: Send + Sync + 'static> Renewed<T> {
    pub fn new(fetch: Fetch<T>) -> Self {
        Self { fetch, state: Mutex::new(State { held: None, flight: None }) }
    }

    /// The value, and whether it was fetched just now. Waits for the fetch at most; dropping the future leaves the
    /// fetch to others.
    ///
    /// # Errors
    ///
    /// That of the fetch.
    pub async fn get(&self) -> Result<(Arc<T>, bool), Unavailable> {
        let flight = match self.held_or_flight(Instant::now()) {
            Ok(value) => return Ok((value, false)),
            Err(flight) => flight,
        };
        let fetched = flight.clone().await;
        let mut state = self.state();
        if state.flight.as_ref().is_some_and(|current| current.result.ptr_eq(&flight)) {
            state.flight = None;
            state.held = fetched.as_ref().ok().cloned();
        }
        fetched.map(|fresh| (fresh.value, true))
    }

    /// Gives `value` out no more. Another one that has come meanwhile stays.
    pub fn forget(&self, value: &Arc<T>) {
        let mut state = self.state();
        if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, value)) {
            state.held = None;
        }
    }

    fn held_or_flight(&self, now: Instant) -> Result<Arc<T>, Shared<BoxFuture<'static, Fetched<T>>>> {
        let mut state = self.state();
        if let Some(held) = state.held.as_ref().filter(|held| held.is_good(now)) {
            return Ok(Arc::clone(&held.value));
        }
        let current = state.flight.take().filter(|flight| now < flight.began + FETCH_LIMIT);
        let flight = current.unwrap_or_else(|| Flight { began: now, result: in_time((self.fetch)()).shared() });
        let result = flight.result.clone();
        state.flight = Some(flight);
        Err(result)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_time<T: Send + Sync + 'static>(fetch: BoxFuture<'static, Fetched<T>>) -> BoxFuture<'static, Fetched<T>> {
    async move {
        timeout(FETCH_LIMIT, fetch).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {FETCH_LIMIT:?}");
            Err(Unavailable { reason, is_connection: true, retry_after: None })
        })
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    /// Numbers from 1, each good for `lifetime`, and the gate that lets a fetch end; an odd one fails when `fails`.
    fn numbers(lifetime: Option<Duration>, fails: bool, ends: usize) -> (Renewed<usize>, Arc<Semaphore>) {
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(ends)));
        let passed = Arc::clone(&gate);
        let renewed = Renewed::new(Box::new(move || {
            let (number, gate) = (calls.fetch_add(1, Ordering::SeqCst) + 1, Arc::clone(&passed));
            async move {
                gate.acquire().await.expect("open").forget();
                if fails && number % 2 == 1 {
                    return Err(Unavailable::answered(format!("no {number}")));
                }
                Ok(Fresh::new(number, Instant::now(), lifetime))
            }
            .boxed()
        }));
        (renewed, gate)
    }

    async fn get(renewed: &Renewed<usize>) -> (usize, bool) {
        let (value, is_new) = renewed.get().await.expect("a value");
        (*value, is_new)
    }

    #[tokio::test]
    async fn a_value_is_kept_until_shortly_before_its_end() {
        for (lifetime, expected) in [(None, 1), (Some(3_600), 1), (Some(60), 1), (Some(10), 2), (Some(0), 2)] {
            let (renewed, _) = numbers(lifetime.map(Duration::from_secs), false, 9);
            assert_eq!(get(&renewed).await, (1, true));
            assert_eq!(get(&renewed).await.0, expected, "{lifetime:?}");
        }
    }

    #[tokio::test]
    async fn all_who_wait_at_once_share_one_fetch() {
        let (renewed, gate) = numbers(Some(Duration::ZERO), false, 0);
        let all = futures_util::future::join_all((0..5).map(|_| get(&renewed)));
        let (all, ()) = tokio::join!(all, async { gate.add_permits(9) });
        assert_eq!(all, [(1, true); 5]);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_fetch_to_the_next() {
        let (renewed, gate) = numbers(None, false, 0);
        assert!(renewed.get().now_or_never().is_none());
        gate.add_permits(9);
        assert_eq!(get(&renewed).await, (1, true));
        assert_eq!(get(&renewed).await, (1, false));
    }

    #[tokio::test]
    async fn a_failure_is_for_those_who_waited_and_the_next_asks_again() {
        let (renewed, gate) = numbers(None, true, 0);
        let (first, second, ()) = tokio::join!(renewed.get(), renewed.get(), async { gate.add_permits(9) });
        let expected = Err(Unavailable::answered("no 1"));
        assert_eq!((first, second), (expected.clone(), expected));
        assert_eq!(get(&renewed).await, (2, true));
    }

    #[tokio::test]
    async fn only_the_value_that_is_meant_is_forgotten() {
        let (renewed, _) = numbers(None, false, 9);
        let (first, _) = renewed.get().await.expect("a value");
        renewed.forget(&first);
        let (second, _) = renewed.get().await.expect("a value");
        renewed.forget(&first);
        assert_eq!((*second, get(&renewed).await), (2, (2, false)));
    }
}
