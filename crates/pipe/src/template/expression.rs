//! Reading what an action computes: pipelines, commands and their operands.

use regex::Regex;
use siphon_config::nearest::{hint, nearest};

use super::Fault;
use super::functions::{self, Function};
use super::lexer::Token;
use super::parse::Parser;
use super::tree::{Call, Command, Expression, Kind, Pipeline};
use super::value::Value;
use crate::json::Json;

impl<'s> Parser<'s> {
    /// A pipeline up to what closes it, which stays. `is_range`: it may set two variables.
    pub fn pipeline(&mut self, is_range: bool) -> Result<Pipeline, Fault> {
        let at = self.at();
        let (names, is_new) = self.variables_to_set(is_range);
        let mut commands = Vec::new();
        loop {
            let command = self.command(commands.is_empty())?;
            commands.push(command);
            if !self.takes(&Token::Pipe) {
                break;
            }
        }
        let variables = if is_new { self.declared(&names) } else { self.known(&names, at)? };
        Ok(Pipeline { variables, commands, at })
    }

    /// The names before `:=` or `=`, and whether they are new.
    fn variables_to_set(&mut self, is_range: bool) -> (Vec<&'s str>, bool) {
        let variable = |token: Option<&Token<'s>>| match token {
            Some(Token::Variable(name)) if !name.is_empty() => Some(*name),
            _ => None,
        };
        let Some(first) = variable(self.peek()) else { return (Vec::new(), false) };
        let mut names = vec![first];
        if is_range && self.peek_after(1) == Some(&Token::Comma) {
            names.extend(variable(self.peek_after(2)));
        }
        let length = names.len() * 2 - 1;
        let is_new = match self.peek_after(length) {
            Some(Token::Declare) => true,
            Some(Token::Assign) => false,
            _ => return (Vec::new(), false),
        };
        (0..=length).for_each(|_| self.skip());
        (names, is_new)
    }

    fn declared(&mut self, names: &[&'s str]) -> Vec<usize> {
        let first = self.variables.len();
        self.variables.extend(names);
        (first..self.variables.len()).collect()
    }

    fn known(&self, names: &[&str], at: usize) -> Result<Vec<usize>, Fault> {
        names.iter().map(|name| self.variable(name, at)).collect()
    }

    fn variable(&self, name: &str, at: usize) -> Result<usize, Fault> {
        let others = self.variables.iter().copied().filter(|name| !name.is_empty());
        let hint = nearest(name, others).map(|found| format!("; did you mean ${found}?")).unwrap_or_default();
        let message = || format!("variable ${name} is not defined here{hint}");
        self.variables.iter().rposition(|known| *known == name).ok_or_else(|| Fault::new(at, message()))
    }

    fn command(&mut self, is_first: bool) -> Result<Command, Fault> {
        let at = self.at();
        if let Some(function) = self.function()? {
            self.skip();
            let mut arguments = Vec::new();
            while !self.is_end() {
                arguments.push(self.operand()?);
            }
            return self.call_of(function, arguments, !is_first, at).map(Command::Call);
        }
        if !is_first && !self.is_end() {
            return Err(Fault::new(at, "only a function may stand behind |"));
        }
        let value = self.operand()?;
        if !self.is_end() {
            return Err(Fault::new(at, "this is no function and takes no arguments"));
        }
        Ok(Command::Value(value))
    }

    fn is_end(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Pipe | Token::Close | Token::RightParenthesis))
    }

    /// The function whose name is next; `None` where something else is.
    fn function(&self) -> Result<Option<&'static Function>, Fault> {
        let Some(Token::Word(name)) = self.peek() else { return Ok(None) };
        if ["true", "false", "nil"].contains(name) {
            return Ok(None);
        }
        let unknown = || {
            let names = functions::all().map(|function| function.name);
            let message = match *name {
                "env" | "expandenv" => format!("{name} is not there: a template does not see the environment"),
                _ => format!("function {name:?} is not defined{}", hint(name, names)),
            };
            Fault::new(self.at(), message)
        };
        functions::find(name).map(Some).ok_or_else(unknown)
    }

    fn operand(&mut self) -> Result<Expression, Fault> {
        let at = self.at();
        let kind = if let Some(function) = self.function()? {
            self.skip();
            Kind::Call(Box::new(self.call_of(function, Vec::new(), false, at)?))
        } else {
            self.simple(at)?
        };
        let mut names = Vec::new();
        while let (Some(Token::Field(name)), false) = (self.peek(), self.is_apart()) {
            names.push((*name).to_owned());
            self.skip();
        }
        let is_data = matches!(kind, Kind::Dot | Kind::Variable(0));
        match names.first() {
            None => self.uses_all |= is_data,
            Some(_) if matches!(kind, Kind::Literal(_) | Kind::Call(_)) => {
                return Err(Fault::new(at, "has no fields; put a function with its arguments into parentheses"));
            }
            Some(name) if is_data => self.note(name, matches!(kind, Kind::Dot), at),
            Some(_) => {}
        }
        let base = Expression { kind, at };
        Ok(if names.is_empty() { base } else { Expression { kind: Kind::Fields(Box::new(base), names), at } })
    }

    fn simple(&mut self, at: usize) -> Result<Kind, Fault> {
        let Some(token) = self.peek().cloned() else { return Err(Fault::new(at, "a value is missing")) };
        self.skip();
        Ok(match token {
            Token::Dot => Kind::Dot,
            Token::Field(name) => {
                self.note(name, true, at);
                Kind::Fields(Box::new(Expression { kind: Kind::Dot, at }), vec![name.to_owned()])
            }
            Token::Variable(name) => Kind::Variable(self.variable(name, at)?),
            Token::String(text) => Kind::Literal(Json::string(text).into()),
            Token::Number(number) => Kind::Literal(Json::number(number).into()),
            Token::Word("true") => Kind::Literal(Json::bool(true).into()),
            Token::Word("false") => Kind::Literal(Json::bool(false).into()),
            Token::Word(_) => Kind::Literal(Value::Missing),
            Token::LeftParenthesis => {
                let pipeline = self.deeper(|parser| parser.pipeline(false))?;
                if !pipeline.variables.is_empty() {
                    return Err(Fault::new(at, "a variable is set at the beginning of an action, not in parentheses"));
                }
                if !self.takes(&Token::RightParenthesis) {
                    return Err(Fault::new(at, "the parenthesis is not closed; write )"));
                }
                Kind::Pipeline(Box::new(pipeline))
            }
            Token::Declare | Token::Assign => {
                return Err(Fault::new(
                    at,
                    "only a variable can be set, at the beginning of an action: {{$name := …}}",
                ));
            }
            Token::Comma => return Err(Fault::new(at, "a comma stands between two variables of range only")),
            _ => return Err(Fault::new(at, "a value is missing")),
        })
    }

    /// `is_piped`: one more argument comes from the command before.
    fn call_of(
        &self,
        function: &'static Function,
        arguments: Vec<Expression>,
        is_piped: bool,
        at: usize,
    ) -> Result<Call, Fault> {
        let count = arguments.len() + usize::from(is_piped);
        if !function.takes(count) {
            return Err(Fault::new(at, format!("{} takes {}, found {count}", function.name, function.arity())));
        }
        let regex = match (function.wants_regex, arguments.first()) {
            (true, Some(Expression { kind: Kind::Literal(pattern), at })) => Some(compiled(pattern, *at)?),
            _ => None,
        };
        let changes = match (function.name, arguments.first()) {
            ("set", Some(Expression { kind: Kind::Variable(slot @ 1..), .. })) => Some(*slot),
            ("set", _) => {
                return Err(Fault::new(
                    at,
                    "set changes a variable: {{$name := …}} first, then {{$_ := set $name KEY VALUE}}",
                ));
            }
            _ => None,
        };
        Ok(Call { function, arguments, regex, changes, at })
    }
}

fn compiled(pattern: &Value<'_>, at: usize) -> Result<Regex, Fault> {
    let text = pattern.as_text().ok_or_else(|| Fault::new(at, "a regular expression is a text"))?;
    functions::regex(text).map_err(|message| Fault::new(at, message))
}
