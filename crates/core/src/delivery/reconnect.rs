//! Whether and when a lost connection is tried again.

use std::time::Duration;

use super::Backoff;

/// A connection that lasted longer than this was a good one: the next is tried at once, and retries count anew.
const LONG_RUN: Duration = Duration::from_secs(5);

/// Counts the connections of one agent that failed in a row.
#[derive(Debug)]
pub struct Reconnect {
    backoff: Backoff,
    max_retries: Option<u32>,
    failed: u32,
}

/// What to do after a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Again { after: Duration },
    GiveUp,
}

impl Reconnect {
    /// `max_retries` counts connections after the first; `None`: unlimited.
    pub fn new(backoff: Backoff, max_retries: Option<u32>) -> Self {
        Self { backoff, max_retries, failed: 0 }
    }

    /// Which try in a row the next connection is, from 1.
    pub fn attempt(&self) -> u32 {
        self.failed.saturating_add(1)
    }

    /// Connections that failed in a row.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// A connection is gone after it `lasted` so long, and its driver mends it by itself: how long that may take before it
    /// counts as failed. `random` is uniform in `0.0..1.0`.
    pub fn mending(&mut self, lasted: Option<Duration>, random: f64) -> Duration {
        if was_good(lasted) {
            self.failed = 0;
        }
        self.backoff.delay(self.attempt(), random)
    }

    /// A connection is gone after it `lasted` so long (`None`: it was never made). `can_help` says whether trying again
    /// can. `random` is uniform in `0.0..1.0`.
    pub fn lost(&mut self, lasted: Option<Duration>, can_help: bool, random: f64) -> Next {
        let was_good = was_good(lasted);
        self.failed = if was_good { 0 } else { self.attempt() };
        if !can_help || self.max_retries.is_some_and(|limit| self.failed > limit) {
            return Next::GiveUp;
        }
        let after = if was_good { Duration::ZERO } else { self.backoff.delay(self.failed, random) };
        Next::Again { after }
    }
}

fn was_good(lasted: Option<Duration>) -> bool {
    lasted.is_some_and(|lasted| lasted > LONG_RUN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Strategy;

    const SHORT: Option<Duration> = Some(Duration::from_secs(5));
    const LONG: Option<Duration> = Some(Duration::from_millis(5_001));

    /// Loses connections that `lasted` so long, one after the other, and expects these waits in milliseconds; `None` is
    /// giving up.
    #[track_caller]
    fn check(strategy: Strategy, max_retries: Option<u32>, lasted: &[Option<Duration>], expected: &[Option<u64>]) {
        let mut reconnect = Reconnect::new(Backoff::connection(strategy), max_retries);
        let after = |next| match next {
            Next::Again { after } => Some(after.as_millis() as u64),
            Next::GiveUp => None,
        };
        let found: Vec<_> = lasted.iter().map(|lasted| after(reconnect.lost(*lasted, true, 0.5))).collect();
        assert_eq!(found, expected, "{strategy:?}");
    }

    #[test]
    fn every_strategy_waits_in_its_way() {
        let lost = [None; 4];
        check(Strategy::Constant, None, &lost, &[1000, 1000, 1000, 1000].map(Some));
        check(Strategy::Linear, None, &lost, &[1000, 2000, 3000, 4000].map(Some));
        check(Strategy::LinearJitter, None, &lost, &[1000, 2000, 3000, 4000].map(Some));
        check(Strategy::Exponential, None, &lost, &[2000, 4000, 8000, 16000].map(Some));
        check(Strategy::ExponentialJitter, None, &lost, &[2000, 4000, 8000, 16000].map(Some));
    }

    #[test]
    fn retries_count_after_the_first_connection() {
        check(Strategy::Constant, Some(0), &[None], &[None]);
        check(Strategy::Constant, Some(2), &[None, SHORT, None], &[Some(1000), Some(1000), None]);
    }

    #[test]
    fn a_long_run_is_tried_again_at_once_and_counts_anew() {
        check(Strategy::Linear, None, &[None, LONG, None], &[Some(1000), Some(0), Some(1000)]);
        check(Strategy::Linear, Some(1), &[None, LONG, None, None], &[Some(1000), Some(0), Some(1000), None]);
    }

    #[test]
    fn a_connection_that_is_being_mended_counts_when_it_outlasts_the_backoff() {
        let mut reconnect = Reconnect::new(Backoff::connection(Strategy::Linear), Some(1));
        let seconds = |count| Duration::from_secs(count);
        assert_eq!((reconnect.mending(SHORT, 0.5), reconnect.failed()), (seconds(1), 0));
        assert_eq!(reconnect.lost(None, true, 0.5), Next::Again { after: seconds(1) });
        assert_eq!((reconnect.mending(SHORT, 0.5), reconnect.failed()), (seconds(2), 1), "mended only for a moment");
        assert_eq!((reconnect.mending(LONG, 0.5), reconnect.failed()), (seconds(1), 0));
        assert_eq!(reconnect.lost(None, true, 0.5), Next::Again { after: seconds(1) });
        assert_eq!(reconnect.lost(None, true, 0.5), Next::GiveUp);
    }

    #[test]
    fn what_waiting_cannot_mend_is_not_tried_again() {
        let mut reconnect = Reconnect::new(Backoff::connection(Strategy::Constant), None);
        assert_eq!(reconnect.lost(LONG, false, 0.5), Next::GiveUp);
    }
}
