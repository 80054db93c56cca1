//! How long to wait before trying again, for connections and for events.
//!
//! Source: the reference's supervised loop (`docs/delivery.md` has the table).

use std::time::Duration;

/// The five strategies of `backoff_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Constant,
    Linear,
    LinearJitter,
    Exponential,
    ExponentialJitter,
}

/// A strategy with its unit and its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub strategy: Strategy,
    /// What `constant` waits, and what the others multiply.
    pub base: Duration,
    pub max: Duration,
}

impl Backoff {
    /// That of connections: a second as the unit. Exponential delays end at 5 minutes: the reference has no cap, and
    /// waits for days after an evening's outage.
    pub const fn connection(strategy: Strategy) -> Self {
        Self { strategy, base: Duration::from_secs(1), max: Duration::from_secs(300) }
    }

    /// The delay before try `n`, where 0 is the first. `random` is uniform in `0.0..1.0`.
    pub fn delay(&self, n: u32, random: f64) -> Duration {
        match self.strategy {
            Strategy::Constant => self.base.min(self.max),
            Strategy::Linear => self.linear(n),
            Strategy::LinearJitter => self.jittered(self.linear(n), random),
            Strategy::Exponential => self.exponential(n),
            Strategy::ExponentialJitter => self.jittered(self.exponential(n), random),
        }
    }

    fn linear(&self, n: u32) -> Duration {
        self.base.saturating_mul(n).min(self.max)
    }

    fn exponential(&self, n: u32) -> Duration {
        let factor = 1u32.checked_shl(n).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }

    /// `delay` give or take a third, as in the reference: at least 1 ms, unless there is no delay to vary.
    fn jittered(&self, delay: Duration, random: f64) -> Duration {
        if self.base.is_zero() {
            return Duration::ZERO;
        }
        let third = delay / 3;
        let low = delay.saturating_sub(third);
        (low + (third * 2).mul_f64(random.clamp(0.0, 1.0)))
            .clamp(Duration::from_millis(1), self.max.max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    /// The first delays, in seconds, in the middle of the jitter.
    #[track_caller]
    fn check(strategy: Strategy, expected: [f64; 4]) {
        let backoff = Backoff::connection(strategy);
        let found = [0, 1, 2, 3].map(|n| backoff.delay(n, 0.5).as_secs_f64());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.002, "{strategy:?}: {found} instead of {expected}");
        }
    }

    #[test]
    fn the_first_delays_are_those_of_the_reference() {
        check(Strategy::Constant, [1.0, 1.0, 1.0, 1.0]);
        check(Strategy::Linear, [0.0, 1.0, 2.0, 3.0]);
        check(Strategy::LinearJitter, [0.001, 1.0, 2.0, 3.0]);
        check(Strategy::Exponential, [1.0, 2.0, 4.0, 8.0]);
        check(Strategy::ExponentialJitter, [1.0, 2.0, 4.0, 8.0]);
    }

    #[test]
    fn exponential_delays_end_at_five_minutes() {
        for n in [9, 31, 32, 33, u32::MAX] {
            assert_eq!(Backoff::connection(Strategy::Exponential).delay(n, 0.0), Duration::from_secs(300));
        }
    }

    #[test]
    fn a_base_of_zero_never_waits() {
        let backoff =
            Backoff { strategy: Strategy::ExponentialJitter, base: Duration::ZERO, max: Duration::from_secs(5) };
        assert_eq!(backoff.delay(7, 0.9), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_third(n in 0u32..40, random in 0.0f64..1.0) {
            let plain = Backoff::connection(Strategy::Exponential).delay(n, 0.0);
            let jittered = Backoff::connection(Strategy::ExponentialJitter).delay(n, random);
            prop_assert!(jittered >= plain - plain / 3);
            prop_assert!(jittered <= (plain + plain / 3).min(Duration::from_secs(300)));
        }
    }
}
