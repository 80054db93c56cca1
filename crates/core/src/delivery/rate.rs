//! `max_rate`: how many events may start now.

use std::time::Duration;

use tokio::time::Instant;

/// A clock cannot count for ever; a rate below this one is looked at again after it.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// A token bucket: `rate` tokens a second, at most one second's worth and at least one; full at the start.
#[derive(Debug)]
pub struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// `rate` is in events per second, above zero.
    pub fn new(rate: f64, now: Instant) -> Self {
        Self { rate, tokens: capacity(rate), filled: now }
    }

    /// Whole tokens there are.
    pub fn available(&mut self, now: Instant) -> usize {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(capacity(self.rate));
        self.filled = now.max(self.filled);
        self.tokens as usize
    }

    /// Uses up `count` tokens that were [`available`](Self::available).
    pub fn take(&mut self, count: usize) {
        self.tokens -= count as f64;
    }

    /// When the next whole token will be there.
    pub fn next(&self) -> Instant {
        let missing = (1.0 - self.tokens).max(0.0) / self.rate;
        // Rounded up: waking a nanosecond early would only turn the loop once more.
        let wait = Duration::try_from_secs_f64(missing).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.filled + wait + Duration::from_micros(1)
    }
}

fn capacity(rate: f64) -> f64 {
    rate.floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bucket_starts_full_and_refills_with_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(2.0, start);
        assert_eq!(bucket.available(start), 2);
        bucket.take(2);
        assert_eq!(bucket.available(start + Duration::from_millis(499)), 0);
        assert_eq!(bucket.available(bucket.next()), 1);
        assert_eq!(bucket.available(start + Duration::from_secs(60)), 2, "no more than one second's worth");
    }

    #[test]
    fn a_rate_below_one_lets_one_through_at_a_time() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(0.5, start);
        assert_eq!(bucket.available(start), 1);
        bucket.take(1);
        assert_eq!(bucket.available(start + Duration::from_millis(1_990)), 0);
        assert_eq!(bucket.available(start + Duration::from_millis(2_010)), 1);
    }

    #[test]
    fn a_rate_of_almost_nothing_waits_and_does_not_overflow() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1e-300, start);
        bucket.take(1);
        assert!(bucket.next() > start + Duration::from_secs(3_600));
        assert_eq!(bucket.available(bucket.next()), 0);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(rate in 0.1f64..500.0, steps in prop::collection::vec(0u64..300, 1..200)) {
            let start = Instant::now();
            let (mut bucket, mut now, mut passed) = (TokenBucket::new(rate, start), start, 0);
            for step in steps {
                now += Duration::from_millis(step);
                let count = bucket.available(now);
                bucket.take(count);
                passed += count;
            }
            let allowed = capacity(rate) + rate * (now - start).as_secs_f64();
            prop_assert!(passed as f64 <= allowed + 1e-6, "{passed} passed, {allowed} allowed");
        }
    }
}
