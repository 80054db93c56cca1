//! When the next call may go.
//!
//! One moment says it all: until when the calls made so far have used up the rate. A call moves it by one interval; it
//! may lie ahead of now by the rest of the capacity. So never more than the capacity goes at once, and a quiet time of
//! any length gives back the capacity and no more.
//!
//! Source: the generic cell rate algorithm, ITU-T I.371 Annex A.

use std::time::Duration;

use tokio::time::Instant;

/// Calls of one backend.
#[derive(Debug)]
pub(super) struct Bucket {
    interval: Duration,
    /// How far `used_until` may be ahead before a call is made.
    ahead: Duration,
    /// `None`: no call yet.
    used_until: Option<Instant>,
}

impl Bucket {
    /// One call each `interval`, `capacity` (at least 1) at once. Times past 30 years are as good as for ever.
    pub fn new(interval: Duration, capacity: u32) -> Self {
        const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        let interval = interval.min(LONGEST);
        let ahead = interval.checked_mul(capacity.saturating_sub(1)).map_or(LONGEST, |ahead| ahead.min(LONGEST));
        Self { interval, ahead, used_until: None }
    }

    /// Takes one call.
    ///
    /// # Errors
    ///
    /// The time until there is one to take; above zero.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let used_until = self.used_until.map_or(now, |used_until| used_until.max(now));
        let wait = (used_until - now).saturating_sub(self.ahead);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.used_until = Some(used_until + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Five calls a second, three at once. Asks at each of `asked` (milliseconds), expects the waits (0: taken).
    #[track_caller]
    fn check(asked: &[u64], waits: &[u64]) {
        let start = Instant::now();
        let mut bucket = Bucket::new(Duration::from_millis(200), 3);
        let at = |ms: &u64| start + Duration::from_millis(*ms);
        let said: Vec<_> = asked.iter().map(|ms| bucket.take(at(ms)).err().unwrap_or_default()).collect();
        assert_eq!(said, waits.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>());
    }

    #[test]
    fn the_capacity_goes_at_once_and_then_the_rate_counts() {
        check(&[0, 0, 0, 0, 100, 200, 200], &[0, 0, 0, 200, 100, 0, 200]);
    }

    #[test]
    fn a_long_quiet_time_gives_no_more_than_the_capacity() {
        check(&[0, 100_000, 100_000, 100_000, 100_000], &[0, 0, 0, 0, 200]);
    }

    #[test]
    fn a_refusal_uses_nothing_up() {
        check(&[0, 0, 0, 0, 0, 0, 200], &[0, 0, 0, 200, 200, 200, 0]);
    }

    #[test]
    fn rates_near_the_limits_do_not_overflow() {
        let mut slow = Bucket::new(Duration::MAX, u32::MAX);
        let now = Instant::now();
        assert_eq!((slow.take(now), slow.take(now).is_ok()), (Ok(()), true));
    }

    proptest! {
        #[test]
        fn in_no_time_pass_more_than_the_rate_and_the_capacity(
            capacity in 1u32..20,
            gaps in prop::collection::vec(0u64..300, 1..200),
        ) {
            let interval = Duration::from_millis(100);
            let mut bucket = Bucket::new(interval, capacity);
            let (mut now, mut passed) = (Instant::now(), Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                match bucket.take(now) {
                    Ok(()) => passed.push(now),
                    Err(wait) => prop_assert!(bucket.take(now + wait - Duration::from_nanos(1)).is_err()),
                }
            }
            for (first, start) in passed.iter().enumerate() {
                for (last, end) in passed.iter().enumerate().skip(first) {
                    let allowed = u128::from(capacity) + (*end - *start).as_millis() / interval.as_millis();
                    prop_assert!((last - first + 1) as u128 <= allowed);
                }
            }
        }
    }
}
