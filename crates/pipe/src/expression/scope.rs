//! What one evaluation may name: the facts, the patterns of its expression, and the clock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::common::types::CelBool;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use tokio::time::Instant;

use super::clock;
use super::facts::Facts;
use super::patterns::Pattern;

/// Lives for one evaluation. A name is looked up once: within a loop it would be, and a list copied, for each element.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    facts: &'s Facts<'s>,
    patterns: &'s [Pattern],
    is_late: AtomicBool,
    known: OnceLock<Box<Known<'s>>>,
}

/// A name that was looked up. There are as many as the expression spells: a walk along them is short.
#[derive(Debug)]
struct Known<'s> {
    name: Box<str>,
    value: Option<Box<dyn Val + 's>>,
    next: OnceLock<Box<Known<'s>>>,
}

impl<'s> Scope<'s> {
    pub fn new(facts: &'s Facts<'s>, patterns: &'s [Pattern]) -> Self {
        Self { facts, patterns, is_late: AtomicBool::new(false), known: OnceLock::new() }
    }

    /// Whether the event's time ended during the evaluation: then there is no answer, whatever came out.
    pub fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    fn clock(&self) -> Option<CowVal<'_, '_>> {
        if Instant::now() < self.facts.deadline() {
            return Some(CowVal::owned(CelBool::from(true)));
        }
        self.is_late.store(true, Ordering::Relaxed);
        None
    }

    fn fact<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let look_up = || {
            let value = self.facts.resolve(name).map(CowVal::into_owned);
            Box::new(Known { name: name.into(), value, next: OnceLock::new() })
        };
        let mut known = self.known.get_or_init(look_up);
        while *known.name != *name {
            known = known.next.get_or_init(look_up);
        }
        let value: &'b (dyn Val + 's) = known.value.as_deref()?;
        Some(CowVal::Borrowed(value))
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match Pattern::index_of(name) {
            Some(index) => self.patterns.get(index).map(|pattern| CowVal::Borrowed(pattern as &dyn Val)),
            None if name == clock::NAME => self.clock(),
            None => self.fact(name),
        }
    }
}
