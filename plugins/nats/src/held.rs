//! Events that were delivered and not settled: who they are to the server, and which of them have to be kept from coming
//! again.
//!
//! A server delivers an event again that it has not heard of for `ack_wait`. Events that are in the pipe, or wait for it,
//! longer than half of that are reported as in progress. Should one come again all the same, because the connection was
//! gone, it is not worked on twice: it takes the place of the earlier delivery.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use async_nats::Subject;

/// Entries of settled events that may lie about before they are swept out.
const SLACK: usize = 64;

/// One delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Where the server wants to hear about it.
    pub reply: Subject,
    /// How often it was delivered, from 1.
    pub count: u32,
}

/// The unsettled events of one consumer, by their sequence in the stream.
#[derive(Debug)]
pub struct Held {
    patience: Duration,
    by_sequence: HashMap<u64, (Delivery, Instant)>,
    /// When each was delivered or last reported, oldest first. Those of settled events stay for a while.
    heard: VecDeque<(Instant, u64)>,
}

impl Held {
    /// `ack_wait`: how long the server waits for a word about an event.
    pub fn new(ack_wait: Duration) -> Self {
        Self { patience: ack_wait / 2, by_sequence: HashMap::new(), heard: VecDeque::new() }
    }

    /// An event was delivered. False: it is being worked on already.
    pub fn deliver(&mut self, sequence: u64, delivery: Delivery, now: Instant) -> bool {
        self.heard.push_back((now, sequence));
        self.by_sequence.insert(sequence, (delivery, now)).is_none()
    }

    /// An event is done with. `None`: it was before.
    pub fn settle(&mut self, sequence: u64) -> Option<Delivery> {
        let (delivery, _) = self.by_sequence.remove(&sequence)?;
        if self.heard.len() > 2 * self.by_sequence.len() + SLACK {
            let by_sequence = &self.by_sequence;
            self.heard.retain(|(at, sequence)| is_last_word(by_sequence, *at, *sequence));
        }
        Some(delivery)
    }

    /// Those that the server has not heard of for half of its patience. They count as reported.
    pub fn overdue(&mut self, now: Instant) -> Vec<Subject> {
        let mut overdue = Vec::new();
        while let Some((at, sequence)) = self.heard.front().copied() {
            let is_live = is_last_word(&self.by_sequence, at, sequence);
            if is_live && at + self.patience > now {
                break;
            }
            self.heard.pop_front();
            if let Some((delivery, heard)) = self.by_sequence.get_mut(&sequence).filter(|_| is_live) {
                *heard = now;
                overdue.push(delivery.reply.clone());
                self.heard.push_back((now, sequence));
            }
        }
        overdue
    }

    /// How often to look for those that are overdue: so that each is reported well before the server's patience ends.
    pub fn look_every(&self) -> Duration {
        self.patience / 2
    }
}

fn is_last_word(by_sequence: &HashMap<u64, (Delivery, Instant)>, at: Instant, sequence: u64) -> bool {
    by_sequence.get(&sequence).is_some_and(|(_, heard)| *heard == at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(reply: &str, count: u32) -> Delivery {
        Delivery { reply: reply.to_owned().into(), count }
    }

    fn held() -> (Held, Instant) {
        (Held::new(Duration::from_secs(30)), Instant::now())
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_event_is_reported_when_half_of_the_wait_is_over_and_again_after_another_half() {
        let (mut held, start) = held();
        assert!(held.deliver(1, delivery("one", 1), start));
        assert!(held.deliver(2, delivery("two", 1), after(start, 5)));
        assert_eq!(held.overdue(after(start, 14)), []);
        assert_eq!(held.overdue(after(start, 15)), ["one".into()]);
        assert_eq!(held.overdue(after(start, 20)), ["two".into()]);
        assert_eq!(held.overdue(after(start, 29)), []);
        assert_eq!(held.overdue(after(start, 36)), ["one".into(), "two".into()]);
    }

    #[test]
    fn a_settled_event_is_not_reported_any_more_and_settled_once() {
        let (mut held, start) = held();
        held.deliver(1, delivery("one", 3), start);
        assert_eq!(held.settle(1), Some(delivery("one", 3)));
        assert_eq!((held.settle(1), held.overdue(after(start, 100))), (None, vec![]));
    }

    #[test]
    fn an_event_that_comes_again_while_it_is_worked_on_takes_the_earlier_ones_place() {
        let (mut held, start) = held();
        assert!(held.deliver(1, delivery("early", 1), start));
        assert!(!held.deliver(1, delivery("late", 2), after(start, 10)));
        assert_eq!(held.overdue(after(start, 15)), [], "the server has just delivered it");
        assert_eq!(held.overdue(after(start, 25)), ["late".into()]);
        assert_eq!(held.settle(1), Some(delivery("late", 2)));
        assert!(held.deliver(1, delivery("later", 3), after(start, 30)), "after its end it is a new one");
    }

    #[test]
    fn one_that_takes_long_does_not_make_the_others_pile_up() {
        let (mut held, start) = held();
        held.deliver(0, delivery("long", 1), start);
        for sequence in 1..10_000 {
            held.deliver(sequence, delivery("short", 1), start);
            held.settle(sequence);
        }
        assert!(held.heard.len() <= SLACK + 3, "{}", held.heard.len());
        assert_eq!(held.overdue(after(start, 15)), ["long".into()]);
    }
}
