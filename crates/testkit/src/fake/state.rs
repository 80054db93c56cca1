//! The books of a fake broker: a plain state machine, driven by its driver on one side and the test on the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use siphon_sdk::{Capabilities, Error, Settlement, Verdict};
use tokio::time::Instant;

use super::faults::Faults;
use super::record::{Delivery, Fate, MessageRecord, Settled};

/// Everything that a broker knows.
#[derive(Debug)]
pub struct State {
    pub capabilities: Capabilities,
    /// In the order in which they were published.
    pub messages: Vec<MessageRecord>,
    pub faults: Faults,
    /// Connections that were asked for, and those that were made.
    pub connect_attempts: u64,
    pub connects: u64,
    /// Connections that said goodbye.
    pub goodbyes: u64,
    pub is_connected: bool,
    /// The driver has told that the connection is gone.
    pub(super) is_loss_reported: bool,
    pub pings: u64,
    pub pauses: Vec<bool>,
    /// Sizes of the calls of `settle`.
    pub settle_calls: Vec<usize>,
    /// Calls of `recv` without room, and those that were cancelled.
    pub polls_without_room: u64,
    pub cancelled_receives: u64,
    /// Payloads that were delivered, and those whose memory was released.
    pub delivered: usize,
    pub released: usize,
    /// What must never happen: unknown tags, second settlements, settlements on a foreign connection, delays for a
    /// broker that has none.
    pub violations: Vec<String>,
    /// The connection's or assignment's number; grows.
    pub generation: u64,
    /// Which connection the driver's two halves belong to.
    pub(super) session: u64,
    ready: VecDeque<usize>,
    delayed: Vec<(Instant, usize)>,
    unsettled: HashMap<(u64, u64), usize>,
    /// Deliveries that were settled, or taken back by the broker.
    over: HashMap<(u64, u64), bool>,
    revoked: HashSet<i32>,
    pub(super) notices: VecDeque<Notice>,
    next_tag: u64,
}

/// What the driver is to report before the next message.
#[derive(Debug)]
pub(super) enum Notice {
    Revoked { partition: i32, generation: u64 },
    Lag { partition: Option<i32>, count: u64 },
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) index: usize,
    pub(super) delivery: Delivery,
    pub(super) payload: String,
    pub(super) partition: Option<i32>,
}

