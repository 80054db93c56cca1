//! JMESPath over the pipe's own [`Json`].
//!
//! The library has values of its own, so what is searched is converted and so is what is found. Numbers that it would
//! change (`1.50`, more than 64 bits) find their text again on the way back.
//!
//! Source: <https://jmespath.org/specification.html>.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use jmespath::ast::Ast;
use jmespath::{Context, DEFAULT_RUNTIME, Expression, JmespathError, Rcvar, Variable, interpret};
use serde_json::Number;
use siphon_config::nearest::hint;

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
        let compiled = jmespath::compile(expression).map_err(|error| sentence(&error))?;
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
    /// A function that got a value it does not take.
    pub fn search(&self, data: JsonRef<'_>) -> Result<Json, String> {
        let mut texts = Texts::default();
        let data = texts.variable(data);
        let mut context = Context::new(self.0.as_str(), &DEFAULT_RUNTIME);
        let found = interpret(&data, self.0.as_ast(), &mut context).map_err(|error| sentence(&error))?;
        Ok(texts.json(&found))
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

    fn json(&self, found: &Variable) -> Json {
        match found {
            Variable::Null | Variable::Expref(_) => Json::NULL,
            Variable::Bool(value) => Json::bool(*value),
            Variable::Number(number) => Json::number(self.text(number)),
            Variable::String(text) => Json::string(text.as_str()),
            Variable::Array(items) => Json::array(items.iter().map(|item| self.json(item)).collect()),
            Variable::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.as_str().into(), self.json(value)));
                Json::object(Object::from_iter(fields))
            }
        }
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
mod tests {
    use super::*;

    const DATA: &str = r#"{"id":12345678901234567890123,"price":1.50,"n":[3,1,2],"big":18446744073709551615,
        "lines":[{"sku":"a","count":2,"cost":0.10},{"sku":"b","count":10,"cost":7.25}],"near":12345678901234567000}"#;

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let data = Json::parse(DATA.as_bytes()).expect("valid");
        let found = Query::compile(expression).and_then(|query| query.search((&data).into()));
        assert_eq!(found.map(|found| found.to_string()).as_deref(), Ok(expected), "{expression}");
    }

    #[test]
    fn what_is_found_is_as_it_was() {
        check("lines[?count > `5`].sku", r#"["b"]"#);
        check(
            "{number: id, price: price, big: big}",
            r#"{"big":18446744073709551615,"number":12345678901234567890123,"price":1.50}"#,
        );
        check("lines[].cost", "[0.10,7.25]");
        check("sort(n)", "[1,2,3]");
        check("nope.at[0]", "null");
        check("@.n[-1]", "2");
    }

    #[test]
    fn what_is_computed_has_64_bits() {
        check("sum(lines[].count)", "12");
        check("avg(n)", "2");
        check("sum(lines[].cost)", "7.35");
    }

    #[test]
    fn two_texts_of_the_same_bits_are_not_mistaken_for_each_other() {
        let data = Json::parse(b"[12345678901234567890123,12345678901234567890124,1.50]").expect("valid");
        let found = Query::compile("@").and_then(|query| query.search((&data).into())).map(|found| found.to_string());
        assert_eq!(found.as_deref(), Ok("[1.2345678901234568e+22,1.2345678901234568e+22,1.50]"));
    }

    #[track_caller]
    fn refused(expression: &str, expected: &str) {
        let message = Query::compile(expression).map(drop).expect_err(expression);
        assert!(message.contains(expected), "{expression}: {message}");
    }

    #[test]
    fn a_bad_expression_is_refused_with_its_place() {
        refused("lines[", "at line 1, column ");
        refused("a.", "at line 1, column ");
        refused("lines[].lenght(@)", "function \"lenght\" is not known; did you mean \"length\"?, before character 15");
        refused("[{a: map(&nope(@), n)}]", "function \"nope\" is not known, before character 15");
        refused("sort_by(n)", "function \"sort_by\" takes 2 arguments, found 1, before character 8");
        refused("merge()", "function \"merge\" takes 1 or more arguments, found 0");
    }

    #[test]
    fn a_value_that_a_function_does_not_take_is_told() {
        let data = Json::parse(DATA.as_bytes()).expect("valid");
        let failed = Query::compile("sum(lines)").expect("valid").search((&data).into());
        let message = failed.expect_err("no numbers");
        assert!(message.contains("expects type") && message.contains("at line 1, column "), "{message}");
    }
}
