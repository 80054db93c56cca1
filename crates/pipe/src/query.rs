//! JMESPath over the pipe's own [`Json`].
//!
//! The library has values of its own, so what is searched is converted and so is what is found. Numbers that it would
//! change (`1.50`, more than 64 bits) find their text again on the way back.
//!
//! Source: <https://jmespath.org/specification.html>.

mod bounds;

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use jmespath::ast::Ast;
use jmespath::{Context, DEFAULT_RUNTIME, Expression, JmespathError, Rcvar, Variable, interpret};
use serde_json::Number;
use siphon_config::nearest::hint;

use crate::http::REPLY_LIMIT;
use crate::json::{Json, JsonRef, Object, View};

/// Functions of the specification, with the least and the largest number of their arguments.
const FUNCTIONS: [(&str, usize, usize); 26] = [
    ("abs", 1, 1),
    ("avg", 1, 1),
    ("ceil", 1, 1),
    ("contains", 2, 2),
    ("ends_with", 2, 2),
    ("floor", 1, 1),
    ("join", 2, 2),
    ("keys", 1, 1),
    ("length", 1, 1),
    ("map", 2, 2),
    ("max", 1, 1),
    ("max_by", 2, 2),
    ("merge", 1, usize::MAX),
    ("min", 1, 1),
    ("min_by", 2, 2),
    ("not_null", 1, usize::MAX),
    ("reverse", 1, 1),
    ("sort", 1, 1),
    ("sort_by", 2, 2),
    ("starts_with", 2, 2),
    ("sum", 1, 1),
    ("to_array", 1, 1),
    ("to_number", 1, 1),
    ("to_string", 1, 1),
    ("type", 1, 1),
    ("values", 1, 1),
];

