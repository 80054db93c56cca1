//! Which events a consumer holds, and when their leases must be renewed.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::event::Ticket;

/// A lease is renewed when this part of it has passed: two renewals may fail before it is lost.
const RENEWALS_PER_LEASE: u32 = 3;

/// Numbers for leases. Two processes start at random places of 2⁶⁴, so theirs do not meet.
#[derive(Debug)]
pub struct LeaseNumbers {
    next: i64,
}

impl LeaseNumbers {
    pub fn starting_at(random: i64) -> Self {
        Self { next: random }
    }

    pub fn take(&mut self) -> i64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}

/// The leases of one consumer.
#[derive(Debug)]
pub struct Held {
    period: Duration,
    leases: HashMap<i64, i64>,
    /// In the order of time; those settled meanwhile are skipped when their time comes.
    renewals: VecDeque<(Instant, Ticket)>,
}

impl Held {
    pub fn new(lease: Duration) -> Self {
        let period = lease / RENEWALS_PER_LEASE;
        Self { period, leases: HashMap::new(), renewals: VecDeque::new() }
    }

    /// Notes that `ticket` was claimed or renewed at `now`, or that renewing it failed.
    pub fn hold(&mut self, ticket: Ticket, now: Instant) {
        self.leases.insert(ticket.id, ticket.lease);
        self.renewals.push_back((now + self.period, ticket));
    }

    /// Notes that `ticket` was settled or lost. Whether it was held.
    pub fn forget(&mut self, ticket: Ticket) -> bool {
        let was_held = self.has(ticket);
        if was_held {
            self.leases.remove(&ticket.id);
        }
        if self.leases.is_empty() {
            self.renewals.clear();
        }
        was_held
    }

    /// Takes out the leases whose time to be renewed has come: [`hold`](Self::hold) or
    /// [`forget`](Self::forget) each afterwards.
    pub fn take_due(&mut self, now: Instant) -> Vec<Ticket> {
        let mut due = Vec::new();
        while let Some(&(at, ticket)) = self.renewals.front() {
            if self.has(ticket) && at > now {
                break;
            }
            self.renewals.pop_front();
            due.extend(self.has(ticket).then_some(ticket));
        }
        due
    }

    /// When the next renewal is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.renewals.front().map(|&(at, _)| at)
    }

    /// Everything that is held, in no order.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.leases.iter().map(|(&id, &lease)| Ticket { id, lease }).collect()
    }

    fn has(&self, ticket: Ticket) -> bool {
        self.leases.get(&ticket.id) == Some(&ticket.lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn ticket(id: i64) -> Ticket {
        Ticket { id, lease: id * 100 }
    }

    /// Holds 1, 2, 3 at seconds 0, 1, 2, forgets `settled`, asks at `second`.
    #[track_caller]
    fn check(settled: &[i64], second: u64, expected: &[i64]) {
        let start = Instant::now();
        let mut held = Held::new(LEASE);
        for id in 1..=3 {
            held.hold(ticket(id), start + Duration::from_secs(id as u64 - 1));
        }
        for &id in settled {
            assert!(held.forget(ticket(id)));
        }
        let due: Vec<i64> = held.take_due(start + Duration::from_secs(second)).iter().map(|ticket| ticket.id).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn a_lease_is_renewed_after_a_third_of_it() {
        check(&[], 9, &[]);
        check(&[], 10, &[1]);
        check(&[], 11, &[1, 2]);
        check(&[], 60, &[1, 2, 3]);
    }

    #[test]
    fn what_was_settled_is_not_renewed() {
        check(&[1, 3], 60, &[2]);
        check(&[1, 2, 3], 60, &[]);
    }

    #[test]
    fn a_renewed_lease_comes_up_again() {
        let start = Instant::now();
        let mut held = Held::new(LEASE);
        held.hold(ticket(1), start);
        let later = start + Duration::from_secs(10);
        assert_eq!(held.take_due(later), [ticket(1)]);
        assert_eq!(held.take_due(later), []);
        held.hold(ticket(1), later);
        assert_eq!(held.next_due(), Some(start + Duration::from_secs(20)));
    }

    #[test]
    fn an_old_claim_of_the_same_event_does_not_end_the_new_one() {
        let mut held = Held::new(LEASE);
        let new = Ticket { id: 1, lease: 7 };
        held.hold(new, Instant::now());
        assert!(!held.forget(Ticket { id: 1, lease: 6 }));
        assert_eq!(held.tickets(), [new]);
    }
}
