//! What becomes of an event that failed. The same for every driver.

use std::time::Duration;

use super::Backoff;
use crate::{Failure, Outcome};

/// Longest time that a backend's `Retry-After` can keep an event.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// `async/delivery`. Room is left for its further keys: a decision is made from attempt and failure alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub retry: Backoff,
}

/// What to do with a failed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Give it back, or try it again in place, after this time.
    Retry { after: Duration },
    /// Reject it: its broker keeps it where failed ones are.
    DeadLetter,
    /// Acknowledge it.
    Discard,
}

impl Policy {
    /// `attempt` is the run of the pipe that failed, from 1. `random` is uniform in `0.0..1.0`. Where the broker
    /// `can_dead_letter` nothing, an event that should go there is tried again: rejected, it would be lost.
    pub fn decide(&self, attempt: u32, failure: &Failure, can_dead_letter: bool, random: f64) -> Decision {
        match failure.outcome {
            Some(Outcome::DeadLetter) if can_dead_letter => return Decision::DeadLetter,
            Some(Outcome::Discard) => return Decision::Discard,
            Some(Outcome::DeadLetter | Outcome::Retry) | None => {}
        }
        let own = self.retry.delay(attempt.saturating_sub(1), random);
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        Decision::Retry { after: own.max(asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;
    use crate::delivery::Strategy;

    fn policy() -> Policy {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(5));
        Policy { retry: Backoff { strategy: Strategy::Exponential, base, max } }
    }

    #[track_caller]
    fn check(attempt: u32, retry_after: Option<u64>, expected_ms: u64) {
        let failure = Failure {
            retry_after: retry_after.map(Duration::from_secs),
            ..Failure::new(FailureKind::Status(503), "busy")
        };
        let after = Duration::from_millis(expected_ms);
        assert_eq!(policy().decide(attempt, &failure, true, 0.5), Decision::Retry { after });
    }

    #[test]
    fn a_failed_event_waits_longer_each_time_up_to_the_limit() {
        check(1, None, 100);
        check(2, None, 200);
        check(3, None, 400);
        check(30, None, 5_000);
    }

    #[test]
    fn an_outcome_that_was_chosen_is_honoured_unless_the_event_would_be_lost() {
        let decide = |outcome, can_dead_letter| {
            let failure = Failure { outcome: Some(outcome), ..Failure::new(FailureKind::Invalid, "no") };
            policy().decide(1, &failure, can_dead_letter, 0.5)
        };
        let retry = Decision::Retry { after: Duration::from_millis(100) };
        for can_dead_letter in [true, false] {
            assert_eq!(decide(Outcome::Retry, can_dead_letter), retry);
            assert_eq!(decide(Outcome::Discard, can_dead_letter), Decision::Discard);
        }
        assert_eq!(decide(Outcome::DeadLetter, true), Decision::DeadLetter);
        assert_eq!(decide(Outcome::DeadLetter, false), retry);
    }

    #[test]
    fn a_backend_may_ask_for_more_time_but_not_for_days() {
        check(1, Some(20), 20_000);
        check(1, Some(86_400), 300_000);
        check(9, Some(0), 5_000);
    }
}
