//! Which of an agent's backends take an event: the rules of `backend/conditional`.
//!
//! A backend without a rule takes every event. Rules are judged before any backend is called, in a sequence each when
//! its turn comes. An event that nobody takes is a failure: acked, it would be gone without a trace.

#[cfg(feature = "cel")]
use std::sync::Arc;

use ::http::HeaderName;
use tokio::time::Instant;

use crate::error::PipeError;
#[cfg(feature = "cel")]
use crate::error::shortened;
#[cfg(feature = "cel")]
use crate::expression::{Expression, Facts, Unanswered};
use crate::message::{Request, Response};

/// When a backend takes an event.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// The event has this header with this value.
    Header { name: HeaderName, value: String },
    /// The expression is true.
    #[cfg(feature = "cel")]
    Policy(Arc<Expression>),
    /// No rule of the other backends has matched.
    Fallback,
}

impl Condition {
    pub fn is_fallback(&self) -> bool {
        matches!(self, Self::Fallback)
    }

    /// Whether it asks for answers of earlier backends.
    pub fn needs_answers(&self) -> bool {
        match self {
            #[cfg(feature = "cel")]
            Self::Policy(expression) => expression.uses().response,
            Self::Header { .. } | Self::Fallback => false,
        }
    }

    /// Whether the rule matches; a fallback never does by itself.
    fn matches(&self, seen: &Seen<'_>) -> Result<bool, PipeError> {
        match self {
            Self::Header { name, value } => {
                let mut values = seen.request.headers.get_all(name).iter();
                Ok(values.any(|given| given.as_bytes() == value.as_bytes()))
            }
            #[cfg(feature = "cel")]
            Self::Policy(expression) => holds(expression, &seen.facts),
            Self::Fallback => Ok(false),
        }
    }
}

/// A rule without an answer is a failure: taken for a no, it could send the event to the wrong backend.
#[cfg(feature = "cel")]
fn holds(expression: &Expression, facts: &Facts<'_>) -> Result<bool, PipeError> {
    let reason = |why| shortened(format!("backend/conditional: {}: {why}", expression.source()));
    expression.holds(facts).map_err(|why| match why {
        Unanswered::Late => PipeError::TimedOut,
        Unanswered::Because(why) => PipeError::Invalid { reason: reason(why) },
    })
}

/// What rules look at. Several of them share the work of reading the payload.
pub(crate) struct Seen<'r> {
    request: &'r Request,
    #[cfg(feature = "cel")]
    facts: Facts<'r>,
}

impl<'r> Seen<'r> {
    /// Before anybody has answered.
    #[cfg_attr(not(feature = "cel"), expect(unused_variables, reason = "only expressions take time"))]
    pub fn before(request: &'r Request, deadline: Instant) -> Self {
        Self {
            request,
            #[cfg(feature = "cel")]
            facts: Facts::before(request, deadline),
        }
    }

    /// In a sequence. `earlier`: what was answered so far.
    #[cfg_attr(not(feature = "cel"), expect(unused_variables, reason = "only expressions look at answers"))]
    pub fn between(request: &'r Request, earlier: &'r Response, deadline: Instant) -> Self {
        Self {
            request,
            #[cfg(feature = "cel")]
            facts: Facts::between(request, earlier, deadline),
        }
    }
}

/// The rules of backends that are called at once, in their order.
#[derive(Debug)]
pub(crate) struct Choice(Vec<Option<Condition>>);

impl Choice {
    /// `None` where every backend takes every event.
    pub fn new(conditions: Vec<Option<Condition>>) -> Option<Self> {
        conditions.iter().any(Option::is_some).then_some(Self(conditions))
    }

    /// Which of the backends take the event.
    ///
    /// # Errors
    ///
    /// `Untaken` when none does; `Invalid` when a rule has no answer, `TimedOut` when it has none at `deadline`.
    pub fn of(&self, request: &Request, deadline: Instant) -> Result<Vec<bool>, PipeError> {
        let is_fallback = |index: &usize| self.0[*index].as_ref().is_some_and(Condition::is_fallback);
        let (last, first): (Vec<_>, Vec<_>) = (0..self.0.len()).partition(is_fallback);
        let (seen, mut turns) = (Seen::before(request, deadline), Turns::default());
        let mut taken = vec![false; self.0.len()];
        for index in first.into_iter().chain(last) {
            taken[index] = turns.takes(self.0[index].as_ref(), &seen)?;
        }
        turns.end().map(|()| taken)
    }
}

/// The rules of backends as their turns come, for one event.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    has_matched: bool,
    is_taken: bool,
}

impl Turns {
    /// Whether the next backend takes the event. A fallback stands in for the rules so far.
    ///
    /// # Errors
    ///
    /// `Invalid` when its rule has no answer, `TimedOut` when it has none in time.
    pub fn takes(&mut self, condition: Option<&Condition>, seen: &Seen<'_>) -> Result<bool, PipeError> {
        let takes = match condition {
            None => true,
            Some(Condition::Fallback) => !self.has_matched,
            Some(rule) => {
                let matches = rule.matches(seen)?;
                self.has_matched |= matches;
                matches
            }
        };
        self.is_taken |= takes;
        Ok(takes)
    }

    /// # Errors
    ///
    /// `Untaken` when no backend took the event.
    pub fn end(&self) -> Result<(), PipeError> {
        if self.is_taken { Ok(()) } else { Err(PipeError::Untaken) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use ::http::{HeaderMap, HeaderValue};

    fn header(value: &str) -> Option<Condition> {
        Some(Condition::Header { name: HeaderName::from_static("x-tier"), value: value.into() })
    }

    /// Which backends with these rules take an event that has `x-tier` with each of `values`.
    #[track_caller]
    fn check(conditions: &[Option<Condition>], values: &[&str], expected: Option<&[bool]>) {
        let name = HeaderName::from_static("x-tier");
        let headers = values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect(value)));
        let request = Request { headers: Arc::new(HeaderMap::from_iter(headers)), ..Request::new("") };
        let taken = Choice::new(conditions.to_vec()).expect("a rule").of(&request, Instant::now());
        assert_eq!(taken.ok().as_deref(), expected, "{values:?}");
    }

    #[test]
    fn a_header_has_to_have_exactly_that_value() {
        let rules = [header("gold"), None];
        check(&rules, &["gold"], Some(&[true, true]));
        for other in [&[][..], &["Gold"], &["gold,silver"], &[""]] {
            check(&rules, other, Some(&[false, true]));
        }
        check(&rules, &["silver", "gold"], Some(&[true, true]));
    }

    #[test]
    fn a_fallback_takes_what_no_rule_matches_wherever_it_stands() {
        let rules = [Some(Condition::Fallback), header("gold"), header("silver")];
        check(&rules, &["silver"], Some(&[false, false, true]));
        check(&rules, &["lead"], Some(&[true, false, false]));
    }

    #[test]
    fn every_rule_that_matches_counts() {
        check(&[header("gold"), header("gold"), Some(Condition::Fallback)], &["gold"], Some(&[true, true, false]));
    }

    #[test]
    fn an_event_that_nobody_takes_is_a_failure() {
        check(&[header("gold"), header("silver")], &["lead"], None);
        let turns = Turns::default();
        assert!(matches!(turns.end(), Err(PipeError::Untaken)));
    }

    #[test]
    fn without_rules_there_is_nothing_to_choose() {
        assert!(Choice::new(vec![None, None]).is_none());
    }
}
