//! How often an event was tried, where the broker does not count.

use std::collections::{HashMap, VecDeque};

/// Events that are remembered. What is forgotten starts again at 1: a longer wait is lost, never an event.
const REMEMBERED: usize = 16_384;

/// A bounded table of failed attempts, by what identifies an event: its message id, else a hash of topic and payload.
#[derive(Debug, Default)]
pub struct Attempts {
    failed: HashMap<u64, u32>,
    /// In the order of their first failure; may name events that were forgotten.
    order: VecDeque<u64>,
}

impl Attempts {
    /// Notes a failure; returns which attempt it was, from 1.
    pub fn fail(&mut self, event: u64) -> u32 {
        let count = self.failed.entry(event).or_insert(0);
        *count = count.saturating_add(1);
        let attempt = *count;
        if attempt == 1 {
            self.order.push_back(event);
            self.trim();
        }
        attempt
    }

    /// Forgets an event that succeeded.
    pub fn succeed(&mut self, event: u64) {
        if !self.failed.is_empty() {
            self.failed.remove(&event);
        }
    }

    /// Whether any event has failed: without, no event needs to be identified.
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    fn trim(&mut self) {
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.failed.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_count_until_the_event_succeeds() {
        let mut attempts = Attempts::default();
        assert_eq!([attempts.fail(7), attempts.fail(7), attempts.fail(8)], [1, 2, 1]);
        attempts.succeed(7);
        assert_eq!([attempts.fail(7), attempts.fail(8)], [1, 2]);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let mut attempts = Attempts::default();
        (0..=REMEMBERED as u64).for_each(|event| {
            attempts.fail(event);
        });
        assert_eq!(attempts.failed.len(), REMEMBERED);
        assert_eq!([attempts.fail(0), attempts.fail(REMEMBERED as u64)], [1, 2]);
    }
}