impl State {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            messages: Vec::new(),
            faults: Faults::default(),
            connect_attempts: 0,
            connects: 0,
            goodbyes: 0,
            is_connected: false,
            is_loss_reported: false,
            pings: 0,
            pauses: Vec::new(),
            settle_calls: Vec::new(),
            polls_without_room: 0,
            cancelled_receives: 0,
            delivered: 0,
            released: 0,
            violations: Vec::new(),
            generation: 0,
            session: 0,
            ready: VecDeque::new(),
            delayed: Vec::new(),
            unsettled: HashMap::new(),
            over: HashMap::new(),
            revoked: HashSet::new(),
            notices: VecDeque::new(),
            next_tag: 0,
        }
    }

    /// How many messages have this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.messages.iter().filter(|message| message.fate == fate).count()
    }

    /// Whether all messages are acked.
    pub fn all_acked(&self) -> bool {
        self.count(Fate::Acked) == self.messages.len()
    }

    /// Whether the broker has this ability.
    pub fn can(&self, ability: Capabilities) -> bool {
        self.capabilities.has(ability)
    }

    pub(super) fn publish(&mut self, payload: String, partition: Option<i32>) {
        self.ready.push_back(self.messages.len());
        self.messages.push(MessageRecord::new(payload, partition));
    }

    /// A new connection: tags start again, as AMQP's delivery tags do.
    pub(super) fn connect(&mut self) -> Result<u64, Error> {
        self.connect_attempts += 1;
        if let Some(refusal) = &self.faults.refuse {
            return Err(refusal.clone());
        }
        self.faults.lost = None;
        self.is_loss_reported = false;
        self.connects += 1;
        self.generation += 1;
        self.next_tag = 0;
        self.is_connected = true;
        Ok(self.generation)
    }

    /// A new connection of a new driver.
    pub(super) fn open_session(&mut self) -> Result<u64, Error> {
        self.session = self.connect()?;
        Ok(self.session)
    }

    /// The connection is gone: what was not settled is delivered again, first.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        let mut taken_back: Vec<_> = self.unsettled.drain().collect();
        taken_back.sort_unstable_by_key(|(_, index)| *index);
        for (name, index) in taken_back.into_iter().rev() {
            self.over.insert(name, false);
            self.make_ready_first(index);
        }
        let uncommitted = |(_, message): &(usize, &MessageRecord)| message.fate == Fate::Uncommitted;
        let indexes: Vec<_> = self.messages.iter().enumerate().filter(uncommitted).map(|(index, _)| index).collect();
        indexes.into_iter().rev().for_each(|index| self.make_ready_first(index));
    }

    /// The partition goes to somebody else until it is assigned again.
    pub(super) fn revoke(&mut self, partition: i32) {
        self.revoked.insert(partition);
        self.notices.push_back(Notice::Revoked { partition, generation: self.generation });
        let is_theirs = |index: &usize| self.messages[*index].partition == Some(partition);
        let names: Vec<_> =
            self.unsettled.iter().filter(|(_, index)| is_theirs(index)).map(|(name, index)| (*name, *index)).collect();
        for (name, index) in names {
            self.unsettled.remove(&name);
            self.over.insert(name, false);
            self.messages[index].fate = Fate::Uncommitted;
        }
    }

    /// The partition comes back, with a new generation; what was not committed is delivered again.
    pub(super) fn assign(&mut self, partition: i32) {
        self.revoked.remove(&partition);
        self.generation += 1;
        for index in (0..self.messages.len()).rev() {
            let message = &self.messages[index];
            if message.partition == Some(partition) && message.fate == Fate::Uncommitted {
                self.make_ready_first(index);
            }
        }
    }

    /// Delivers everything unsettled once more, as when an ack wait has passed; late settlements of the first are stale.
    pub(super) fn redeliver(&mut self) {
        let connected = self.is_connected;
        self.disconnect();
        self.is_connected = connected;
    }

    fn make_ready_first(&mut self, index: usize) {
        self.messages[index].fate = Fate::Ready;
        self.ready.push_front(index);
    }

    /// Up to `room` messages that may be delivered now.
    pub(super) fn deliver(&mut self, room: usize, now: Instant) -> Vec<Outbound> {
        self.wake_delayed(now);
        let room = room.max(std::mem::take(&mut self.faults.flood));
        let mut kept = VecDeque::new();
        let mut out = Vec::new();
        while let Some(index) = self.ready.pop_front() {
            let is_revoked = self.messages[index].partition.is_some_and(|own| self.revoked.contains(&own));
            if out.len() >= room || is_revoked {
                kept.push_back(index);
            } else {
                out.push(self.outbound(index));
            }
        }
        self.ready = kept;
        out
    }

    fn outbound(&mut self, index: usize) -> Outbound {
        self.next_tag += 1;
        self.delivered += 1;
        let (tag, generation) = (self.next_tag, self.generation);
        let message = &mut self.messages[index];
        message.attempts += 1;
        message.fate = Fate::Unsettled;
        let delivery = Delivery { tag, generation, attempt: message.attempts };
        message.deliveries.push(delivery);
        self.unsettled.insert((generation, tag), index);
        Outbound { index, delivery, payload: message.payload.clone(), partition: message.partition }
    }

    fn wake_delayed(&mut self, now: Instant) {
        let due: Vec<_> = self.delayed.extract_if(.., |(due, _)| *due <= now).collect();
        for (_, index) in due {
            self.messages[index].fate = Fate::Ready;
            self.ready.push_back(index);
        }
    }

    /// When the first delayed message is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.iter().map(|(due, _)| *due).min()
    }

    /// A settlement that was sent on the connection `session`.
    pub(super) fn settle(&mut self, session: u64, settlement: Settlement, now: Instant) {
        let Settlement { id: tag, generation, verdict } = settlement;
        let name = (generation, tag);
        if !self.can(Capabilities::SELF_HEALING) && generation != session {
            self.violations
                .push(format!("delivery {tag} of connection {generation} was settled on connection {session}"));
        }
        match self.unsettled.remove(&name) {
            Some(index) => {
                self.over.insert(name, true);
                self.note(index, Settled { tag, generation, verdict, is_stale: false });
                self.apply(index, verdict, now);
            }
            None => self.settle_late(name, verdict),
        }
    }

    /// A settlement for what is unsettled no more: late when the broker has taken it back, wrong otherwise.
    fn settle_late(&mut self, name: (u64, u64), verdict: Verdict) {
        let (generation, tag) = name;
        match self.over.insert(name, true) {
            Some(false) => {
                let is_it = |delivery: &Delivery| (delivery.generation, delivery.tag) == name;
                let index = self.messages.iter().position(|message| message.deliveries.iter().any(is_it));
                let settled = Settled { tag, generation, verdict, is_stale: true };
                index.into_iter().for_each(|index| self.note(index, settled));
            }
            Some(true) => self.violations.push(format!("delivery {tag} of {generation} was settled twice")),
            None => self.violations.push(format!("delivery {tag} of {generation} was settled but never delivered")),
        }
    }

    fn note(&mut self, index: usize, settled: Settled) {
        self.messages[index].settlements.push(settled);
    }

    fn apply(&mut self, index: usize, verdict: Verdict, now: Instant) {
        let gives_back = self.can(Capabilities::GIVE_BACK);
        match verdict {
            Verdict::Ack => self.messages[index].fate = Fate::Acked,
            Verdict::Reject => self.messages[index].fate = Fate::Rejected,
            _ if !gives_back => self.messages[index].fate = Fate::Uncommitted,
            Verdict::Requeue => {
                self.messages[index].attempts -= 1;
                self.make_ready_first(index);
            }
            Verdict::Retry { delay_ms: 0 } => {
                self.messages[index].fate = Fate::Ready;
                self.ready.push_back(index);
            }
            Verdict::Retry { delay_ms } => self.delay(index, Duration::from_millis(delay_ms), now),
        }
    }

    fn delay(&mut self, index: usize, delay: Duration, now: Instant) {
        if !self.can(Capabilities::DELAY) {
            self.violations.push(format!("a delay of {delay:?} was asked of a broker that has none"));
        }
        self.messages[index].fate = Fate::Delayed;
        self.delayed.push((now + delay, index));
    }
}
