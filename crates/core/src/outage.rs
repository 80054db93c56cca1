//! Connections that their drivers mend by themselves: how long that may take before it counts as failed.

use siphon_abi::ErrorKind;
use tokio::time::Instant;

use crate::AgentState;
use crate::connection::{Agent, rounded};
use crate::delivery::Next;
use crate::plugin::DriverError;

/// A connection that is gone, and that its driver is mending.
#[derive(Debug)]
pub(crate) struct Outage {
    reason: String,
    /// When it has outlasted the backoff, and counts as one more connection that failed.
    pub(crate) until: Instant,
}

impl Agent {
    /// The driver has lost the connection of `generation`, and mends it.
    pub(crate) fn being_mended(&mut self, generation: u64, reason: String) {
        self.deliveries.lost(generation);
        self.status.failed_with(&reason);
        self.status.set_state(AgentState::Connecting);
        let lasted = self.connected_at.take().map(|since| since.elapsed());
        let wait = self.reconnect.mending(lasted, fastrand::f64());
        self.not_connected(&reason, rounded(wait));
        self.outage = Some(Outage { reason, until: Instant::now() + wait });
    }

    /// Counts an outage that has outlasted its backoff. `Some`: the retries are used up, and this is why.
    pub(crate) fn outage_that_lasts(&mut self) -> Option<DriverError> {
        let outage = self.outage.take_if(|outage| outage.until <= Instant::now())?;
        let next = self.reconnect.lost(None, true, fastrand::f64());
        let Next::Again { after } = next else {
            return Some(DriverError { kind: ErrorKind::CONNECTION, path: String::new(), message: outage.reason });
        };
        self.status.set_attempts(self.reconnect.attempt());
        self.not_connected(&outage.reason, rounded(after));
        self.outage = Some(Outage { until: Instant::now() + after, ..outage });
        None
    }
}
