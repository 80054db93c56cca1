//! The books of one agent: how many events may start, which failed ones wait, what is to be told to the driver.
//!
//! No socket, no task, no clock: time comes in as an argument.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use siphon_abi::{Capabilities, Terms};
use tokio::time::Instant;

use crate::delivery::{Attempts, Decision, Policy, TokenBucket, Waiting};
use crate::plugin::{Event, Handle, Settlement, Verdict};
use crate::{AgentSpec, Failure};

mod gone;

pub(crate) use gone::Gone;

/// Accounts of the events that one agent has taken and not settled.
#[derive(Debug)]
pub(crate) struct Deliveries {
    workers: usize,
    held_limit: usize,
    policy: Policy,
    capabilities: Capabilities,
    rate: Option<TokenBucket>,
    attempts: Attempts,
    waiting: Waiting<Held>,
    running: usize,
    unsent: Vec<Settlement>,
    gone: Gone,
    /// What the open source has said about itself.
    terms: Terms,
    /// The process ends: nothing waits any more.
    is_draining: bool,
}

/// A failed event that waits.
#[derive(Debug)]
enum Held {
    /// To be given back; its payload is already forgotten.
    GiveBack { handle: Handle, partition: Option<i32> },
    /// To be tried again in place.
    Again(Event),
}

/// What became of a failed event, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub attempt: u32,
    pub end: FailedEnd,
    /// Whether it went back to the broker right away.
    pub is_given_back: bool,
}

/// How a failed run ended for its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedEnd {
    /// It comes back after this time.
    Waits(Duration),
    Rejected,
    /// Acknowledged, because a check said so.
    Discarded,
}

impl Deliveries {
    pub(crate) fn new(spec: &AgentSpec, now: Instant) -> Self {
        Self {
            workers: spec.workers,
            held_limit: spec.held_limit(),
            policy: spec.policy.clone(),
            capabilities: spec.driver.capabilities,
            rate: spec.max_rate.map(|rate| TokenBucket::new(rate, now)),
            attempts: Attempts::default(),
            waiting: Waiting::default(),
            running: 0,
            unsent: Vec::new(),
            gone: Gone::default(),
            terms: Terms::NONE,
            is_draining: false,
        }
    }

    /// How many events may start now.
    pub(crate) fn places(&mut self, now: Instant) -> usize {
        if self.is_draining || self.waiting.len() >= self.held_limit {
            return 0;
        }
        let free = self.workers.saturating_sub(self.running);
        if free == 0 {
            return 0;
        }
        self.rate.as_mut().map_or(free, |rate| free.min(rate.available(now)))
    }

    /// An event goes into the pipe.
    pub(crate) fn started(&mut self) {
        self.running += 1;
        if let Some(rate) = &mut self.rate {
            rate.take(1);
        }
    }

