//! The wall clock, and the moment when somebody sets it back.
//!
//! Delays and leases end at a time of the wall clock, because several processes share them. When the
//! clock is set forward, they end early: a lease that ended early may bring its event twice. When it
//! is set back, they would end late by as much, so what waits is then moved along (`claim::rebase`).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::event::Millis;

/// Steps smaller than this are left alone: clocks are corrected by a few milliseconds all the time.
pub const TOLERANCE_MS: Millis = 1_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub wall: Millis,
    pub steady: Instant,
}

impl Now {
    pub fn read() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let wall = Millis::try_from(since_1970.as_millis()).unwrap_or(Millis::MAX);
        Self { wall, steady: Instant::now() }
    }
}

/// Compares the wall clock with the steady one.
#[derive(Debug)]
pub struct ClockWatch {
    last: Now,
}

impl ClockWatch {
    pub fn new(now: Now) -> Self {
        Self { last: now }
    }

    /// Whether the wall clock was set back since the last look.
    pub fn went_back(&mut self, now: Now) -> bool {
        let passed = now.steady.duration_since(self.last.steady).as_millis() as Millis;
        let expected = self.last.wall.saturating_add(passed);
        self.last = now;
        now.wall < expected.saturating_sub(TOLERANCE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of (steady seconds, wall seconds); whether the last one counts as set back.
    #[track_caller]
    fn check(steps: &[(u64, i64)], expected: bool) {
        let start = Now { wall: 1_000_000, steady: Instant::now() };
        let mut watch = ClockWatch::new(start);
        let mut found = false;
        for &(steady, wall) in steps {
            let steady = start.steady + Duration::from_secs(steady);
            found = watch.went_back(Now { wall: start.wall + wall * 1_000, steady });
        }
        assert_eq!(found, expected, "{steps:?}");
    }

    #[test]
    fn clocks_that_go_together_are_left_alone() {
        check(&[(1, 1), (100, 100)], false);
        check(&[(100, 99)], false);
    }

    #[test]
    fn a_clock_set_forward_is_left_alone() {
        check(&[(1, 5_000)], false);
    }

    #[test]
    fn a_clock_set_back_is_noticed_once() {
        check(&[(1, -5_000)], true);
        check(&[(10, 2)], true);
        check(&[(1, -5_000), (2, -4_999)], false);
    }
}
