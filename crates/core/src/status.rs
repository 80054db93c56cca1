//! What an agent looks like from outside. Agents write, health reads; nobody waits for anybody.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use siphon_telemetry::AgentState;
use siphon_telemetry::metrics::{Age, FailedBy, Settled};
use siphon_telemetry::{AgentMetrics, Label, Metrics};
use tokio::time::Instant;

use crate::plugin::{Event, Settlement, Verdict};
use crate::{Failure, FailureKind};

/// Live figures of one agent.
#[derive(Debug)]
pub struct AgentStatus {
    metrics: AgentMetrics,
    state: AtomicU8,
    acked: AtomicU64,
    given_back: AtomicU64,
    attempts: AtomicU32,
    last_ping_ms: AtomicI64,
    last_error: Mutex<Option<(SystemTime, String)>>,
}

/// One look at an [`AgentStatus`].
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub state: AgentState,
    /// Events in the pipe.
    pub in_flight: usize,
    /// Failed events that wait, held by siphon.
    pub waiting: usize,
    pub received: u64,
    pub acked: u64,
    pub failed: u64,
    /// Untouched or failed, back at the broker.
    pub given_back: u64,
    /// Connection attempts since the last success.
    pub attempts: u32,
    /// Messages waiting at the broker, where the driver knows.
    pub lag: Option<u64>,
    /// When the broker last answered.
    pub last_ping: Option<SystemTime>,
    pub last_error: Option<(SystemTime, String)>,
}

impl Default for AgentStatus {
    /// With metrics that nobody shows.
    fn default() -> Self {
        Self::new(Metrics::default().agent(&Label::new("", "")))
    }
}

impl AgentStatus {
    /// An agent that begins to connect. What health shows and what metrics show are one.
    pub fn new(metrics: AgentMetrics) -> Self {
        let status = Self {
            metrics,
            state: AtomicU8::default(),
            acked: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            attempts: AtomicU32::new(0),
            last_ping_ms: AtomicI64::new(i64::MIN),
            last_error: Mutex::new(None),
        };
        status.set_state(AgentState::Connecting);
        status
    }

    pub fn snapshot(&self) -> Snapshot {
        let ping = self.last_ping_ms.load(Ordering::Relaxed);
        let (in_flight, waiting) = self.metrics.load();
        Snapshot {
            state: AgentState::ALL[usize::from(self.state.load(Ordering::Relaxed)) % AgentState::ALL.len()],
            in_flight,
            waiting,
            received: self.metrics.received(),
            acked: self.acked.load(Ordering::Relaxed),
            failed: self.metrics.failed(),
            given_back: self.given_back.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            lag: self.metrics.lag(),
            last_ping: u64::try_from(ping).ok().map(|ms| UNIX_EPOCH + Duration::from_millis(ms)),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The same figures, as `/metrics` has them.
    pub fn metrics(&self) -> &AgentMetrics {
        &self.metrics
    }

    /// The agent's task panicked: whoever joined it says so.
    pub fn crashed(&self, error: &str) {
        self.failed_with(error);
        self.set_state(AgentState::Failed);
    }

    pub(crate) fn set_state(&self, state: AgentState) {
        self.state.store(state as u8, Ordering::Relaxed);
        self.metrics.set_state(state);
    }

    /// From one state to another; false when it was in a third.
    pub(crate) fn change_state(&self, from: AgentState, to: AgentState) -> bool {
        let is_changed =
            self.state.compare_exchange(from as u8, to as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_changed {
            self.metrics.set_state(to);
        }
        is_changed
    }

    pub(crate) fn set_attempts(&self, attempts: u32) {
        self.attempts.store(attempts, Ordering::Relaxed);
    }

    pub(crate) fn count_acked(&self) {
        self.acked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failed(&self, failure: &Failure) {
        self.metrics.count_failed(match failure.kind {
            FailureKind::Status(_) => FailedBy::Status,
            FailureKind::Timeout => FailedBy::Timeout,
            FailureKind::Connect => FailedBy::Connect,
            FailureKind::Invalid => FailedBy::Invalid,
            FailureKind::Panic => FailedBy::Panic,
            FailureKind::Other => FailedBy::Other,
        });
    }

    /// The driver has taken these.
    pub(crate) fn count_settled(&self, settlements: &[Settlement]) {
        for settlement in settlements {
            let verdict = match settlement.verdict {
                Verdict::ACK => Settled::Ack,
                Verdict::RETRY => Settled::Retry,
                Verdict::REJECT => Settled::Reject,
                _ => Settled::Requeue,
            };
            self.metrics.count_settled(verdict, 1);
        }
    }

    /// Events that nobody can be told about any more.
    pub(crate) fn count_lost(&self, count: usize) {
        self.metrics.count_settled(Settled::Lost, count);
    }

    pub(crate) fn count_given_back(&self) {
        self.given_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn pinged(&self, at: SystemTime) {
        let ms = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        self.last_ping_ms.store(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn failed_with(&self, error: &str) {
        let error = Some((SystemTime::now(), error.to_owned()));
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// That of the message, where it says when it was sent.
pub(crate) fn age_of(event: &Event) -> Age {
    match event.timestamp() {
        Some(sent) => Age::SinceSent(SystemTime::now().duration_since(sent).unwrap_or_default()),
        None => Age::SinceTaken(Instant::now().saturating_duration_since(event.taken())),
    }
}
