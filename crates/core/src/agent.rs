//! What an agent is, and the bounds that follow from it.

use std::sync::Arc;
use std::time::Duration;

use siphon_telemetry::Label;

use crate::delivery::{Backoff, Policy};
use crate::plugin::{OpenOptions, Registered};

/// Messages that a driver may have ready for the workers: enough to bridge a thread's wake-up, few enough to leave the
/// rest to other processes.
const READ_AHEAD: std::ops::RangeInclusive<usize> = 4..=64;

/// Failed events that an agent holds while they wait, where its broker cannot delay. When they are that many the agent
/// takes no more: a backend that is down must not fill the memory.
const HELD_AT_LEAST: usize = 64;

/// Payload bytes that may wait inside the driver.
const READ_AHEAD_BYTES: u64 = 16 << 20;

/// One agent: its driver, its bounds, its policies.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    pub label: Label,
    pub driver: Arc<Registered>,
    pub topics: Vec<String>,
    /// The driver's configuration: a JSON object.
    pub config: String,
    /// Events in the pipe at once; at least 1.
    pub workers: usize,
    /// Bounds one run of the pipe.
    pub timeout: Duration,
    /// Events per second; `None`: unlimited.
    pub max_rate: Option<f64>,
    /// Connection attempts after the first in a row; `None`: unlimited.
    pub max_retries: Option<u32>,
    pub backoff: Backoff,
    pub health_interval: Duration,
    pub policy: Policy,
    /// How long the pipe may go on when the process ends.
    pub drain: Duration,
}

impl AgentSpec {
    /// Failed events that are held at most.
    pub(crate) fn held_limit(&self) -> usize {
        self.workers.saturating_mul(2).max(HELD_AT_LEAST)
    }

    /// How the driver is opened.
    pub fn open_options(&self) -> OpenOptions {
        let read_ahead = self.workers.clamp(*READ_AHEAD.start(), *READ_AHEAD.end());
        OpenOptions {
            agent: self.label.agent.to_string(),
            namespace: self.driver.main_key().to_owned(),
            topics: self.topics.clone(),
            config: self.config.clone(),
            workers: self.workers,
            read_ahead,
            max_in_flight: self.workers.saturating_add(read_ahead).saturating_add(self.held_limit()),
            max_bytes: READ_AHEAD_BYTES,
        }
    }
}
