//! Whether a backend is called: closed (yes), open (no), half-open (one event tries).
//!
//! ```text
//! closed ── more failures in a row than are borne ──▶ open ── timeout, and an event comes ──▶ half-open
//!    ▲                                                  ▲                                        │
//!    └────────────────── it succeeds ───────────────────┼──────────── it fails ──────────────────┘
//! ```

use std::time::Duration;

use tokio::time::Instant;

/// What a breaker bears.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Length of the windows in which failures count while closed; `None`: one without end.
    pub interval: Option<Duration>,
    /// How long it stays open.
    pub timeout: Duration,
    /// Failures in a row that do not open it.
    pub max_errors: u32,
}

/// The breaker of one backend.
#[derive(Debug)]
pub(super) struct Machine {
    limits: Limits,
    state: State,
    /// How often the state changed. What began under another state says nothing about this one.
    changes: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
        /// `None` before the first call, and without an interval.
        window_end: Option<Instant>,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        is_trying: bool,
    },
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    changes: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Success,
    Failure,
    /// Neither.
    GivenUp,
}

/// Why a call is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Open {
        /// Until an event may try.
        left: Duration,
    },
    /// Another event tries at this moment.
    Trying,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub from: &'static str,
    pub to: &'static str,
}

impl Machine {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Closed { failures: 0, window_end: None }, changes: 0 }
    }

    /// Whether a call may be made. Every ticket goes to [`end`](Self::end).
    pub fn admit(&mut self, now: Instant) -> (Result<Ticket, Refusal>, Option<Move>) {
        let mut moved = None;
        match &mut self.state {
            State::Closed { .. } => self.roll(now),
            State::Open { until } if *until > now => return (Err(Refusal::Open { left: *until - now }), None),
            State::Open { .. } => moved = Some(self.become_(State::HalfOpen { is_trying: true })),
            State::HalfOpen { is_trying: true } => return (Err(Refusal::Trying), None),
            State::HalfOpen { is_trying } => *is_trying = true,
        }
        (Ok(Ticket { changes: self.changes }), moved)
    }

    /// A call that ended under another state than it began under does not count.
    pub fn end(&mut self, ticket: Ticket, ending: Ending, now: Instant) -> Option<Move> {
        if ticket.changes != self.changes {
            return None;
        }
        self.roll(now);
        match (&mut self.state, ending) {
            (State::Closed { failures, .. }, Ending::Success) => *failures = 0,
            (State::Closed { failures, .. }, Ending::Failure) => {
                *failures = failures.saturating_add(1);
                if *failures > self.limits.max_errors {
                    return Some(self.open(now));
                }
            }
            (State::HalfOpen { .. }, Ending::Success) => {
                let window_end = self.limits.interval.map(|interval| now + interval);
                return Some(self.become_(State::Closed { failures: 0, window_end }));
            }
            (State::HalfOpen { .. }, Ending::Failure) => return Some(self.open(now)),
            (State::HalfOpen { is_trying }, Ending::GivenUp) => *is_trying = false,
            (State::Closed { .. }, Ending::GivenUp) | (State::Open { .. }, _) => {}
        }
        None
    }

    /// Begins the next window, without failures, when the last is over.
    fn roll(&mut self, now: Instant) {
        let State::Closed { failures, window_end } = &mut self.state else { return };
        let Some(interval) = self.limits.interval else { return };
        match window_end {
            Some(end) if now <= *end => {}
            Some(_) => (*failures, *window_end) = (0, Some(now + interval)),
            None => *window_end = Some(now + interval),
        }
    }

    fn open(&mut self, now: Instant) -> Move {
        self.become_(State::Open { until: now + self.limits.timeout })
    }

    fn become_(&mut self, state: State) -> Move {
        let moved = Move { from: self.state.name(), to: state.name() };
        self.state = state;
        self.changes += 1;
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPEN: &str = "open";

    fn limits(interval: u64, timeout: u64, max_errors: u32) -> Limits {
        let interval = Some(Duration::from_secs(interval)).filter(|interval| !interval.is_zero());
        Limits { interval, timeout: Duration::from_secs(timeout), max_errors }
    }

    /// One step of a script: at a second, a call that ends as it says at another second; what it is told at its start.
    struct Call(u64, u64, Ending, &'static str);

    /// Makes calls one after the other.
    #[track_caller]
    fn check(limits: Limits, calls: &[Call]) {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut machine = Machine::new(limits);
        for Call(from, to, ending, expected) in calls {
            let (admitted, _) = machine.admit(at(*from));
            let said = match admitted {
                Ok(_) => "go",
                Err(Refusal::Open { .. }) => OPEN,
                Err(Refusal::Trying) => "trying",
            };
            assert_eq!(said, *expected, "at {from}");
            if let Ok(ticket) = admitted {
                machine.end(ticket, *ending, at(*to));
            }
        }
    }

    #[test]
    fn one_failure_more_than_are_borne_opens_it() {
        use Ending::Failure as F;
        check(limits(60, 60, 0), &[Call(0, 0, F, "go"), Call(0, 0, F, OPEN)]);
        check(limits(60, 60, 1), &[Call(0, 0, F, "go"), Call(0, 0, F, "go"), Call(0, 0, F, OPEN)]);
    }

    #[test]
    fn only_failures_in_a_row_count() {
        use Ending::{Failure as F, GivenUp as G, Success as S};
        let calls = [Call(0, 0, F, "go"), Call(0, 0, S, "go"), Call(0, 0, F, "go"), Call(0, 0, G, "go")];
        check(limits(60, 60, 1), &calls);
        check(limits(60, 60, 1), &[Call(0, 0, F, "go"), Call(0, 0, G, "go"), Call(0, 0, F, "go"), Call(0, 0, F, OPEN)]);
    }

    #[test]
    fn failures_of_an_earlier_window_are_forgotten() {
        use Ending::Failure as F;
        let calls = [Call(0, 0, F, "go"), Call(0, 0, F, "go"), Call(2, 2, F, "go"), Call(2, 2, F, "go")];
        check(limits(1, 60, 2), &calls);
        check(
            limits(0, 60, 2),
            &[Call(0, 0, F, "go"), Call(9, 9, F, "go"), Call(99, 99, F, "go"), Call(99, 99, F, OPEN)],
        );
    }

    #[test]
    fn a_call_longer_than_the_window_counts_where_it_ends() {
        use Ending::Failure as F;
        check(limits(1, 60, 0), &[Call(0, 5, F, "go"), Call(5, 5, F, OPEN)]);
    }

    #[test]
    fn after_its_timeout_one_call_decides() {
        use Ending::{Failure as F, Success as S};
        let calls = [Call(0, 0, F, "go"), Call(9, 9, S, OPEN), Call(10, 10, F, "go"), Call(19, 19, S, OPEN)];
        check(limits(60, 10, 0), &calls);
        let calls = [Call(0, 0, F, "go"), Call(10, 10, S, "go"), Call(10, 10, F, "go"), Call(10, 10, S, OPEN)];
        check(limits(60, 10, 0), &calls);
    }

    #[test]
    fn half_open_lets_one_try_and_another_when_that_one_gave_up() {
        let start = Instant::now();
        let mut machine = Machine::new(limits(60, 10, 0));
        let first = machine.admit(start).0.expect("closed");
        assert_eq!(machine.end(first, Ending::Failure, start), Some(Move { from: "closed", to: "open" }));
        let left = Duration::from_secs(10);
        assert_eq!(machine.admit(start), (Err(Refusal::Open { left }), None));
        let later = start + left;
        let (trying, moved) = machine.admit(later);
        assert_eq!(moved, Some(Move { from: "open", to: "half-open" }));
        assert_eq!(machine.admit(later), (Err(Refusal::Trying), None));
        assert_eq!(machine.end(trying.expect("tries"), Ending::GivenUp, later), None);
        let second = machine.admit(later).0.expect("tries");
        assert_eq!(machine.end(second, Ending::Success, later), Some(Move { from: "half-open", to: "closed" }));
    }

    #[test]
    fn what_began_before_the_change_says_nothing_after_it() {
        let now = Instant::now();
        let mut machine = Machine::new(limits(60, 10, 0));
        let (slow, failing) = (machine.admit(now).0.expect("closed"), machine.admit(now).0.expect("closed"));
        assert!(machine.end(failing, Ending::Failure, now).is_some());
        let later = now + Duration::from_secs(11);
        assert!(machine.admit(later).0.is_ok());
        assert_eq!(machine.end(slow, Ending::Success, later), None);
        assert_eq!(machine.admit(later).0, Err(Refusal::Trying));
    }

    proptest! {
        #[test]
        fn while_it_is_open_nothing_passes_and_never_do_two_try(
            max_errors in 0u32..3,
            steps in prop::collection::vec((0u64..4, any::<bool>(), 0usize..3), 1..200),
        ) {
            let mut machine = Machine::new(limits(5, 7, max_errors));
            let (mut now, mut calls, mut opened) = (Instant::now(), Vec::new(), None);
            for (gap, begins, ending) in steps {
                now += Duration::from_secs(gap);
                let moved = if begins || calls.is_empty() {
                    let (admitted, moved) = machine.admit(now);
                    if let Ok(ticket) = admitted {
                        prop_assert!(opened.is_none_or(|opened| now >= opened + Duration::from_secs(7)));
                        calls.push(ticket);
                        if matches!(machine.state, State::HalfOpen { .. }) {
                            let trying = calls.iter().filter(|call| call.changes == machine.changes).count();
                            prop_assert_eq!(trying, 1);
                        }
                    }
                    moved
                } else {
                    let ending = [Ending::Success, Ending::Failure, Ending::GivenUp][ending];
                    machine.end(calls.remove(0), ending, now)
                };
                match moved {
                    Some(Move { to: OPEN, .. }) => opened = Some(now),
                    Some(Move { to: "closed", .. }) => opened = None,
                    _ => {}
                }
            }
        }
    }
}
