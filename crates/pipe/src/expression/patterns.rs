//! `matches("…")`: a regular expression that stands in the text is compiled once, at load.
//!
//! The crate compiles it on each call. Here the literal becomes a name (`@pattern0`) that stands for the compiled one,
//! and the call becomes one of `@matches`. Neither can be written in an expression.

use std::any::Any;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use regex::Regex;

use super::names::placed;

const MATCHES: &str = "@matches";
const NAME: &str = "@pattern";

const TYPE: Type = Type::new_unspecified_type("siphon.pattern");

/// A compiled regular expression, as a value.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Which pattern of its expression a name stands for.
    pub fn index_of(name: &str) -> Option<usize> {
        name.strip_prefix(NAME)?.parse().ok()
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static OURS: Type = TYPE;
        &OURS
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

pub(super) fn declare(environment: &mut Env) {
    environment
        .add_overload(MATCHES, MATCHES, vec![STRING_TYPE, TYPE], matches)
        .expect("the name is taken by nothing else");
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|text| text.downcast_ref::<CelString>());
    let pattern = arguments.get(1).and_then(|pattern| pattern.downcast_ref::<Pattern>());
    match (text, pattern) {
        (Some(text), Some(pattern)) => Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text.inner())))),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

/// Puts compiled patterns in the place of literal ones.
pub(super) fn compile(root: &mut IdedExpr, places: &SourceInfo) -> Result<Vec<Pattern>, Vec<String>> {
    let mut found = Found { places, patterns: Vec::new(), problems: Vec::new() };
    found.visit(root);
    if found.problems.is_empty() { Ok(found.patterns) } else { Err(found.problems) }
}

struct Found<'p> {
    places: &'p SourceInfo,
    patterns: Vec<Pattern>,
    problems: Vec<String>,
}

impl Found<'_> {
    fn visit(&mut self, node: &mut IdedExpr) {
        self.replace(node);
        children(&mut node.expr, &mut |child| self.visit(child));
    }

    fn replace(&mut self, node: &mut IdedExpr) {
        let Expr::Call(call) = &mut node.expr else { return };
        if call.func_name != "matches" {
            return;
        }
        let Some(IdedExpr { id, expr: Expr::Literal(LiteralValue::String(text)) }) = call.args.last() else { return };
        match Regex::new(text.inner()) {
            Ok(pattern) => {
                let name = format!("{NAME}{}", self.patterns.len());
                let name = IdedExpr { id: *id, expr: Expr::Ident(name) };
                self.patterns.push(Pattern(pattern));
                call.args.pop();
                call.args.extend(call.target.take().map(|target| *target));
                call.args.push(name);
                MATCHES.clone_into(&mut call.func_name);
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.problems.push(placed(self.places, *id, &format!("is no regular expression: {reason}")));
            }
        }
    }
}

/// Hands every part of `expression` to `visit`, once.
pub(super) fn children(expression: &mut Expr, visit: &mut dyn FnMut(&mut IdedExpr)) {
    match expression {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(visit),
        Expr::Comprehension(whole) => {
            let parts = [&mut whole.iter_range, &mut whole.accu_init, &mut whole.loop_cond];
            parts.into_iter().chain([&mut whole.loop_step, &mut whole.result]).for_each(visit);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(visit),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    visit(&mut entry.key);
                    visit(&mut entry.value);
                }
            }
        }
        Expr::Select(select) => visit(&mut select.operand),
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}
