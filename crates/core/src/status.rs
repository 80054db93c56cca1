//! What an agent looks like from outside. Agents write, health reads; nobody waits for anybody.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where an agent's supervisor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AgentState {
    Connecting,
    Running,
    Paused,
    /// Connected, and its driver does not answer.
    Stalled,
    /// Gave up; see the last error.
    Failed,
    /// Ended as asked.
    Stopped,
}

const STATES: [AgentState; 6] = [
    AgentState::Connecting,
    AgentState::Running,
    AgentState::Paused,
    AgentState::Stalled,
    AgentState::Failed,
    AgentState::Stopped,
];

/// Live figures of one agent.
#[derive(Debug)]
pub struct AgentStatus {
    state: AtomicU8,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    received: AtomicU64,
    acked: AtomicU64,
    failed: AtomicU64,
    given_back: AtomicU64,
    attempts: AtomicU32,
    lag: AtomicI64,
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
    fn default() -> Self {
        Self {
            state: AtomicU8::new(AgentState::Connecting as u8),
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            attempts: AtomicU32::new(0),
            lag: AtomicI64::new(-1),
            last_ping_ms: AtomicI64::new(i64::MIN),
            last_error: Mutex::new(None),
        }
    }
}

impl AgentStatus {
    pub fn snapshot(&self) -> Snapshot {
        let ping = self.last_ping_ms.load(Ordering::Relaxed);
        Snapshot {
            state: STATES[usize::from(self.state.load(Ordering::Relaxed)) % STATES.len()],
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            acked: self.acked.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            given_back: self.given_back.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            lag: u64::try_from(self.lag.load(Ordering::Relaxed)).ok(),
            last_ping: u64::try_from(ping).ok().map(|ms| UNIX_EPOCH + Duration::from_millis(ms)),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The agent's task panicked: whoever joined it says so.
    pub fn crashed(&self, error: &str) {
        self.failed_with(error);
        self.set_state(AgentState::Failed);
    }

    pub(crate) fn set_state(&self, state: AgentState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// From one state to another; false when it was in a third.
    pub(crate) fn change_state(&self, from: AgentState, to: AgentState) -> bool {
        self.state.compare_exchange(from as u8, to as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(crate) fn set_attempts(&self, attempts: u32) {
        self.attempts.store(attempts, Ordering::Relaxed);
    }

    pub(crate) fn set_load(&self, in_flight: usize, waiting: usize) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(crate) fn set_lag(&self, lag: u64) {
        self.lag.store(i64::try_from(lag).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_acked(&self) {
        self.acked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
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
