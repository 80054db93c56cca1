//! CEL: what a configuration asks about an event, compiled at load (components-scripting.md §5).
//!
//! The `cel` crate parses and evaluates. It knows no declarations, so [`names`] refuses what would fail on each event:
//! unknown variables and functions, and comparisons of types that are never equal. Values are looked at where they
//! are: a payload is parsed when an expression asks for it, and nothing of it is copied.
//!
//! Source: the language, <https://github.com/google/cel-spec/blob/master/doc/langdef.md>.

mod clock;
mod constants;
mod facts;
mod limits;
mod names;
mod patterns;
mod scope;
mod sorts;
mod values;

use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::CelBool;
use cel::{Context, Env, Value};

pub(crate) use facts::Facts;
pub(crate) use names::Uses;

use patterns::Pattern;
use scope::Scope;

/// The functions and types that every expression may use.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    patterns::declare(&mut environment);
    Arc::new(environment)
});

/// A compiled expression. Cheap to evaluate, to be shared between events.
#[derive(Debug)]
pub(crate) struct Expression {
    source: Box<str>,
    root: IdedExpr,
    /// The regular expressions that stand in `source` as literals.
    patterns: Vec<Pattern>,
    uses: Uses,
}

impl Expression {
    /// # Errors
    ///
    /// Everything that is wrong with `source`, one finding each, with line and column inside it where they are known.
    pub fn compile(source: &str) -> Result<Self, Vec<String>> {
        let (mut root, places) = limits::parse(source)?;
        let uses = names::check(&root, &places)?;
        let patterns = patterns::compile(&mut root, &places)?;
        clock::watch(&mut root);
        Ok(Self { source: source.trim().into(), root, patterns, uses })
    }

    /// What it looks at.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// As the configuration has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is true.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, Unanswered> {
        let scope = Scope::new(facts, &self.patterns);
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(&scope);
        let result = Value::resolve_val(&self.root, &context);
        if scope.is_late() {
            return Err(Unanswered::Late);
        }
        let result = result.map_err(|error| Unanswered::Because(facts.explain(&error)))?;
        match result.downcast_ref::<CelBool>() {
            Some(answer) => Ok(*answer.inner()),
            None => Err(Unanswered::Because(format!("is a {} and no bool", result.get_type().name()))),
        }
    }
}

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The event's time ended first.
    Late,
    /// A key that is not there, types that do not fit, a result that is no boolean; without values of the event.
    Because(String),
}

#[cfg(test)]
mod tests;