    /// An event of a connection that is gone has left the pipe: its broker delivers it again.
    pub(crate) fn finished_stale(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    pub(crate) fn succeeded(&mut self, event: &Event) {
        self.running = self.running.saturating_sub(1);
        if !self.attempts.is_empty() {
            self.attempts.succeed(identity(event));
        }
        self.settle(event.handle(), Verdict::ACK, Duration::ZERO);
    }

    /// The source has said what holds for it.
    pub(crate) fn agree(&mut self, terms: Terms) {
        self.terms = self.terms.and(terms);
    }

    /// `random` is uniform in `0.0..1.0`.
    pub(crate) fn failed(&mut self, event: Event, failure: &Failure, now: Instant, random: f64) -> Failed {
        self.running = self.running.saturating_sub(1);
        let attempt = event.attempt().unwrap_or_else(|| self.attempts.fail(identity(&event)));
        let can_dead_letter = self.capabilities.has(Capabilities::REJECT);
        let decision = self.policy.decide(attempt, failure, can_dead_letter, random);
        // Somebody else works by now on what is gone: nothing is final.
        let is_gone = self.gone.has(event.handle(), event.partition());
        let is_final = self.terms.has(Terms::FAILURE_IS_FINAL);
        match decision {
            Decision::Discard if !is_gone => self.end(&event, attempt, Verdict::ACK, FailedEnd::Discarded),
            Decision::DeadLetter if !is_gone => self.end(&event, attempt, Verdict::REJECT, FailedEnd::Rejected),
            _ if is_final && !is_gone => self.end(&event, attempt, Verdict::REJECT, FailedEnd::Rejected),
            Decision::Retry { after } => {
                let is_given_back = self.retry(event, after, now);
                Failed { attempt, end: FailedEnd::Waits(after), is_given_back }
            }
            Decision::Discard | Decision::DeadLetter => {
                let is_given_back = self.retry(event, Duration::ZERO, now);
                Failed { attempt, end: FailedEnd::Waits(Duration::ZERO), is_given_back }
            }
        }
    }

    /// An event has failed for good: there is no later attempt to count.
    fn end(&mut self, event: &Event, attempt: u32, verdict: Verdict, end: FailedEnd) -> Failed {
        self.attempts.succeed(identity(event));
        self.settle(event.handle(), verdict, Duration::ZERO);
        Failed { attempt, end, is_given_back: end == FailedEnd::Rejected }
    }

    /// Sends a failed event on its way: with its delay where the broker can delay, else it is held, else it stays.
    fn retry(&mut self, event: Event, wait: Duration, now: Instant) -> bool {
        let handle = event.handle();
        if self.gone.has(handle, event.partition()) {
            self.settle(handle, Verdict::REQUEUE, Duration::ZERO); // somebody else works on it by now
            return true;
        }
        let can_delay = self.capabilities.has(Capabilities::DELAY);
        if can_delay || self.is_draining || (self.can_give_back() && wait.is_zero()) {
            self.settle(handle, Verdict::RETRY, if can_delay { wait } else { Duration::ZERO });
            return true;
        }
        let held = if self.can_give_back() {
            Held::GiveBack { handle, partition: event.partition() }
        } else {
            Held::Again(event)
        };
        self.waiting.add(now + wait, held);
        false
    }

    /// What has waited long enough: to be given back (counted in the answer), or to be tried again while there are places.
    pub(crate) fn take_due(&mut self, now: Instant, mut again: impl FnMut(Event)) -> usize {
        let mut given_back = 0;
        while self.waiting.next_due().is_some_and(|due| due <= now) {
            let has_place = self.running < self.workers && self.has_token(now);
            match self.waiting.take_due(now) {
                Some(Held::GiveBack { handle, .. }) => {
                    given_back += 1;
                    self.settle(handle, Verdict::RETRY, Duration::ZERO);
                }
                Some(Held::Again(event)) if has_place => {
                    self.started();
                    again(event);
                }
                Some(held @ Held::Again(_)) => {
                    self.waiting.add(now, held);
                    break;
                }
                None => break,
            }
        }
        given_back
    }

    /// The process ends: what waits goes back at once. Returns how many.
    pub(crate) fn drain(&mut self) -> usize {
        self.is_draining = true;
        self.give_back_if(|_| true, Verdict::RETRY)
    }

    /// The connection of `generation` is gone; the driver knows that these are stale, and wants them settled all the same.
    pub(crate) fn lost(&mut self, generation: u64) {
        self.gone.lose(generation);
        self.give_back_if(|held| held.handle().generation <= generation, Verdict::REQUEUE);
    }

    /// A partition belongs to somebody else.
    pub(crate) fn revoked(&mut self, partition: i32, generation: u64) {
        self.gone.revoke(partition, generation);
        let is_theirs = |held: &Held| held.partition() == Some(partition) && held.handle().generation <= generation;
        self.give_back_if(is_theirs, Verdict::REQUEUE);
    }

    /// The source is gone with everything that was not settled. Returns how many events that are, those in the pipe not
    /// counted.
    pub(crate) fn forget_connection(&mut self) -> usize {
        let lost = self.waiting.len() + self.unsent.len();
        self.waiting = Waiting::default();
        self.gone = Gone::default();
        self.terms = Terms::NONE;
        self.unsent.clear();
        lost
    }

    /// Gives an event back untouched: it was in the pipe when the grace period ended.
    pub(crate) fn abandon(&mut self, handle: Handle) {
        self.settle(handle, Verdict::REQUEUE, Duration::ZERO);
    }

    /// Settlements that the driver has not taken yet, in order.
    pub(crate) fn unsent(&self) -> &[Settlement] {
        &self.unsent
    }

    /// The driver took the first `count`.
    pub(crate) fn sent(&mut self, count: usize) {
        self.unsent.drain(..count);
    }

    /// When there is something to do without anything happening: a wait ends, or a token comes for what could use it.
    /// `is_dry`: the driver has nothing more at the moment.
    pub(crate) fn next_wake(&self, is_dry: bool) -> Option<Instant> {
        let has_worker = !self.is_draining && self.running < self.workers;
        let token = self.rate.as_ref().map(TokenBucket::next);
        let takes_more = has_worker && !is_dry && self.waiting.len() < self.held_limit;
        let due = self.waiting.next_due();
        let due = match self.can_give_back() {
            true => due,
            // With all workers busy it waits for a place, not for a time.
            false => due.filter(|_| has_worker).map(|due| token.map_or(due, |token| token.max(due))),
        };
        token.filter(|_| takes_more).into_iter().chain(due).min()
    }

    fn has_token(&mut self, now: Instant) -> bool {
        self.rate.as_mut().is_none_or(|rate| rate.available(now) > 0)
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn can_give_back(&self) -> bool {
        self.capabilities.has(Capabilities::GIVE_BACK)
    }

    fn give_back_if(&mut self, is_taken: impl FnMut(&Held) -> bool, verdict: Verdict) -> usize {
        let taken = self.waiting.take_if(is_taken);
        taken.iter().for_each(|held| self.settle(held.handle(), verdict, Duration::ZERO));
        taken.len()
    }

    fn settle(&mut self, handle: Handle, verdict: Verdict, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.unsent.push(Settlement { handle, verdict, reserved: 0, delay_ms });
    }
}

impl Held {
    fn handle(&self) -> Handle {
        match self {
            Self::GiveBack { handle, .. } => *handle,
            Self::Again(event) => event.handle(),
        }
    }

    fn partition(&self) -> Option<i32> {
        match self {
            Self::GiveBack { partition, .. } => *partition,
            Self::Again(event) => event.partition(),
        }
    }
}

/// What an event is recognised by when it comes again: its place in the log where the broker has one, else its message id,
/// else its topic and payload.
fn identity(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let (Some(partition), Some(offset)) = (event.partition(), event.offset()) {
        (event.topic(), partition, offset).hash(&mut hasher);
    } else if let Some((_, id)) = event.attributes().find(|(name, _)| *name == b"message_id") {
        id.hash(&mut hasher);
    } else {
        (event.topic(), &event.payload()[..]).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
