//! The history of one message.

use siphon_sdk::Verdict;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Ready,
    /// Waits for its delay to pass.
    Delayed,
    /// Delivered, and not settled.
    Unsettled,
    Acked,
    Rejected,
    /// Kafka: given back to a broker that takes nothing back; delivered again with its next assignment.
    Uncommitted,
}

/// One delivery: which message of which connection or assignment, as in its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub tag: u64,
    pub generation: u64,
    /// Which delivery of this message it is, from 1, as the broker counts.
    pub attempt: u32,
}

/// One settlement that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub tag: u64,
    pub generation: u64,
    pub verdict: Verdict,
    /// It came after its connection or partition was lost, and changed nothing.
    pub is_stale: bool,
}

/// A message and everything that happened to it.
#[derive(Debug, Clone)]
pub struct MessageRecord {
    pub payload: String,
    pub partition: Option<i32>,
    pub fate: Fate,
    pub deliveries: Vec<Delivery>,
    pub settlements: Vec<Settled>,
    /// What the broker counts; untouched returns do not.
    pub(super) attempts: u32,
}

impl MessageRecord {
    pub(super) fn new(payload: String, partition: Option<i32>) -> Self {
        let (deliveries, settlements) = (Vec::new(), Vec::new());
        Self { payload, partition, fate: Fate::Ready, deliveries, settlements, attempts: 0 }
    }

    /// Verdicts in the order of their arrival.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.settlements.iter().map(|settled| settled.verdict).collect()
    }

    /// Whether exactly one settlement came for each delivery.
    pub fn is_in_order(&self) -> bool {
        let names = self.deliveries.iter().map(|delivery| (delivery.tag, delivery.generation));
        let mut settled: Vec<_> = self.settlements.iter().map(|settled| (settled.tag, settled.generation)).collect();
        settled.sort_unstable();
        let mut delivered: Vec<_> = names.collect();
        delivered.sort_unstable();
        delivered == settled
    }
}
