//! The handles of one agent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec};

use super::Families;
use super::timer::PipeMetrics;

/// Partitions of one agent whose lag is shown: more than a consumer should have, few enough for any Prometheus.
pub const PARTITIONS: usize = 1_000;

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

impl AgentState {
    pub const ALL: [Self; 6] =
        [Self::Connecting, Self::Running, Self::Paused, Self::Stalled, Self::Failed, Self::Stopped];

    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// What a driver was told about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Ack,
    /// Failed: again, later.
    Retry,
    /// Untouched: given back as it was.
    Requeue,
    /// Failed for good.
    Reject,
    /// Nothing: its connection was gone before. The broker delivers it again.
    Lost,
}

impl Settled {
    const ALL: [Self; 5] = [Self::Ack, Self::Retry, Self::Requeue, Self::Reject, Self::Lost];

    fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Retry => "retry",
            Self::Requeue => "requeue",
            Self::Reject => "reject",
            Self::Lost => "lost",
        }
    }
}

/// Why a run of the pipe failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedBy {
    Status,
    Timeout,
    Connect,
    Invalid,
    Panic,
    Other,
}

impl FailedBy {
    const ALL: [Self; 6] = [Self::Status, Self::Timeout, Self::Connect, Self::Invalid, Self::Panic, Self::Other];

    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Invalid => "invalid",
            Self::Panic => "panic",
            Self::Other => "other",
        }
    }
}

/// How old an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Since the time that the message itself carries.
    SinceSent(Duration),
    /// Since it was taken from the driver: the message carries no time.
    SinceTaken(Duration),
}

/// What moves an agent's figures.
#[derive(Debug)]
pub struct AgentMetrics {
    name: String,
    received: IntCounter,
    settled: [IntCounter; 5],
    failed: [IntCounter; 6],
    in_flight: IntGauge,
    waiting: IntGauge,
    age_since_sent: Histogram,
    age_since_taken: Histogram,
    states: [IntGauge; AgentState::ALL.len()],
    reconnects: IntCounter,
    lag: Lag,
    pipe: PipeMetrics,
}

impl AgentMetrics {
    pub(super) fn new(families: &Families, name: String, driver: &str) -> Self {
        let agent = name.as_str();
        families.info.with_label_values(&[agent, driver]).set(1);
        Self {
            received: families.received.with_label_values(&[agent]),
            settled: Settled::ALL.map(|verdict| families.settled.with_label_values(&[agent, verdict.name()])),
            failed: FailedBy::ALL.map(|reason| families.failed.with_label_values(&[agent, reason.name()])),
            in_flight: families.in_flight.with_label_values(&[agent]),
            waiting: families.waiting.with_label_values(&[agent]),
            age_since_sent: families.age.with_label_values(&[agent, "sent"]),
            age_since_taken: families.age.with_label_values(&[agent, "taken"]),
            states: AgentState::ALL.map(|state| families.state.with_label_values(&[agent, state.name()])),
            reconnects: families.reconnects.with_label_values(&[agent]),
            lag: Lag { gauges: families.lag.clone(), agent: name.clone(), known: Mutex::default() },
            pipe: PipeMetrics::new(families, agent),
            name,
        }
    }

    /// The agent's name, as the label has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For the agent's pipe.
    pub fn pipe(&self) -> PipeMetrics {
        self.pipe.clone()
    }

    pub fn count_received(&self) {
        self.received.inc();
    }

    pub fn received(&self) -> u64 {
        self.received.get()
    }

    pub fn count_settled(&self, verdict: Settled, count: usize) {
        self.settled[verdict as usize].inc_by(count as u64);
    }

    pub fn settled(&self, verdict: Settled) -> u64 {
        self.settled[verdict as usize].get()
    }

    pub fn count_failed(&self, reason: FailedBy) {
        self.failed[reason as usize].inc();
    }

    /// Failed runs, whatever the reason.
    pub fn failed(&self) -> u64 {
        self.failed.iter().map(IntCounter::get).sum()
    }

    pub fn set_load(&self, in_flight: usize, waiting: usize) {
        self.in_flight.set(gauge_value(in_flight));
        self.waiting.set(gauge_value(waiting));
    }

    /// Events in the pipe, and those that wait.
    pub fn load(&self) -> (usize, usize) {
        let value = |gauge: &IntGauge| usize::try_from(gauge.get()).unwrap_or_default();
        (value(&self.in_flight), value(&self.waiting))
    }

    /// An event was settled for good.
    pub fn observe_age(&self, age: Age) {
        match age {
            Age::SinceSent(age) => self.age_since_sent.observe(age.as_secs_f64()),
            Age::SinceTaken(age) => self.age_since_taken.observe(age.as_secs_f64()),
        }
    }

    pub fn set_state(&self, state: AgentState) {
        for (gauge, one) in self.states.iter().zip(AgentState::ALL) {
            gauge.set(i64::from(one == state));
        }
    }

    pub fn count_reconnect(&self) {
        self.reconnects.inc();
    }

    pub fn reconnects(&self) -> u64 {
        self.reconnects.get()
    }

    /// `count` events wait at the broker in this partition; `None` for a broker without partitions.
    pub fn set_lag(&self, partition: Option<i32>, count: u64) {
        self.lag.set(partition, count);
    }

    /// The partition belongs to somebody else.
    pub fn forget_lag_of(&self, partition: i32) {
        self.lag.forget(|known| known == Some(partition));
    }

    /// Nothing is known without a connection.
    pub fn forget_lag(&self) {
        self.lag.forget(|_| true);
    }

    /// Events that wait at the broker, over all partitions; `None` where nobody knows.
    pub fn lag(&self) -> Option<u64> {
        self.lag.total()
    }
}

fn gauge_value(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Drivers report their lag now and then, not with each event: a lock is cheap enough.
#[derive(Debug)]
struct Lag {
    gauges: IntGaugeVec,
    agent: String,
    known: Mutex<BTreeMap<Option<i32>, Known>>,
}

#[derive(Debug)]
struct Known {
    count: u64,
    /// Whether it found a place among the [`PARTITIONS`].
    is_shown: bool,
}

impl Lag {
    fn set(&self, partition: Option<i32>, count: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let has_place = known.len() < PARTITIONS;
        let entry = known.entry(partition).or_insert(Known { count, is_shown: has_place });
        entry.count = count;
        if entry.is_shown {
            self.gauges.with_label_values(&[&self.agent, &shown(partition)]).set(gauge_value(count));
        }
    }

    fn forget(&self, is_gone: impl Fn(Option<i32>) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|partition, _| {
            let is_kept = !is_gone(*partition);
            if !is_kept {
                // One that is not shown is none that can be missed.
                let _ = self.gauges.remove_label_values(&[&self.agent, &shown(*partition)]);
            }
            is_kept
        });
    }

    fn total(&self) -> Option<u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() { None } else { Some(known.values().fold(0, |sum, one| sum.saturating_add(one.count))) }
    }
}

/// The label's value: empty without partitions.
fn shown(partition: Option<i32>) -> String {
    partition.map(|partition| partition.to_string()).unwrap_or_default()
}
