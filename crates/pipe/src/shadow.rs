//! Shadow backends: they get every event, and nothing that they answer counts (pipeline.md §6.5).
//!
//! Their calls run beside the event, with a time limit of their own, so that the event neither waits for them nor takes
//! them along when it is given up. Their number is limited: each holds a payload, and a shadow that never answers must not
//! fill the memory. At the limit a shadow misses events, and the pipe says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::choice::Choice;
use crate::merge::in_time;
use crate::message::Request;
use crate::stage::{Context, Stage, StageFuture};
use crate::taken::Taken;

/// Calls under way for each worker of the agent: a shadow may be this many times slower than the event's own backends
/// before it misses events.
const CALLS_PER_WORKER: usize = 8;

/// Calls under way that every agent may have.
const LEAST_CALLS: usize = 64;

/// The shadows of one agent and their calls under way. Dropping it ends them.
pub(crate) struct Shadows {
    targets: Vec<Target>,
    /// Which of them take an event; `None`: all.
    choice: Option<Choice>,
    limit: usize,
    calls: Mutex<JoinSet<()>>,
    /// Whether calls are being left out; ends when half of the places are free again.
    is_full: AtomicBool,
    /// Whether somebody has to be told.
    has_news: AtomicBool,
}

struct Target {
    stage: Arc<dyn Stage>,
    timeout: Duration,
}

impl Shadows {
    /// For an agent with so many workers. Each target has its own time limit.
    pub fn new(targets: Vec<(Box<dyn Stage>, Duration)>, choice: Option<Choice>, workers: usize) -> Self {
        let targets = targets.into_iter().map(|(stage, timeout)| Target { stage: stage.into(), timeout });
        Self {
            targets: targets.collect(),
            choice,
            limit: workers.saturating_mul(CALLS_PER_WORKER).max(LEAST_CALLS),
            calls: Mutex::default(),
            is_full: AtomicBool::new(false),
            has_news: AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    pub fn time_limits(&self) -> impl Iterator<Item = Duration> {
        self.targets.iter().map(|target| target.timeout)
    }

    /// Calls under way at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Starts a call to each shadow that takes the event, on the runtime that this is called on. `deadline`: the event's.
    fn send(&self, request: &Request, deadline: Instant) {
        let Ok(taken) = self.choice.as_ref().map(|choice| choice.of(request, deadline)).transpose() else { return };
        let is_taken = |index: usize| taken.as_ref().is_none_or(|taken| taken[index]);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while calls.try_join_next().is_some() {}
        for (_, target) in self.targets.iter().enumerate().filter(|(index, _)| is_taken(*index)) {
            if calls.len() >= self.limit {
                self.has_news.fetch_or(!self.is_full.swap(true, Ordering::Relaxed), Ordering::Relaxed);
                return;
            }
            calls.spawn(call(Arc::clone(&target.stage), request.clone(), target.timeout));
        }
        if calls.len() <= self.limit / 2 {
            self.is_full.store(false, Ordering::Relaxed);
        }
    }

    /// Whether calls have been left out since the last time that this was true. Once for each time that the limit is reached.
    pub fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::Relaxed)
    }

    /// Waits for every call under way: at most as long as their time limits. May be dropped and called again.
    pub async fn finish(&self) {
        std::future::poll_fn(|context| {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(_ended) = std::task::ready!(calls.poll_join_next(context)) {}
            std::task::Poll::Ready(())
        })
        .await;
    }
}

/// What comes of it does not matter, not even a panic: that ends this task only.
async fn call(stage: Arc<dyn Stage>, request: Request, timeout: Duration) {
    let context = Context { deadline: Instant::now() + timeout };
    // What it would take is not to be settled with the event.
    let request = Request { taken: Taken::default(), ..request };
    drop(in_time(stage.as_ref(), request, &context).await);
}

/// Sends a copy of each event to the shadows, then goes on with it.
pub(crate) struct Shadowed {
    pub shadows: Arc<Shadows>,
    pub inner: Box<dyn Stage>,
}

impl Stage for Shadowed {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            self.shadows.send(&request, context.deadline);
            self.inner.call(request, context).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Response;
    use crate::stage::ready;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Semaphore;

    /// Answers when it may; counts its answers.
    struct Gate {
        permits: Semaphore,
        answered: AtomicUsize,
    }

    struct Behind(Arc<Gate>);

    impl Stage for Behind {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            Box::pin(async move {
                self.0.permits.acquire().await.expect("open").forget();
                self.0.answered.fetch_add(1, Ordering::SeqCst);
                Ok(Response::empty()).into()
            })
        }
    }

    struct Answers;

    impl Stage for Answers {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            ready(Ok(Response::empty()))
        }
    }

    struct Panics;

    impl Stage for Panics {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            panic!("a bug")
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    fn gate() -> Arc<Gate> {
        Arc::new(Gate { permits: Semaphore::new(0), answered: AtomicUsize::new(0) })
    }

    fn shadowed(target: impl Stage + 'static, timeout: Duration) -> Shadowed {
        let shadows = Arc::new(Shadows::new(vec![(Box::new(target), timeout)], None, 1));
        Shadowed { shadows, inner: Box::new(Answers) }
    }

    async fn run(stage: &Shadowed) {
        let reply = stage.call(Request::new("x"), &Context { deadline: Instant::now() + LONG }).await;
        assert!(reply.is_complete());
    }

    #[tokio::test]
    async fn an_event_does_not_wait_and_the_end_does() {
        let gate = gate();
        let stage = shadowed(Behind(Arc::clone(&gate)), LONG);
        run(&stage).await;
        assert_eq!(gate.answered.load(Ordering::SeqCst), 0);
        gate.permits.add_permits(1);
        stage.shadows.finish().await;
        assert_eq!(gate.answered.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_shadow_that_never_answers_ends_by_its_own_time() {
        let gate = gate();
        let stage = shadowed(Behind(Arc::clone(&gate)), Duration::from_millis(10));
        run(&stage).await;
        stage.shadows.finish().await;
        assert_eq!(gate.answered.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_panic_of_a_shadow_stays_there() {
        let stage = shadowed(Panics, LONG);
        run(&stage).await;
        stage.shadows.finish().await;
        run(&stage).await;
    }

    #[tokio::test]
    async fn calls_under_way_are_limited_and_leaving_out_is_told_once() {
        let gate = gate();
        let stage = shadowed(Behind(Arc::clone(&gate)), LONG);
        let limit = stage.shadows.limit();
        for _ in 0..limit {
            run(&stage).await;
        }
        assert!(!stage.shadows.take_news());
        for _ in 0..3 {
            run(&stage).await;
        }
        assert!(stage.shadows.take_news() && !stage.shadows.take_news());
        gate.permits.add_permits(limit + 1);
        stage.shadows.finish().await;
        run(&stage).await;
        stage.shadows.finish().await;
        assert_eq!(
            gate.answered.load(Ordering::SeqCst),
            limit + 1,
            "the limit, and the one after the room was there again"
        );
    }

    #[test]
    fn the_limit_grows_with_the_workers() {
        let limit = |workers| Shadows::new(Vec::new(), None, workers).limit();
        assert_eq!((limit(1), limit(100), limit(usize::MAX)), (64, 800, usize::MAX));
    }
}
