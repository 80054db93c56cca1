//! What the host's calls and the pump share: the ring towards the host, the inbox from it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use siphon_abi::{Done, Doorbell, Handle, Settlement, Verdict};
use siphon_ring::{Limits, Ring};
use tokio::sync::Notify;

use super::item::{OwnedItem, item};
use crate::message::{Batch, Entry};
use crate::{Context, Error};

/// Settlements that may wait beyond one for each message in flight: room for a host that is ahead of its accounts.
const SETTLEMENT_SLACK: usize = 64;

/// How a source ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Closed,
    Failed(Error),
}

/// A request of the host to the pump.
pub(super) enum Command {
    Ping(Done),
    Pause(bool, Done),
    Close(Duration, Done),
}

/// What waits for the pump.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) settlements: Vec<Settlement>,
    pub(super) commands: VecDeque<Command>,
    /// The host was told that not all settlements fit: ring when there is room.
    host_waits: bool,
    /// The pump is gone: what comes now is answered at once.
    is_closed: bool,
}

pub(super) struct Shared {
    pub(super) ring: Ring<OwnedItem, End>,
    pub(super) doorbell: Doorbell,
    is_paused: AtomicBool,
    inbox: Mutex<Inbox>,
    inbox_changed: Notify,
    room_changed: Arc<Notify>,
    in_flight: AtomicUsize,
    max_in_flight: usize,
}

impl Shared {
    pub(super) fn new(doorbell: Doorbell, context: &Context, max_bytes: usize) -> Self {
        Self {
            ring: Ring::new(Limits { messages: context.read_ahead, bytes: max_bytes.max(1) }),
            doorbell,
            is_paused: AtomicBool::new(false),
            inbox: Mutex::default(),
            inbox_changed: Notify::new(),
            room_changed: Arc::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: context.max_in_flight,
        }
    }

    /// Messages that may be fetched now.
    pub(super) fn room(&self) -> usize {
        if self.is_paused.load(Ordering::Relaxed) {
            return 0;
        }
        let unsettled = self.in_flight.load(Ordering::Acquire);
        self.ring.room().min(self.max_in_flight.saturating_sub(unsettled))
    }

    /// From now on the driver is not asked for messages, or asked again.
    pub(super) fn pause(&self, paused: bool) {
        self.is_paused.store(paused, Ordering::Relaxed);
        self.tell_room();
    }

    /// A batch for what there is room for.
    pub(super) fn batch(&self) -> Batch {
        Batch::watching(self.room(), Arc::clone(&self.room_changed))
    }

    /// Waits until room may have changed.
    pub(super) async fn room_changed(&self) {
        self.room_changed.notified().await;
    }

    /// The host took items, settled some, paused or resumed: there may be room, or none any more.
    pub(super) fn tell_room(&self) {
        self.room_changed.notify_one();
    }

    /// Moves a batch into the ring.
    pub(super) fn push(&self, batch: Batch) {
        let mut messages = Vec::with_capacity(batch.entries.len());
        for entry in batch.entries {
            match entry {
                Entry::Message(_) => messages.push(item(entry)),
                notice => {
                    self.push_messages(std::mem::take(&mut messages));
                    self.push_notice(notice);
                }
            }
        }
        self.push_messages(messages);
    }

    fn push_messages(&self, messages: Vec<(OwnedItem, usize)>) {
        self.in_flight.fetch_add(messages.len(), Ordering::AcqRel);
        if self.ring.push(messages) {
            self.doorbell.ring();
        }
    }

    /// A notice overtakes the messages; those that it makes stale go back to the driver, untouched.
    fn push_notice(&self, notice: Entry) {
        self.give_back(|message| message.is_stale_after(&notice));
        self.ring.push_notice(item(notice).0);
        self.doorbell.ring();
        self.inbox_changed.notify_one();
    }

    /// What the host has not taken goes back to the driver, untouched.
    pub(super) fn return_untaken(&self) {
        self.give_back(|_| true);
    }

    fn give_back(&self, is_stale: impl FnMut(&OwnedItem) -> bool) {
        let stale = self.ring.withdraw(is_stale);
        let given_back = stale.iter().filter_map(OwnedItem::message).map(requeue);
        self.inbox().settlements.extend(given_back);
        self.settled(stale.len());
    }

    /// Whether a settlement waits for the driver.
    pub(super) fn has_settlements(&self) -> bool {
        !self.inbox().settlements.is_empty()
    }

    /// Takes settlements into the inbox; returns how many.
    pub(super) fn settle(&self, settlements: &[Settlement]) -> usize {
        let mut inbox = self.inbox();
        let limit = self.max_in_flight + SETTLEMENT_SLACK;
        let room = if inbox.is_closed { usize::MAX } else { limit.saturating_sub(inbox.settlements.len()) };
        let taken = settlements.len().min(room);
        inbox.host_waits = taken < settlements.len();
        if !inbox.is_closed {
            inbox.settlements.extend_from_slice(&settlements[..taken]);
        }
        drop(inbox);
        self.settled(taken);
        self.inbox_changed.notify_one();
        taken
    }

    fn settled(&self, count: usize) {
        let take = |now: usize| Some(now.saturating_sub(count));
        // A host that settles twice must not make the count wrap.
        let _ = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        self.tell_room();
    }

    /// Hands a command to the pump; when that is gone, the command's `Done` is dropped, which answers "closed".
    pub(super) fn command(&self, command: Command) {
        let mut inbox = self.inbox();
        if inbox.is_closed {
            drop(inbox); // before the command: dropping it calls the host
            return;
        }
        inbox.commands.push_back(command);
        drop(inbox);
        self.inbox_changed.notify_one();
    }

    /// Waits until the inbox may have changed.
    pub(super) async fn inbox_changed(&self) {
        self.inbox_changed.notified().await;
    }

    /// Takes all that waits; rings when the host waits for room.
    pub(super) fn take_inbox(&self) -> (Vec<Settlement>, VecDeque<Command>) {
        let mut inbox = self.inbox();
        let taken = (std::mem::take(&mut inbox.settlements), std::mem::take(&mut inbox.commands));
        let ring = std::mem::take(&mut inbox.host_waits);
        drop(inbox);
        if ring {
            self.doorbell.ring();
        }
        taken
    }

    /// The pump is gone: no command stays unanswered.
    pub(super) fn finish(&self, end: End) {
        let mut inbox = self.inbox();
        let left = std::mem::replace(&mut *inbox, Inbox { is_closed: true, ..Inbox::default() });
        drop(inbox); // before what is left: dropping it calls the host
        drop(left);
        // The broker delivers again what was not settled: starting it now would only do it twice.
        drop(self.ring.withdraw(|_| true));
        self.ring.end(end);
        self.doorbell.ring();
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Untouched, back to where it came from.
fn requeue(handle: Handle) -> Settlement {
    Settlement { handle, verdict: Verdict::REQUEUE, reserved: 0, delay_ms: 0 }
}
