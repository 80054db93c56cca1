//! What a subscription has taken in and not handed out, and what its driver has not been told yet. No task, no lock.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::deliveries::Gone;
use crate::delivery::{Backoff, Reconnect};
use crate::plugin::{Arrival, Event, Handle, Settlement, Source, Verdict};

/// The books of one subscription.
#[derive(Debug)]
pub(super) struct State {
    pub(super) source: Option<Source>,
    /// Counts sources: what was taken from an older one is not settled at a newer one.
    pub(super) epoch: u64,
    /// When this connection was established, or mended; `None` while there is none.
    pub(super) connected_at: Option<Instant>,
    /// Given back, where the broker takes nothing back: handed out again first.
    pub(super) returned: VecDeque<Event>,
    /// The same for what failed: handed out again last.
    pub(super) failed: VecDeque<Event>,
    /// What the driver had no room for.
    pub(super) unsent: Vec<Settlement>,
    pub(super) gone: Gone,
    pub(super) reconnect: Reconnect,
    pub(super) retry_at: Option<Instant>,
    /// Why there is no connection.
    pub(super) trouble: Option<String>,
    pub(super) is_closed: bool,
}

impl State {
    /// Nothing is open. `backoff`: between two tries to connect.
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            source: None,
            epoch: 0,
            connected_at: None,
            returned: VecDeque::new(),
            failed: VecDeque::new(),
            unsent: Vec::new(),
            gone: Gone::default(),
            reconnect: Reconnect::new(backoff, None),
            retry_at: None,
            trouble: None,
            is_closed: false,
        }
    }

    pub(super) fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Event(event) => self.returned.push_back(event),
            Arrival::Connected { .. } => (self.connected_at, self.trouble) = (Some(Instant::now()), None),
            Arrival::Lost { generation, reason } => {
                self.gone.lose(generation);
                (self.connected_at, self.trouble) = (None, Some(reason));
                self.forget_gone();
            }
            Arrival::Revoked { partition, generation } => {
                self.gone.revoke(partition, generation);
                self.forget_gone();
            }
            Arrival::Lag { .. } => {}
        }
    }

    /// What waits and belongs to somebody else by now goes back.
    fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        self.give_back(|event| gone.has(event.handle(), event.partition()));
        self.gone = gone;
    }

    pub(super) fn give_back(&mut self, is_meant: impl Fn(&Event) -> bool) {
        let waiting = std::mem::take(&mut self.returned).into_iter().chain(std::mem::take(&mut self.failed));
        let (back, kept): (Vec<_>, Vec<_>) = waiting.partition(is_meant);
        self.returned = kept.into();
        back.iter().for_each(|event| self.settle(event.handle(), Verdict::REQUEUE));
    }

    pub(super) fn settle(&mut self, handle: Handle, verdict: Verdict) {
        self.unsent.push(Settlement { handle, verdict, reserved: 0, delay_ms: 0 });
    }

    /// What the driver has no room for waits for the next call.
    pub(super) fn flush(&mut self) {
        if let (Some(source), false) = (&self.source, self.unsent.is_empty()) {
            let taken = source.settle(&self.unsent);
            self.unsent.drain(..taken);
        }
    }
}