/// An expression, ready to search.
#[derive(Debug)]
pub(crate) struct Query(Expression<'static>);

impl Query {
    /// # Errors
    ///
    /// What is wrong with the expression, with its place in it.
    pub fn compile(expression: &str) -> Result<Self, String> {
        let compiled = bounds::compiled(expression)?;
        check_functions(compiled.as_ast()).map_err(|(message, end)| {
            let column = expression.chars().take(end).count() + 1;
            format!("{message}, before character {column}")
        })?;
        Ok(Self(compiled))
    }

    /// What the expression finds; null where that is nothing.
    ///
    /// # Errors
    ///
    /// A function that got a value it does not take; what is found is larger than [`REPLY_LIMIT`] as JSON.
    pub fn search(&self, data: JsonRef<'_>) -> Result<Json, String> {
        let mut texts = Texts::default();
        let data = texts.variable(data);
        let mut context = Context::new(self.0.as_str(), &DEFAULT_RUNTIME);
        let found = interpret(&data, self.0.as_ast(), &mut context).map_err(|error| sentence(&error))?;
        let mut bytes = REPLY_LIMIT;
        texts.json(&found, &mut bytes).ok_or_else(|| format!("what is found is larger than {REPLY_LIMIT} bytes"))
    }
}

/// One line, counted from 1.
fn sentence(error: &JmespathError) -> String {
    let reason = error.reason.to_string();
    let reason = reason.trim_start_matches("Parse error: ").trim_start_matches("Runtime error: ");
    format!("{} at line {}, column {}", reason.trim_end_matches(['\n', ' ']), error.line + 1, error.column + 1)
}

/// The first call of a function that there is not, or with a wrong number of arguments, and where its name ends. The
/// library would tell at the first event.
fn check_functions(ast: &Ast) -> Result<(), (String, usize)> {
    if let Ast::Function { offset, name, args } = ast {
        let known = FUNCTIONS.iter().find(|(known, _, _)| known == name);
        let Some((_, least, most)) = known else {
            let hint = hint(name, FUNCTIONS.map(|(name, _, _)| name));
            return Err((format!("function {name:?} is not known{hint}"), *offset));
        };
        if !(least..=most).contains(&&args.len()) {
            let wanted = if least == most { least.to_string() } else { format!("{least} or more") };
            return Err((format!("function {name:?} takes {wanted} arguments, found {}", args.len()), *offset));
        }
    }
    children(ast).into_iter().try_for_each(check_functions)
}

fn children(ast: &Ast) -> Vec<&Ast> {
    match ast {
        Ast::Comparison { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => vec![lhs, rhs],
        Ast::Condition { predicate, then, .. } => vec![predicate, then],
        Ast::Expref { ast: node, .. }
        | Ast::Flatten { node, .. }
        | Ast::Not { node, .. }
        | Ast::ObjectValues { node, .. } => vec![node],
        Ast::Function { args, .. } => args.iter().collect(),
        Ast::MultiList { elements, .. } => elements.iter().collect(),
        Ast::MultiHash { elements, .. } => elements.iter().map(|pair| &pair.value).collect(),
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Literal { .. } | Ast::Slice { .. } => {
            Vec::new()
        }
    }
}

/// Texts of the numbers that 64 bits do not give back, by these bits. `None`: several texts have the same.
#[derive(Default)]
struct Texts(HashMap<u64, Option<String>>);

impl Texts {
    fn variable(&mut self, value: JsonRef<'_>) -> Rcvar {
        Arc::new(match value.view() {
            View::Null => Variable::Null,
            View::Bool(value) => Variable::Bool(value),
            View::Number(text) => Variable::Number(self.number(text)),
            View::String(text) => Variable::String(text.to_owned()),
            View::Array(items) => Variable::Array(items.map(|item| self.variable(item)).collect()),
            View::Object(fields) => {
                let fields = fields.map(|(key, value)| (key.to_owned(), self.variable(value)));
                Variable::Object(fields.collect::<BTreeMap<_, _>>())
            }
        })
    }

    fn number(&mut self, text: &str) -> Number {
        if let Ok(whole) = text.parse::<i64>()
            && text != "-0"
        {
            return whole.into();
        }
        if let Ok(whole) = text.parse::<u64>() {
            return whole.into();
        }
        let number = text.parse().ok().and_then(Number::from_f64);
        let number = number.unwrap_or_else(|| Number::from_f64(f64::MAX).unwrap_or_else(|| 0.into()));
        self.remember(&number, text);
        number
    }

    fn remember(&mut self, number: &Number, text: &str) {
        match self.0.entry(number.as_f64().unwrap_or_default().to_bits()) {
            Entry::Vacant(entry) => _ = entry.insert(Some(text.to_owned())),
            Entry::Occupied(mut entry) if entry.get().as_deref() != Some(text) => _ = entry.insert(None),
            Entry::Occupied(_) => {}
        }
    }

    /// `None`: more than `bytes`, from which is taken what the text of each value has. Lists that the library shares come
    /// here as often as they are found.
    fn json(&self, found: &Variable, bytes: &mut usize) -> Option<Json> {
        let mut spend = |count: usize| bytes.checked_sub(count).map(|left| *bytes = left);
        Some(match found {
            Variable::Null | Variable::Expref(_) => {
                spend(4)?;
                Json::NULL
            }
            Variable::Bool(value) => {
                spend(4)?;
                Json::bool(*value)
            }
            Variable::Number(number) => {
                let text = self.text(number);
                spend(text.len() + 1)?;
                Json::number(text)
            }
            Variable::String(text) => {
                spend(text.len() + 3)?;
                Json::string(text.as_str())
            }
            Variable::Array(items) => {
                spend(2)?;
                Json::array(items.iter().map(|item| self.json(item, bytes)).collect::<Option<_>>()?)
            }
            Variable::Object(fields) => {
                spend(2)?;
                let field = |(key, value): (&String, &Rcvar)| {
                    *bytes = bytes.checked_sub(key.len() + 4)?;
                    Some((key.as_str().into(), self.json(value, bytes)?))
                };
                Json::object(fields.iter().map(field).collect::<Option<Object>>()?)
            }
        })
    }

    fn text(&self, number: &Number) -> String {
        if number.is_i64() || number.is_u64() {
            return number.to_string();
        }
        let value = number.as_f64().unwrap_or_default();
        match self.0.get(&value.to_bits()) {
            Some(Some(text)) => text.clone(),
            _ if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
            _ => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
