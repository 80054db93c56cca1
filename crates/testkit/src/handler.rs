//! A pipe's double: it does with each event what a test says, and remembers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use siphon_core::{Event, Failure, FailureKind, Handled, Handler};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Watched;

/// What becomes of one run.
#[derive(Debug, Clone)]
pub enum Step {
    Succeed,
    Fail(Failure),
    Panic,
    /// Never ends.
    Hang,
    /// Waits for [`ScriptedHandler::release`], then succeeds.
    Hold,
    /// Waits for [`ScriptedHandler::release`], then fails.
    HoldThenFail,
    Slow(Duration),
}

impl Step {
    /// A failure with status 500.
    pub fn fail() -> Self {
        Self::Fail(failure())
    }
}

fn failure() -> Failure {
    Failure::new(FailureKind::Status(500), "the backend answered 500")
}

/// One run of the pipe, as the script sees it.
#[derive(Debug, Clone)]
pub struct Run {
    pub payload: String,
    /// Which run of this payload, from 1.
    pub nth: usize,
    /// What the broker counts, if it does.
    pub attempt: Option<u32>,
    pub at: std::time::Instant,
}

/// What a handler saw.
#[derive(Debug, Default)]
pub struct Runs {
    /// In the order of their beginning.
    pub all: Vec<Run>,
    pub running: usize,
    pub most_running: usize,
    /// Runs that ended before their step did: timed out, or dropped.
    pub cancelled: usize,
}

impl Runs {
    /// Payloads in the order of their runs.
    pub fn payloads(&self) -> Vec<&str> {
        self.all.iter().map(|run| run.payload.as_str()).collect()
    }

    /// How often each payload ran.
    pub fn counts(&self) -> HashMap<&str, usize> {
        self.all.iter().fold(HashMap::new(), |mut counts, run| {
            *counts.entry(run.payload.as_str()).or_default() += 1;
            counts
        })
    }
}

type Script = Box<dyn Fn(&Run) -> Step + Send + Sync>;

/// The double. Share it with `Arc`.
pub struct ScriptedHandler {
    script: Script,
    runs: Arc<Watched<Runs>>,
    permits: Semaphore,
}

impl ScriptedHandler {
    pub fn new(script: impl Fn(&Run) -> Step + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), runs: Arc::default(), permits: Semaphore::new(0) })
    }

    /// Every run ends like this.
    pub fn always(step: Step) -> Arc<Self> {
        Self::new(move |_| step.clone())
    }

    /// The first `count` runs of each payload fail, later ones succeed.
    pub fn fail_first(count: usize) -> Arc<Self> {
        Self::new(move |run| if run.nth <= count { Step::fail() } else { Step::Succeed })
    }

    /// Lets `count` held runs go on.
    pub fn release(&self, count: usize) {
        self.permits.add_permits(count);
    }

    pub fn look<R>(&self, look: impl FnOnce(&Runs) -> R) -> R {
        self.runs.look(look)
    }

    /// Waits until `condition` holds, without a runtime's clock.
    ///
    /// # Panics
    ///
    /// When it does not hold within 20 s.
    pub async fn wait_until(&self, what: &'static str, condition: impl Fn(&Runs) -> bool + Send + 'static) {
        let runs = Arc::clone(&self.runs);
        crate::watched::block(move || runs.wait_until(what, condition)).await;
    }

    fn begin(&self, event: &Event) -> Run {
        let payload = String::from_utf8_lossy(event.payload()).into_owned();
        self.runs.change(|runs| {
            let nth = 1 + runs.all.iter().filter(|run| run.payload == payload).count();
            let run = Run { payload, nth, attempt: event.attempt(), at: std::time::Instant::now() };
            runs.all.push(run.clone());
            runs.running += 1;
            runs.most_running = runs.most_running.max(runs.running);
            run
        })
    }

    async fn hold(&self) {
        // Never closed, so the only outcome is a permit.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }

    async fn follow(&self, step: Step) -> Option<Failure> {
        match step {
            Step::Succeed => None,
            Step::Fail(failure) => Some(failure),
            Step::Panic => panic!("told to panic"),
            Step::Hang => std::future::pending().await,
            Step::Hold => {
                self.hold().await;
                None
            }
            Step::HoldThenFail => {
                self.hold().await;
                Some(failure())
            }
            Step::Slow(delay) => {
                tokio::time::sleep(delay).await;
                None
            }
        }
    }
}

impl Handler for ScriptedHandler {
    type Reply = ();

    async fn handle(&self, event: &Event, _: Instant) -> Handled<()> {
        let mut running = Running { runs: &self.runs, is_done: false };
        let step = (self.script)(&self.begin(event));
        let failure = self.follow(step).await;
        running.is_done = true;
        Handled { reply: None, failure, on_done: None }
    }
}

/// Counted down also when the run is cancelled or panics.
struct Running<'a> {
    runs: &'a Watched<Runs>,
    is_done: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.runs.change(|runs| {
            runs.running = runs.running.saturating_sub(1);
            runs.cancelled += usize::from(!self.is_done && !std::thread::panicking());
        });
    }
}

impl fmt::Debug for ScriptedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedHandler")
    }
}
